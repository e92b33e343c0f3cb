"""What is usual, and what is not."""

from __future__ import annotations

import math
from random import Random

import pytest

from crashvault.alerts.spike import Usual, is_spike, tail, usual
from crashvault.clock import HOUR, MINUTE

WEEK = 7 * 24
NOW = 500_000 * HOUR


def _expected(rate: dict[int, int] | int, minutes: int = 60, since_hours: int = 5 * WEEK) -> Usual | None:
    hourly = (lambda hour: rate) if isinstance(rate, int) else (lambda hour: rate.get(hour, 0))
    return usual(hourly, NOW - since_hours * HOUR, NOW - minutes * MINUTE, NOW)


def test_a_steady_rate_is_what_is_usual() -> None:
    found = _expected(120)
    assert found is not None
    assert found.mean == pytest.approx(120)
    five = _expected(120, minutes=5)
    assert five is not None
    assert five.mean == pytest.approx(10)


def test_there_is_nothing_usual_in_the_first_hours() -> None:
    assert _expected(120, since_hours=4) is None
    assert _expected(120, since_hours=8) is not None


def test_an_outage_and_an_earlier_spike_change_nothing() -> None:
    hour = NOW // HOUR
    rate = dict.fromkeys(range(hour - 5 * WEEK, hour + 2), 100)
    rate[hour - WEEK] = 100_000
    rate[hour - 2 * 24] = 0
    found = _expected(rate)
    assert found is not None
    assert found.mean == pytest.approx(100, rel=0.05)


def test_the_hour_of_the_day_counts() -> None:
    hour = NOW // HOUR
    rate = {one: 1_000 if one % 24 == hour % 24 else 10 for one in range(hour - 5 * WEEK, hour + 2)}
    busy = usual(lambda one: rate.get(one, 0), NOW - 5 * WEEK * HOUR, NOW, NOW + HOUR)
    assert busy is not None
    assert busy.mean > 500
    assert not is_spike(1_200, busy)


def test_growth_is_no_spike() -> None:
    hour = NOW // HOUR
    rate = {one: 100 if one < hour - 30 else 300 for one in range(hour - 5 * WEEK, hour + 2)}
    found = _expected(rate)
    assert found is not None
    assert not is_spike(310, found)


def test_few_events_are_never_a_spike() -> None:
    assert not is_spike(5, Usual(0.05, 0.05))
    assert is_spike(10, Usual(0.05, 0.05))


@pytest.mark.parametrize(("mean", "count"), [(3.0, 12), (10.0, 25), (0.5, 6)])
def test_the_tail_is_that_of_a_poisson(mean: float, count: int) -> None:
    exact = 1 - sum(math.exp(-mean) * mean**n / math.factorial(n) for n in range(count))
    assert tail(count, Usual(mean, mean)) == pytest.approx(exact, rel=1e-6, abs=1e-12)


def test_the_tail_of_a_wide_distribution_is_heavier() -> None:
    random = Random(5)
    mean, variance = 20.0, 120.0
    size = mean**2 / (variance - mean)
    draws = [_poisson(random, random.gammavariate(size, mean / size)) for _ in range(20_000)]
    share = sum(draw >= 50 for draw in draws) / len(draws)
    assert tail(50, Usual(mean, variance)) == pytest.approx(share, rel=0.25)
    assert tail(50, Usual(mean, variance)) > tail(50, Usual(mean, mean))


def _poisson(random: Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count
