"""Child processes of the fault tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROUNDS = int(os.environ.get("CRASHVAULT_FAULT_ROUNDS", "1"))

RECORD = """
import sys, uuid
from crashvault import pipeline
from crashvault.storage.store import open_sqlite
home, name, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open_sqlite(home) as store:
    for number in range(count):
        raws = [{"message": f"failure of {name}", "user": f"{name}-{number % 7}", "tags": [f"n={number % 5}"],
                 "context": {"filler": "x" * 300}, "frames": [{"file": f"{name}.py", "function": "f", "line": number % 9}]}
                for _ in range(size)]
        done = pipeline.record_events(store, raws)
        print(*(receipt.event_id for receipt in done), flush=True)  # acknowledged
"""


def python(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def crashvault(
    home: Path | str, *arguments: str, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run the real command line."""
    environment = {**os.environ, "CRASHVAULT_HOME": str(home), "NO_COLOR": "1", **options.pop("env", {})}
    command = [sys.executable, "-m", "crashvault", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, **options)


def started(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The real command line on its way; all it says is in its output."""
    environment = {**os.environ, "CRASHVAULT_HOME": str(home), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "crashvault", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def assert_one_line_error(done: subprocess.CompletedProcess[str]) -> str:
    """The failure that people may see: exit 1, one line that begins with Error and ends with what to do."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: "), done.stderr
    assert ". " in lines[0], lines[0]
    assert "Traceback" not in done.stderr and "report it" not in done.stderr
    return lines[0]


def kill(child: subprocess.Popen[str], finished: int = 0) -> list[str]:
    """End a child at once; the lines it had printed whole."""
    child.send_signal(signal.SIGKILL)
    out, err = child.communicate(timeout=60)
    assert child.returncode in (-signal.SIGKILL, finished), err or out
    return out[: out.rfind("\n") + 1].splitlines()
