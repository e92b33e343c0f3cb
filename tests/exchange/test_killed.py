"""An import that is killed half way: what was acknowledged is there, the rest comes with the next try."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .vaults import exported, imported, names_of_events, record, vault

_CHILD = """
import os, signal, sys
from crashvault import core
from crashvault.exchange import batches, importing
home, file, mode = sys.argv[1:]
batches.SIZES.update(issue=5, event=5)
positions = []
def progress(position):
    positions.append(position)
    if len(positions) == 12:
        os.kill(os.getpid(), signal.SIGKILL)
with open(file, "rb") as opened:
    importing.import_vault(core.open_vault(home), opened, mode=mode, now=1, progress=progress)
"""


@pytest.mark.parametrize("mode", ["merge", "replace", "skip"])
def test_killed_and_tried_again(tmp_path: Path, mode: str) -> None:
    words = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
    with vault(tmp_path, "a") as store:
        record(store, *({"message": f"{one} {other}"} for one in words for other in words))
        data = exported(store)
    file, home = tmp_path / "file.jsonl", tmp_path / "b"
    file.write_bytes(data)
    with vault(tmp_path, "b") as target:
        record(target, {"message": "old"})
        before = names_of_events(target)
    killed = subprocess.run([sys.executable, "-c", _CHILD, str(home), str(file), mode], check=False)
    assert killed.returncode == -9
    with vault(tmp_path, "b") as target:
        present = names_of_events(target)
        assert before <= present
        assert mode == "merge" or present == before
        imported(target, data, mode=mode)
        wanted = names_of_events(target)
        assert len(wanted) == (64 if mode == "replace" else 65)
        assert imported(target, data).events_added == 0
