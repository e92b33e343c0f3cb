"""When what comes next: retries, probes of a webhook that fails, and the tokens of a rate limit. Pure."""

from __future__ import annotations

from ..clock import HOUR, MINUTE, SECOND
from ..storage.webhooks import FAILURES_ALLOWED
from ..units import Rate

# Microseconds before the second attempt, the third and so on; each is multiplied by a random share of it.
BACKOFF = (SECOND, 5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR)
MAX_ATTEMPTS = len(BACKOFF) + 1
MOST_ASKED = 12 * HOUR  # that a service can ask us to wait

# Microseconds for which a webhook is left alone after FAILURES_ALLOWED in a row, after one more, and so on.
_PROBES = (30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE)
_LONGEST_HOLD = MINUTE


def retry_delay(attempts: int, spread: float, asked: float | None = None) -> int:
    """Microseconds until the next attempt after so many; `spread` is a random number from 0 to 1 (full jitter).

    `asked`: seconds that the service wants to be left alone, which is never undercut, up to MOST_ASKED.
    """
    delay = int(BACKOFF[min(attempts, len(BACKOFF)) - 1] * spread)
    return max(delay, asked_delay(asked))


def asked_delay(seconds: float | None) -> int:
    return 0 if seconds is None else int(min(seconds, MOST_ASKED / SECOND) * SECOND)


def probe_delay(failures: int) -> int | None:
    """Microseconds for which a webhook is left alone after so many failures in a row; None: it is not."""
    if failures < FAILURES_ALLOWED:
        return None
    return _PROBES[min(failures - FAILURES_ALLOWED, len(_PROBES) - 1)]


# A token bucket: as many tokens as the rate's limit, refilled evenly over its period


def tokens_at(now: int, tokens: float | None, since: int | None, rate: Rate) -> float:
    """How many tokens there are, after there were `tokens` at `since`; None: the bucket was never used."""
    if tokens is None or since is None:
        return float(rate.limit)
    return min(float(rate.limit), tokens + max(0, now - since) * rate.limit / (rate.seconds * SECOND))


def next_token(now: int, tokens: float, rate: Rate) -> int:
    """When there is a whole token."""
    missing = max(0.0, 1.0 - tokens)
    return now + int(missing * rate.seconds * SECOND / rate.limit) + 1


def hold_delay(rate: Rate) -> int:
    """Microseconds for which messages are gathered before their summary goes."""
    return min(rate.seconds * SECOND, _LONGEST_HOLD)
