"""When something began, and when there was more of it: change points in a series of counts.

The series is cut where that explains the counts best: each stretch has one Poisson rate, and every further stretch must
earn a penalty (optimal partitioning with pruning; Killick, Fearnhead and Eckley 2012). Crashes come in clumps, so
the gain is divided by the dispersion, measured between neighbours, where a step of the rate plays no part.
A burst is a run of stretches well above the usual rate, which is that of the quieter stretches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from ..clock import DAY, HOUR, MINUTE

MOST_BUCKETS = 300
TIMES = 3.0  # a burst's rate, against the usual one
LEAST = 5  # events of a burst
_QUIET = 0.1  # share of the time that tells the usual rate
_RARE = 0.01  # chance of so many events in one bucket, below which they don't belong to what was before
_SILENT = 4.0  # events that should have come meanwhile, for a burst to be over
_PENALTY = 3.0  # times the logarithm of the number of buckets; above Bayes's 1 to 2, since nobody wants false alarms
_SIZES = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY,
          28 * DAY)  # fmt: skip


class Series(NamedTuple):
    """Counts of events in buckets of equal length."""

    start: int  # microseconds; where the first bucket begins
    size: int  # microseconds of a bucket
    counts: list[int]
    until: int  # up to which events were counted
    last: int  # when the last event was; `start` where there was none


class Burst(NamedTuple):
    start: int  # microseconds; to the bucket
    end: int
    events: int
    per_hour: float
    times: float | None  # of the usual rate; None: there was nothing before
    ongoing: bool  # the last event is as recent as the rate lets expect
    peak_start: int  # where the stretch of the highest rate began
    peak_per_hour: float


def bucket_size(since: int, until: int) -> int:
    """The shortest bucket of a round length of which the time between needs not too many."""
    span = max(1, until - since)
    return next((size for size in _SIZES if span / size <= MOST_BUCKETS), -(-span // MOST_BUCKETS))


def series(moments: Sequence[int], since: int, until: int) -> Series:
    """Events between two times in buckets that begin at round times."""
    size = bucket_size(since, until)
    start = since - since % size
    counts = [0] * ((until - start) // size + 1)
    last = start
    for at in moments:
        if start <= at <= until:
            counts[(at - start) // size] += 1
            last = max(last, at)
    return Series(start, size, counts, until, last)


def bursts(given: Series) -> list[Burst]:
    """Bursts in the order of time; none where the rate never changes."""
    cuts = change_points(given.counts)
    edges = [0, *cuts, len(given.counts)]
    stretches = list(pairwise(edges))
    usual = _usual(given.counts, stretches)
    found: list[Burst] = []
    for first, last in _raised(given.counts, stretches, usual):
        after = last
        while not given.counts[after - 1]:
            after -= 1
        events = sum(given.counts[first:after])
        rate = events / (after - first)
        peak, peak_start = max((_rate(given.counts, *part), part[0]) for part in stretches if first <= part[0] < after)
        hourly = HOUR / given.size
        silent = given.until - min(given.start + after * given.size, given.last)
        found.append(Burst(
            given.start + first * given.size, given.start + after * given.size, events, round(rate * hourly, 2),
            round(rate / usual, 1) if usual else None, silent / given.size * rate <= _SILENT,
            given.start + peak_start * given.size, round(peak * hourly, 2),
        ))  # fmt: skip
    return [burst for burst in found if burst.events >= LEAST]


def _rate(counts: Sequence[int], first: int, after: int) -> float:
    return sum(counts[first:after]) / (after - first)


def _usual(counts: Sequence[int], stretches: Sequence[tuple[int, int]]) -> float:
    """Events a bucket in the quieter stretches, which make up a tenth of the time at least."""
    rates = sorted((_rate(counts, first, after), after - first) for first, after in stretches)
    passed, enough = 0, len(counts) * _QUIET
    for rate, length in rates:
        passed += length
        if passed >= enough:
            return rate
    return 0.0


def _raised(counts: Sequence[int], stretches: Sequence[tuple[int, int]], usual: float) -> list[tuple[int, int]]:
    """Neighbouring stretches above the usual rate, as one."""
    found: list[tuple[int, int]] = []
    before = 0
    for first, after in stretches:
        rate = _rate(counts, first, after)
        if len(stretches) > 1 and rate > 0 and rate >= TIMES * usual:
            if found and found[-1][1] == first:
                found[-1] = (found[-1][0], after)
            else:
                found.append((_beginning(counts, before, first), after))
        before = first
    return found


def _beginning(counts: Sequence[int], before: int, first: int) -> int:
    """Where a burst begins whose rate is raised from `first` on, after a stretch from `before` on.

    A burst seldom begins with a bucket: the one that it begins in holds too few events to raise a rate, but more
    than the stretch before would have given.
    """
    at = first - 1
    if at <= before or not counts[at]:
        return first
    usual = _rate(counts, before, at)
    fewer = math.exp(-usual) * sum(usual**events / math.factorial(events) for events in range(min(counts[at], 100)))
    return at if 1 - fewer < _RARE else first


def change_points(counts: Sequence[int]) -> list[int]:
    """Where stretches of another rate begin (indexes, without 0)."""
    size = len(counts)
    sums = [0, *accumulate(counts)]
    if size < 2 or not sums[-1]:
        return []
    spread = _dispersion(counts)
    penalty = _PENALTY * math.log(size)

    def cost(first: int, after: int) -> float:
        """-2 log likelihood of a stretch at its own rate, less what is the same for all partitions."""
        events = sums[after] - sums[first]
        return -2 * events * math.log(events / (after - first)) / spread if events else 0.0

    best, before = [-penalty], [0]
    open_ = [0]
    for after in range(1, size + 1):
        costs = [(best[first] + cost(first, after), first) for first in open_]
        least, chosen = min(costs)
        best.append(least + penalty)
        before.append(chosen)
        open_ = [first for value, first in costs if value <= least + penalty] + [after]
    return _walked(before, size)


def _walked(before: Sequence[int], size: int) -> list[int]:
    found, at = [], size
    while at:
        at = before[at]
        if at:
            found.append(at)
    return found[::-1]


def _dispersion(counts: Sequence[int]) -> float:
    """Variance by mean between neighbours, at least 1; the median over pairs, so that steps don't count."""
    pairs = [(left - right) ** 2 / (left + right) for left, right in pairwise(counts) if left + right]
    if len(pairs) < 5:
        return 1.0
    middle = sorted(pairs)[len(pairs) // 2]
    return max(1.0, middle / 0.455)  # the median of chi-square with one degree of freedom
