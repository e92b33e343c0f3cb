"""Which plugins are there: entry points of installed packages, and single files in the vault's directory `plugins`.

This lies on the way of every command, so packages are looked through without importlib.metadata (45 ms), and what was
found is kept until a directory in which Python looks for packages has changed.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .found import Found

GROUP = "crashvault.plugins"
FOLDER = "plugins"
_Row = tuple[str, str, str, str]  # the fields of Found
_SETTLED = 2_000_000_000  # nanoseconds after which a directory that changes again has another time


def find(home: str, cache: str, write: Callable[[str, Any], object], now: int) -> list[Found]:
    """All plugins, files first. `cache` is a path; `write` puts JSON there. `now` in nanoseconds."""
    rows = [*_files(os.path.join(home, FOLDER)), *_installed(cache, write, now)]
    if not rows:
        return []
    from .found import Found

    found: dict[str, Found] = {}
    for row in rows:
        found.setdefault(row[0], Found(*row))  # who writes a file knows that it takes the place of a package
    return list(found.values())


def _files(folder: str) -> Iterator[_Row]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.endswith(".py") and name[:-3].isidentifier() and not name.startswith("_"):
            path = os.path.join(folder, name)
            yield name[:-3], path, "", _distrust(folder) or _distrust(path)


def _distrust(path: str) -> str:
    """Why code must not be run from a path: others could have written it."""
    if os.name != "posix":
        return ""
    try:
        about = os.stat(path)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    if about.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to another user"
    return f"others may write to {path}" if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else ""


# Installed packages


def _installed(cache: str, write: Callable[[str, Any], object], now: int) -> list[_Row]:
    places, newest = _places()
    try:
        with open(cache, encoding="utf-8") as file:
            kept = json.load(file)
        if kept["places"] == places:
            return [(str(name), str(value), str(package), "") for name, value, package, _ in kept["found"]]
    except (OSError, ValueError, LookupError, TypeError):
        pass
    found = [one for path, _ in places for one in _in_directory(path)]
    if newest < now - _SETTLED:
        write(cache, {"places": places, "found": found})
    return found


def _places() -> tuple[list[list[Any]], int]:
    """The directories that packages are imported from, each with the time of its last change; the latest of all."""
    places, newest = [], 0
    for path in sys.path:
        try:
            changed = os.stat(path or ".").st_mtime_ns
        except OSError:
            continue
        if path.endswith("-packages") or path not in _STANDARD:
            places.append([path, changed])
            newest = max(newest, changed)
    return places, newest


_STANDARD = {"", os.path.dirname(os.__file__), os.path.join(os.path.dirname(os.__file__), "lib-dynload")}


def _in_directory(path: str) -> Iterator[_Row]:
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith((".dist-info", ".egg-info")))
    except OSError:  # a zip file
        return
    for name in names:
        try:
            with open(os.path.join(path, name, "entry_points.txt"), encoding="utf-8") as file:
                text = file.read()
        except (OSError, ValueError):
            continue
        if GROUP in text:
            package = " ".join(name.rpartition(".")[0].split("-")[:2])
            yield from ((plugin, value, package, "") for plugin, value in _entry_points(text))


def _entry_points(text: str) -> Iterator[tuple[str, str]]:
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{GROUP}]"
        elif inside and line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()
