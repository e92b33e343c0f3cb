"""Vaults of the earlier JSON format are imported on first use, whole and once."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import uuid
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests import nasty

from crashvault import core, pipeline
from crashvault.cli import cli
from crashvault.commands.context import Context
from crashvault.storage.store import Store

NOW = 1_790_000_000_000_000
STACK = 'Traceback (most recent call last):\n  File "app.py", line 3, in run\n    boom()\nValueError: bad'


def fingerprint(message: str) -> str:
    return sha1(message.encode()).hexdigest()[:8]


def issue(number: int, title: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "fingerprint": fingerprint(title), "title": title, "status": "open",
            "created_at": "2025-03-01T10:00:00Z", **more}  # fmt: skip


def event(number: int, of: int, message: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid.UUID(int=number + (4 << 76) + (8 << 60))), "issue_id": of, "message": message, "stacktrace": "",
        "timestamp": f"2025-03-01T10:00:{number % 60:02}Z", "level": "error", "tags": ["db"], "context": {"job": "x"},
        "host": "h", "pid": 12, "source": "cli", **more,
    }  # fmt: skip


def write(home: Path, issues: Any, events: list[dict[str, Any]] = [], config: Any = None) -> Path:  # noqa: B006
    home.mkdir(exist_ok=True)
    if issues is not None:
        (home / "issues.json").write_text(json.dumps(issues, indent=2))
    for item in events:
        folder = home / "events" / "2025" / "03" / "01"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{item['event_id']}.json").write_text(json.dumps(item, indent=2))
    if config is not None:
        (home / "config.json").write_text(json.dumps(config))
    return home


WEBHOOKS: list[Any] = [
    {
        "type": "slack",
        "name": "ops",
        "url": "https://hooks.slack.com/services/T0/B0/x",
        "events": ["error", "critical"],
    },
    {"type": "generic", "url": "https://ci.example.com/hook"},
    {"type": "pager", "url": "https://x.example"},
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write(
        tmp_path / "vault",
        [issue(3, "boom", status="resolved"), issue(7, "user 1 left", status="ignored"), issue(8, "user 2 left")],
        [event(1, 3, "boom", stacktrace=STACK), event(2, 7, "user 1 left"), event(3, 8, "user 2 left"), event(4, 8, "user 2 left")],
        {"webhooks": WEBHOOKS, "logging.level": "debug", "colour": "blue"},
    )  # fmt: skip


def opened(home: Path) -> Store:
    return core.open_vault(str(home))


def held(home: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return core.load_issues(str(home)), core.load_events(str(home))


def record(store: Store, **raw: Any) -> pipeline.Receipt:
    return pipeline.record_events(store, [raw], received_at=NOW)[0]


def test_ids_states_and_times_are_kept(home: Path) -> None:
    issues, events = held(home)
    assert [(item["id"], item["status"], item["count"]) for item in issues] == [
        (3, "resolved", 1), (7, "ignored", 1), (8, "open", 2),
    ]  # fmt: skip
    assert [item["fingerprint"] for item in issues] == [fingerprint(item["title"]) for item in issues]
    assert {item["created_at"] for item in issues} == {"2025-03-01T10:00:00.000000Z"}
    assert [item["timestamp"][17:19] for item in events] == ["01", "02", "03", "04"]
    first = events[0]
    assert first["event_id"] == event(1, 3, "")["event_id"]
    assert (first["host"], first["pid"], first["source"], first["tags"]) == ("h", 12, "cli", ["db"])
    assert first["stacktrace"] == STACK
    assert [item["issue_id"] for item in events] == [3, 7, 8, 8]


def test_the_old_files_are_moved_away_and_doing_it_again_changes_nothing(home: Path) -> None:
    before = held(home)
    assert not (home / "issues.json").exists()
    assert not (home / "events").exists()
    assert (home / "legacy" / "issues.json").exists()
    assert len(list((home / "legacy" / "events").rglob("*.json"))) == 4
    for name in ("issues.json", "events"):
        os.rename(home / "legacy" / name, home / name)
    assert held(home) == before
    assert (home / "legacy" / "issues.json").exists()


def test_new_numbers_go_on_behind_the_largest(home: Path) -> None:
    with opened(home) as store:
        assert record(store, message="something else").issue_id == 9


def test_a_crash_that_comes_again_finds_its_old_issue(home: Path) -> None:
    with opened(home) as store:
        receipt = record(store, message="boom", stacktrace=STACK)
        assert (receipt.issue_id, receipt.transition) == (3, "regression")
        assert record(store, message="boom").issue_id == 3
        assert record(store, message="user 2 left").issue_id == 7  # the first issue that is grouped so today


def test_webhooks_and_configuration_are_kept(home: Path) -> None:
    with opened(home) as store:
        assert [one.name for one in store.webhooks.list()] == ["ops", "http"]
        assert store.settings.get("legacy.webhooks") == [{"type": "pager", "url": "https://x.example"}]
        assert store.settings.get("legacy.config") == {"colour": "blue"}
    assert core.load_config(str(home)) == {"logging.level": "debug"}
    assert json.loads((home / "legacy" / "config.json").read_text())["colour"] == "blue"


def test_old_webhooks_go_on_as_they_did(tmp_path: Path) -> None:
    old = [
        {"id": "1", "type": "slack", "url": "https://hooks.slack.com/services/T/B/x", "name": "team", "events": ["error", "fatal", "odd"]},
        {"type": "discord", "url": "https://discord.com/api/webhooks/1/x", "enabled": False, "secret": "not for Discord"},
        {"type": "http", "url": "http://ci.example/in", "name": "Team", "secret": "s3cr3t-s3cr3t", "headers": {"X-Team": "a"}, "events": "info, warn"},
        {"type": "pager", "url": "https://x/s3cr3t"}, {"type": "slack", "url": "s3cr3t"}, "odd", None, {},
    ]  # fmt: skip
    home = write(tmp_path / "v", [issue(1, "m")], [event(1, 1, "m")], {"webhooks": old})
    with opened(home) as store:
        team, discord, http = store.webhooks.list()
        noted = [why for path, why in store.settings.get("legacy.unreadable", []) if path == "config.json"]
        assert store.outbox.counts() == {}, "an import tells nobody"
    assert (team.name, team.type, team.levels, team.kinds, team.enabled) == (
        "team",
        "slack",
        "error,critical",
        {"event"},
        True,
    )
    assert (discord.name, discord.enabled, discord.secrets, discord.levels) == ("discord", False, (), "")
    assert (http.name, http.secrets, http.headers, http.levels) == (
        "Team-2",
        ("s3cr3t-s3cr3t",),
        {"X-Team": "a"},
        "info,warning",
    )
    assert [why.partition(":")[0] for why in noted] == [f"webhook {place}" for place in (3, 4, 5, 6, 7)]
    assert "s3cr3t" not in str(noted)


def test_unknown_keys_are_kept_in_the_context(tmp_path: Path) -> None:
    home = write(tmp_path / "v", [issue(1, "m", owner="ann")], [event(1, 1, "m", odd={"x": [1]}), event(2, 1, "m")])
    _, (first, second) = held(home)
    assert first["context"] == {"job": "x", "legacy": {"odd": {"x": [1]}, "issue": {"owner": "ann"}}}
    assert second["context"] == {"job": "x"}


@pytest.mark.parametrize(
    "issues",
    [
        {"3": {"fp": fingerprint("m"), "title": "m", "first_seen": "2025-03-01T10:00:00Z", "last_seen": 1_800_000_000}},
        {"issues": [{"id": "3", "title": "m", "status": "OPEN", "first_seen": 1_740_823_200, "last_seen": "2027-01-15T08:00:00Z"}]},
        [{"id": 3, "fp": "0123abcd", "title": "m", "created_at": "2025-03-01T10:00:00", "last_seen": "2027-01-15T08:00:00Z"}],
    ],
)  # fmt: skip
def test_what_is_read_is_read_generously(tmp_path: Path, issues: Any) -> None:
    (found,), (one,) = held(write(tmp_path / "v", issues, [event(1, 3, "m")]))
    assert (found["id"], found["title"], found["status"], one["issue_id"]) == (3, "m", "open", 3)
    assert found["first_seen"] == "2025-03-01T10:00:00.000000Z"
    assert found["last_seen"] == "2027-01-15T08:00:00.000000Z"
    assert found["fingerprint"] in (fingerprint("m"), "0123abcd")


def test_events_without_an_issue_bring_one(tmp_path: Path) -> None:
    home = write(
        tmp_path / "v", None, [event(1, 5, "lost"), event(2, 5, "lost"), {**event(3, 0, "loose"), "issue_id": None}]
    )
    issues, events = held(home)
    assert [(item["id"], item["title"], item["count"]) for item in issues] == [(5, "lost", 2), (6, "loose", 1)]
    assert len(events) == 3


def test_attachments_find_their_owner(tmp_path: Path) -> None:
    home = write(tmp_path / "v", [issue(4, "m")], [event(1, 4, "m")])
    name = event(1, 4, "m")["event_id"]
    for path, text in ((f"{name}_log.txt", "a"), (f"{name}/core.txt", "b"), ("4/issue.txt", "c"), ("who.txt", "d")):
        (home / "attachments" / path).parent.mkdir(parents=True, exist_ok=True)
        (home / "attachments" / path).write_text(text)
    with opened(home) as store:
        assert store.legacy is not None
        assert store.legacy.attachments == 3
        assert [path for path, _ in store.legacy.unreadable] == ["attachments/who.txt"]
        files = store.events.load([1])[0].event["attachments"]
        assert [file["name"] for file in files] == [f"{name}_log.txt", "core.txt"]
        assert store.db.rows("SELECT name FROM attachments WHERE issue_id = 4") == [("issue.txt",)]
        with store.blobs.open(files[0]["digest"]) as file:
            assert file.read() == b"a"
    assert (home / "legacy" / "attachments" / "who.txt").exists()


def test_what_cannot_be_read_is_told_counted_and_remembered(home: Path) -> None:
    folder = home / "events" / "2025" / "03" / "01"
    (folder / "broken.json").write_text('{"a": ')
    (folder / "list.json").write_text("[]")
    (folder / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (folder / "deep.json").write_text("[" * 100_000)
    context = Context()
    result = CliRunner().invoke(cli, ["--home", str(home), "list", "--json"], obj=context)
    context.close()
    assert json.loads(result.stdout)["total"] == 1
    assert result.stderr.count("could not be imported") == 5  # with a webhook
    assert "3 issues, 4 events" in result.stderr
    with opened(home) as store:
        assert [(drop.reason, drop.count) for drop in store.ledger.list()] == [("legacy_unreadable", 5)]
        found = dict(core.examine(store))["old vault"]
        assert len(found) == 5
        assert "broken.json" in found[0].message


@pytest.mark.parametrize("text", ["{", "5", '"x"', "[1, null, []]", '{"a": 1}'])
def test_a_broken_list_of_issues_does_not_lose_events(tmp_path: Path, text: str) -> None:
    home = write(tmp_path / "v", None, [event(1, 2, "m")])
    (home / "issues.json").write_text(text)
    issues, events = held(home)
    assert [(item["id"], item["title"]) for item in issues] == [(2, "m")]
    assert len(events) == 1
    assert (home / "legacy" / "issues.json").read_text() == text


def test_nasty_events_are_imported(tmp_path: Path) -> None:
    events = []
    for number, raw in enumerate(nasty.NASTY.values()):
        events.append({**copy.deepcopy(raw), "event_id": event(number, 1, "")["event_id"], "issue_id": 1})
    write(tmp_path / "v", [issue(1, "m")])
    folder = tmp_path / "v" / "events" / "2025" / "03" / "01"
    folder.mkdir(parents=True)
    sys.set_int_max_str_digits(0)
    try:
        for item in events:
            (folder / f"{item['event_id']}.json").write_text(json.dumps(item))
    finally:
        sys.set_int_max_str_digits(4300)
    with opened(tmp_path / "v") as store:
        assert store.legacy is not None
        assert store.legacy.events + len(store.legacy.unreadable) == len(events)
        assert len(store.legacy.unreadable) <= 1  # an integer that Python refuses to read
        assert not [
            found
            for name, found in core.examine(store, deep=True)
            if found and name not in ("old vault", "permissions")
        ]


def test_a_directory_that_only_looks_similar_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "party.txt").write_text("x")
    with opened(tmp_path) as store:
        assert store.legacy is None
    assert (tmp_path / "events" / "party.txt").exists()


def test_a_second_old_vault_joins_the_first(home: Path) -> None:
    held(home)
    write(home, [issue(1, "later"), issue(7, "user 1 left")], [event(9, 1, "later")])
    issues, events = held(home)
    assert [item["id"] for item in issues] == [1, 3, 7, 8]
    assert issues[2]["status"] == "ignored"
    assert len(events) == 5
    assert (home / "legacy-2" / "issues.json").exists()
    assert (home / "legacy" / "issues.json").exists()


_CHILD = """
import os, signal, sys
from crashvault import core
from crashvault.storage import legacy
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
place, name = sys.argv[2].split(".")
setattr(legacy if place == "legacy" else legacy._Run, name, kill)
core.open_vault(sys.argv[1])
"""


@pytest.mark.parametrize("where", ["_Run._store", "_Run._keep_config", "legacy._move", "legacy._rewrite_config"])
def test_an_import_that_is_killed_is_finished_by_the_next(home: Path, where: str) -> None:
    killed = subprocess.run([sys.executable, "-c", _CHILD, str(home), where], check=False)
    assert killed.returncode == -9
    assert (home / "issues.json").exists()
    issues, events = held(home)
    assert ([item["id"] for item in issues], len(events)) == ([3, 7, 8], 4)
    assert not (home / "issues.json").exists()
    with opened(home) as store:
        assert len(store.webhooks.list()) == 2


def test_two_processes_at_once_import_it_once(home: Path) -> None:
    program = "import sys; from crashvault import core; core.open_vault(sys.argv[1]).close()"
    children = [subprocess.Popen([sys.executable, "-c", program, str(home)]) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    issues, events = held(home)
    assert (len(issues), len(events)) == (3, 4)
    assert (home / "legacy" / "issues.json").exists()


def test_import_runs_no_transitions(home: Path) -> None:
    with opened(home) as store:
        assert store.triage.activity(3) == []
        assert store.issues.get(3).is_regressed == 0
        assert store.db.value("SELECT count(*) FROM hash_minutes") == 0
