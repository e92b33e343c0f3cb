"""What git knows: which commit a release was, how a file looked then, who last changed a line.

git runs as a program, each call with a limit on time and output. Names that come from events are only
taken where they cannot be read as anything but a name.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
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


def read_all(root: str, commit: str, paths: Sequence[str]) -> dict[str, list[str]]:
    """The lines of some files in a commit, with one call; files that are too large, or not there, are left out."""
    wanted = [path for path in paths if "\n" not in path]
    asked = "".join(f"{commit}:{path}\n" for path in wanted)
    out = _run(root, "cat-file", "--batch", given=os.fsencode(asked)) or b""
    found: dict[str, list[str]] = {}
    at = 0
    for path in wanted:
        end = out.find(b"\n", at)
        head = re.fullmatch(rb"[0-9a-f]{40,64} (\w+) (\d+)", out[at:end]) if end >= 0 else None
        at = end + 1
        if head:
            content = out[at : at + int(head[2])]
            at += len(content) + 1
            if head[1] == b"blob" and len(content) <= MAX_FILE:
                found[path] = content.decode("utf-8", "replace").split("\n")
    return found


def _read_file(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE + 1)
    except (OSError, ValueError):
        return None
    return content if len(content) <= MAX_FILE else None


def blame(root: str, commit: str | None, path: str, line: int) -> Blame | None:
    """Who last changed a line (1-based) of a file, as of a commit or of the working tree."""
    return blame_lines(root, commit, path, line, line).get(line)


def blame_lines(root: str, commit: str | None, path: str, first: int, last: int) -> dict[int, Blame]:
    """Who last changed each of some lines (1-based, both included); empty where git cannot tell."""
    at = (commit,) if commit else ()
    found = _run(root, "blame", "--porcelain", "-L", f"{first},{last}", *at, "--", path)
    lines: dict[int, Blame] = {}
    known: dict[str, dict[str, str]] = {}  # what git says of a commit once
    digest, number = "", 0
    for row in (found or b"").decode("utf-8", "replace").split("\n"):
        if row.startswith("\t"):
            lines[number] = _blame(digest, known[digest])
        elif re.match(r"[0-9a-f]{40} \d+ \d+", row):
            digest, _, final = row.split(" ")[:3]
            number = int(final)
            known.setdefault(digest, {})
        elif digest:
            key, _, value = row.partition(" ")
            known[digest][key] = value
    return lines


def _blame(digest: str, fields: dict[str, str]) -> Blame:
    moment = fields.get("author-time", "0")
    return Blame(
        "" if digest == _UNCOMMITTED else digest, fields.get("author", ""), int(moment) if moment.isdigit() else 0,
        fields.get("summary", ""),
    )  # fmt: skip


# History


class Change(NamedTuple):
    """A commit with what it changed."""

    id: str  # 40 hexadecimal digits
    author: str
    at: int  # seconds since the epoch, when it was committed
    summary: str  # first line of its message
    patch: str  # with no lines around; empty where it was not asked for

    @property
    def files(self) -> list[str]:
        """The paths that it changed, as they are afterwards; of a deleted file as it was."""
        pairs = re.findall(r"^--- (?:a/(.*)|/dev/null)\n\+\+\+ (?:b/(.*)|/dev/null)$", self.patch, re.M)
        return list(dict.fromkeys(after or before for before, after in pairs))


_PATCH = ("--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
_FORMAT = "--format=%x1e%H%x1f%an%x1f%ct%x1f%s%x1f"


def history(
    root: str, until: str, after: str | None = None, *, limit: int = 200, patches: bool = False
) -> list[Change]:
    """The commits up to one, without those that another one already has; newest first, merges left out."""
    which = f"{after}..{until}" if after else until
    shown = ("-p", "-U0", *_PATCH) if patches else ("-s",)
    return _changes(_run(root, "log", "--no-merges", f"-n{limit}", _FORMAT, *shown, "--end-of-options", which, "--"))


def line_history(root: str, until: str, path: str, first: int, last: int, *, after: str | None = None, limit: int = 20) -> list[Change]:  # fmt: skip
    """The commits that changed some lines (as they are in `until`), with what they did to these; newest first."""
    which = f"{after}..{until}" if after else until
    return _changes(_run(root, "log", f"-n{limit}", _FORMAT, *_PATCH, f"-L{first},{last}:{path}", which))


def _changes(found: bytes | None) -> list[Change]:
    changes = []
    for part in (found or b"").decode("utf-8", "replace").split("\x1e")[1:]:
        digest, author, at, summary, patch = part.split("\x1f", 4)
        changes.append(Change(digest, author, int(at) if at.isdigit() else 0, summary, patch.strip("\n")))
    return changes


INDEX = ":0"  # in the place of a commit: what is staged


def diff(root: str, *which: str) -> str | None:
    """A patch without lines around, of what `git diff` takes: nothing, `--cached`, or two commits. None: it failed."""
    found = _run(root, "diff", "-U0", "-M", *_PATCH, *which, "--")
    return None if found is None else found.decode("utf-8", "replace")


def diff_of_commit(root: str, commit: str) -> str | None:
    """The patch of a commit against its first parent, without lines around."""
    found = _run(
        root, "show", "--format=", "-m", "--first-parent", "-p", "-U0", "-M", *_PATCH, "--end-of-options", commit
    )
    return None if found is None else found.decode("utf-8", "replace")


def files_with_word(root: str, word: str) -> list[str]:
    """The paths of the working tree in which a word stands."""
    found = _run(root, "grep", "-l", "-I", "-z", "-w", "-F", "-e", word)
    return [os.fsdecode(path) for path in (found or b"").split(b"\0") if path]


def resolve(root: str, revision: str) -> str | None:
    """The commit that a person's name for it means: a branch, tag, id, `HEAD~3`."""
    if revision.startswith("-") or not revision.strip():
        return None
    found = _run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return found.decode("ascii", "replace").strip() if found else None


def commit_before(root: str, at: int) -> str | None:
    """The last commit of the present branch that was made before a time (seconds since the epoch)."""
    found = _run(root, "rev-list", "-1", f"--before={at}", "HEAD")
    return found.decode("ascii").strip() or None if found else None


def commit_time(root: str, commit: str) -> int | None:
    """When a commit was made, in seconds since the epoch."""
    found = _run(root, "show", "-s", "--format=%ct", "--end-of-options", commit)
    text = (found or b"").decode("ascii", "replace").strip()
    return int(text) if text.isdigit() else None


def tag_before(root: str, commit: str, like: str | None = None) -> Commit | None:
    """The nearest tag before a commit; `like`: only those of this form."""
    only = (f"--match={like}",) if like else ()
    found = _run(root, "describe", "--tags", "--abbrev=0", *only, f"{commit}^")
    name = found.decode("utf-8", "replace").strip() if found else ""
    before = _commit(root, name) if name else None
    return Commit(before, name) if before else None


def merge_base(root: str, one: str, other: str) -> str | None:
    """The last commit that two have in common."""
    found = _run(root, "merge-base", one, other)
    return found.decode("ascii", "replace").strip() or None if found else None


def is_ancestor(root: str, commit: str, of: str) -> bool:
    """Whether a commit is part of another one's history, and not that one itself."""
    return commit != of and _run(root, "merge-base", "--is-ancestor", commit, of) is not None


def _run(directory: str, *arguments: str, given: bytes = b"") -> bytes | None:
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
            command, cwd=directory, env=variables, input=given, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and len(done.stdout) <= MAX_OUTPUT else None
