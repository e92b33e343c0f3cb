"""The labelled crashes: which were collected, packed into one small file for each language, and read back as events."""

from __future__ import annotations

import gzip
import json
import os
from typing import Any, NamedTuple

from crashvault.grouping import group
from crashvault.grouping.sketch import Sketch, sketch_of
from crashvault.models import Event

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
_FRAME = ("file", "module", "function", "line", "in_app", "context_line")


class Crash(NamedTuple):
    """One crash whose bug is known."""

    bug: int
    event: Event
    key: str  # its grouping hash
    sketch: Sketch


class Project(NamedTuple):
    name: str
    language: str
    split: str  # train or validation
    crashes: list[Crash]


def pack(language: str, collected: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Write what was collected of each project (name → split, collector's output) into one file."""
    projects = {name: {"split": split, **_packed(data)} for name, (split, data) in sorted(collected.items())}
    os.makedirs(FOLDER, exist_ok=True)
    body = json.dumps(projects, ensure_ascii=False, separators=(",", ":")).encode()
    with open(os.path.join(FOLDER, f"{language}.json.gz"), "wb") as file:
        file.write(gzip.compress(body, 9, mtime=0))


def _packed(data: dict[str, Any]) -> dict[str, Any]:
    """Frames once each, and crashes as lists of their numbers."""
    frames: dict[str, int] = {}
    crashes = []
    for crash in data["crashes"]:
        chain = [
            [link.get("type"), link.get("value"), bool(link.get("context")),
             [frames.setdefault(json.dumps([frame.get(key) for key in _FRAME]), len(frames)) for frame in link["frames"]]]
            for link in crash["exceptions"]
        ]  # fmt: skip
        crashes.append([crash["bug"], chain])
    return {"frames": [json.loads(frame) for frame in frames], "crashes": crashes}


def load(language: str) -> list[Project]:
    """The projects of a language, with keys and sketches as the present program makes them."""
    with gzip.open(os.path.join(FOLDER, f"{language}.json.gz"), "rt", encoding="utf-8") as file:
        data = json.load(file)
    return [_project(name, language, packed) for name, packed in data.items()]


def _project(name: str, language: str, packed: dict[str, Any]) -> Project:
    frames = [dict(zip(_FRAME, frame, strict=True)) for frame in packed["frames"]]
    crashes = []
    for bug, chain in packed["crashes"]:
        exceptions = [_exception(link, above, frames) for link, above in zip(chain, [*chain[1:], None], strict=True)]
        event: Any = {"platform": language, "message": exceptions[-1]["value"], "exceptions": exceptions}
        grouping = group(event)
        crashes.append(Crash(bug, event, grouping.hash, sketch_of(event, grouping)))
    return Project(name, language, packed["split"], crashes)


def _exception(link: list[Any], above: list[Any] | None, frames: list[dict[str, Any]]) -> dict[str, Any]:
    """One exception; of one that was only being handled when that above it was raised, SDKs tell so."""
    type_, value, _, numbers = link
    found: dict[str, Any] = {"type": type_, "value": value, "frames": [frames[number] for number in numbers]}
    if above is not None and above[2]:
        found["mechanism"] = {"source": "__context__"}
    return found
