"""Modes, files that are broken, events that do not fit, and what an import must not set off."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from crashvault import lifecycle
from crashvault.errors import InvalidError
from crashvault.exchange import import_vault
from crashvault.ingest.normalize import normalize
from crashvault.models import LEVEL_RANKS

from .vaults import NOW, SECOND, contents, exported, imported, lines, names_of_events, record, vault, with_triage

HEADER = {"crashvault": 1}


def file_of(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in (HEADER, *items))


def event_line(**event: Any) -> dict[str, Any]:
    found = dict(normalize({"message": "m", **event}, received_at=NOW, levels=LEVEL_RANKS))
    found["timestamp"] = found["received_at"] = "2026-09-21T10:13:20.000000Z"
    return {"kind": "event", "hash": "a" * 40, "event": found}


# Modes


def test_replace_leaves_only_what_the_file_has(tmp_path: Path) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        with_triage(store)
        record(target, {"message": "old"}, {"message": "one"})
        imported(target, exported(store), mode="replace")
        assert contents(target) == contents(store)


def test_replace_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        with_triage(store)
        record(target, {"message": "old"})
        before = exported(target)
        broken = exported(store)[:-200]
        with pytest.raises(InvalidError, match="Nothing was changed"):
            imported(target, broken, mode="replace")
        assert exported(target) == before
        assert record(target, {"message": "still works", "tags": ["t"]}) == [2]
        assert len(target.search(NOW).events(target.search(NOW).parse("tag:t"), 10).ids) == 1


def test_skip_leaves_known_issues_alone(tmp_path: Path) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        with_triage(store)
        record(target, {"message": "two"})
        known = contents(target)
        done = imported(target, exported(store), mode="skip")
        assert (done.issues_created, done.issues_unchanged, done.events_skipped, done.events_added) == (2, 1, 1, 2)
        after = contents(target)
        for key, issue in known["issues"].items():
            assert after["issues"][key] == issue
        assert known["events"].items() <= after["events"].items()


def test_skip_takes_all_events_of_the_issues_it_makes(tmp_path: Path) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        record(store, *({"message": "same"} for _ in range(1500)))
        done = imported(target, exported(store), mode="skip")
        assert (done.events_added, done.events_skipped) == (1500, 0)


@pytest.mark.parametrize("mode", ["merge", "replace", "skip"])
def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path, mode: str) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        with_triage(store)
        record(target, {"message": "two"})
        before = exported(target)
        planned = imported(target, exported(store), mode=mode, dry_run=True)
        assert exported(target) == before
        done = imported(target, exported(store), mode=mode)
        assert planned.events_added == done.events_added
        assert planned.issues_created == done.issues_created


def test_everything_into_one_project(tmp_path: Path) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        with_triage(store)
        imported(target, exported(store), project="shop")
        assert {line["project"] for line in lines(exported(target), "issue")} == {"shop"}
        assert imported(target, exported(store), project="shop").events_added == 0


# What an import does not set off


def test_states_come_from_the_file_and_nothing_is_reopened(tmp_path: Path) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        record(target, {"message": "m"})
        lifecycle.set_status(target, [1], "resolved", "ann", NOW + 1)
        record(store, {"message": "m"}, at=NOW + SECOND)
        imported(target, exported(store))
        assert target.issues.get(1).status == "resolved"
        assert target.issues.get(1).count == 2
        assert [entry.kind for entry in target.triage.activity(1)] == ["status"]
        assert target.db.value("SELECT sum(count) FROM hash_minutes") == 1  # what alerts count


def test_an_import_brings_deleted_events_back(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        with_triage(store)
        data, names = exported(store), names_of_events(store)
        store.deletion.issues([1, 2], NOW)
        assert names_of_events(store) < names
        imported(store, data)
        assert names_of_events(store) == names
        store.deletion.everything(NOW)
        imported(store, data)
        assert exported(store) == data


def test_settings_are_taken_over_only_into_an_empty_vault(tmp_path: Path) -> None:
    data = file_of({"kind": "setting", "key": "scrub.enabled", "value": False},
                   {"kind": "setting", "key": "server.secret", "value": "x"})  # fmt: skip
    with vault(tmp_path, "a") as empty, vault(tmp_path, "b") as used:
        record(used, {"message": "m"})
        imported(used, data)
        imported(empty, data)
        assert used.settings.get("scrub.enabled") is None
        assert empty.settings.all() == {"scrub.enabled": False}


# Broken files


def _cut(data: bytes) -> bytes:
    return data[: data.rindex(b"\n", 0, -1) - 20]


@pytest.mark.parametrize("format", ["jsonl", "json"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_ends_early_names_the_line_and_can_be_finished(tmp_path: Path, format: str, packed: bool) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        record(store, *({"message": f"number {word}"} for word in ("one", "two", "three", "four", "five")))
        data = exported(store, format=format)
        cut = gzip.compress(data)[:-40] if packed else _cut(data)
        with pytest.raises(InvalidError, match=r"line \d+ of the file cannot be imported") as raised:
            imported(target, cut)
        assert "run the import again" in str(raised.value)
        imported(target, data)
        assert exported(target) == exported(store)


def test_a_file_cut_between_two_lines_is_known_by_its_counts(tmp_path: Path) -> None:
    with vault(tmp_path, "a") as store, vault(tmp_path, "b") as target:
        with_triage(store)
        whole = exported(store).splitlines(keepends=True)
        with pytest.raises(InvalidError, match="ends early, with 2 of 3 events"):
            imported(target, b"".join(whole[:-1]))
        assert len(names_of_events(target)) == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{garbled", "line 3"),
        (b"[1, 2]", "line 3 .*kind"),
        (b'{"kind": "event"}', 'needs an "event"'),
        (b'{"kind": "event", "event": {}, "hash": "xyz"}', "40 hexadecimal digits"),
        (b'{"kind": "issue", "title": 5}', "line 3"),
        (b'{"kind": "attachment", "digest": "%s", "data": "aGk="}' % (b"0" * 64), "damaged"),
        (b'{"kind": "level", "name": "Loud!", "rank": 3}', "line 3"),
        (b'{"kind": "project", "name": "\\n"}', "line 3"),
        (b'{"kind": "event", "event": ' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001, "line 3"),
        (b"\xff\xfe", "line 3"),
    ],
)
def test_a_garbled_line_is_named(tmp_path: Path, line: bytes, why: str) -> None:
    with vault(tmp_path) as store, pytest.raises(InvalidError, match=why):
        imported(store, file_of({"kind": "later", "of": "another version"}) + line + b"\n")


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"hello", b"[]", b'{"a": 1}\n', b'{"issues": []}', b"\x1f\x8b\x08", b'{"a": [']
)
def test_what_is_no_export_is_refused(tmp_path: Path, data: bytes) -> None:
    with vault(tmp_path) as store, pytest.raises(InvalidError):
        imported(store, data)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    with vault(tmp_path) as store, pytest.raises(InvalidError, match="Upgrade"):
        imported(store, b'{"crashvault": 2}\n')


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    with vault(tmp_path) as store, pytest.raises(InvalidError, match="merge, replace, skip"):
        import_vault(store, io.BytesIO(file_of()), mode="mend", now=NOW)


# Events that do not fit


def _deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_id": "not an id"}, {"event_id": 7}, {"timestamp": "yesterday"}, {"received_at": None}, {"level": "loud"},
        {"level": 3}, {"exceptions": "none"}, {"exceptions": [{"frames": [5]}]}, {"frames": {"a": 1}}, {"tags": "db"},
        {"tags": [1, {}]}, {"context": _deep(40)}, {"context": [1]}, {"user": [[]]}, {"project": "a\nb"},
        {"context": {f"k{i}": "x" * 8000 for i in range(300)}}, {"message": None}, {"attachments": [{"digest": 5}]},
    ],
)  # fmt: skip
def test_an_event_of_the_wrong_form_is_repaired_once_and_for_all(tmp_path: Path, wrong: dict[str, Any]) -> None:
    line = event_line()
    line["event"].update(wrong)
    with vault(tmp_path) as store:
        done = imported(store, file_of(line))
        assert (done.events_added, done.issues_created) == (1, 0)
        assert imported(store, file_of(line)).events_added == 0
        (found,) = lines(exported(store), "event")
        assert found["hash"] == "a" * 40
        assert imported(store, exported(store)).events_added == 0


def test_lone_surrogates_and_nan_are_repaired(tmp_path: Path) -> None:
    line = json.dumps(event_line()).replace('"message": "m"', '"message": "\\ud800", "context": {"n": NaN}')
    with vault(tmp_path) as store:
        done = imported(store, file_of() + line.encode() + b"\n")
        assert (done.events_added, done.events_repaired) == (1, 1)
        assert lines(exported(store), "event")[0]["event"]["message"] == "\ufffd"


def test_an_event_without_a_hash_is_grouped_here(tmp_path: Path) -> None:
    line = event_line(message="disk full")
    del line["hash"]
    with vault(tmp_path) as store:
        record(store, {"message": "disk full"})
        imported(store, file_of(line))
        assert store.issues.get(1).count == 2
