"""Moving a vault between engines: all of it arrives, interrupted or not, and it goes on counting where it was."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import databases
import vaults
from crashvault import lifecycle, pipeline
from crashvault.errors import ConflictError
from crashvault.storage import moving
from crashvault.storage.store import Store, open_sqlite

NOW = vaults.NOW
EVENT_ROWS = {("events", "id"), ("payloads", "id"), ("issues", "last_event")}


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    with open_sqlite(str(tmp_path / "source")) as store:
        random = Random(5)
        vaults.fill(store, random, 40)
        vaults.triage(store, random)
        data = base64.b64encode(bytes(range(256)) * 2_000).decode()
        body = {"message": "with a file", "attachments": [{"name": "a.bin", "data": data}]}
        pipeline.record_events(store, [body], received_at=NOW - 40 * 86_400_000_000)
        lifecycle.set_status(store, [1], "resolved", "ana", NOW)
        store.settings.set("scrub.keys", ["badge"], NOW)
        store.telemetry.add(1, check_ins=[_check_in()], now=NOW)
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Any]:
    with databases.opened_store("postgres", tmp_path / "target") as store:
        yield store


def _check_in() -> dict[str, Any]:
    return {"check_in_id": "ab" * 16, "monitor": "nightly", "status": "ok", "duration": 1.5, "release": None,
            "environment": "production", "at": NOW, "config": None}  # fmt: skip


def answers(store: Store) -> dict[str, Any]:
    """What people get told, without the store's own numbers of events."""
    search = store.search(NOW)
    found: dict[str, Any] = {}
    for text in ("timeout", "tag:db", "*ime*", "file:orders/api.py", "level:error is:open", "user:ana", "has:trace"):
        page = search.events(search.parse(text), 500)
        found[text] = [store.events.load([row])[0].event for row in page.ids], page.total
        found[f"issues {text}"] = search.find_issues(search.parse(text)).ids
    issues = store.issues.by_ids(store.issues.all_ids())
    found["issues"] = [issue._replace(last_event=0) for issue in issues]
    found["tags"] = store.issues.tags([issue.id for issue in issues])
    found["hashes"] = {issue.id: store.issues.hashes(issue.id) for issue in issues}
    found["activity"] = {issue.id: store.triage.activity(issue.id) for issue in issues}
    found["totals"] = store.statistics.totals()
    found["settings"], found["levels"] = store.settings.all(), store.levels.list()
    found["projects"], found["check-ins"] = store.projects.list(), store.telemetry.check_ins()
    return found


def test_all_of_a_vault_arrives_there_and_back(filled: Store, target: Store, tmp_path: Path) -> None:
    before = answers(filled)
    there = moving.move(filled, target)
    assert there.attachments == 1 and there.rows == moving.rows_to_move(filled)
    assert answers(target) == before
    assert not [found for _, found in _examined(target) if found]
    with open_sqlite(str(tmp_path / "back")) as back:
        moving.move(target, back)
        assert answers(back) == before
        (name,) = [digest for digest, _ in back.blobs.list()]
        with filled.blobs.open(name) as mine, back.blobs.open(name) as theirs:
            assert mine.read() == theirs.read()
        assert not [found for _, found in _examined(back) if found and "permissions" not in str(found)]


def _examined(store: Store) -> list[Any]:
    from crashvault import core

    return core.examine(store, deep=True)


def test_events_lie_in_the_order_and_the_days_of_their_arrival(filled: Store, target: Store) -> None:
    moving.move(filled, target)
    mine = [item.event["event_id"] for item in filled.events.load(list(filled.events.all_rows()))]
    rows = list(target.events.all_rows())
    assert [item.event["event_id"] for item in target.events.load(rows)] == mine
    days = [row >> moving.DAY_BITS for row in rows]
    assert days == sorted(days) and days[0] == NOW // 86_400_000_000


def test_a_moved_vault_goes_on_counting(filled: Store, target: Store) -> None:
    moving.move(filled, target)
    last = max(filled.issues.all_ids())
    receipt = pipeline.record_events(target, [{"message": "something quite new"}])[0]
    assert receipt.transition == "new" and (receipt.issue_id or 0) > last
    assert list(target.events.all_rows())[-1] == target.events.find("default", receipt.event_id)
    again = pipeline.record_events(target, [{"message": "timeout of the next one", "event_id": receipt.event_id}])[0]
    assert again.transition == "duplicate"
    made = target.projects.add("made afterwards", NOW)
    assert made.id > max(project.id for project in filled.projects.list())


def test_what_was_interrupted_is_taken_up(filled: Store, target: Store) -> None:
    steps = [0]

    def stop_at(step: int) -> Any:
        def progress(rows: int) -> None:
            steps[0] += 1
            if steps[0] == step:
                raise KeyboardInterrupt

        return progress

    for step in (1, 4, 9, 16):
        steps[0] = 0
        with pytest.raises(KeyboardInterrupt):
            moving.move(filled, target, stop_at(step))
    moving.move(filled, target)
    assert answers(target) == answers(filled)
    with pytest.raises(ConflictError, match="holds something"):
        moving.move(filled, target)


def test_what_changed_meanwhile_is_told_and_comes_with_the_next_run(
    filled: Store, target: Store, tmp_path: Path
) -> None:
    copied: list[str] = []

    def change(rows: int) -> None:
        if not copied:
            copied.append("once")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moving.move(filled, target, change)
    pipeline.record_events(filled, [{"message": "recorded between two runs"}], received_at=NOW)
    try:
        moving.move(filled, target)
    except ConflictError as error:
        assert "has changed" in error.message
        moving.move(filled, target)
    assert answers(target) == answers(filled)


def test_a_vault_is_not_moved_into_one_that_holds_something(filled: Store, target: Store) -> None:
    pipeline.record_events(target, [{"message": "mine"}])
    with pytest.raises(ConflictError, match="holds something"):
        moving.move(filled, target)
    with pytest.raises(ConflictError, match="the same vault"):
        moving.move(filled, filled)


def test_every_column_that_names_an_event_is_known(filled: Store, target: Store) -> None:
    """Rows of events are called differently in PostgreSQL: a new table that names them must say so."""
    rows = set(filled.events.all_rows())
    assert moving.tables_of(filled) == [
        table._replace(columns=mine.columns)
        for table, mine in zip(moving.tables_of(target), moving.tables_of(filled), strict=True)
        if set(table.columns) == set(mine.columns)
    ]
    named = {
        (table.name, column)
        for table in moving.tables_of(filled) for column in table.columns if "event" in column and column != "event_id"
    }  # fmt: skip
    assert named <= {(table, "event") for table, _ in named} | EVENT_ROWS
    assert rows


def test_by_command(cli: Any, tmp_path: Path) -> None:
    cli("add", "moved about", "--tag", "db")
    with databases.database() as url:
        done = cli("migrate-store", "--to", url)
        assert "both vaults have the same content" in " ".join(done.out.split())
        env = {"CRASHVAULT_DATABASE_URL": url}
        assert [issue["title"] for issue in cli.json("list", env=env)["items"]] == ["moved about"]
        back = cli.json("migrate-store", "--to", tmp_path / "back", env=env)
        assert back["rows"] > 0 and len(back["checksum"]) == 64
        assert "holds something" in cli("migrate-store", "--to", url, code=1).err
    assert cli.json("--home", tmp_path / "back", "list")["total"] == 1
