"""Deleting: afterwards the vault must be one that never had what was deleted."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import uuid
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import databases
import vaults
from contents import assert_sound, contents
from crashvault import lifecycle, pipeline
from crashvault.clock import DAY, HOUR
from crashvault.errors import QueryError
from crashvault.storage import deletion
from crashvault.storage.codec import expand
from crashvault.storage.store import Store

NOW = vaults.NOW
ROUNDS = int(os.environ.get("CRASHVAULT_FAULT_ROUNDS", "1"))


def record(store: Store, batches: list[list[dict[str, Any]]], without: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    if "audit" not in store.levels.ranks():
        store.levels.add("audit", 35, None, None)
        with store.writing():  # so that they have the same numbers in every vault
            for name in vaults.PROJECTS:
                store.projects.ids([name], NOW)
    for batch in batches:
        raws = [{**deepcopy(raw), "project": None} for raw in batch if raw["event_id"] not in without]
        if raws:
            pipeline.record_events(store, raws, project=batch[0]["project"], received_at=NOW)


def batches_of(random: Random, count: int) -> list[list[dict[str, Any]]]:
    found = []
    for _ in range(count):
        project = random.choice(vaults.PROJECTS)
        found.append([{**vaults.raw_event(random), "project": project} for _ in range(random.randint(1, 9))])
        for raw in found[-1]:
            if random.random() < 0.1:
                data = base64.b64encode(random.choice((b"one", b"two", b"three"))).decode()
                raw["attachments"] = [{"name": "a.txt", "data": data}]
    return found


def assert_same(left: Store, right: Store, random: Random) -> None:
    assert_sound(left)
    mine, theirs = contents(left), contents(right)
    for name in mine:
        assert mine[name] == theirs[name], name
    assert _totals(left) == _totals(right)
    known = vaults.known_ids(right)
    if not known["event"]:
        return
    for _ in range(40):
        text = vaults.query(random, known)
        answers = []
        for store in (left, right):
            search = store.search(NOW)
            try:
                node = search.parse(text)
            except QueryError:
                break
            if any(term in text for term in ("issue:", "has:")):
                break
            page = search.events(node, 500)
            issues = search.find_issues(node, limit=500)
            found = [item.event["event_id"] for item in store.events.load(page.ids)]
            answers.append(
                (found, page.total, page.total_exact, sorted(store.issues.fingerprints(issues.ids).values()))
            )
        assert answers == [] or answers[0] == answers[-1], text


def _totals(store: Store) -> tuple[Any, ...]:
    totals = store.statistics.totals()
    # A project stays when it has become empty.
    return (*totals[:4], {name: counts for name, counts in totals.by_project.items() if counts != (0, 0)})


def rows_of(store: Store, ids: set[str]) -> list[int]:
    return [row for row, key in store.db.rows("SELECT id, event_id FROM events") if str(uuid.UUID(bytes=key)) in ids]


def some_events(store: Store, random: Random) -> set[str]:
    keys = [str(uuid.UUID(bytes=key)) for (key,) in store.db.rows("SELECT event_id FROM events ORDER BY id")]
    chosen = set(random.sample(keys, random.randint(1, len(keys))))
    store.deletion.events(rows_of(store, chosen), NOW)
    return chosen


def some_issues(store: Store, random: Random) -> set[str]:
    ids = vaults.issue_ids(store)
    chosen = random.sample(ids, random.randint(1, len(ids)))
    gone = {
        str(uuid.UUID(bytes=key))
        for key, issue in store.db.rows("SELECT e.event_id, h.issue_id FROM events e JOIN hashes h ON h.id = e.hash_id")
        if issue in chosen
    }
    assert store.deletion.issues(chosen, NOW) == len(gone)
    return gone


def everything(store: Store, random: Random) -> set[str]:
    gone = {str(uuid.UUID(bytes=key)) for (key,) in store.db.rows("SELECT event_id FROM events")}
    store.deletion.everything(NOW)
    return gone


@pytest.mark.parametrize("seed", range(3 * ROUNDS))
@pytest.mark.parametrize("delete", [some_events, some_issues, everything])
def test_a_vault_after_deleting_is_one_that_never_had_it(
    tmp_path: Path, engine: str, seed: int, delete: Callable[[Store, Random], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "_AT_ONCE", 7)
    monkeypatch.setattr(deletion, "_FEW", seed % 3 * 10)
    random = Random(seed)
    batches = batches_of(random, 20)
    with (
        databases.opened_store(engine, tmp_path / "a") as left,
        databases.opened_store(engine, tmp_path / "b") as right,
    ):
        for store in (left, right):  # what joins what depends on all that was there before
            store.settings.set("grouping.join", False, NOW)
        record(left, batches)
        gone = delete(left, random)
        record(right, batches, without=gone)
        left.deletion.merge_index()
        right.deletion.merge_index()
        assert_same(left, right, random)
        later = batches_of(random, 5)
        for store in (left, right):
            record(store, later)
            store.deletion.merge_index()
        assert_same(left, right, random)
        record(left, batches)  # sent once more: the deleted ones do not come back
        assert contents(left)["keys"] == contents(right)["keys"]


def test_collecting_garbage_leaves_a_sound_vault_as_it_is(tmp_path: Path, engine: str) -> None:
    random = Random(5)
    with databases.opened_store(engine, tmp_path) as store:
        record(store, batches_of(random, 15))
        before = contents(store)
        done = store.deletion.collect(NOW)
        assert done[:4] == (0, 0, 0, 0)
        after = contents(store)
        assert {name: after[name] for name in before} == before
        assert_sound(store)


def test_orphans_are_collected(tmp_path: Path, engine: str) -> None:
    with databases.opened_store(engine, tmp_path) as store:
        record(store, batches_of(Random(6), 15))
        before = contents(store)
        expected = len(before["stacks"]) + len(before["backgrounds"]), len(before["issues"])
        assert all(expected)
        with store.writing():
            for table in ("events", "payloads"):
                store.db.execute(f"DELETE FROM {table}")
        done = store.deletion.collect(NOW)
        assert (done.stacks, done.issues) == expected
        for table in ("issues", "hashes", "stacks", "backgrounds", "stack_words", "stack_hashes", "hash_users"):
            assert store.db.value(f"SELECT count(*) FROM {table}") == 0, table
        assert store.db.value("SELECT count(*) FROM words WHERE field IN ('file', 'function', 'module')") == 0


def test_a_tombstone_lasts_thirty_days(tmp_path: Path, engine: str) -> None:
    with databases.opened_store(engine, tmp_path) as store:
        raw = {"message": "once", "event_id": str(uuid.uuid4())}
        first = pipeline.record_events(store, [dict(raw)], received_at=NOW)[0]
        store.deletion.events(list(store.events.all_rows()), NOW)
        for moment in (NOW, NOW + 30 * DAY):
            store.deletion.collect(moment)
            again = pipeline.record_events(store, [dict(raw)], received_at=moment)[0]
            assert (again.transition, again.issue_id) == ("duplicate", None)
        store.deletion.collect(NOW + 30 * DAY + 1)
        assert pipeline.record_events(store, [dict(raw)], received_at=NOW + 31 * DAY)[0].transition == "new"
        assert store.issues.get(first.issue_id or 0) if store.db.row("SELECT 1 FROM issues WHERE id = 1") else True


@pytest.mark.vault_file
def test_blobs_go_an_hour_after_their_last_attachment(tmp_path: Path, engine: str) -> None:
    with databases.opened_store(engine, tmp_path) as store:
        for number, data in enumerate((b"alone", b"shared", b"shared")):
            raw = {"message": f"m{number}", "attachments": [{"name": "x", "data": base64.b64encode(data).decode()}]}
            pipeline.record_events(store, [raw])
        alone, shared = (store.blobs.path(hashlib.sha256(data).hexdigest()) for data in (b"alone", b"shared"))
        leftover = os.path.join(store.blobs.root, ".1-2.tmp")
        Path(leftover).write_bytes(b"half")
        written = os.stat(alone).st_mtime
        store.deletion.events([1, 2], NOW)
        early, late = int(written * 1e6) + HOUR // 2, int(written * 1e6) + HOUR + 10_000_000
        assert store.deletion.collect(early).attachments == 0
        assert os.path.exists(alone) and os.path.exists(leftover)
        done = store.deletion.collect(late)
        assert done.attachments == 2 and done.bytes >= len(b"alone") + len(b"half")
        assert not os.path.exists(alone) and not os.path.exists(leftover) and os.path.exists(shared)
        store.deletion.events([3], NOW)
        assert store.deletion.collect(late).attachments == 1 and not os.path.exists(shared)


@pytest.mark.vault_file
def test_a_content_that_is_stored_again_while_it_is_collected_stays(tmp_path: Path, engine: str) -> None:
    with databases.opened_store(engine, tmp_path) as store:
        digest = store.blobs.put_bytes(b"again", {"name": "x"})["digest"]
        written = os.stat(store.blobs.path(digest)).st_mtime
        assert store.blobs.remove(digest, written - 1) == 0
        with store.blobs.open(digest) as file:
            assert file.read() == b"again"
        assert store.blobs.remove(digest, written + 1) == 5
        assert store.blobs.remove(digest, written + 1) == 0


def marker_event(marker: str) -> dict[str, Any]:
    """An event with a marker in every part that is stored."""
    return {
        "message": f"lost {marker}", "level": "error", "tags": [marker, f"k={marker}"], "release": marker, "host": marker,
        "environment": marker, "source": marker, "logger": marker, "transaction": marker,
        "user": {"id": marker, "email": f"{marker}@x.org"}, "context": {"a": marker, "os": {"name": marker}},
        "modules": {marker: "1"}, "breadcrumbs": [{"message": marker}],
        "exceptions": [{"type": f"E{marker}", "value": marker, "frames": [
            {"file": f"{marker}.py", "function": marker, "module": marker, "line": 1, "context_line": marker, "vars": {marker: marker}},
        ]}],
    }  # fmt: skip


@pytest.mark.vault_file
@pytest.mark.parametrize("way", ["events", "issues", "everything"])
@pytest.mark.parametrize("together", [False, True])
def test_nothing_of_a_deleted_event_is_left_in_the_files(tmp_path: Path, engine: str, way: str, together: bool) -> None:
    marker = "zqxjkvb1marker"
    random = Random(8)
    with databases.opened_store(engine, tmp_path) as store:
        record(store, batches_of(random, 10))
        raw = marker_event(marker)
        neighbour: dict[str, Any] = {"message": "other", "fingerprint": ["same"]} if together else {"message": "other"}
        if together:
            raw["fingerprint"] = ["same"]
        receipt = pipeline.record_events(store, [raw], received_at=NOW)[0]
        pipeline.record_events(store, [neighbour], received_at=NOW)
        record(store, batches_of(random, 10))
        assert receipt.issue_id is not None and found_in_files(store, marker)
        if way == "events":
            store.deletion.events([store.events.resolve(receipt.event_id)], NOW)
        elif way == "issues":
            store.deletion.issues([receipt.issue_id], NOW)
        else:
            store.deletion.everything(NOW)
        store.deletion.merge_index()
        assert found_in_files(store, marker) == []
        assert_sound(store)


def found_in_files(store: Store, marker: str) -> list[str]:
    """Which files of the vault hold a text, as it is or inside a compressed part; or its beginning, as an index has it."""
    store.db.checkpoint()
    found = []
    for path in Path(store.home).rglob("*"):
        if path.is_file() and marker[2:].encode() in path.read_bytes():
            found.append(str(path))
    for table, column in (("payloads", "body"), ("stacks", "body"), ("backgrounds", "body")):
        found += [
            table for (body,) in store.db.rows(f"SELECT {column} FROM {table}") if marker.encode() in expand(body)
        ]
    return found


def test_a_title_that_a_person_chose_survives(tmp_path: Path, engine: str) -> None:
    with databases.opened_store(engine, tmp_path) as store:
        for text in ("one", "two"):
            pipeline.record_events(store, [{"message": text, "fingerprint": ["same"]}], received_at=NOW)
        assert store.issues.get(1).title == "one"
        store.deletion.events(list(store.events.all_rows())[:1], NOW)
        assert store.issues.get(1).title == "two"
        lifecycle.set_title(store, 1, "chosen", "ana", NOW)
        pipeline.record_events(store, [{"message": "three", "fingerprint": ["same"]}], received_at=NOW)
        store.deletion.events(list(store.events.all_rows())[:1], NOW)
        assert store.issues.get(1).title == "chosen"


def test_merged_issues_keep_their_totals_when_events_go(tmp_path: Path, engine: str) -> None:
    with databases.opened_store(engine, tmp_path) as store:
        for text in ("alpha", "beta", "alpha", "beta"):
            pipeline.record_events(store, [{"message": text, "user": "ana"}], received_at=NOW)
        vaults.merge(store, 1, 2)
        assert store.issues.get(1)[11:13] == (4, 1)
        store.deletion.events(list(store.events.all_rows())[::2], NOW)
        issue = store.issues.get(1)
        assert (issue.count, issue.users, issue.title) == (2, 1, "beta")
        again = pipeline.record_events(store, [{"message": "alpha", "user": "bob"}], received_at=NOW)[0]
        assert again.issue_id == 1 and store.issues.get(1).count == 3 and store.issues.get(1).users == 2


@pytest.mark.vault_file
def test_collecting_never_holds_the_write_lock_for_all_of_it(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its transactions others can write: as many as there are chunks."""
    monkeypatch.setattr(deletion, "_AT_ONCE", 5)
    monkeypatch.setattr(deletion, "_ROWS_AT_ONCE", 5)
    with databases.opened_store(engine, tmp_path) as store:
        record(store, batches_of(Random(9), 15))
        with store.writing():
            store.db.execute("UPDATE event_keys SET event = NULL, deleted_at = 1")
            store.db.execute("DELETE FROM events")
        changed: list[int] = []
        writing, total = store.db.writing, lambda: store.db.connection.total_changes

        def watched() -> Any:
            from contextlib import contextmanager

            @contextmanager
            def inner() -> Any:
                with writing():
                    before = total()
                    yield
                    changed.append(total() - before)

            return inner()

        monkeypatch.setattr(store.db, "writing", watched)
        done = store.deletion.collect(NOW)
        assert done.tombstones > 50 and done.issues > 50
        assert len(changed) > (done.tombstones + done.issues) / 5
