"""What git knows: which commit a release was, how a file looked then, who last changed a line.

git runs as a program, each call with a limit on time and output. Names that come from events are only
taken where they cannot be read as anything but a name.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import NamedTuple

SECONDS = 10.0  # for one call
MAX_OUTPUT = 16 * 1024 * 1024  # bytes of one call
MAX_FILE = 2 * 1024 * 1024  # bytes; larger files are generated, and nobody reads them

_NAME = re.compile(r"[\w][\w./+-]{0,199}")
_UNCOMMITTED = "0" * 40


class Blame(NamedTuple):
    """Who last changed a line."""

    commit: str  # 40 hexadecimal digits; empty: not committed yet
    author: str
    at: int  # seconds since the epoch
    summary: str  # first line of the commit's message


class Commit(NamedTuple):
    id: str  # 40 hexadecimal digits
    name: str  # the tag, branch or id that led to it


def repository(directory: str) -> str | None:
    """The top directory of the repository that a directory lies in, if it does and git is there."""
    found = _run(directory, "rev-parse", "--show-toplevel")
    return os.path.realpath(found.decode("utf-8", "replace").rstrip("\n")) if found else None


def commit_of_release(root: str, release: str) -> Commit | None:
    """The commit that a release was made from: a tag, or a commit's id, that is called like the release or its version."""
    version = release.rpartition("@")[2]  # Sentry's form is package@version
    for name in dict.fromkeys((release, version, f"v{version}", f"release-{version}", version.partition("+")[2])):
        if name and _NAME.fullmatch(name) and ".." not in name:
            found = _commit(root, name)
            if found:
                return Commit(found, name)
    return None


def _commit(root: str, name: str) -> str | None:
    """The commit of a tag, or of an id; branches move, so none of them is a release."""
    wanted = [f"refs/tags/{name}"] + ([name] if re.fullmatch("[0-9a-f]{7,40}", name) else [])
    for given in wanted:
        found = _run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{given}^{{commit}}")
        if found:
            return found.decode("ascii", "replace").strip()
    return None


def files(root: str, commit: str | None) -> list[str]:
    """The paths in a commit, or in the working tree, as git names them: with slashes, from the top directory on."""
    which = ("ls-tree", "-r", "-z", "--name-only", commit) if commit else ("ls-files", "-z")
    found = _run(root, *which) or b""
    return [os.fsdecode(path) for path in found.split(b"\0") if path]


def read(root: str, commit: str | None, path: str) -> list[str] | None:
    """The lines of a file in a commit, or in the working tree."""
    if commit:
        size = _run(root, "cat-file", "-s", f"{commit}:{path}") or b""
        content = (
            _run(root, "cat-file", "blob", f"{commit}:{path}")
            if size.strip().isdigit() and int(size) <= MAX_FILE
            else None
        )
    else:
        content = _read_file(os.path.join(root, path))
    return None if content is None else content.decode("utf-8", "replace").split("\n")


def _read_file(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE + 1)
    except (OSError, ValueError):
        return None
    return content if len(content) <= MAX_FILE else None


def blame(root: str, commit: str | None, path: str, line: int) -> Blame | None:
    """Who last changed a line (1-based) of a file, as of a commit or of the working tree."""
    at = (commit,) if commit else ()
    found = _run(root, "blame", "--porcelain", "-L", f"{line},{line}", *at, "--", path)
    if not found:
        return None
    first, *rest = found.decode("utf-8", "replace").split("\n")
    fields = dict(row.split(" ", 1) for row in rest if " " in row and not row.startswith("\t"))
    digest = first.split(" ", 1)[0]
    moment = fields.get("author-time", "0")
    return Blame(
        "" if digest == _UNCOMMITTED else digest, fields.get("author", ""), int(moment) if moment.isdigit() else 0,
        fields.get("summary", ""),
    )  # fmt: skip


def _run(directory: str, *arguments: str) -> bytes | None:
    """What git writes; None where it fails, takes too long, writes too much, or is not there."""
    variables = {
        **os.environ,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        "LC_ALL": "C.UTF-8",
    }
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(
            command, cwd=directory, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and len(done.stdout) <= MAX_OUTPUT else None
