"""What `crashvault export` writes, read back by pyarrow. Install the plugin first: `pip install -e .`"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

parquet = pytest.importorskip("pyarrow.parquet")


def crashvault(home: Path, *args: object, stdin: str = "") -> bytes:
    environment = {**os.environ, "CRASHVAULT_HOME": str(home)}
    command = [sys.executable, "-m", "crashvault", *map(str, args)]
    done = subprocess.run(command, env=environment, input=stdin.encode(), capture_output=True, timeout=120, check=True)
    return done.stdout


def read(path: Path) -> list[dict[str, Any]]:
    return parquet.read_table(path).to_pylist()


def test_events_come_back(tmp_path: Path) -> None:
    home, file = tmp_path / "vault", tmp_path / "crashes.parquet"
    trace = "Traceback (most recent call last):\n  File \"shop.py\", line 7, in pay\n    x\nKeyError: 'visa'\n"
    crashvault(home, "add", "no card", "--stack", "-", "--tag", "db", "--tag", "region=eu", "--context", "cart=7",
               "--user", "ana", "--timestamp", "2026-01-02T03:04:05Z", stdin=trace)  # fmt: skip
    crashvault(home, "add", "disk <full> \u2603", "--level", "warning")
    crashvault(home, "export", "--output", file)
    first, second = sorted(read(file), key=lambda row: row["issue_id"])
    assert first["timestamp"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (first["exception_type"], first["file"], first["line"], first["function"]) == (
        "KeyError",
        "shop.py",
        7,
        "pay",
    )
    assert first["tags"] == ["db", "region=eu"]
    assert json.loads(first["context"]) == {"cart": "7"}
    assert first["user"] == "ana"
    assert (second["message"], second["level"], second["exception_type"]) == ("disk <full> \u2603", "warning", None)
    assert parquet.read_schema(file).field("timestamp").type.tz == "UTC"


def test_parts_streams_and_nothing(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    for level in ("error", "warning"):
        crashvault(home, "add", level, "--level", level)
    streamed = tmp_path / "stream.parquet"
    streamed.write_bytes(crashvault(home, "export", "--format", "parquet", "--query", "level:warning"))
    assert [row["message"] for row in read(streamed)] == ["warning"]
    empty = tmp_path / "empty.parquet"
    crashvault(home, "export", "--query", "level:debug", "--output", empty)
    assert read(empty) == []
