"""What tests of plugins share: single-file plugins in a vault, and packages installed beside the real ones."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import CommandLine, Result

UNHURRIED = {"CRASHVAULT_PLUGINS_TIME_LIMIT": "60000"}  # a busy machine is no slow plugin
_HEAD = "from crashvault.plugins import hookimpl\n"


@pytest.fixture
def run(cli: CommandLine) -> Callable[..., Result]:
    """`crashvault` in a process of its own, since plugins are loaded once in each."""
    cli.environment |= UNHURRIED
    return lambda *args, **options: cli(*args, fresh=True, **options)


@pytest.fixture
def plugin(cli: CommandLine) -> Callable[..., Path]:
    """Writes a single-file plugin into the vault."""

    def write(source: str, name: str = "mine") -> Path:
        folder = cli.home / "plugins"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{name}.py"
        path.write_text(_HEAD + textwrap.dedent(source), "utf-8")
        path.chmod(0o600)
        return path

    return write


def install(package: Path, target: Path) -> None:
    """Install a package as people do, without asking anybody for what it needs."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps",
               "--no-build-isolation", "--no-warn-script-location", "--target", str(target), str(package)]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def with_packages(environment: dict[str, str], target: Path) -> dict[str, str]:
    return environment | {"PYTHONPATH": os.pathsep.join([str(target), environment["PYTHONPATH"]])}
