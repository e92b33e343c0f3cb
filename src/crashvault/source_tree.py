"""Where the source of a frame lies: the files of a repository, at a release's commit or as they are now.

Frames name files as they lay where the program ran. They are found again in the repository by the end of
their path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import git

_FEWEST = 2  # parts of a path that must agree, where neither path is the end of the other


class Source(NamedTuple):
    """Where source is looked for."""

    root: str | None  # of the repository
    commit: git.Commit | None  # None: the working tree
    paths: dict[str, list[str]]  # by file name


def open_source(directory: str, release: str | None) -> Source:
    """The repository that `directory` lies in, at the commit of a release if git knows that."""
    root = git.repository(directory)
    if root is None:
        return Source(None, None, {})
    commit = git.commit_of_release(root, release) if release else None
    paths: dict[str, list[str]] = {}
    for path in git.files(root, commit.id if commit else None):
        paths.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    return Source(root, commit, paths)


def find(source: Source, frame: Mapping[str, Any]) -> str | None:
    """The repository's path of a frame's file."""
    for given in (frame.get("abs_path"), frame["file"]):
        parts = [part for part in str(given or "").replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if not parts:
            continue
        scored = sorted(
            ((_agreeing(parts, path.split("/")), path) for path in source.paths.get(parts[-1], ())), reverse=True
        )
        if not scored:
            continue
        (best, path), others = scored[0], scored[1:]
        whole = best in (len(parts), path.count("/") + 1) and (best > 1 or len(parts) == 1 or bool(frame["in_app"]))
        if (whole or (best >= _FEWEST and frame["in_app"])) and not (others and others[0][0] == best):
            return path
    return None


def _agreeing(parts: Sequence[str], others: Sequence[str]) -> int:
    """How many parts of two paths agree, from the end."""
    count = 0
    for part, other in zip(reversed(parts), reversed(others), strict=False):
        if part != other:
            break
        count += 1
    return count


def place_line(lines: Sequence[str], frame: Mapping[str, Any]) -> int | None:
    """Where the line of a frame is in a file; None where it reads otherwise, and is nowhere else or in several places."""
    number, text = frame["line"], (frame["context_line"] or "").strip()
    if 0 < number <= len(lines) and (not text or text == lines[number - 1].strip()):
        return int(number)
    found = [n for n, line in enumerate(lines, start=1) if text and line.strip() == text]
    return found[0] if len(found) == 1 else None
