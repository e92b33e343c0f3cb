"""Source lines around frames, read from the files on this machine while they are still what crashed."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .models import Frame

AROUND = 5  # lines before and after
MAX_FILE = 2 * 1024 * 1024  # bytes; larger files are generated, and nobody reads them
MAX_FILES = 50  # of one stack


def current_directory() -> str:
    """Where relative paths count from; empty once somebody has removed it."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def add_source(frames: Iterable[Frame], directory: str) -> None:
    """Give frames without source lines those of their files; relative paths count from `directory`.

    A frame whose own line differs from the file's is left alone: the file has changed since.
    """
    files: dict[str, list[str] | None] = {}
    for frame in frames:
        path, number = frame.get("abs_path") or frame.get("file"), frame.get("line")
        if not path or not number or frame.get("pre_context") or frame.get("post_context"):
            continue
        path = os.path.join(directory, path)
        if path not in files:
            files[path] = _lines(path) if len(files) < MAX_FILES else None
        lines = files[path]
        if lines and 0 < number <= len(lines):
            _add(frame, lines, number - 1)


def _add(frame: Frame, lines: list[str], index: int) -> None:
    known = frame.get("context_line")
    if known and known.strip() not in lines[index]:
        return
    frame["context_line"] = lines[index]
    frame["pre_context"] = lines[max(0, index - AROUND) : index]
    frame["post_context"] = lines[index + 1 : index + 1 + AROUND]


def _lines(path: str) -> list[str] | None:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > MAX_FILE:
            return None
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().split("\n")
    except (OSError, ValueError):
        return None
