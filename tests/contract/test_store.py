"""What every store must do, through its public repositories. Each engine runs the same tests."""

from __future__ import annotations

import base64
import copy
import hashlib
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import databases
import vaults
from crashvault import lifecycle, pipeline
from crashvault.clock import DAY, HOUR, MINUTE
from crashvault.errors import ConflictError, InvalidError, NotFoundError
from crashvault.ingest.limits import REASONS
from crashvault.models import LEVEL_RANKS
from crashvault.storage.store import Store
from nasty import NASTY

NOW = vaults.NOW


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: Any, tmp_path: Path) -> Iterator[Store]:
    with databases.opened_store(request.param, tmp_path / "vault") as opened:
        yield opened


def record(store: Store, *raws: dict[str, Any], now: int = NOW, **options: Any) -> list[pipeline.Receipt]:
    return pipeline.record_events(store, [copy.deepcopy(raw) for raw in raws], received_at=now, **options)


def at(moment: int, message: str = "boom", **more: Any) -> dict[str, Any]:
    return {"message": message, "timestamp": moment / 1_000_000, **more}


def all_events(store: Store) -> list[Any]:
    return store.events.load(list(store.events.all_rows()))


# Recording


def test_what_is_recorded_comes_back(store: Store) -> None:
    raw = vaults.raw_event(Random(3))
    receipt = record(store, raw, project="shop")[0]
    item = store.events.get(receipt.event_id[:8])
    assert item.event["event_id"] == raw["event_id"] and item.event["project"] == "shop"
    assert item.event["timestamp"] == round(raw["timestamp"] * 1_000_000) and item.event["received_at"] == NOW
    assert (item.issue_id, item.fingerprint) == (receipt.issue_id, receipt.fingerprint)
    assert receipt.issue_created and receipt.transition == "new"
    assert store.issues.hashes(item.issue_id)[0].hash == receipt.fingerprint


def test_a_batch_answers_in_order(store: Store) -> None:
    receipts = record(store, at(NOW, "a"), at(NOW - HOUR, "b"), at(NOW - DAY, "a"), at(NOW, "c"))
    first, second, third, fourth = (receipt.issue_id for receipt in receipts)
    assert first == third and len({first, second, fourth}) == 3
    assert [receipt.transition for receipt in receipts] == ["new", "new", "repeated", "new"]
    assert [receipt.issue_created for receipt in receipts] == [True, True, False, True]


def test_the_same_id_is_one_event(store: Store) -> None:
    raw = {**at(NOW), "event_id": str(uuid.uuid4())}
    receipts = record(store, raw, {**raw, "message": "other"}, raw)
    receipts += record(store, {**raw, "event_id": raw["event_id"].replace("-", "").upper()})
    assert [receipt.transition for receipt in receipts] == ["new", "duplicate", "duplicate", "duplicate"]
    assert {receipt.issue_id for receipt in receipts} == {receipts[0].issue_id}
    assert len(all_events(store)) == 1 and store.issues.get(1).count == 1


def test_the_same_id_in_another_project_is_another_event(store: Store) -> None:
    raw = {**at(NOW), "event_id": str(uuid.uuid4())}
    receipts = [record(store, raw, project=name)[0] for name in ("default", "shop")]
    assert [receipt.transition for receipt in receipts] == ["new", "new"]
    assert receipts[0].issue_id != receipts[1].issue_id
    with pytest.raises(InvalidError, match="fits several"):
        store.events.get(raw["event_id"])


def test_ids_of_issues_are_not_used_up_by_known_ones(store: Store) -> None:
    for _ in range(3):
        record(store, at(NOW, "known"), at(NOW, "known"))
    assert record(store, at(NOW, "new"))[0].issue_id == 2
    store.deletion.everything(NOW)
    assert record(store, at(NOW, "after"))[0].issue_id == 3


@pytest.mark.parametrize("size", [1, 7, 8, 60])
def test_nasty_events_are_stored_in_batches_of_any_size(store: Store, size: int) -> None:
    raws = list(NASTY.values())
    receipts = []
    for start in range(0, len(raws), size):
        receipts += record(store, *raws[start : start + size])
    assert [receipt.error for receipt in receipts if receipt.transition == "dropped"] == []
    assert len({receipt.event_id for receipt in receipts}) == len(all_events(store))
    assert_counters(store)
    assert {drop.reason for drop in store.ledger.list()} <= set(REASONS)  # what was cut is counted, nothing failed
    store.deletion.events(list(store.events.all_rows()), NOW)
    assert vaults.issue_ids(store) == []
    leftovers = ("event_terms", "stack_terms") if store.db.has_vocabulary else ("event_index", "stack_index")
    assert [store.db.value(f"SELECT count(*) FROM {table}") for table in leftovers] == [0, 0]


