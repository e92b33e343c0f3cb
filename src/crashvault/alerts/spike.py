"""Whether a count is more than what is usual for its time of the week.

What is usual is the median of the counts of the same hour in the weeks before, of the same hour of the days before
where there are few weeks, and of the last hours where there are few days; medians, so that an outage or an earlier
spike changes nothing. The level of the last half day against what was usual for it scales that, so that growth is no
spike. How much counts vary beyond chance is the index of dispersion of the last days, from the median absolute
deviation (Iglewicz and Hoaglin 1993) of differences from a week, or a day, before. A count is a spike when a
negative binomial of that mean and variance would reach it about once in a million windows, and it is at least
twice what is usual.
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
_CHANCE = 1e-6
_WEEK = 7 * 24
_HOURS_COMPARED = 72
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
    mean = 0.0
    while start < end:  # an hour, or what is left of it, after the other
        piece = min(HOUR, end - start)
        mean += _rate((start + piece / 2) / HOUR, hourly, first, now) * piece / HOUR
        start += piece
    mean = max(mean * _trend(hourly, first, now), 0.05)
    return Usual(mean, mean * _dispersion(hourly, first, now))


def _rate(moment: float, hourly: Hourly, first: int, now: int) -> float:
    """Events an hour at a moment (in hours since the epoch): between the middles of two hours the rate goes from one to
    the other."""
    before = math.floor(moment - 0.5)
    part = moment - 0.5 - before
    mean = _usual_hour(hourly, first, before, now)
    return mean + (_usual_hour(hourly, first, before + 1, now) - mean) * part if part else mean


def _usual_hour(hourly: Hourly, first: int, hour: int, now: int) -> float:
    """Median of the hours that are like this one; hours from `now` on are not complete."""
    like = [hour - week * _WEEK for week in range(1, WEEKS)]
    like += [hour - day * 24 for day in range(1, 8)]
    known = [hourly(one) for one in like if first <= one < now]
    if len(known) < 3:
        known += [hourly(one) for one in range(max(first, now - 24), now)]
    return float(median(known)) if known else 0.0


def _dispersion(hourly: Hourly, first: int, now: int) -> float:
    """Variance of counts against their mean: 1 where events come by chance alone, more where one brings others."""
    lag = next((lag for lag in (_WEEK, 24, 1) if now - first >= lag + 24), 1)
    differences = []
    for hour in range(max(first + lag, now - _HOURS_COMPARED), now):
        count, before = hourly(hour), hourly(hour - lag)
        differences.append((count - before) / math.sqrt(count + before + 1))
    centre = median(differences) if differences else 0.0
    spread = _MAD_TO_SIGMA * median([abs(one - centre) for one in differences]) if differences else 1.0
    return max(1.0, spread**2)


def _trend(hourly: Hourly, first: int, hour: int) -> float:
    """How the last day was, against what was usual for its hours."""
    ratios = []
    for one in range(max(first + 24, hour - 12), hour):
        expected = _usual_hour(hourly, first, one, one)
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
