"""Alerts that count by issue, where issues are merged and taken apart again: a recount of the events says the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from crashvault import core, lifecycle, pipeline, watch
from crashvault.alerts.condition import parse
from crashvault.alerts.counters import Counters, series_of
from crashvault.alerts.evaluate import evaluate
from crashvault.clock import HOUR, SECOND, now, to_iso
from crashvault.storage.alerts import Rule
from crashvault.storage.store import Store
from crashvault.watch import Watch

START = (now() // HOUR - 2) * HOUR
_WORDS = ("apple", "pear", "plum", "cherry", "fig")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with core.open_vault(str(tmp_path / "vault")) as found:
        yield found


def _rule(store: Store, name: str, condition: str, **given: object) -> Rule:
    fields = watch.checked_rule(store, name, START, condition=condition, by="issue", **given)
    return watch.add_rule(store, fields, START)


def _record(store: Store, second: int, *bodies: dict[str, object]) -> list[int]:
    at = START + second * SECOND
    raws = [{"timestamp": to_iso(at), **body} for body in bodies]
    return [receipt.issue_id or 0 for receipt in pipeline.record_events(store, raws, received_at=at)]


def _told(store: Store, second: int) -> list[tuple[str, str, str | None]]:
    found = Watch(store).look(START + second * SECOND)
    return [(one.rule.name, one.alert["state"], one.alert["group"]) for one in found]


def _fruit(word: str, user: str = "ana") -> dict[str, object]:
    return {"message": f"no {word} left", "user": user}


def test_what_two_issues_count_is_counted_together_once_they_are_one(store: Store) -> None:
    _rule(store, "many", "count >= 6 in 10m")
    first, second = _record(store, 0, _fruit("apple"), _fruit("pear"))
    _record(store, 1, *[_fruit("apple")] * 2, *[_fruit("pear")] * 2)
    assert _told(store, 2) == []
    lifecycle.merge(store, first, [second], "me", START + 3 * SECOND)
    assert _told(store, 4) == [("many", "firing", str(first))]


def test_apart_again_each_counts_what_is_its_own(store: Store) -> None:
    _rule(store, "many", "count >= 6 in 10m", cooldown=0)
    first, second = _record(store, 0, _fruit("apple"), _fruit("pear"))
    lifecycle.merge(store, first, [second], "me", START + SECOND)
    _record(store, 2, *[_fruit("pear")] * 4)
    assert _told(store, 3) == [("many", "firing", str(first))]
    lifecycle.unmerge(store, second, "me", START + 4 * SECOND)
    told = [one for at in range(5, 90) for one in _told(store, at)]
    assert told == [("many", "resolved", str(first))], "neither has six of its own, and people knew of one alert"
    _record(store, 91, _fruit("pear"))
    assert _told(store, 92) == [("many", "firing", str(second))]


def test_an_alert_that_fires_goes_on_firing_as_that_of_the_target(store: Store) -> None:
    _rule(store, "many", "count >= 2 in 1m")
    first, second = _record(store, 0, _fruit("apple"), _fruit("pear"))
    _record(store, 1, _fruit("pear"))
    assert _told(store, 2) == [("many", "firing", str(second))]
    lifecycle.merge(store, first, [second], "me", START + 3 * SECOND)
    told = [one for at in range(4, 200) for one in _told(store, at)]
    assert told == [("many", "resolved", str(first))]


@pytest.mark.parametrize("seed", range(8))
def test_counters_equal_a_recount(store: Store, seed: int) -> None:
    random = Random(seed)
    rules = [_rule(store, f"r{n}", text) for n, text in enumerate(("count > 3 in 1m", "users >= 3 in 1m"))]
    past: list[tuple[int, str, str]] = []
    homes: dict[str, int] = {}
    second = 0
    for _ in range(40):
        second += random.choice((0, 1, 5, 30))
        roots = sorted({store.merging.root(issue) for issue in homes.values()})
        merged = [issue for issue in homes.values() if store.merging.parent(issue) is not None]
        choice = random.random()
        if choice < 0.2 and len(roots) > 1:
            target, other = random.sample(roots, 2)
            lifecycle.merge(store, target, [other], "me", START + second * SECOND, learn=False)
        elif choice < 0.35 and merged:
            lifecycle.unmerge(store, random.choice(merged), "me", START + second * SECOND, learn=False)
        else:
            words = [(random.choice(_WORDS), random.choice("abcd")) for _ in range(random.randint(1, 3))]
            numbers = _record(store, second, *(_fruit(word, user) for word, user in words))
            for (word, user), number in zip(words, numbers, strict=True):
                homes.setdefault(word, number)
                past.append((second, word, user))
        at = START + second * SECOND
        Watch(store).look(at)
        for rule in rules:
            _compare(store, rule, past, homes, at)


def _compare(store: Store, rule: Rule, past: list[tuple[int, str, str]], homes: dict[str, int], at: int) -> None:
    series = series_of(parse(rule.condition))
    alerts = store.alerts.alerts(rule.id)
    counted = store.alerts.counters(rule.id, alerts, series, at)
    roots = {word: str(store.merging.root(issue)) for word, issue in homes.items()}
    firing = {alert.group for alert in alerts if alert.life.state == "firing"}
    for group in set(roots.values()):
        recount = Counters(START)
        for second, word, user in past:
            if roots[word] == group:
                recount.add(series[0], START + second * SECOND, members=frozenset({ord(user)}))
        wanted = evaluate(parse(rule.condition), recount, at)
        got = evaluate(parse(rule.condition), counted.get(group, Counters(START)), at)  # none: forgotten
        assert got.numbers == wanted.numbers
        assert not wanted.holds or group in firing
    assert {alert.group for alert in alerts} <= set(roots.values())
