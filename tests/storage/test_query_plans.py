"""Reading goes through indexes: no statement of a listing, a search or a selection scans all events."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import vaults
from crashvault.clock import DAY
from crashvault.storage import finding, search
from crashvault.storage.issues import Position
from crashvault.storage.policies import Scope
from crashvault.storage.store import Store, open_sqlite

QUERIES = (
    "timeout", "time*", '"not found"', "message:timeout", "zyzzyva", "timeout -level:error", "timeout OR tag:region=eu",
    "file:orders/api.py", "file:*.py", "function:main", "tag:db", "tag:region=*", "level:>=error since:30d",
    "until:1d", "since:2d until:1d", "environment:staging host:web-*", "user:ana", "release:1.*", "exception:ValueError",
    "issue:1", "issue:1 timeout", "is:open timeout", "status:open", "has:user", "line:3", "-tag:db", "trace:abc*",
)  # fmt: skip
WAYS: dict[str, dict[str, int]] = {
    "as shipped": {},
    "small pages of time": {"FEW": 1, "_STRETCH": 4, "_LONGEST_STRETCH": 16, "_SKIPPED": 8, "WALKED": 1},
    "issues asked": {"FEW": 1, "GATHERED": 0},
}
# Along time and from the newest on, where a LIMIT ends it.
ALLOWED = "USING COVERING INDEX events_timestamp"


@pytest.fixture(scope="module")
def store(tmp_path_factory: Any) -> Iterator[Store]:
    random = Random(7)
    with open_sqlite(str(tmp_path_factory.mktemp("vault"))) as opened:
        vaults.fill(opened, random, 200)
        vaults.triage(opened, random)
        yield opened


def plans_of(store: Store, action: Callable[[], object]) -> dict[str, list[str]]:
    """The statements of an action that look for rows, each with the steps of its plan."""
    seen: dict[str, None] = {}
    connection = store.db.connection
    connection.set_trace_callback(lambda sql: seen.setdefault(sql))
    try:
        action()
    finally:
        connection.set_trace_callback(None)
    return {
        sql: [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        for sql in seen
        if sql.lstrip().upper().startswith(("SELECT", "WITH", "DELETE", "UPDATE"))
    }


def scans(store: Store, action: Callable[[], object]) -> list[str]:
    """What the statements of an action scan of the tables that grow with every event."""
    found = []
    for sql, steps in plans_of(store, action).items():
        for step in steps:
            table = step.removeprefix("SCAN ").split()[0] if step.startswith("SCAN ") else ""
            if table in ("e", "events", "b", "payloads", "k", "event_keys") and ALLOWED not in step:
                found.append(f"{step}: {sql[:200]}")
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("query", QUERIES)
def test_no_query_scans_all_events(store: Store, query: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WAYS[way].items():
        monkeypatch.setattr(search if name in vars(search) else finding, name, value)
    finder = store.search(vaults.NOW)
    node = finder.parse(query)
    arrived = store.events.rows_after(0, 20)

    def read() -> None:
        finder.events(node, 5)
        finder.events(node, 5, 3, (vaults.NOW - DAY, 1 << 40))
        finder.find_issues(node, limit=5)
        finder.filter(node, arrived)
        finder.arrivals(node, arrived[0], 5)

    assert scans(store, read) == []


@pytest.mark.parametrize("query", [query for query in QUERIES if not query.startswith("-")])
def test_choosing_what_to_delete_scans_nothing(store: Store, query: str) -> None:
    finder = store.search(vaults.NOW)
    assert scans(store, lambda: list(finder.every_event(finder.parse(query)))) == []


def test_deleting_a_few_events_scans_nothing(tmp_path: Path) -> None:
    random = Random(8)
    with open_sqlite(str(tmp_path)) as store:
        vaults.fill(store, random, 80)
        rows = store.events.rows_after(0, 10)
        assert scans(store, lambda: store.deletion.events(rows, vaults.NOW)) == []
        assert not set(rows) & set(store.events.all_rows())


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort", ["id", "title", "status", "created_at", "last_seen"])
def test_a_page_of_issues_begins_in_the_index(store: Store, sort: str, descending: bool) -> None:
    """Neither are the issues before it counted, nor all of them sorted."""
    finder = store.search(vaults.NOW)
    node = finder.parse("")
    first = finder.find_issues(node, sort, descending, 3).ids[-1]
    after = Position(store.issues.key(first, sort), first, store.events.newest_row(), vaults.NOW)
    plans = plans_of(store, lambda: finder.find_issues(node, sort, descending, 3, after=after))
    listing = [steps for sql, steps in plans.items() if "FROM issues i" in sql and "ORDER BY" in sql]
    assert listing and not [sql for sql in plans if "count(*) FROM issues" in sql]
    for steps in listing:
        assert "USE TEMP B-TREE FOR ORDER BY" not in steps and any(step.startswith("SEARCH i") for step in steps), steps


def test_a_wrong_clock_does_not_widen_what_the_index_is_asked_for() -> None:
    recent = list(range(998_001, 1_000_001))
    assert finding.row_ranges([5, *recent]) == [(5, 5), (998_001, 1_000_000)]
    interleaved = [source * 50_000 + row for source in range(20) for row in range(100)]
    assert finding.row_ranges(interleaved) == [(source * 50_000, source * 50_000 + 99) for source in range(20)]


@pytest.mark.parametrize(
    ("kind", "value", "scope"),
    [("max-age", "1d", {}), ("max-events", "20", {}), ("max-events-per-issue", "1", {}), ("max-size", "1MiB", {}),
     ("max-age", "1d", {"level": "debug"}), ("max-events", "5", {"query": "tag:db"})],
)  # fmt: skip
def test_retention_finds_what_goes_through_indexes(store: Store, kind: str, value: str, scope: dict[str, str]) -> None:
    policies = store.retention.policies
    policies.set(kind, value, Scope(**scope), vaults.NOW)
    assert scans(store, lambda: store.retention.plan(vaults.NOW + DAY)) == []
    policies.unset(kind, Scope(**scope), vaults.NOW)
