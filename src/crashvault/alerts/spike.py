"""Whether a count is more than what is usual for its time of the week.

What is usual is the median of the counts of the same hour in the weeks before, of the same hour of the days before
where there are few weeks, and of the last hours where there are few days; medians, so that an outage or an earlier
spike changes nothing. The level of the last day against what was usual for it scales that, so that growth is no
spike. How far counts vary around what was expected is measured in the same way (median absolute deviation,
Iglewicz and Hoaglin 1993), and a count is a spike when a negative binomial of that mean and variance would
reach it once in ten million windows, and it is at least twice what is usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist, median
from typing import NamedTuple

from ..clock import HOUR

WEEKS = 5  # of history that are kept
SHORT_PART = 12  # of the window: a spike shows there long before it fills the window
LEAST_EVENTS = 6  # fewer are never a spike
LEAST_FACTOR = 2.0
LEAST_HISTORY = 6  # hours
_CHANCE = 1e-7
_WEEK = 7 * 24
_MAD_TO_SIGMA = 1.4826
_TREND_LIMITS = (0.5, 4.0)
_SMALL = 2_000  # below, tails are summed; above, they are as good as normal

Hourly = Callable[[int], int]  # hour since the epoch → events in it


class Usual(NamedTuple):
    """What is expected of one window."""

    mean: float
    variance: float


def is_spike(count: int, usual: Usual | None) -> bool:
    """Whether so many events are a spike where that is usual."""
    if usual is None or count < LEAST_EVENTS or count < LEAST_FACTOR * usual.mean:
        return False
    return tail(count, usual) < _CHANCE


def usual(hourly: Hourly, since: int, start: int, end: int) -> Usual | None:
    """What is expected between two times, of a history that began at `since` (microseconds all); None: it is too short."""
    first, now = -(-since // HOUR), end // HOUR
    if now - first < LEAST_HISTORY:
        return None
    mean = variance = 0.0
    while start < end:  # an hour, or what is left of it, after the other
        piece = min(HOUR, end - start)
        rate, spread = _rate((start + piece / 2) / HOUR, hourly, first, now)
        mean += rate * piece / HOUR
        # Hours vary as a whole, so the part of it that is more than chance grows with the square of the mean.
        variance += max(0.0, spread**2 - rate) / max(rate, 1.0) ** 2 * (rate * piece / HOUR) ** 2
        start += piece
    trend = _trend(hourly, first, now)
    mean = max(mean * trend, 0.05)
    return Usual(mean, mean + variance * trend**2)


def _rate(moment: float, hourly: Hourly, first: int, now: int) -> tuple[float, float]:
    """Events an hour at a moment (in hours since the epoch), and how they vary: between the middles of two hours
    the rate goes from one to the other."""
    before = math.floor(moment - 0.5)
    part = moment - 0.5 - before
    mean, spread = _usual_hour(hourly, first, before, now)
    if part:
        mean_after, spread_after = _usual_hour(hourly, first, before + 1, now)
        mean, spread = mean + (mean_after - mean) * part, max(spread, spread_after)
    return mean, spread


def _usual_hour(hourly: Hourly, first: int, hour: int, now: int) -> tuple[float, float]:
    """Median and deviation of the hours that are like this one; hours from `now` on are not complete."""
    like = [hour - week * _WEEK for week in range(1, WEEKS)]
    like += [hour - day * 24 for day in range(1, 8)]
    known = [hourly(one) for one in like if first <= one < now]
    if len(known) < 3:
        known += [hourly(one) for one in range(max(first, now - 24), now)]
    if not known:
        return 0.0, 0.0
    centre = float(median(known))
    return centre, _MAD_TO_SIGMA * float(median([abs(one - centre) for one in known]))


def _trend(hourly: Hourly, first: int, hour: int) -> float:
    """How the last day was, against what was usual for its hours."""
    ratios = []
    for one in range(max(first + 24, hour - 12), hour):
        expected, _ = _usual_hour(hourly, first, one, one)
        ratios.append((hourly(one) + 1) / (expected + 1))
    low, high = _TREND_LIMITS
    return min(high, max(low, float(median(ratios)))) if len(ratios) >= 6 else 1.0


def tail(count: int, expected: Usual) -> float:
    """The chance of at least `count` under a negative binomial, or a Poisson, of that mean and variance."""
    mean, variance = expected
    if count > _SMALL:
        deviation = math.sqrt(variance)
        return NormalDist().cdf((mean + 0.5 - count) / deviation) if deviation else 0.0
    logs = _log_poisson(count, mean) if variance <= mean * 1.0001 else _log_negative_binomial(count, mean, variance)
    return max(0.0, 1.0 - math.fsum(map(math.exp, logs)))


def _log_poisson(count: int, mean: float) -> Sequence[float]:
    log = math.log(mean)
    return [n * log - mean - math.lgamma(n + 1) for n in range(count)]


def _log_negative_binomial(count: int, mean: float, variance: float) -> Sequence[float]:
    size = mean * mean / (variance - mean)
    log_success, log_failure = math.log(size / (size + mean)), math.log(mean / (size + mean))
    return [
        math.lgamma(n + size) - math.lgamma(size) - math.lgamma(n + 1) + size * log_success + n * log_failure
        for n in range(count)
    ]
