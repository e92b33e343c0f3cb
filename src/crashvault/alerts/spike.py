"""Whether a count is more than what is usual for its time of the week.

What is usual is the mean of the middle third of the counts of the same hour in the weeks before (each taken twice) and
in the days before, and of the last hours where there are few days; so an outage or an earlier spike changes nothing. The
level of the last half day against what was usual for it scales that, without its extreme hours, so that growth is no
spike. How much counts vary beyond chance is the index of dispersion of the last four weeks, from the median absolute
deviation (Iglewicz and Hoaglin 1993) of differences from a week, or a day, before, or from their ninth decile where
that says more: there bursts show. The uncertainty of what is usual adds to the variance.

A count is a spike when a negative binomial of that mean and variance would reach it a few times in a million
windows, and it is at least twice what is usual. Spikes of unknown length are looked for in parts of the window
that grow (a scan over durations, as a generalized likelihood ratio test does): the shortest sees a high rate at
once, the longer ones what is rare or comes in bursts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist, median
from typing import NamedTuple

from ..clock import HOUR

WEEKS = 5  # of history that are kept
PARTS = (12, 6, 3, 1)  # of the window, in which a spike is looked for: it shows long before it fills the window
LEAST_EVENTS = 6  # fewer are never a spike
LEAST_FACTOR = 2.0
LEAST_HISTORY = 6  # hours
_CHANCE = 1e-5
_WEEK = 7 * 24
_HOURS_COMPARED = 4 * _WEEK
_MAD_TO_SIGMA = 1.4826
_DECILE_TO_SIGMA = 1.6449  # of absolute deviations the ninth
_HOURS_OF_TREND = 12
_TRIMMED = 2  # of them at either end
_TREND_LIMITS = (0.5, 4.0)
_SURE_HOURS = 3.0  # a mean of a middle third and a trend of some hours are as good as the mean of so many
_SMALL = 2_000  # below, tails are summed; above, they are as good as normal

Hourly = Callable[[int], int]  # hour since the epoch → events in it


class Usual(NamedTuple):
    """What is expected of one window."""

    mean: float
    variance: float


class Baseline:
    """What is usual as of one hour: a history that began at `since` (microseconds), up to the hour `now`."""

    def __init__(self, hourly: Hourly, since: int, now: int) -> None:
        self.now = now
        self._hourly = hourly
        self._first = -(-since // HOUR)
        self._hours: dict[int, float] = {}
        self._trend: float | None = None
        self._dispersion: float | None = None

    @property
    def is_long_enough(self) -> bool:
        return self.now - self._first >= LEAST_HISTORY

    def mean(self, start: int, end: int) -> float:
        """Events expected between two times, in microseconds."""
        if self._trend is None:
            self._trend = _trend(self._hourly, self._first, self.now)
        mean = 0.0
        while start < end:  # an hour, or what is left of it, after the other
            piece = min(HOUR, end - start)
            mean += self._rate((start + piece / 2) / HOUR) * piece / HOUR
            start += piece
        return max(mean * self._trend, 0.05)

    def usual(self, start: int, end: int) -> Usual:
        """The same with its variance."""
        if self._dispersion is None:
            self._dispersion = _dispersion(self._hourly, self._first, self.now)
        mean = self.mean(start, end)
        known = mean * HOUR / max(1, end - start) * _SURE_HOURS + 1
        return Usual(mean, self._dispersion * (mean + mean * mean / known))

    def _rate(self, moment: float) -> float:
        """Events an hour at a moment (in hours since the epoch): between the middles of two hours the rate goes from
        one to the other."""
        before = math.floor(moment - 0.5)
        part = moment - 0.5 - before
        mean = self._hour(before)
        return mean + (self._hour(before + 1) - mean) * part if part else mean

    def _hour(self, hour: int) -> float:
        found = self._hours.get(hour)
        if found is None:
            found = self._hours[hour] = _usual_hour(self._hourly, self._first, hour, self.now)
        return found


def is_spike(count: int, usual: Usual | None) -> bool:
    """Whether so many events are a spike where that is usual."""
    return usual is not None and may_be_spike(count, usual.mean) and tail(count, usual) < _CHANCE


def may_be_spike(count: int, mean: float) -> bool:
    return count >= LEAST_EVENTS and count >= LEAST_FACTOR * mean


def usual(hourly: Hourly, since: int, start: int, end: int) -> Usual | None:
    """What is expected between two times, of a history that began at `since` (microseconds all); None: it is too short."""
    found = Baseline(hourly, since, end // HOUR)
    return found.usual(start, end) if found.is_long_enough else None


def _usual_hour(hourly: Hourly, first: int, hour: int, now: int) -> float:
    """The middle of the hours that are like this one; hours from `now` on are not complete."""
    weeks = [hour - week * _WEEK for week in range(1, WEEKS)]
    like = [*weeks, *weeks, *(hour - day * 24 for day in range(1, 8))]
    known = [hourly(one) for one in like if first <= one < now]
    if len(known) < 3:
        known += [hourly(one) for one in range(max(first, now - 24), now)]
    return _middle(known)


def _middle(values: Sequence[int]) -> float:
    """Mean of the middle third: nearly as steady as the mean, and as hard to mislead as the median."""
    cut = len(values) // 3
    inner = sorted(values)[cut : len(values) - cut]
    return sum(inner) / len(inner) if inner else 0.0


def _dispersion(hourly: Hourly, first: int, now: int) -> float:
    """Variance of counts against their mean: 1 where events come by chance alone, more where one brings others."""
    lag = next((lag for lag in (_WEEK, 24, 1) if now - first >= lag + 24), 1)
    differences = []
    for hour in range(max(first + lag, now - _HOURS_COMPARED), now):
        count, before = hourly(hour), hourly(hour - lag)
        differences.append((count - before) / math.sqrt(count + before + 1))
    if not differences:
        return 1.0
    centre = median(differences)
    away = sorted(abs(one - centre) for one in differences)
    spread = max(_MAD_TO_SIGMA * median(away), away[len(away) * 9 // 10] / _DECILE_TO_SIGMA)
    return max(1.0, spread**2)


def _trend(hourly: Hourly, first: int, hour: int) -> float:
    """How the last half day was, against what was usual for its hours."""
    ratios = []
    for one in range(max(first + 24, hour - _HOURS_OF_TREND), hour):
        count, expected = hourly(one), _usual_hour(hourly, first, one, one)
        ratios.append(((count + 1) / (expected + 1), count, expected))
    if len(ratios) < 6:
        return 1.0
    inner = sorted(ratios)[_TRIMMED:-_TRIMMED]
    trend = (sum(count for _, count, _ in inner) + 1) / (sum(expected for _, _, expected in inner) + 1)
    low, high = _TREND_LIMITS
    return min(high, max(low, trend))


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
