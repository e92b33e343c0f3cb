"""The documentation that came with this program, and where it is on the web."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from typing import NamedTuple

from .errors import NotFoundError


class Topic(NamedTuple):
    name: str  # what people type
    title: str
    path: str


def folder() -> str | None:
    """The directory of the documentation: inside the installed package, or beside the sources."""
    here = os.path.dirname(os.path.abspath(__file__))
    for path in (os.path.join(here, "docs"), os.path.join(here, "..", "..", "docs")):
        if os.path.isdir(path):
            return os.path.normpath(path)
    return None


def topics() -> list[Topic]:
    """What there is to read, by name."""
    place = folder()
    names = sorted(_pages(place), key=str.casefold) if place else []
    return [
        Topic(name.removesuffix(".md"), _title(os.path.join(place or "", name)), os.path.join(place or "", name))
        for name in names
    ]


def _pages(place: str) -> Iterator[str]:
    """Names of pages, also of those one folder deeper, such as `connect/python.md`."""
    for entry in os.scandir(place):
        names = [f"{entry.name}/{name}" for name in os.listdir(entry.path)] if entry.is_dir() else [entry.name]
        yield from (name for name in names if name.endswith(".md"))


def _title(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return next((line.lstrip("#").strip() for line in file if line.startswith("#")), os.path.basename(path))


def topic(name: str) -> Topic:
    """The topic of that name, or the only one that begins so. Raises NotFoundError that names the nearest."""
    known = {item.name.casefold(): item for item in topics()}
    wanted = name.casefold().removesuffix(".md")
    near = [item for key, item in known.items() if key == wanted] or [
        item for key, item in known.items() if key.startswith(wanted)
    ]
    if len(near) == 1:
        return near[0]
    close = [item.name for item in near] or difflib.get_close_matches(wanted, known, 3, 0.6)
    hint = f"Did you mean {' or '.join(close)}?" if close else "See: crashvault docs"
    raise NotFoundError(f"there is no topic {name!r}", hint)


def read(item: Topic) -> str:
    with open(item.path, encoding="utf-8") as file:
        return file.read()


def web_address() -> str | None:
    """Where the documentation is on the web, as the installed package says."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        given = metadata("crashvault").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    known = dict(line.split(", ", 1) for line in given if ", " in line)
    return known.get("Documentation") or known.get("Homepage") or known.get("Repository")
