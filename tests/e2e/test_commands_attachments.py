"""Files come back as they went in, whatever they are called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def crashvault(home: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "CRASHVAULT_HOME": str(home), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "crashvault", *arguments]
    return subprocess.run(command, env=environment, input=given, capture_output=True, timeout=60, cwd=home.parent)


def test_files_come_back(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    event = json.loads(crashvault(home, "add", "with files", "--json").stdout)["event_id"]
    data = bytes(range(256)) * 100
    for content, name in (
        (data, "core dump"),
        (b"second", "log.txt"),
        (b"third", "../../etc/passwd"),
        (b"other", "log.txt"),
    ):
        done = crashvault(home, "attach", "-", "--event", event, "--name", name, given=content)
        assert done.returncode == 0, done.stderr
    listed = json.loads(crashvault(home, "attachments", "--event", event[:8], "--json").stdout)
    assert listed["total"] == 4 and listed["items"][0]["size"] == len(data)
    assert crashvault(home, "attachments", "--event", event, "--cat", "core dump").stdout == data
    saved = crashvault(home, "attachments", "--event", event, "--save", "out")
    assert saved.returncode == 0, saved.stderr
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert sorted(found.values()) == sorted([data, b"second", b"third", b"other"])
    assert {"log.txt", "1-log.txt", "core dump"} <= set(found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "vault"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    crashvault(home, "add", "without files")
    none = crashvault(home, "attachments", "--issue", "1")
    assert (none.returncode, none.stdout) == (0, b"No files.\n")
    missing = crashvault(home, "attachments", "--issue", "1", "--cat", "x")
    assert missing.returncode == 1 and missing.stderr.startswith(b"Error: there is no file 'x'")
    assert crashvault(home, "attachments").returncode == 2