def test_one_event_that_cannot_be_stored_takes_no_others_with_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = type(store.recording).append

    def append(self: Any, batch: Any, *args: Any, **options: Any) -> Any:
        if any(item.grouping.title == "impossible" for item in batch):
            raise OverflowError("too big")
        return real(self, batch, *args, **options)

    monkeypatch.setattr(type(store.recording), "append", append)
    raws = [at(NOW, word, user="ana", tags=["t"]) for word in "ant bee cat dog eel fox gnu hen ibis".split()]
    receipts = record(store, *raws[:5], at(NOW, "impossible"), *raws[5:], project="new one", source="test")
    assert [receipt.transition for receipt in receipts] == ["new"] * 5 + ["dropped"] + ["new"] * 4
    assert "OverflowError" in receipts[5].error
    assert len(all_events(store)) == 9
    assert [drop[:4] for drop in store.ledger.list()] == [("internal_error", "test", "event", 1)]
    assert_counters(store)


def test_what_a_failed_transaction_made_is_made_again(store: Store) -> None:
    with pytest.raises(RuntimeError), store.writing():
        record(store, at(NOW, "lost", tags=["only=here"], user="ana", host="web-9"), project="fresh")
        raise RuntimeError
    record(store, at(NOW, "kept", tags=["only=here"], user="ana", host="web-9"), project="fresh")
    assert [item.event["project"] for item in all_events(store)] == ["fresh"]
    search = store.search(NOW)
    for query in ("tag:only=*", "host:web*", "user:a*", "project:fresh"):
        assert search.events(search.parse(query), 9).total == 1, query
    assert_counters(store)


# Totals


