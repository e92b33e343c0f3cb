"""Many processes on one vault, and processes that die at any moment: nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from children import RECORD, ROUNDS, crashvault, kill, python, started

from crashvault.storage.store import Store, open_sqlite

UUID_LENGTH = 36  # characters


def assert_sound(store: Store) -> None:
    assert store.db.rows("PRAGMA integrity_check") == [("ok",)]
    for index in ("event_index", "stack_index"):
        store.db.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 0)")
    events = store.db.value("SELECT count(*) FROM events")
    for sql in (
        "SELECT count(*) FROM payloads", "SELECT count(*) FROM event_keys WHERE event IS NOT NULL",
        "SELECT sum(count) FROM hashes", "SELECT sum(count) FROM issues", "SELECT sum(count) FROM hash_hours",
        "SELECT sum(count) FROM hash_minutes", "SELECT sum(count) FROM project_hours",
    ):  # fmt: skip
        assert (store.db.value(sql) or 0) == events, sql
    assert len(store.events.load(list(store.events.all_rows()))) == events


def ids_in(store: Store) -> set[str]:
    return {item.event["event_id"] for item in store.events.load(list(store.events.all_rows()))}


def test_sixteen_processes_record_at_once(tmp_path: Path) -> None:
    count = 12 * ROUNDS
    children = [python(RECORD, tmp_path / "vault", f"child{n}", count, 3) for n in range(16)]
    acknowledged: list[str] = []
    for child in children:
        out, err = child.communicate(timeout=120)
        assert (child.returncode, err) == (0, "")
        acknowledged += out.split()
    assert len(acknowledged) == len(set(acknowledged)) == 16 * count * 3
    with open_sqlite(str(tmp_path / "vault")) as store:
        assert_sound(store)
        assert ids_in(store) == set(acknowledged)
        assert store.statistics.totals().events == 16 * count * 3


def test_sixteen_first_adds_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "CRASHVAULT_HOME": str(tmp_path / "vault")}
    command = [sys.executable, "-m", "crashvault", "add", "the same failure", "--json", "--event-id"]
    children = [
        subprocess.Popen([*command, f"{n:032x}"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(1, 17)
    ]  # fmt: skip
    answers = []
    for child in children:
        out, err = child.communicate(timeout=120)
        assert (child.returncode, err) == (0, "")
        answers.append(json.loads(out))
    assert sum(answer["issue_created"] for answer in answers) == 1
    assert {answer["issue_id"] for answer in answers} == {1}
    with open_sqlite(str(tmp_path / "vault")) as store:
        assert store.issues.get(1).count == 16
        assert_sound(store)


def test_recording_processes_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    random = Random(1)
    acknowledged: set[str] = set()
    for _ in range(8 * ROUNDS):
        children = [python(RECORD, tmp_path, f"child{n}", 10_000, random.choice((1, 20))) for n in range(2)]
        for child in children:
            assert child.stdout is not None
            acknowledged.update(child.stdout.readline().split())  # from here on it records
        time.sleep(random.random() * 0.15)
        for child in children:
            for line in kill(child):
                acknowledged.update(word for word in line.split() if len(word) == UUID_LENGTH)
        with open_sqlite(str(tmp_path)) as store:
            assert_sound(store)
            assert ids_in(store) >= acknowledged


def test_a_killed_first_process_leaves_no_half_vault(tmp_path: Path) -> None:
    random = Random(2)
    for turn in range(10 * ROUNDS):
        home = tmp_path / str(turn)
        child = python(RECORD, home, "first", 1, 1)
        while not home.exists():
            if child.poll() is not None:
                break
        time.sleep(random.random() * 0.05)
        acknowledged = {word for line in kill(child) for word in line.split() if len(word) == UUID_LENGTH}
        done = crashvault(home, "add", "afterwards", "--json")
        assert done.returncode == 0, done.stderr
        with open_sqlite(str(home)) as store:
            assert_sound(store)
            assert ids_in(store) >= {*acknowledged, json.loads(done.stdout)["event_id"]}
            assert store.projects.require("default").id == 1


@pytest.mark.parametrize("command", [["add", "killed"], ["gc"], ["purge", "1", "--yes"]])
def test_commands_may_be_killed_at_any_moment(tmp_path: Path, command: list[str]) -> None:
    random = Random(str(command))
    recorded = crashvault(tmp_path, "add", "kept", "--json")
    kept = json.loads(recorded.stdout)["event_id"]
    for turn in range(8 * ROUNDS):
        with python(RECORD, tmp_path, f"more{turn}", 2, 30) as child:
            child.communicate(timeout=60)
        child = started(tmp_path, *command[:1], *(str(turn + 2) if word == "1" else word for word in command[1:]))
        time.sleep(0.02 + random.random() * 0.25)
        kill(child)
        with open_sqlite(str(tmp_path)) as store:
            assert_sound(store)
            assert kept in ids_in(store)
    assert crashvault(tmp_path, "gc").returncode == 0
    with open_sqlite(str(tmp_path)) as store:
        assert_sound(store)


def test_wrap_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    random = Random("wrap")
    acknowledged: set[str] = set()
    assert crashvault(tmp_path, "init").returncode == 0
    for _ in range(8 * ROUNDS):
        child = started(tmp_path, "wrap", "--", "sh", "-c", "echo boom >&2; exit 3")
        time.sleep(0.02 + random.random() * 0.25)
        told = "\n".join(kill(child, finished=3))
        acknowledged.update(re.findall(r"recorded event ([0-9a-f]{8})", told))
        with open_sqlite(str(tmp_path)) as store:
            assert_sound(store)
            assert {event_id[:8] for event_id in ids_in(store)} >= acknowledged
