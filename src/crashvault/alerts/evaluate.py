"""Whether a condition holds at a moment, with the numbers that say why."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..clock import HOUR
from .condition import (
    SIGNS,
    Both,
    Compare,
    Condition,
    Either,
    Fact,
    Ratio,
    Silence,
    Spike,
    atoms,
    fact_window,
)
from .counters import Counters, fine_series, width_of
from .spike import PARTS, is_spike, may_be_spike

_LONGEST_STEP = HOUR // 60


class Told(NamedTuple):
    """What one term of a condition has found."""

    holds: bool
    numbers: tuple[tuple[str, float], ...]
    words: str  # with a place for each number, then for each span of time
    spans: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.words.format(*(f"{value:g}" for _, value in self.numbers), *map(shown_span, self.spans))


class Verdict(NamedTuple):
    holds: bool
    told: tuple[Told, ...]

    @property
    def numbers(self) -> dict[str, float]:
        """What was compared, by name."""
        return dict(pair for one in self._shown for pair in one.numbers)

    @property
    def reason(self) -> str:
        """The same in words; made only when people read it, since most verdicts are that nothing holds."""
        return "; ".join(dict.fromkeys(map(str, self._shown)))

    @property
    def _shown(self) -> list[Told]:
        return [one for one in self.told if one.holds] if self.holds else list(self.told)


def evaluate(condition: Condition, counters: Counters, now: int) -> Verdict:
    """`now` is in microseconds."""
    told: list[Told] = []
    holds = _holds(condition, counters, now, fact_window(condition), told)
    return Verdict(holds, tuple(told))


def _holds(condition: Condition, counters: Counters, now: int, lasts: int, told: list[Told]) -> bool:
    # Every part is looked at, so that the numbers tell all of it.
    if isinstance(condition, Both | Either):
        parts = [_holds(part, counters, now, lasts, told) for part in condition.parts]
        return all(parts) if isinstance(condition, Both) else any(parts)
    found = _atom(condition, counters, now, lasts)
    told.append(found)
    return found.holds


def _atom(atom: Condition, counters: Counters, now: int, lasts: int) -> Told:
    match atom:
        case Compare(metric, sign, limit, window):
            value = counters.total(metric, window, now)
            return Told(SIGNS[sign](value, limit), ((metric, value),), _COUNTED[metric], (window,))
        case Ratio(sign, factor, window):
            value = counters.total("count", window, now)
            before = counters.total("count", window, now, back=1)
            # A window before in which nothing was counted yet is none to compare with.
            known = counters.since <= now - 2 * window and before > 0
            numbers = (("count", value), ("previous", before))
            return Told(
                known and SIGNS[sign](value, factor * before), numbers, "{} events, {} before, in {}", (window,)
            )
        case Spike(window):
            return _spike(window, counters, now)
        case Silence(window):
            quiet = now - (counters.since if counters.last_at is None else counters.last_at)
            return Told(quiet > window, (("silence_seconds", quiet // 1_000_000),), "nothing for {1}", (quiet,))
        case Fact(what):
            count = counters.total(what, lasts, now)
            return Told(count > 0, ((what.replace(" ", "_"), count),), what if count else f"no {what}")
    raise TypeError(type(atom).__name__)


_COUNTED = {"count": "{} events in {}", "users": "{} users in {}", "hosts": "{} hosts in {}"}


def _spike(window: int, counters: Counters, now: int) -> Told:
    """Parts of the window, the shortest first, in which a spike shows before it fills the whole."""
    baseline, fine = counters.baseline(now), fine_series(window)
    for part in PARTS:
        span = window // part
        count = counters.total("count", window, now) if part == 1 else counters.recent(fine, span, now)
        width = width_of(window) if part == 1 else fine.width
        end = (now // width + 1) * width
        start, end = end - span, min(now, end)
        known = baseline.is_long_enough
        mean = baseline.mean(start, end) if known else 0.0
        words = "{0} events in {2}, usual are {1}" if known else "{0} events in {2}, not enough history yet"
        holds = known and may_be_spike(count, mean) and is_spike(count, baseline.usual(start, end))
        told = Told(holds, (("count", count), ("usual", round(mean, 2))), words, (span,))
        if holds:
            break
    return told


def next_look(condition: Condition, counters: Counters, is_ok: bool, now: int) -> int | None:
    """When time alone may change something: the next bucket of the finest window; None: only an event can."""
    listed = list(atoms(condition))
    if is_ok and not any(_begins_by_itself(atom, counters, now) for atom in listed):
        return None
    spans = [fact_window(condition) if isinstance(atom, Fact) else atom.window for atom in listed]
    step = min(min(map(width_of, spans)), _LONGEST_STEP)
    return (now // step + 1) * step


def room(condition: Condition, counters: Counters, now: int) -> int:
    """How many more events it takes at least before a condition may hold that does not hold now.

    Windows only lose what is in them. What lies in the future, where a clock was put back, is counted too: it comes.
    """
    if isinstance(condition, Both | Either):
        parts = [room(part, counters, now) for part in condition.parts]
        return max(parts) if isinstance(condition, Both) else min(parts)
    if isinstance(condition, Compare) and condition.sign in (">", ">="):
        least = math.floor(condition.limit) + 1 if condition.sign == ">" else math.ceil(condition.limit)
        return max(1, least - counters.total_since(condition.metric, condition.window, now))
    return 1


def holds_by_itself(condition: Condition) -> bool:
    """Whether a condition can hold though no event ever came: silence, or fewer than so many."""
    return any(isinstance(atom, Silence) or (isinstance(atom, Compare) and _is_low(atom)) for atom in atoms(condition))


def _is_low(atom: Compare) -> bool:
    return SIGNS[atom.sign](0, atom.limit)


def _begins_by_itself(atom: Condition, counters: Counters, now: int) -> bool:
    match atom:
        case Silence():
            return True
        case Compare(_, sign):
            return _is_low(atom) or sign == "="
        case Ratio(_, _, window):  # the window before may empty faster than the present one
            return counters.last_at is not None and counters.last_at > now - 2 * window
    return False


def shown_span(microseconds: int) -> str:
    """`90s`, `5m`, `2h`, `7d`: the largest unit that gives a whole number, seconds otherwise."""
    seconds = round(microseconds / 1_000_000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
