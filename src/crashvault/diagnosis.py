"""An event beside the source it came from: each frame's file as it was, and who last changed the line.

The source is that of the event's release where git knows it, else that of the working tree; a
line that reads otherwise than the event recorded it is looked for nearby, and never shown as if it were it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from . import git
from .source_tree import Source, find, open_source, place_line

__all__ = ["Source", "chosen_frames", "diagnose", "editor_command", "find", "open_source"]

AROUND = 4  # lines before and after


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
    number = place_line(lines or [], frame)
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
