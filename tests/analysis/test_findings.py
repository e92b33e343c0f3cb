"""Stand-outs, bursts, co-occurrence and impact on made-up events where the truth is known."""

from __future__ import annotations

import math
from random import Random

import pytest

from crashvault.analysis.bursts import MOST_BUCKETS, bursts, series
from crashvault.analysis.cooccurrence import together
from crashvault.analysis.impact import Weight, impact
from crashvault.analysis.observations import Observation, observe
from crashvault.analysis.standouts import standouts
from crashvault.clock import DAY, HOUR, MINUTE

NOW = 1_790_000_000_000_000
NAMES = {"region": 3, "host": 12, "browser": 6, "plan": 4, "flag": 2, "shard": 20, "locale": 9}


def observation(random: Random, issue: int, at: int | None = None, **fixed: str) -> Observation:
    values = {name: f"{name}-{random.randrange(count)}" for name, count in NAMES.items()} | fixed
    at = NOW - random.randrange(14 * DAY) if at is None else at
    return Observation(issue, at, tuple(values.items()), f"u{random.randrange(50)}", None, values["host"])


class TestStandouts:
    def test_random_data_has_none(self) -> None:
        """At most 5 % of analyses of pure chance may find anything."""
        wrong = 0
        for seed in range(120):
            random = Random(seed)
            groups = [[observation(random, n) for _ in range(random.choice((5, 30, 120)))] for n in range(6)]
            wrong += any(standouts(groups))
        assert wrong <= 6

    def test_a_planted_value_is_found(self) -> None:
        """60 % of a cluster's events have a value that a twelfth of the others has."""
        found = 0
        for seed in range(60):
            random = Random(seed)
            groups = [[observation(random, n) for _ in range(60)] for n in range(4)]
            groups.append(
                [observation(random, 4, **({"host": "host-3"} if random.random() < 0.6 else {})) for _ in range(40)]
            )
            items = standouts(groups)[4]
            found += bool(items) and (items[0].attribute, items[0].value) == ("host", "host-3")
        assert found >= 57

    def test_figures_are_those_of_the_events(self) -> None:
        random = Random(1)
        groups = [
            [observation(random, 0, region="eu") for _ in range(20)],
            [observation(random, 1, region="us") for _ in range(80)],
        ]
        groups[1][:5] = [observation(random, 1, region="eu") for _ in range(5)]
        item = standouts(groups)[0][0]
        assert (item.attribute, item.value, item.inside, item.inside_total, item.outside, item.outside_total) == (
            "region", "eu", 20, 20, 5, 80,
        )  # fmt: skip
        assert item.lift == pytest.approx(4.0) and item.q < 0.001

    def test_values_of_the_same_events_are_one(self) -> None:
        random = Random(2)
        groups = [
            [observation(random, 0, release="2.0", platform="php") for _ in range(20)],
            [observation(random, 1, release="1.0", platform="go") for _ in range(40)],
        ]
        items = standouts(groups)[0]
        assert [(item.attribute, item.same) for item in items] == [("release", (("platform", "php"),))]

    def test_what_another_value_explains_is_left_out(self) -> None:
        """A service's hosts stand out wherever the service does, which says nothing."""
        random = Random(3)

        def event(issue: int, service: str) -> Observation:
            return observation(random, issue, service=service, host=f"{service}-{random.randrange(3)}")

        groups = [
            [event(0, "shop") for _ in range(60)],
            [event(1, "blog") for _ in range(60)],
            [event(2, "api") for _ in range(60)],
        ]
        assert {item.attribute for item in standouts(groups)[0]} == {"service"}

    def test_one_burst_is_no_habit_of_an_hour(self) -> None:
        random = Random(4)
        rest = [observation(random, 1) for _ in range(300)]
        burst = [observation(random, 0, NOW + random.randrange(HOUR // 2)) for _ in range(80)]
        assert standouts([burst, rest])[0] == []
        daily = [
            observation(random, 0, NOW - day * DAY + random.randrange(MINUTE)) for day in range(14) for _ in range(3)
        ]
        assert [item.attribute for item in standouts([daily, rest])[0]] == ["hour (UTC)"]

    def test_one_that_tries_again_and_again_is_no_pattern(self) -> None:
        """A few clients send the same event thirty times a minute: chance must not be taken for a pattern."""
        wrong = 0
        for seed in range(60):
            random = Random(seed)
            first = [[observation(random, n) for _ in range(8)] for n in range(5)]
            groups = [
                [one._replace(at=one.at - one.at % MINUTE + n * 1_000_000) for one in group for n in range(30)]
                for group in first
            ]
            wrong += any(standouts(groups))
        assert wrong <= 3

    def test_nothing_to_compare_with(self) -> None:
        random = Random(5)
        assert standouts([]) == []
        assert standouts([[observation(random, 0, region="eu") for _ in range(50)]]) == [[]]
        assert standouts([[observation(random, 0)], [observation(random, 1)]]) == [[], []]


def poisson(random: Random, rate: float) -> int:
    limit, count, product = math.exp(-rate), 0, random.random()
    while product > limit:
        count, product = count + 1, product * random.random()
    return count


def moments(random: Random, hourly: list[float]) -> list[int]:
    start = NOW - NOW % HOUR - len(hourly) * HOUR
    return [
        start + hour * HOUR + random.randrange(HOUR)
        for hour, rate in enumerate(hourly)
        for _ in range(poisson(random, rate))
    ]


class TestBursts:
    # With three events an hour, the first hours may well be empty: that cannot be seen to the hour every time.
    @pytest.mark.parametrize(("before", "after", "wanted"), [(1.0, 8.0, 38), (0.2, 3.0, 34), (5.0, 20.0, 38)])
    def test_the_onset_is_found_to_the_bucket(self, before: float, after: float, wanted: int) -> None:
        right = 0
        for seed in range(40):
            random = Random(seed)
            onset = random.randrange(60, 150)
            times = moments(random, [before] * onset + [after] * (200 - onset))
            since = NOW - NOW % HOUR - 200 * HOUR
            found = bursts(series(times, since, since + 200 * HOUR - 1))
            right += len(found) == 1 and found[0].ongoing and abs(found[0].start - since - onset * HOUR) <= HOUR
        assert right >= wanted

    def test_a_steady_rate_has_none(self) -> None:
        false = 0
        for seed in range(100):
            random = Random(seed)
            times = moments(random, [random.choice((0.3, 2.0, 10.0))] * 200)
            false += bool(bursts(series(times, NOW - NOW % HOUR - 200 * HOUR, NOW - NOW % HOUR - 1)))
        assert false <= 3

    def test_clumps_are_no_burst(self) -> None:
        """A client that always reports five times at once raises the variance, not the rate."""
        false = 0
        for seed in range(50):
            random = Random(seed)
            times = [at for at in moments(random, [1.5] * 200) for _ in range(5)]
            false += bool(bursts(series(times, NOW - NOW % HOUR - 200 * HOUR, NOW - NOW % HOUR - 1)))
        assert false <= 3

    def test_a_burst_that_is_over(self) -> None:
        random = Random(1)
        times = moments(random, [1.0] * 100 + [15.0] * 6 + [1.0] * 94)
        since = NOW - NOW % HOUR - 200 * HOUR
        (found,) = bursts(series(times, since, since + 200 * HOUR - 1))
        assert not found.ongoing
        assert abs(found.start - since - 100 * HOUR) <= HOUR and abs(found.end - since - 106 * HOUR) <= HOUR
        assert found.events == sum(found.start <= at < found.end for at in times)
        assert found.times == pytest.approx(15, rel=0.4)

    def test_a_burst_has_the_events_of_the_bucket_in_which_it_begins(self) -> None:
        for minute in range(0, 180, 7):  # buckets begin at round times, crashes whenever they like
            until = NOW - NOW % (3 * HOUR) + minute * MINUTE
            (found,) = bursts(series([until - n * 6 * MINUTE for n in range(60)], until - 10 * DAY, until))
            assert (found.events, found.ongoing) == (60, True)

    @pytest.mark.parametrize("times", [[], [NOW], [NOW, NOW], [NOW - 400 * DAY, NOW]])
    def test_next_to_nothing(self, times: list[int]) -> None:
        made = series(times, min(times, default=NOW), NOW)
        assert sum(made.counts) == len(times) and len(made.counts) <= MOST_BUCKETS + 1
        assert bursts(made) == []

    def test_no_event_is_lost_between_buckets(self) -> None:
        random = Random(3)
        for span in (MINUTE, 7 * HOUR, 30 * DAY, 3000 * DAY):
            times = [NOW - random.randrange(span) for _ in range(500)]
            assert sum(series(times, min(times), NOW).counts) == 500


class TestTogether:
    def test_one_that_follows_another_in_the_same_trace(self) -> None:
        random = Random(1)
        first, second, other = [], [], []
        for number in range(30):
            at, trace = NOW - random.randrange(5 * DAY), f"{number:032x}"
            first.append(Observation(0, at, (), None, trace, f"h{number % 3}"))
            second.append(Observation(1, at + 2_000_000, (), None, trace, f"h{number % 3}"))
            other.append(Observation(2, NOW - random.randrange(5 * DAY), (), None, f"{99 + number:032x}", "h1"))
        (found,) = together([first, second, other])
        assert (found.left, found.right, found.kind, found.together, found.first) == (0, 1, "trace", 30, 0)
        assert found.lift == pytest.approx(2.0)

    def test_the_same_minute(self) -> None:
        random = Random(2)
        minutes = [NOW - NOW % MINUTE - random.randrange(5000) * MINUTE for _ in range(25)]
        groups = [
            [Observation(n, at + random.randrange(MINUTE), (), None, None, None) for at in minutes] for n in (0, 1)
        ]
        groups.append([Observation(2, NOW - random.randrange(5 * DAY), (), None, None, None) for _ in range(60)])
        (found,) = together(groups)
        assert (found.left, found.right, found.kind, found.first) == (0, 1, "minute", None)

    def test_chance_is_not_told(self) -> None:
        wrong = 0
        for seed in range(60):
            random = Random(seed)
            groups = [[Observation(n, NOW - random.randrange(DAY), (), None, None, f"h{random.randrange(3)}") for _ in range(80)]
                      for n in range(5)]  # fmt: skip
            wrong += bool(together(groups))
        assert wrong <= 3


class TestImpact:
    def test_each_part_counts(self) -> None:
        base = Weight(100, 40, 10, NOW - DAY, True)

        def score(weight: Weight) -> float:
            return impact(weight, 1000, 100, NOW).score

        for better in (
            base._replace(events=500),
            base._replace(level=50),
            base._replace(users=50),
            base._replace(last_seen=NOW),
        ):
            assert score(better) > score(base)
        assert impact(Weight(1000, 50, 100, NOW, True), 1000, 100, NOW).score == 100
        assert 0 < score(Weight(1, 10, 0, NOW - 1000 * DAY, False)) < 1

    def test_the_score_is_the_product_of_its_parts(self) -> None:
        found = impact(Weight(37, 30, 4, NOW - DAY, True), 900, 80, NOW)
        product = 100 * found.frequency * found.level * found.users * found.recency
        assert found.score == pytest.approx(product, rel=0.02)


@pytest.mark.parametrize(
    ("user", "known"),
    [
        ("ana", "ana"),
        ({"id": 7, "email": "a@x"}, "7"),
        ({"email": "a@x"}, "a@x"),
        ({"plan": "gold"}, None),
        ("", None),
        (None, None),
    ],
)
def test_who_an_event_happened_to(user: object, known: str | None) -> None:
    assert observe(1, {"timestamp": NOW, "user": user}).user == known  # type: ignore[typeddict-item]


def test_what_of_an_event_can_stand_out() -> None:
    found = observe(1, {
        "timestamp": NOW, "release": "1.0", "tags": ["db", "region=eu", "k="], "host": "web-1",
        "context": {"os": {"name": "Linux", "version": "6.1"}, "browser": "odd", "device": {"model": ["x"]}},
    })  # fmt: skip
    assert dict(found.attributes) == {
        "release": "1.0",
        "tag": "db",
        "region": "eu",
        "k": "",
        "host": "web-1",
        "os": "Linux 6.1",
    }
