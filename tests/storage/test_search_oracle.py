"""The store's search against the naive answer: `query.match` asked about every event."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import databases
import vaults
from crashvault.errors import QueryError
from crashvault.query.match import matches
from crashvault.query.tree import Everything, Node
from crashvault.storage import finding, query_sql, search
from crashvault.storage.issues import SORTS
from crashvault.storage.store import Store

ROUNDS = int(os.environ.get("CRASHVAULT_FAULT_ROUNDS", "1"))
QUERIES = 40
SMALL: dict[str, dict[str, int]] = {
    "as shipped": {},
    "few": {"FEW": 20_000, "COUNTED": 1, "_STRETCH": 3},
    "along": {"FEW": 3, "COUNTED": 5, "WALKED": 1, "FURTHER": 1},
    "never few": {"FEW": 1, "COUNTED": 1_000},
    "along time in steps": {"FEW": 1, "_STRETCH": 4, "_LONGEST_STRETCH": 9, "_SKIPPED": 5, "_GAP": 2, "WALKED": 1},
    "from hashes": {"FEW": 1, "ASKED": 0},
    "issues asked": {"FEW": 1, "GATHERED": 0, "ASKED": 1_000_000},
    "beginnings not spelt out": {"SPELT_OUT": 1},
    "words not read": {"SPELT_OUT": 1, "_CHEAP_PREFIX": 99, "SCANNED": 0},
    "few read": {"FEW": 1, "CHECKED_ON": 1},
    "wildcards in slices": {"_AT_ONCE": 2},
    "wildcards of many": {"EXPANDED": 2},
}


class Oracle(NamedTuple):
    """Everything that is in a vault, read once."""

    store: Store
    events: list[tuple[int, int, Any, dict[str, Any]]]  # (timestamp, row, event, issue), latest first
    ranks: dict[str, int]

    def rows(self, node: Node) -> list[int]:
        return [row for _, row, event, issue in self.events if matches(node, event, issue, self.ranks)]

    def issues(self, node: Node) -> set[int]:
        return {issue["id"] for _, _, event, issue in self.events if matches(node, event, issue, self.ranks)}


def oracle(store: Store, now: int = vaults.NOW) -> Oracle:
    tags = store.issues.tags(vaults.issue_ids(store))
    found = []
    for item in store.events.load(list(store.events.all_rows())):
        issue = store.issues.get(item.issue_id)
        view = {
            **issue._asdict(), "is_new": issue.is_new(now), "is_regressed": bool(issue.is_regressed),
            "fingerprint": item.fingerprint, "own_tags": tags.get(item.issue_id, []),
        }  # fmt: skip
        found.append((item.event["timestamp"], item.row, item.event, view))
    found.sort(key=lambda entry: entry[:2], reverse=True)
    return Oracle(store, found, store.levels.ranks())


@pytest.fixture(scope="module", params=[*(("sqlite", seed) for seed in range(1 + ROUNDS)), ("postgres", 0)])
def full(request: Any, tmp_path_factory: Any) -> Iterator[Oracle]:
    engine, seed = request.param
    random = Random(seed)
    with databases.opened_store(engine, tmp_path_factory.mktemp("vault")) as store:
        vaults.fill(store, random, 90)
        vaults.triage(store, random)
        vaults.fill(store, random, 30)
        yield oracle(store)


@pytest.mark.parametrize("way", SMALL)
def test_every_way_gives_the_naive_answer(full: Oracle, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL[way].items():
        monkeypatch.setattr(
            next(module for module in (search, query_sql, finding) if name in vars(module)), name, value
        )
    random = Random(way)
    known = vaults.known_ids(full.store)
    asked = 0
    while asked < (
        QUERIES if full.store.db.dialect == "sqlite" else QUERIES // 3
    ):  # each asks a server hundreds of times
        text = vaults.query(random, known)
        finder = full.store.search(vaults.NOW)
        try:
            node = finder.parse(text)
        except QueryError:
            continue
        asked += 1
        _same_events(full, finder, node, text, random)
        _same_issues(full, finder, node, text, random)
        _same_in_bulk(full, finder, node, text, random)


def _same_events(full: Oracle, finder: search.Search, node: Node, text: str, random: Random) -> None:
    expected = full.rows(node)
    page = finder.events(node, 1000)
    assert page.ids == expected, text
    assert page.total == len(expected) or (not page.total_exact and page.total < len(expected)), text
    limit, offset = random.choice((1, 2, 7, 50)), random.choice((0, 1, 5, 30))
    page = finder.events(node, limit, offset)
    assert page.ids == expected[offset : offset + limit], (text, limit, offset)
    assert page.total == len(expected) or (not page.total_exact and page.total < len(expected)), text
    if expected and not isinstance(node, Everything):
        at = random.randrange(len(expected))
        before = next((moment, row) for moment, row, *_ in full.events if row == expected[at])
        assert finder.events(node, 7, 0, before).ids == expected[at + 1 : at + 8], (text, before)


def _same_issues(full: Oracle, finder: search.Search, node: Node, text: str, random: Random) -> None:
    expected = full.issues(node)
    sort, descending = random.choice(list(SORTS)), random.random() < 0.5
    page = finder.find_issues(node, sort, descending, 1000)
    assert set(page.ids) == expected and len(page.ids) == len(expected), text
    assert page.total == len(expected) or (not page.total_exact and page.total < len(expected)), text
    part = finder.find_issues(node, sort, descending, 3, 2)
    assert part.ids == page.ids[2:5], (text, sort)


def _same_in_bulk(full: Oracle, finder: search.Search, node: Node, text: str, random: Random) -> None:
    expected = set(full.rows(node))
    assert list(finder.every_event(node)) == sorted(expected), text
    if not query_sql.issue_only(node):
        assert finder.every_issue(node) == sorted(full.issues(node)), text
    some = random.sample([row for _, row, *_ in full.events], 30)
    assert finder.filter(node, some) == [row for row in some if row in expected], text
    arrived, looked = [], 0
    while looked < max(row for _, row, *_ in full.events):
        rows, looked = finder.arrivals(node, looked, random.choice((1, 7, 1000)))
        arrived += rows
    assert arrived == sorted(expected), text
