"""Conditions over counters: the same as counting all events again."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.alerts.condition import (
    SIGNS,
    Both,
    Compare,
    Condition,
    Either,
    Fact,
    Ratio,
    Silence,
    fact_window,
    parse,
)
from crashvault.alerts.counters import Counters, series_of, width_of
from crashvault.alerts.evaluate import evaluate
from crashvault.alerts.life import Terms
from crashvault.alerts.replay import Past, add_past, replay
from crashvault.clock import HOUR, MINUTE, SECOND

START = 1_790_000_000 * SECOND


def _counted(condition: Condition, events: list[Past], since: int = START) -> Counters:
    counters = Counters(since)
    for event in events:
        add_past(counters, series_of(condition), event)
    return counters


def _in_window(events: list[Past], window: int, now: int, back: int = 0) -> list[Past]:
    """By the definition: the last so many whole buckets, the present one among them."""
    width = width_of(window)
    slices = -(-window // width)
    last = now // width - back * slices
    return [event for event in events if last - slices < event.at // width <= last]


def _naive(condition: Condition, events: list[Past], now: int) -> bool:
    match condition:
        case Both(parts):
            return all(_naive(part, events, now) for part in parts)
        case Either(parts):
            return any(_naive(part, events, now) for part in parts)
        case Compare(metric, sign, limit, window):
            found = _in_window(events, window, now)
            which = {"users": "user", "hosts": "host"}.get(metric)
            value = len(found) if which is None else len({getattr(one, which) for one in found} - {None})
            return SIGNS[sign](value, limit)
        case Ratio(sign, factor, window):
            before = len(_in_window(events, window, now, back=1))
            known = now - 2 * window >= START
            return known and before > 0 and SIGNS[sign](len(_in_window(events, window, now)), factor * before)
        case Fact(what):
            return any(what in event.what for event in _in_window(events, _fact_window, now))
        case Silence(window):
            return now - max([event.at for event in events], default=START) > window
    raise TypeError(condition)


_fact_window = HOUR
_CONDITIONS = [
    "count > 3 in 1m", "count >= 5 in 10s", "users >= 3 in 1h", "hosts > 1 in 1m and count > 2 in 1m",
    "count > 2x previous in 1m", "silence > 2m", "count < 2 in 1m", "new issue and users > 1 in 1h",
    "regression and count > 2 in 1h or silence > 5m",
]  # fmt: skip
_moments = st.integers(0, 600).map(lambda second: START + second * SECOND + 123)
_pasts = st.builds(
    Past,
    _moments,
    st.just(""),
    st.just(1),
    st.sampled_from([frozenset({"count"}), frozenset({"count", "new issue"}), frozenset({"count", "regression"})]),
    st.sampled_from([None, 1, 2, 3, 4]),
    st.sampled_from([None, 7, 8]),
)


@settings(max_examples=300)
@given(st.sampled_from(_CONDITIONS), st.lists(_pasts, max_size=40), _moments, st.randoms(use_true_random=False))
def test_counters_say_what_a_recount_says_in_any_order(text: str, events: list[Past], now: int, random: Random) -> None:
    condition = parse(text)
    seen = [event for event in events if event.at <= now]
    random.shuffle(seen)
    assert evaluate(condition, _counted(condition, seen), now).holds == _naive(condition, seen, now)
    assert fact_window(condition) in (_fact_window, MINUTE) or "new" not in text


def test_the_numbers_tell_why() -> None:
    condition = parse("count > 2 in 1m and users > 1 in 1h")
    events = [Past(START + n * SECOND, "", user=n) for n in range(4)]
    verdict = evaluate(condition, _counted(condition, events), START + 5 * SECOND)
    assert verdict.holds
    assert dict(verdict.numbers) == {"count": 4, "users": 4}
    assert verdict.reason == "4 events in 1m; 4 users in 1h"


@pytest.mark.parametrize(("seconds", "holds"), [(59, True), (60, False)])
def test_nothing_older_than_the_window_is_counted(seconds: int, holds: bool) -> None:
    condition = parse("count >= 1 in 1m")
    assert evaluate(condition, _counted(condition, [Past(START, "")]), START + seconds * SECOND).holds == holds


def _replayed(text: str, events: list[Past], **options: Any) -> list[tuple[str, float, str]]:
    terms = Terms(linger=MINUTE, cooldown=options.pop("cooldown", 0))
    found = replay(parse(text), events, terms, START, START + 30 * MINUTE, alone=True)
    return [(one.what, round((one.at - START) / SECOND, 1), one.reason) for one in found]


def test_replaying_tells_when_and_why() -> None:
    events = [Past(START + n * 10 * SECOND, "") for n in range(8)]
    assert _replayed("count > 3 in 1m", events) == [
        ("fired", 31, "4 events in 1m"),
        ("resolved", 159, "0 events in 1m"),
    ]


def test_silence_is_replayed_though_nothing_comes() -> None:
    assert [what for what, _, _ in _replayed("silence > 10m", [])] == ["fired"]
    found = _replayed("silence > 10m", [Past(START + 5 * MINUTE, "")])
    assert [what for what, _, _ in found] == ["fired"]
    assert 900 < found[0][1] <= 912


def test_each_group_has_a_life_of_its_own() -> None:
    events = [Past(START + n * SECOND, group) for n in range(4) for group in ("a", "b")]
    found = replay(parse("count > 3 in 1m"), events, Terms(), START, START + HOUR, alone=False)
    assert [(one.what, one.group) for one in found] == [
        ("fired", "a"),
        ("fired", "b"),
        ("resolved", "a"),
        ("resolved", "b"),
    ]
