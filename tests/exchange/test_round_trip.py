"""An export brought into an empty vault is that vault again; importing twice is importing once; merging commutes."""

from __future__ import annotations

import base64
import copy
import gzip
import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import nasty, realistic

from crashvault import core, deduplication, lifecycle
from crashvault.storage.policies import Scope
from crashvault.storage.store import Store

from .vaults import NOW, SECOND, contents, exported, imported, lines, record, vault, with_triage


def copy_of(store: Store, folder: Path, name: str, format: str = "jsonl") -> Store:
    fresh = vault(folder, name)
    imported(fresh, exported(store, format=format))
    return fresh


@pytest.mark.parametrize("format", ["jsonl", "json"])
def test_a_round_trip_is_the_identity(tmp_path: Path, format: str) -> None:
    with vault(tmp_path) as store:
        with_triage(store)
        store.levels.add("notice", 25, "green", "!")
        record(store, {"message": "custom", "level": "notice", "event_id": "1" * 32})
        with copy_of(store, tmp_path, "copy", format) as fresh:
            assert exported(fresh) == exported(store)


@pytest.mark.parametrize("format", ["jsonl", "json"])
def test_nasty_events_survive_byte_for_byte(tmp_path: Path, format: str) -> None:
    with vault(tmp_path) as store:
        for raw in nasty.NASTY.values():
            record(store, copy.deepcopy(raw))
        with copy_of(store, tmp_path, "copy", format) as fresh:
            assert exported(fresh) == exported(store)


