"""An event beside the source it came from: each frame's file as it was, and who last changed the line.

Frames name files as they lay where the program ran. They are found again in the repository by the end of
their path. The source is that of the event's release where git knows it, else that of the working tree; a
line that reads otherwise than the event recorded it is looked for nearby, and never shown as if it were it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from . import git

AROUND = 4  # lines before and after
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


def chosen_frames(event: Mapping[str, Any], limit: int | None) -> list[tuple[str, Mapping[str, Any]]]:
    """(exception, frame) pairs of an event's documented shape, crash first; with a limit the program's own, if there are any."""
    links = event["exceptions"] or [{"type": None, "value": None, "frames": event["frames"]}]
    pairs = [(_headline(link), frame) for link in reversed(links) for frame in reversed(link["frames"])]
    if limit is None:
        return pairs
    own = [pair for pair in pairs if pair[1]["in_app"]]
    return (own or pairs)[:limit]


def _headline(link: Mapping[str, Any]) -> str:
    return ": ".join(str(part) for part in (link["type"], link["value"]) if part)


def diagnose(source: Source, frames: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Each frame with its source, variables and blame."""
    for exception, frame in frames:
        path = find(source, frame)
        found = {
            "exception": exception, "file": frame["file"], "line": frame["line"], "function": frame["function"],
            "in_app": frame["in_app"], "path": path, "vars": frame["vars"] or {},
        }  # fmt: skip
        yield {**found, **_look(source, frame, path)}


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


def _look(source: Source, frame: Mapping[str, Any], path: str | None) -> dict[str, Any]:
    """Source lines, where they are from, and the blame of the line that crashed."""
    recorded = _recorded(frame)
    if path is None or source.root is None or not frame["line"]:
        return {
            **recorded,
            "blame": None,
            "note": "" if path or not source.root or not frame["in_app"] else "not in this repository",
        }
    commit = source.commit.id if source.commit else None
    lines = git.read(source.root, commit, path)
    number = _place(lines or [], frame)
    if lines is None or number is None:
        return {**recorded, "blame": None, "note": "the line is not there any more"}
    shown = range(max(1, number - AROUND), min(len(lines), number + AROUND) + 1)
    found = git.blame(source.root, commit, path, number)
    return {
        "source": f"commit {source.commit.name}" if source.commit else "working tree",
        "lines": [{"number": n, "text": lines[n - 1], "crashed": n == number} for n in shown],
        "blame": found._asdict() if found else None,
        "note": "" if number == frame["line"] else f"moved from line {frame['line']} to {number}",
    }


def _place(lines: Sequence[str], frame: Mapping[str, Any]) -> int | None:
    """Where the line of a frame is in a file; None where it reads otherwise, and is nowhere else or in several places."""
    number, text = frame["line"], (frame["context_line"] or "").strip()
    if 0 < number <= len(lines) and (not text or text == lines[number - 1].strip()):
        return int(number)
    found = [n for n, line in enumerate(lines, start=1) if text and line.strip() == text]
    return found[0] if len(found) == 1 else None


def line_now(source: Source, path: str, line: int) -> int:
    """Where a line of the release is in the working tree: the same one, or the nearest that is left of it."""
    if source.root is None or source.commit is None:
        return line
    then, now = (git.read(source.root, commit, path) or [] for commit in (source.commit.id, None))
    for tag, first, last, to, end in SequenceMatcher(None, then, now, autojunk=False).get_opcodes():
        if first <= line - 1 < last:
            return to + line - first if tag == "equal" else max(1, min(to + line - first, end))
    return line


def _recorded(frame: Mapping[str, Any]) -> dict[str, Any]:
    """The source that came with the event."""
    if frame["context_line"] is None:
        return {"source": None, "lines": []}
    before, after = frame["pre_context"][-AROUND:], frame["post_context"][:AROUND]
    first = (frame["line"] or 1) - len(before)
    texts = [*before, frame["context_line"], *after]
    lines = [{"number": first + n, "text": text, "crashed": n == len(before)} for n, text in enumerate(texts)]
    return {"source": "event", "lines": lines}


def editor_command(editor: Sequence[str], path: str, line: int) -> list[str]:
    """The command that opens an editor at a line."""
    name = os.path.basename(editor[0]).lower().removesuffix(".exe").removesuffix(".cmd")
    template = _EDITORS.get(name, ("+{line}", "{path}"))
    return [*editor, *(part.replace("{line}", str(line)).replace("{path}", path) for part in template)]


_VSCODE = ("-g", "{path}:{line}")
_COLON = ("{path}:{line}",)
_EDITORS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("code", "code-insiders", "codium", "vscodium", "cursor", "windsurf"), _VSCODE),
    **dict.fromkeys(("subl", "sublime_text", "zed", "zeditor", "hx", "helix", "micro"), _COLON),
    **dict.fromkeys(("idea", "pycharm", "webstorm", "goland", "clion", "rustrover"), ("--line", "{line}", "{path}")),
    "notepad++": ("-n{line}", "{path}"),
}
