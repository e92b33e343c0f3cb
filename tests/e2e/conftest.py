"""Running the command line on a vault of its own: in this process (quick), or as a real one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import crashvault
from crashvault.__main__ import _close, _run
from crashvault.cli import cli
from crashvault.commands.context import Context

SOURCE = str(Path(crashvault.__file__).parents[1])


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Vault:
    """A vault in a directory, and the commands on it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str, stdin: str | bytes = b"") -> Result:
        """Run a command in this process."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        streams = [io.TextIOWrapper(io.BytesIO(data), encoding="utf-8") for data in (given, b"", b"")]
        context = Context()
        before, sys.stdin = sys.stdin, streams[0]
        try:
            with contextlib.redirect_stdout(streams[1]), contextlib.redirect_stderr(streams[2]):
                code = _run(cli, list(arguments), context)
                _close(context)
        finally:
            sys.stdin = before
        for stream in streams[1:]:
            stream.flush()
        return Result(code, *(stream.buffer.getvalue().decode() for stream in streams[1:]))  # type: ignore[attr-defined]

    def ok(self, *arguments: str, stdin: str | bytes = b"") -> str:
        """Standard output of a command that must succeed."""
        result = self(*arguments, stdin=stdin)
        assert result.code == 0, result
        return result.out

    def json(self, *arguments: str, stdin: str | bytes = b"") -> Any:
        return json.loads(self.ok(*arguments, "--json", stdin=stdin))

    def add(self, message: str, *options: str) -> int:
        """Record an event; its issue."""
        return int(self.json("add", message, *options)["issue_id"])

    def process(self, *arguments: str, stdin: str = "", cwd: Path | None = None, **variables: str) -> Result:
        """Run a command as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "crashvault", *arguments],
            input=stdin, capture_output=True, text=True, cwd=cwd or self.home.parent, env=self.environment(**variables),
            timeout=60, check=False,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("CRASHVAULT", "_CRASHVAULT"))}
        return {**kept, "PYTHONPATH": SOURCE, "CRASHVAULT_HOME": str(self.home), "COLUMNS": "80", **variables}


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    home = tmp_path / "vault"
    monkeypatch.setenv("CRASHVAULT_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    for variable in ("CRASHVAULT_PROJECT", "CRASHVAULT_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    return Vault(home)


@pytest.fixture
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a directory and stand in it."""

    def enter(name: str) -> Path:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        monkeypatch.chdir(path)
        return path

    return enter