def naive(store: Store) -> dict[str, Any]:
    """What the counters must say, counted from the events."""
    events = all_events(store)
    hashes: dict[str, list[Any]] = {}
    for item in events:
        hashes.setdefault(f"{item.event['project']} {item.fingerprint}", []).append(item)
    ranks = store.levels.ranks()
    return {
        "hours": Counter((key, item.event["timestamp"] // HOUR) for key, items in hashes.items() for item in items),
        "minutes": Counter((item.event["received_at"] // MINUTE, key) for key, items in hashes.items() for item in items),
        "projects": Counter(
            (item.event["project"], item.event["timestamp"] // HOUR, ranks[item.event["level"]]) for item in events
        ),
        "hashes": {
            key: (len(items), len(_people(items)), *_span(items)) for key, items in hashes.items()
        },
    }  # fmt: skip


def _people(items: list[Any]) -> set[str]:
    from crashvault.storage.document import user_identities

    return {people[0].casefold() for item in items if (people := user_identities(item.event.get("user")))}


def _span(items: list[Any]) -> tuple[int, int]:
    times = [item.event["timestamp"] for item in items]
    return min(times), max(times)


def assert_counters(store: Store) -> None:
    """Every counter and total of the vault against a naive count."""
    expected = naive(store)
    names = dict(store.db.rows("SELECT id, name FROM projects"))
    keys = {
        row: f"{names[project]} {digest.hex()}"
        for row, project, digest in store.db.rows("SELECT id, project_id, hash FROM hashes")
    }
    rows = store.db.rows
    assert {(keys[row], hour): count for row, hour, count in rows("SELECT * FROM hash_hours")} == expected["hours"]
    assert {(minute, keys[row]): count for minute, row, count in rows("SELECT * FROM hash_minutes")} == expected[
        "minutes"
    ]
    assert {(names[row], hour, rank): n for row, hour, rank, n in rows("SELECT * FROM project_hours")} == expected[
        "projects"
    ]
    assert {
        keys[row]: tuple(rest) for row, *rest in rows("SELECT id, count, users, first_seen, last_seen FROM hashes")
    } == expected["hashes"]
    by_issue: dict[int, list[Any]] = {}
    for item in all_events(store):
        by_issue.setdefault(item.issue_id, []).append(item)
    ranks = store.levels.ranks()
    for issue in store.issues.by_ids(vaults.issue_ids(store)):
        items = by_issue.pop(issue.id)
        latest = max(items, key=lambda item: (item.event["timestamp"], item.row))
        assert (issue.count, issue.users, issue.first_seen, issue.last_seen) == (
            len(items),
            len(_people(items)),
            *_span(items),
        )
        assert issue.last_event == latest.row and issue.level == ranks[latest.event["level"]]
        assert (issue.release, issue.environment) == (latest.event.get("release"), latest.event.get("environment"))
    assert not by_issue


@pytest.mark.parametrize("seed", range(4))
def test_counters_equal_a_naive_count(store: Store, seed: int) -> None:
    random = Random(seed)
    bodies = vaults.fill(store, random, 60)
    assert_counters(store)
    vaults.triage(store, random)
    vaults.record(store, random, random.sample(bodies, 10))  # nothing new
    vaults.record(store, random, [{**body, "event_id": str(uuid.uuid4())} for body in bodies], NOW + DAY)
    assert_counters(store)
    totals = store.statistics.totals()
    assert totals.events == 120 == len(all_events(store)) and totals.issues == len(vaults.issue_ids(store))
    assert sum(events for _, events in totals.by_project.values()) == 120 == sum(totals.by_level.values())
    assert sum(store.statistics.hours(NOW - 50 * DAY, NOW + 2 * DAY)) == 120


def test_a_late_event_widens_an_issue_but_is_not_its_latest(store: Store) -> None:
    record(store, at(NOW, release="2", environment="production", level="error"))
    record(store, at(NOW - DAY, release="1", environment="staging", level="critical"))
    issue = store.issues.get(1)
    assert (issue.first_seen, issue.last_seen, issue.count) == (NOW - DAY, NOW, 2)
    assert (issue.release, issue.environment, issue.level) == ("2", "production", 40)
    first, second = store.events.all_rows()
    assert store.issues.latest_events(1) == [first] and store.issues.latest_events(1, 5) == [first, second]
    before, after = store.events.neighbours(store.events.load([first])[0])
    assert (before, after) == (second, None)


def test_of_equal_times_the_later_arrival_is_the_latest(store: Store) -> None:
    record(store, at(NOW, release="1"), at(NOW, release="2"))
    assert store.issues.get(1).release == "2"
    record(store, at(NOW))
    assert store.issues.get(1).release is None and store.issues.get(1).last_event == list(store.events.all_rows())[2]


def test_people_are_counted_once_over_merged_hashes(store: Store) -> None:
    record(
        store,
        at(NOW, "alpha", user="ana"),
        at(NOW, "beta", user={"id": "Ana", "email": "x@y"}),
        at(NOW, "beta", user="bob"),
    )
    vaults.merge(store, 1, 2)
    assert (store.issues.get(1).count, store.issues.get(1).users) == (3, 2)
    record(
        store, at(NOW, "alpha", user="bob"), at(NOW, "beta", user="zoe"), at(NOW, "alpha", user="zoe"), at(NOW, "alpha")
    )
    assert (store.issues.get(1).count, store.issues.get(1).users) == (7, 3)
    assert_counters(store)


def test_custom_levels(store: Store) -> None:
    store.levels.add("Audit", 35, "blue", None)
    with pytest.raises(ConflictError):
        store.levels.add("audit", 36, None, None)
    with pytest.raises(ConflictError):
        store.levels.add("other", 35, None, None)
    record(store, at(NOW, level="AUDIT"), at(NOW, "unknown", level="nonsense"))
    assert [item.event["level"] for item in all_events(store)] == ["audit", "error"]
    assert store.issues.get(1).level == 35
    with pytest.raises(ConflictError):
        store.levels.remove("audit")
    with pytest.raises(ConflictError):
        store.levels.set("audit", 36, None, None)
    assert store.levels.set("audit", None, "red", "!").colour == "red"
    with pytest.raises(InvalidError):
        store.levels.remove("error")
    store.deletion.issues([1], NOW)
    assert store.levels.set("audit", 36, None, None).rank == 36
    store.levels.remove("audit")
    assert store.levels.ranks() == LEVEL_RANKS
    with pytest.raises(NotFoundError, match="Did you mean error"):
        store.levels.require("eror")


# Attachments


def test_attachments_good_and_bad(store: Store) -> None:
    good = {"name": "../a/log.txt", "content_type": "text/plain", "data": base64.b64encode(b"hello").decode()}
    receipt = record(
        store, {**at(NOW), "attachments": [good, {"name": "x", "data": "%%%"}, "nonsense", {**good, "name": "two"}]}
    )[0]
    event = store.events.get(receipt.event_id).event
    digest = hashlib.sha256(b"hello").hexdigest()
    assert [(file["name"], file["size"], file["digest"]) for file in event["attachments"]] == [
        ("log.txt", 5, digest),
        ("two", 5, digest),
    ]
    assert [error["field"] for error in event["errors"]] == ["attachments.1", "attachments.2"]
    with store.blobs.open(digest) as file:
        assert file.read() == b"hello"
    rows = store.db.rows("SELECT event, name, content_type, kind, size, digest FROM attachments")
    kind = ("text/plain", "event.attachment", 5, bytes.fromhex(digest))
    (row,) = store.events.all_rows()
    assert rows == [(row, "log.txt", *kind), (row, "two", *kind)]


def test_attachments_from_the_blob_store_and_of_duplicates(store: Store) -> None:
    info = store.blobs.put_bytes(b"core", {"name": "core"})
    raw = {**at(NOW), "event_id": str(uuid.uuid4())}
    record(store, at(NOW, "first"), raw, attachments={1: [info]})
    record(store, raw, attachments={0: [store.blobs.put_bytes(b"later", {"name": "later"})]})
    assert store.db.rows("SELECT event, name FROM attachments") == [(list(store.events.all_rows())[1], "core")]
    assert store.events.get(raw["event_id"]).event["attachments"] == [info]


# Triage


def test_only_a_later_event_reopens_a_resolved_issue(store: Store) -> None:
    record(store, at(NOW - HOUR))
    lifecycle.set_status(store, [1], "resolved", "ana", NOW)
    early = record(store, at(NOW - 1), now=NOW + HOUR)[0]
    assert early.transition == "repeated" and store.issues.get(1).status == "resolved"
    assert store.issues.get(1).count == 2
    later = record(store, at(NOW - 2, "x"), at(NOW + 1), now=NOW + HOUR)[1]
    issue = store.issues.get(1)
    assert later.transition == "regression"
    assert (issue.status, issue.is_regressed, issue.resolved_at) == ("open", 1, None)
    assert [entry.kind for entry in store.triage.activity(1)] == ["regression", "status"]
    assert record(store, at(NOW + 2), now=NOW + HOUR)[0].transition == "repeated"
    lifecycle.set_status(store, [1], "resolved", "ana", NOW + DAY)
    assert store.issues.get(1).is_regressed == 0


def test_a_duplicate_reopens_nothing(store: Store) -> None:
    raw = {**at(NOW), "event_id": str(uuid.uuid4())}
    record(store, raw)
    lifecycle.set_status(store, [1], "resolved", "ana", NOW - HOUR)
    assert record(store, raw)[0].transition == "duplicate"
    assert store.issues.get(1).status == "resolved"


def test_an_ignored_issue_stays_ignored(store: Store) -> None:
    record(store, at(NOW - HOUR))
    lifecycle.set_status(store, [1], "ignored", "ana", NOW - MINUTE)
    assert record(store, at(NOW))[0].transition == "repeated"
    assert store.issues.get(1).status == "ignored"


def test_changes_are_made_to_all_issues_or_none(store: Store) -> None:
    record(store, at(NOW, "a"), at(NOW, "b"))
    for change in (
        lambda: lifecycle.set_status(store, [1, 7, 2, 9], "resolved", "ana", NOW),
        lambda: lifecycle.set_severity(store, [1, 7, 2, 9], "high", "ana", NOW),
        lambda: lifecycle.assign(store, [1, 7, 2, 9], "bob", "ana", NOW),
    ):
        with pytest.raises(NotFoundError, match="7, 9"):
            change()
    assert all(
        (issue.status, issue.severity, issue.assigned) == ("open", None, None) for issue in store.issues.by_ids([1, 2])
    )
    assert store.triage.activity(1) == []


def test_changes_and_their_log(store: Store) -> None:
    record(store, at(NOW, "a"), at(NOW, "b"))
    assert lifecycle.set_severity(store, [2, 1, 2], "high", "ana", NOW) == [2, 1]
    assert lifecycle.set_severity(store, [1, 2], "high", "ana", NOW) == []
    assert lifecycle.assign(store, [1], " bob ", "ana", NOW) == [1]
    assert lifecycle.assign(store, [1], None, "ana", NOW) == [1]
    assert lifecycle.set_title(store, 1, " new\n title ", "ana", NOW) == [1]
    lifecycle.comment(store, 1, "look", "ana", NOW + 5)
    log = store.triage.activity(1)
    assert [(entry.kind, entry.actor) for entry in log] == [
        (kind, "ana") for kind in ("comment", "title", "assigned", "assigned", "severity")
    ]
    assert log[0].data == {"text": "look"} and log[1].data == {"title": ["a", "new title"]}
    assert store.issues.get(1).title == "new title" and store.issues.get(1).changed_at == NOW + 5
    record(store, at(NOW, "a"))
    assert store.issues.get(1).title == "new title"


@pytest.mark.parametrize("wrong", [
    lambda store: lifecycle.set_status(store, [1], "closed", "ana", NOW),
    lambda store: lifecycle.set_severity(store, [1], "urgent", "ana", NOW),
    lambda store: lifecycle.assign(store, [1], "  ", "ana", NOW),
    lambda store: lifecycle.set_title(store, 1, " ", "ana", NOW),
    lambda store: lifecycle.comment(store, 1, "", "ana", NOW),
    lambda store: store.search(NOW).find_issues(store.search(NOW).parse(""), "nonsense"),
    lambda store: store.search(NOW).events(store.search(NOW).parse(""), -1),
    lambda store: store.events.get("xyz"),
])  # fmt: skip
def test_wrong_values_are_refused(store: Store, wrong: Any) -> None:
    record(store, at(NOW))
    with pytest.raises(InvalidError):
        wrong(store)


# The rest


def test_settings(store: Store) -> None:
    assert store.settings.get("a") is None and store.settings.get("a", 5) == 5
    for value in (False, 0, "", [], {"ä": [1, None]}, "text"):
        store.settings.set("a", value, NOW)
        assert store.settings.get("a") == value
    store.settings.set("b", 2, NOW)
    assert store.settings.all() == {"a": "text", "b": 2}
    assert store.settings.unset("a") and not store.settings.unset("a")


def test_the_ledger_counts(store: Store) -> None:
    store.ledger.add({("rate", "api", "event"): 2, ("none", "api", "event"): 0}, NOW)
    store.ledger.add({("rate", "api", "event"): 3, ("size", "api", "span"): 1}, NOW + 5)
    store.ledger.add({}, NOW)
    assert sorted(store.ledger.list()) == [
        ("rate", "api", "event", 5, NOW, NOW + 5),
        ("size", "api", "span", 1, NOW + 5, NOW + 5),
    ]


def test_projects(store: Store) -> None:
    assert [(project.id, project.name) for project in store.projects.list()] == [(1, "default")]
    added = store.projects.add("shop", NOW)
    assert store.projects.require("shop") == added and store.projects.find("nothing") is None
    with pytest.raises(ConflictError):
        store.projects.add("shop", NOW)
    for name in ("", " ", "x" * 101, "a\nb", "\x1b[31m"):
        with pytest.raises(InvalidError):
            store.projects.add(name, NOW)
    with pytest.raises(NotFoundError, match="default, shop"):
        store.projects.require("other")
    record(store, at(NOW), project="made on the way")
    keys = [project.public_key for project in store.projects.list()]
    assert len(set(keys)) == 3 and all(len(key) == 32 for key in keys)


def test_events_are_found_by_any_unique_beginning_of_their_id(store: Store) -> None:
    ids = [str(uuid.UUID(int=(0xABC << 116) + number)) for number in range(8)]
    record(store, *({**at(NOW), "event_id": given} for given in ids))
    assert store.events.get(ids[3].upper()).event["event_id"] == ids[3]
    with pytest.raises(InvalidError, match="and more") as caught:
        store.events.get("abc")
    assert ids[0] in str(caught.value)
    with pytest.raises(NotFoundError):
        store.events.get("fff")
    rows = list(store.events.all_rows())
    assert len(rows) == 8 and store.events.newest_row() == rows[-1] and store.events.rows_after(rows[5]) == rows[6:]
