"""`dedup` that is killed half way, and beside a process that records."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crashvault import core, deduplication, pipeline
from crashvault.storage.store import Store

NOW = 1_790_000_000_000_000
BUGS, VARIANTS = 12, 4

_KILLED = """
import os, signal, sys
from crashvault import core, deduplication
store = core.open_vault(sys.argv[1])
found = deduplication.find(store, None, 0.5, exact=True)
calls = []
def step():
    calls.append(1)
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
store.db.connection.set_progress_handler(step, 200)
deduplication.apply(store, found, "ana", 1)
"""

_RECORDING = """
import sys
from tests.faults.test_dedup import NOW, crash
from crashvault import core, pipeline
store = core.open_vault(sys.argv[1])
for number in range(40):
    pipeline.record_events(store, [crash(number % 12, f"new{number}")], received_at=NOW)
    print(number, flush=True)
"""


def crash(bug: int, who: str) -> dict[str, Any]:
    """The same crash of one bug but for a word that grouping takes for a part of the message."""
    letter = chr(ord("a") + bug) * 3
    frames = [
        {"module": f"shop.{module}", "function": function, "line": 10, "in_app": True}
        for module, function in [
            ("web", "handle"), ("auth", "check_user"), (letter, f"find_{letter}"), (letter, f"lookup_{letter}"),
        ]
    ]  # fmt: skip
    value = f"no {letter} for the user called {who}"
    return {"exception": {"type": "LookupError", "value": value}, "frames": frames, "platform": "python"}


def filled(home: Path) -> Store:
    store = core.open_vault(str(home))
    store.settings.set("grouping.join", False, NOW)
    events = [crash(bug, who) for who in ("ann", "bob", "cyd", "dan")[:VARIANTS] for bug in range(BUGS)]
    pipeline.record_events(store, events, received_at=NOW)
    return store


def state(store: Store) -> list[tuple[int, int]]:
    """Listed issues and their events."""
    return [(issue.id, issue.count) for issue in store.issues.by_ids(store.similarity.issues(1))]


@pytest.mark.parametrize("step", [1, 10, 40, 100])
def test_a_killed_dedup_did_nothing_and_can_be_done_again(tmp_path: Path, step: int) -> None:
    with filled(tmp_path) as store:
        before = state(store)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), str(step)], check=False, timeout=60)
    assert killed.returncode == -9
    with core.open_vault(str(tmp_path)) as store:
        assert state(store) == before
        found = deduplication.find(store, None, 0.5, exact=True)
        assert deduplication.apply(store, found, "ana", NOW) == BUGS * (VARIANTS - 1)
        assert [count for _, count in state(store)] == [VARIANTS] * BUGS
        assert len(deduplication.undo(store, "ana", NOW).unmerged) == BUGS * (VARIANTS - 1)
        assert state(store) == before


def test_dedup_beside_a_process_that_records(tmp_path: Path) -> None:
    with filled(tmp_path) as store:
        store.settings.set("grouping.join", True, NOW)
        command = [sys.executable, "-c", _RECORDING, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as recording:
            assert recording.stdout is not None and recording.stdout.readline() == "0\n"
            deduplication.apply(store, deduplication.find(store, None, 0.5, exact=True), "ana", NOW)
            recording.stdout.read()
        assert recording.returncode == 0
        assert sum(count for _, count in state(store)) == BUGS * VARIANTS + 40
        deduplication.apply(store, deduplication.find(store, None, 0.5, exact=True), "ana", NOW)
        found = state(store)
        assert len(found) == BUGS and sum(count for _, count in found) == BUGS * VARIANTS + 40
        totals = store.statistics.totals()
        assert (totals.issues, totals.events) == (BUGS, BUGS * VARIANTS + 40)
