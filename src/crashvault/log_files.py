"""Reading logs as they grow: their last lines, and what is appended, also after a log was rotated."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator

_INTERVAL = 0.2  # seconds between looks
_ENOUGH = 400  # bytes that most lines stay below


def size_of(path: str) -> int | None:
    """Bytes of a file; None where there is none."""
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return None


def last_lines(path: str, count: int, end: int | None = None) -> list[str]:
    """The last lines of a file, or of its first `end` bytes, without reading all of it; none where there is no file."""
    if not count:
        return []
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END) if end is None else end
            wanted = count * _ENOUGH
            while True:
                start = max(0, size - wanted)
                file.seek(start)
                found = file.read(size - start).decode("utf-8", "replace").splitlines()
                if start == 0 or len(found) > count:
                    return list(deque(found, count))
                wanted *= 4
    except FileNotFoundError:
        return []


def followed(path: str, start: int | None) -> Iterator[str]:
    """Lines as they are appended behind the first `start` bytes, for ever; None: there was no file yet."""
    file = None
    rest = b""
    while True:
        if file is None:
            try:
                file = open(path, "rb")  # noqa: SIM115 - it is exchanged when the log is rotated
            except FileNotFoundError:
                time.sleep(_INTERVAL)
                continue
            file.seek(start or 0)
            start = None
        data = file.read(65_536)
        if data:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
        elif _was_replaced(path, file.fileno()):
            file.close()
            file = None
        else:
            time.sleep(_INTERVAL)


def _was_replaced(path: str, descriptor: int) -> bool:
    try:
        now, then = os.stat(path), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino) or now.st_size < os.lseek(descriptor, 0, os.SEEK_CUR)


def parsed(line: str) -> dict[str, str | int]:
    """A line of a log in its parts: time, level, pid, message, and the fields behind that, as text."""
    head, *fields = line.split(" | ")
    time_, level, pid, message = [*head.split(" ", 3), "", "", "", ""][:4]
    found: dict[str, str | int] = {
        "time": time_,
        "level": level,
        "pid": int(pid) if pid.isdecimal() else 0,
        "message": message,
    }
    for field in fields:
        name, _, value = field.partition("=")
        found.setdefault(name, value)
    return found
