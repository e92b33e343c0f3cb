"""Counters of one rule and group: events in small buckets of time, people and hosts by when they were last seen.

A window of time is made of SLICES buckets, the last of which is the present one; so what a condition counts is
known to a sixtieth of its window, never includes anything older than the window, and takes at most a
few hundred numbers to know however many events there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..clock import HOUR, SECOND
from .condition import Compare, Condition, Fact, Ratio, Spike, atoms, fact_window
from .spike import PARTS, WEEKS, Baseline

SLICES = 60
_NEVER = 1 << 62
HOURS = "hours"  # the series of the baseline


class Series(NamedTuple):
    """One row of numbers that a rule needs."""

    name: str  # as it is stored: what it counts and its bucket in seconds
    what: str  # count, users, hosts, or a fact
    width: int  # of a bucket, microseconds
    slices: int  # that are kept


def width_of(window: int) -> int:
    """Microseconds of one bucket of a window."""
    return max(SECOND, window // SLICES // SECOND * SECOND)


def slices_of(window: int) -> int:
    return -(-window // width_of(window))


def _series(what: str, window: int, times: int = 1) -> Series:
    width = width_of(window)
    return Series(f"{what}/{width // SECOND}", what, width, slices_of(window) * times + 1)


def fine_series(window: int) -> Series:
    """What tells the parts of a window in which spikes are looked for, but the whole."""
    width = width_of(window // PARTS[0])
    return Series(f"count/{width // SECOND}", "count", width, -(-window // PARTS[-2] // width) + 1)


def series_of(condition: Condition) -> list[Series]:
    """What must be counted for a condition; each series once, as long as the longest that asks for it."""
    found: dict[str, Series] = {}
    for wanted in _wanted(condition):
        known = found.get(wanted.name)
        if known is None or known.slices < wanted.slices:
            found[wanted.name] = wanted
    return list(found.values())


def _wanted(condition: Condition) -> Iterator[Series]:
    for atom in atoms(condition):
        if isinstance(atom, Compare):
            yield _series(atom.metric, atom.window)
        elif isinstance(atom, Ratio):
            yield _series("count", atom.window, times=2)
        elif isinstance(atom, Spike):
            yield _series("count", atom.window)
            yield fine_series(atom.window)
            yield Series(HOURS, "count", HOUR, WEEKS * 7 * 24 + 1)
        elif isinstance(atom, Fact):
            yield _series(atom.what, fact_window(condition))


@dataclass(slots=True)
class Counters:
    """All that is known of one rule and group."""

    since: int  # when counting began
    last_at: int | None = None  # when an event was counted last
    buckets: dict[str, dict[int, int]] = field(default_factory=dict)  # series → bucket → events
    members: dict[str, dict[int, int]] = field(default_factory=dict)  # series → who → bucket in which last seen
    _baseline: Baseline | None = None

    def add(self, series: Series, at: int, count: int = 1, members: frozenset[int] = frozenset()) -> None:
        """Count events, or those whom they are about, at a time; in any order."""
        bucket = at // series.width
        if series.what in ("users", "hosts"):
            known = self.members.setdefault(series.name, {})
            known.update((member, max(bucket, known.get(member, bucket))) for member in members)
        else:
            found = self.buckets.setdefault(series.name, {})
            found[bucket] = found.get(bucket, 0) + count
            if series.name == HOURS and self._baseline is not None and bucket < self._baseline.now:
                self._baseline = None

    def seen(self, at: int) -> None:
        self.last_at = at if self.last_at is None else max(at, self.last_at)

    def total(self, what: str, window: int, now: int, *, back: int = 0) -> int:
        """How many there were in the window that ends now, or in the one so many windows before."""
        width, slices = width_of(window), slices_of(window)
        last = now // width - back * slices
        return self._between(what, width, last - slices, last)

    def total_since(self, what: str, window: int, now: int) -> int:
        """How many there were since the window began that ends now."""
        width = width_of(window)
        return self._between(what, width, now // width - slices_of(window), _NEVER)

    def _between(self, what: str, width: int, after: int, last: int) -> int:
        name = f"{what}/{width // SECOND}"
        if what in ("users", "hosts"):
            return sum(1 for bucket in self.members.get(name, {}).values() if after < bucket <= last)
        return sum(n for bucket, n in self.buckets.get(name, {}).items() if after < bucket <= last)

    def recent(self, series: Series, span: int, now: int) -> int:
        """How many events a series has in the buckets of a span that ends now."""
        last = now // series.width
        return self._between(series.what, series.width, last - -(-span // series.width), last)

    def baseline(self, now: int) -> Baseline:
        """What is usual; worked out once an hour."""
        hour = now // HOUR
        if self._baseline is None or self._baseline.now != hour:
            self._baseline = Baseline(self.hour, self.since, hour)
        return self._baseline

    def hour(self, hour: int) -> int:
        return self.buckets.get(HOURS, {}).get(hour, 0)
