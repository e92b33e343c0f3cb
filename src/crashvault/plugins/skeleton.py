"""A new plugin, as a package of its own or as a single file, ready to run."""

from __future__ import annotations

import re

from ..errors import InvalidError

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


def check_name(name: str) -> str:
    """The name of a plugin. Raises InvalidError for one that no package and module could have."""
    if not _NAME.fullmatch(name) or len(name) > 50:
        raise InvalidError(f"a plugin cannot be called {name!r}", "Use lower-case letters, digits and -, such as pager")
    return name


def module_name(name: str) -> str:
    return name.replace("-", "_")


def single_file(name: str) -> dict[str, str]:
    """File name → text."""
    return {f"{module_name(name)}.py": _filled(_MODULE, name)}


def package(name: str) -> dict[str, str]:
    """Path in the package's directory → text."""
    module = module_name(name)
    return {
        "pyproject.toml": _filled(_PROJECT, name),
        "README.md": _filled(_README, name),
        f"src/crashvault_{module}/__init__.py": _filled(_MODULE, name),
        f"tests/test_{module}.py": _filled(_TEST, name),
    }


def _filled(text: str, name: str) -> str:
    return text.replace("@NAME@", name).replace("@MODULE@", module_name(name)).lstrip("\n")


_MODULE = '''
"""@NAME@: counts what each event says, in words. Change this line; `crashvault plugin list` shows it."""

from __future__ import annotations

from typing import Any

import click

from crashvault.clock import now
from crashvault.commands.context import Context, command, emit
from crashvault.plugins import hookimpl

CRASHVAULT_API = 1  # the version of the hooks that this was written for


@hookimpl
def event_received(event: dict[str, Any]) -> dict[str, Any] | None:
    """Look at each event before it is stored. Give it back, or None to drop it."""
    event["tags"].append(f"@NAME@=\x7blen(event['message'].split())\x7d")
    return event


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add commands; those made with `command` have --json and the open vault."""
    cli.add_command(@MODULE@)


@command("@NAME@", "crashvault @NAME@ --json")
def @MODULE@(context: Context) -> None:
    """Say how many issues are open."""
    search = context.store.search(now())
    count = len(search.every_issue(search.parse("is:open")))
    if context.json:
        emit({"open": count})
    else:
        click.echo(f"\x7bcount\x7d open")
'''.replace("\x7b", "{").replace("\x7d", "}")

_TEST = '''
"""The plugin in a vault of its own, as people use it: install it first, with `pip install -e .`"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def crashvault(home: Path, *args: str) -> Any:
    environment = {**os.environ, "CRASHVAULT_HOME": str(home)}
    command = [sys.executable, "-m", "crashvault", *args, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_events_are_tagged(tmp_path: Path) -> None:
    added = crashvault(tmp_path, "add", "it does not work")
    assert "@NAME@=4" in crashvault(tmp_path, "event", added["event_id"])["tags"]


def test_command(tmp_path: Path) -> None:
    crashvault(tmp_path, "add", "it does not work")
    assert crashvault(tmp_path, "@NAME@") == {"open": 1}
'''

_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "crashvault-@NAME@"
version = "0.1.0"
description = "A plugin of Crashvault"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["crashvault"]

[project.entry-points."crashvault.plugins"]
@NAME@ = "crashvault_@MODULE@"

[tool.hatch.build.targets.wheel]
packages = ["src/crashvault_@MODULE@"]
"""

_README = """
# crashvault-@NAME@

A plugin of [Crashvault](https://pypi.org/project/crashvault/).

```sh
pip install -e .
crashvault plugin info @NAME@
python -m pytest
```
"""