def test_realistic_events_in_batches_that_are_out_of_order(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        events = list(realistic.events(60, issues=20))
        for start in (40, 0, 20):
            record(store, *events[start : start + 20])
        with copy_of(store, tmp_path, "copy") as fresh:
            assert exported(fresh) == exported(store)
            text = fresh.search(NOW).parse("level:error")
            assert len(fresh.search(NOW).events(text, 100).ids) == len(store.search(NOW).events(text, 100).ids)


def test_what_an_issue_says_of_events_that_are_gone_stays(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        (issue,) = record(store, {"message": "m", "release": "1", "level": "warning"})
        record(store, {"message": "m", "release": "2", "level": "critical"}, at=NOW + SECOND)
        store.deletion.events(store.issues.latest_events(issue, 1), NOW)
        store.db.execute("UPDATE issues SET release = '2', level = 50, last_seen = ?", (NOW + SECOND,))
        with copy_of(store, tmp_path, "copy") as fresh:
            assert exported(fresh) == exported(store)
            assert (fresh.issues.get(issue).release, fresh.issues.get(issue).count) == ("2", 1)
            assert fresh.issues.latest_events(issue) == [1]
            record(fresh, {"message": "m", "release": "3"}, at=NOW + SECOND // 2)
            assert fresh.issues.latest_events(issue) == [2]
            assert fresh.issues.get(issue).release == "2"


def test_attachments_come_along(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    body = {"message": "m", "attachments": [{"name": "a.bin", "data": base64.b64encode(data).decode()}]}
    with vault(tmp_path) as store:
        record(store, body)
        for format in ("jsonl", "json"):
            with copy_of(store, tmp_path, format, format) as fresh:
                assert exported(fresh) == exported(store)
                (digest,) = [line["digest"] for line in lines(exported(store), "attachment")]
                with fresh.blobs.open(digest) as file:
                    assert file.read() == data
                assert fresh.deletion.collect(NOW * 2).attachments == 0


def test_a_part_of_a_vault_round_trips_too(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        with_triage(store)
        record(store, {"message": "one", "level": "critical"}, at=NOW + SECOND)
        part = exported(store, "level:critical")
        assert [line["count"] for line in lines(part, "issue")] == [1]
        with vault(tmp_path, "copy") as fresh:
            imported(fresh, part)
            again = lines(exported(fresh))
            assert again[1:] == lines(part)[1:]
            issue = fresh.issues.by_ids([again[-2]["id"]])[0]
            assert fresh.issues.latest_events(issue.id) == [1]


def test_ids_are_kept_where_they_are_free_and_never_given_twice(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        record(store, *({"message": word} for word in ("alpha", "beta", "gamma")))
        store.deletion.issues([2], NOW)
        with copy_of(store, tmp_path, "copy") as fresh:
            assert [line["id"] for line in lines(exported(fresh), "issue")] == [1, 3]
            assert record(fresh, {"message": "delta"}) == [4]
        with vault(tmp_path, "full") as other:
            record(other, {"message": "other"})
            imported(other, exported(store))
            assert sorted(line["id"] for line in lines(exported(other), "issue")) == [1, 2, 3]


def with_merges(store: Store) -> tuple[int, int, int, int]:
    """Four issues with something of their own each; the second in the first, the fourth in the third in the first."""
    ids = record(store, *({"message": word} for word in ("alpha", "beta", "gamma", "delta")))
    for step, (issue, tags) in enumerate(zip(ids, ("ab", "bc", "c", "ad"), strict=True)):
        lifecycle.change_issues(store, [issue], {}, "ann", NOW + step, tags=list(tags))
        lifecycle.comment(store, issue, f"about {issue}", "ann", NOW + 10 + step)
        lifecycle.set_title(store, issue, f"title of {issue}", "ben", NOW + 20 + step)
        store.attachments.add(store.blobs.put(io.BytesIO(b"%d" % issue), f"{issue}.txt"), NOW + 30, issue=issue)
    first, second, third, fourth = ids
    lifecycle.set_status(store, [second], "resolved", "ann", NOW + SECOND)
    lifecycle.assign(store, [fourth], "ben", "ann", NOW + SECOND)
    lifecycle.merge(store, third, [fourth], "ann", NOW + 2 * SECOND)
    lifecycle.merge(store, first, [second, third], "ann", NOW + 3 * SECOND)
    return first, second, third, fourth


def test_issues_that_were_merged_can_be_taken_apart_after_an_import(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        _, second, third, fourth = with_merges(store)
        with copy_of(store, tmp_path, "copy") as fresh, copy_of(store, tmp_path, "json", "json") as other:
            for step, issue in enumerate((second, third, fourth)):
                assert exported(fresh) == exported(other) == exported(store)
                for each in (store, fresh, other):
                    lifecycle.unmerge(each, issue, "ann", NOW + (5 + step) * SECOND)
            assert exported(fresh) == exported(other) == exported(store)
            assert (fresh.issues.get(second).status, fresh.issues.get(second).title) == (
                "resolved",
                f"title of {second}",
            )
            assert fresh.issues.get(fourth).assigned == "ben"


def test_an_inner_issue_is_taken_out_alone_too(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        *_, fourth = with_merges(store)
        with copy_of(store, tmp_path, "copy") as fresh:
            for each in (store, fresh):
                lifecycle.unmerge(each, fourth, "ann", NOW + 5 * SECOND)
            assert exported(fresh) == exported(store)


def test_merged_issues_imported_again_or_beside_others_keep_what_is_theirs(tmp_path: Path) -> None:
    with vault(tmp_path) as store, vault(tmp_path, "other") as other:
        with_merges(store)
        record(other, {"message": "unrelated"}, {"message": "beta"}, {"message": "delta"})
        lifecycle.assign(other, [2], "eve", "eve", NOW + 9 * SECOND)
        data = exported(store)
        imported(other, data)
        assert imported(other, data).issues_changed == 0
        (root,) = [issue for issue in lines(exported(other), "issue") if issue.get("merged")]
        assert len(root["merged"]) == 3
        for member in root["merged"]:
            lifecycle.unmerge(other, member["id"], "ann", NOW + 10 * SECOND)
        assert len(other.issues.all_ids()) == 5


def test_gzip_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    with vault(tmp_path) as store, vault(tmp_path, "copy") as fresh:
        with_triage(store)
        imported(fresh, gzip.compress(exported(store)))
        assert exported(fresh) == exported(store)


def test_a_document_in_another_layout_is_read_too(tmp_path: Path) -> None:
    import json

    with vault(tmp_path) as store:
        with_triage(store)
        document = json.loads(exported(store, format="json"))
        for number, text in enumerate((json.dumps(document), json.dumps(document, indent=8))):
            with vault(tmp_path, f"copy{number}") as fresh:
                imported(fresh, text.encode())
                assert exported(fresh) == exported(store)


# Properties

_MESSAGES = ("disk full", "user 1 gone", "user 2 gone", "timeout", "user 3 gone")
_event = st.fixed_dictionaries(
    {
        "message": st.sampled_from(_MESSAGES),
        "event_id": st.integers(0, 12).map(lambda number: f"{number:032x}"[:12] + "4" + f"{number + 1:019x}"),
    },
    optional={
        "level": st.sampled_from(["warning", "error", "critical"]),
        "release": st.sampled_from(["1", "2"]),
        "user": st.sampled_from(["a", "b"]),
        "tags": st.just(["db"]),
    },
)
_action = st.one_of(
    st.tuples(st.just("event"), st.integers(0, 9), _event),
    st.tuples(st.sampled_from(["resolved", "ignored", "open"]), st.integers(0, 9), st.integers(0, 3)),
    st.tuples(st.sampled_from(["title", "comment", "assign"]), st.integers(0, 9), st.integers(0, 3)),
    st.tuples(st.just("merge"), st.integers(0, 3), st.integers(0, 3)),
)
_vault = st.lists(_action, min_size=1, max_size=10)
_usual = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _play(store: Store, actions: list[Any]) -> None:
    """Do what a list of actions says. An event id stands for one event everywhere, so its content follows from it."""
    for step, (what, when, value) in enumerate(actions):
        at = NOW + when * SECOND + step
        ids = [issue for issue in store.issues.all_ids() if store.merging.parent(issue) is None]
        if what == "event":
            number = int(value["event_id"][-3:], 16)
            body = {"event_id": value["event_id"], "message": _MESSAGES[number % len(_MESSAGES)], "level": "error"}
            record(store, {**body, "release": str(number % 2), "user": str(number % 3)}, at=NOW + number * SECOND)
        elif ids and what == "merge":
            if ids[when % len(ids)] != ids[value % len(ids)]:
                lifecycle.merge(store, ids[when % len(ids)], [ids[value % len(ids)]], "ann", at)
        elif ids:
            issue = ids[value % len(ids)]
            if what in ("resolved", "ignored", "open"):
                lifecycle.set_status(store, [issue], what, "ann", at)
            elif what == "title":
                lifecycle.set_title(store, issue, f"title {value}", "ann", at)
            elif what == "assign":
                lifecycle.assign(store, [issue], f"user {value}", "ann", at)
            else:
                lifecycle.comment(store, issue, f"comment {value}", "ann", at)


def _export_of(folder: Path, name: str, actions: list[Any]) -> bytes:
    with vault(folder, name) as store:
        _play(store, actions)
        return exported(store)


@given(_vault)
@_usual
def test_any_vault_round_trips_and_twice_is_once(actions: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = _export_of(Path(folder), "a", actions)
        with vault(Path(folder), "b") as fresh:
            imported(fresh, data)
            assert exported(fresh) == data
            again = imported(fresh, data)
            assert (again.issues_created, again.issues_changed, again.events_added) == (0, 0, 0)
            assert exported(fresh) == data


@given(_vault, _vault)
@_usual
def test_merging_commutes(one: list[Any], other: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, second = _export_of(folder, "a", one), _export_of(folder, "b", other)
        found = []
        for number, order in enumerate(((first, second), (second, first))):
            with vault(folder, f"merged{number}") as store:
                for data in order:
                    imported(store, data)
                found.append(contents(store))
                again = imported(store, order[0])
                assert (again.issues_created, again.issues_changed, again.events_added) == (0, 0, 0)
        assert found[0] == found[1]


def test_the_state_with_the_later_activity_wins(tmp_path: Path) -> None:
    with vault(tmp_path, "a") as one, vault(tmp_path, "b") as other:
        (issue,) = record(one, {"message": "m"})
        record(other, {"message": "m"}, at=NOW + SECOND)  # made later, but nobody touched it
        lifecycle.set_status(one, [issue], "ignored", "ann", NOW + 5)
        imported(other, exported(one))
        assert other.issues.get(1).status == "ignored"
        lifecycle.set_status(other, [1], "resolved", "ben", NOW + 9 * SECOND)
        imported(one, exported(other))
        assert one.issues.get(issue).status == "resolved"
        assert [entry.actor for entry in one.triage.activity(issue)] == ["ben", "ann"]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Reading goes line by line: a stream that never ends is read as far as it is asked for."""
    from crashvault.exchange.reading import ImportFile

    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.head = b'{"crashvault":1}\n'
            self.given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            found, self.head = self.head or b'{"kind":"event","event":{}}\n' * 50, b""
            self.given += len(found)
            return found[:size] if size >= 0 else found

    stream = Endless()
    items = ImportFile(stream, "endless").items()
    for _ in range(1000):
        next(items)
    assert stream.given < 2_000_000


def similar(name: str) -> dict[str, Any]:
    """The same crash but for a word that grouping takes for a part of the message."""
    frames = [
        {"module": f"shop.{module}", "function": function, "line": 10, "in_app": True}
        for module, function in [("web", "handle"), ("auth", "check_user"), ("routes", "find"), ("routes", "lookup")]
    ]
    return {
        "exception": {"type": "LookupError", "value": f"no route for the user called {name}"},
        "frames": frames, "platform": "python", "timestamp": NOW / 1e6,
    }  # fmt: skip


def test_what_joined_and_what_people_said_of_it_go_along(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        assert record(store, *map(similar, ("ann", "bob", "cyd"))) == [1, 1, 1]
        lifecycle.unmerge(store, 2, "ana", NOW)
        with copy_of(store, tmp_path, "copy") as fresh:
            assert exported(fresh) == exported(store)
            assert any(part[0] == "joined to" for one in fresh.issues.hashes(1) for part in one.parts)
            assert fresh.similarity.scores(1) == store.similarity.scores(1) != ([], [])
            assert deduplication.find(fresh, None, 0.5, exact=True) == []
            (other,) = [one for one in fresh.merging.members(1) if one != 1]
            assert lifecycle.unmerge(fresh, other, "ana", NOW) == 1
            assert record(fresh, similar("cyd")) == [other]


def test_of_two_words_on_one_pair_the_later_counts_whichever_comes_first(tmp_path: Path) -> None:
    with vault(tmp_path, "one") as one, vault(tmp_path, "other") as other:
        for store in (one, other):
            record(store, *map(similar, ("ann", "bob")))
            lifecycle.unmerge(store, 2, "ana", NOW)
        lifecycle.merge(other, 1, [2], "bob", NOW + SECOND)
        first, second = exported(one), exported(other)
        for name, order in (("a", (first, second)), ("b", (second, first))):
            with vault(tmp_path, name) as fresh:
                for file in order:
                    imported(fresh, file)
                merged, split = fresh.similarity.scores(1)
                assert len(merged) == 1 and split == []


# After an eviction


def evicted_vault(folder: Path) -> Store:
    store = vault(folder)
    for number in range(12):
        raw = {"message": f"m {number}", "fingerprint": ["x"], "user": str(number), "event_id": f"{number + 1:032x}"}
        record(store, {**raw, "timestamp": NOW / 1e6 - 1800 * number, "level": "error" if number % 3 else "info"})
    record(store, {"message": "other"})
    store.retention.policies.set("max-events-per-issue", "1", Scope(), NOW)
    assert store.retention.run(NOW).evicted == 9
    return store


@pytest.mark.parametrize("query", ["", "issue:1"])
def test_what_was_counted_of_evicted_events_comes_along(tmp_path: Path, query: str) -> None:
    with evicted_vault(tmp_path) as store, vault(tmp_path, "copy") as fresh:
        data = exported(store, query)
        for _ in range(2):  # the second time changes nothing
            imported(fresh, data)
            issue = fresh.issues.get(1)
            assert (issue.count, issue.users, fresh.issues.evicted(1)) == (12, 12, 9)
            assert issue[:18] == store.issues.get(1)[:18]
            assert fresh.issues.hours(1, NOW - 10**11, NOW) == store.issues.hours(1, NOW - 10**11, NOW)
            assert exported(fresh, query) == data
        assert query or fresh.statistics.totals() == store.statistics.totals()
        assert [
            findings for name, findings in core.examine(fresh, deep=True) if findings and name != "permissions"
        ] == []


def test_evicted_events_that_an_import_brings_back_are_counted_once(tmp_path: Path) -> None:
    with vault(tmp_path, "other") as other:
        for number in range(12):
            raw = {
                "message": f"m {number}",
                "fingerprint": ["x"],
                "user": str(number),
                "event_id": f"{number + 1:032x}",
            }
            record(other, {**raw, "timestamp": NOW / 1e6 - 1800 * number, "level": "error" if number % 3 else "info"})
        data = exported(other)
    with evicted_vault(tmp_path) as store:
        before = store.statistics.totals()
        done = imported(store, data)
        assert done.events_added == 9
        assert store.statistics.totals() == before
        issue = store.issues.get(1)
        assert (issue.count, issue.users, store.issues.evicted(1)) == (12, 12, 0)
        assert [
            findings for name, findings in core.examine(store, deep=True) if findings and name != "permissions"
        ] == []
