"""How often somebody may ask: limits for each key and each address, shared by all processes of a vault.

A process takes some requests at once from the vault's count and spends them by itself, so that a limit of
thousands costs a transaction now and then; who has none left is refused without asking again until there is hope.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from . import clock
from .errors import CrashvaultError
from .logs import log_debug
from .storage.store import Store
from .units import Rate

_SHARE = 20  # a process takes this part of a limit at once
_MOST_KNOWN = 50_000


class Verdict(NamedTuple):
    """Whether a request may pass, and what its `RateLimit` headers say."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: float

    def headers(self) -> dict[str, str]:
        """The headers of the IETF draft `RateLimit header fields for HTTP`, in the form with three fields."""
        reset = str(max(1, round(self.reset_seconds)))
        found = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": reset,
        }
        return found if self.allowed else {**found, "Retry-After": reset}


class _Purse:
    """What one process may still spend for somebody."""

    __slots__ = ("blocked_until", "ends_at", "left", "remaining")

    def __init__(self) -> None:
        self.left = 0
        self.ends_at = 0
        self.blocked_until = 0
        self.remaining = 0


class RateLimiter:
    """The limits of one server process; `rates` are those of each kind of request, `ingest` and `read`.

    May be called by several threads. Where the vault cannot be asked a request passes: whoever cannot count does
    not refuse.
    """

    def __init__(
        self, open_store: Callable[[], Store], rates: Mapping[str, Rate | None], now: Callable[[], int] = clock.now
    ) -> None:
        self._open = open_store
        self._now = now
        self._rates = dict(rates)
        self._purses: dict[tuple[str, str], _Purse] = {}
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._swept_at = 0

    def change(self, rates: Mapping[str, Rate | None]) -> None:
        """Other limits from now on."""
        with self._lock:
            if dict(rates) != self._rates:
                self._rates = dict(rates)
                self._purses.clear()

    def check(self, kind: str, who: str) -> Verdict:
        """Count one request of somebody."""
        rate = self._rates.get(kind)
        if rate is None:
            return Verdict(True, 0, 0, 0.0)
        with self._lock:
            return self._checked(kind, who, rate, self._now())

    def _checked(self, kind: str, who: str, rate: Rate, now: int) -> Verdict:
        if len(self._purses) > _MOST_KNOWN:
            self._purses.clear()
        purse = self._purses.setdefault((kind, who), _Purse())
        if purse.left and now < purse.ends_at:
            purse.left -= 1
        elif now < purse.blocked_until or not self._fill(purse, kind, who, rate, now):
            return Verdict(False, rate.limit, 0, (purse.blocked_until - now) / clock.SECOND)
        return Verdict(True, rate.limit, purse.remaining + purse.left, (purse.ends_at - now) / clock.SECOND)

    def _fill(self, purse: _Purse, kind: str, who: str, rate: Rate, now: int) -> bool:
        """Take some requests for somebody, and spend one; False where there are none."""
        wanted = max(1, rate.limit // _SHARE)
        try:
            grant = self._opened(now).rates.take(
                kind, who, wanted=wanted, limit=rate.limit, window=rate.seconds * clock.SECOND, now=now
            )
        except CrashvaultError as error:
            log_debug("requests not counted", error=error)
            self._forget_store()
            purse.left, purse.ends_at, purse.remaining = 0, now, rate.limit
            return True
        purse.ends_at, purse.remaining = grant.ends_at, grant.remaining
        purse.left = max(0, grant.granted - 1)
        purse.blocked_until = 0 if grant.granted else now + grant.wait
        return bool(grant.granted)

    def _opened(self, now: int) -> Store:
        if self._store is None:
            self._store = self._open()
            self._store.db.relax()  # this is asked while others wait, and a loss of power may take counts
        if now - self._swept_at > clock.HOUR:
            self._swept_at = now
            self._store.rates.forget_old(now, 2 * clock.DAY)
        return self._store

    def _forget_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def close(self) -> None:
        with self._lock:
            self._forget_store()
