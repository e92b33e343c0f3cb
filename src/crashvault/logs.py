"""The program's own log: one line a message in `logs/app.log`, `what happened | key=value | key=value`.

Written without the standard library's `logging`, whose import takes a quarter of the time that recording
an event may take: a line is one `write` to a file opened for appending, which several processes can share.
Nothing that could be a secret is written, and nothing in a value can begin a new line.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .clock import now, to_iso

FILE = "app.log"
RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
MAX_SIZE = 5 * 1024 * 1024  # bytes; then the file becomes app.log.1, and so on
KEPT = 3
MAX_VALUE = 500  # characters

_SECRET = ("password", "passwd", "secret", "token", "authorization", "cookie", "api_key", "apikey", "dsn", "credential")

_settings: dict[str, Any] = {"folder": None, "rank": RANKS["info"], "debug": False}


def start(folder: str, level: str, debug: bool) -> None:
    """Say where the log goes and from which level on; `debug` logs everything, to standard error too."""
    rank = RANKS["debug"] if debug else RANKS.get(level.casefold(), RANKS["info"])
    _settings.update(folder=folder, rank=rank, debug=debug)


def log(level: str, what: str, /, **fields: Any) -> None:
    """Log one message with what belongs to it. Never raises: a full disk must not stop the work that is logged."""
    if RANKS[level] < _settings["rank"]:
        return
    parts = [what, *(f"{name}={_shown(name, value)}" for name, value in fields.items())]
    line = f"{to_iso(now())} {level} {os.getpid()} {' | '.join(parts)}\n"
    if _settings["debug"]:
        sys.stderr.write(line)
    if _settings["folder"]:
        try:
            _append(os.path.join(_settings["folder"], FILE), line)
        except OSError:
            _settings["folder"] = None  # once is enough to know


def log_debug(what: str, /, **fields: Any) -> None:
    log("debug", what, **fields)


@contextmanager
def timed(step: str, /, **fields: Any) -> Iterator[None]:
    """Log a step with its duration, in debug mode."""
    if _settings["rank"] > RANKS["debug"]:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        log_debug(step, **fields, milliseconds=round((time.perf_counter() - began) * 1000, 2))


def _shown(name: str, value: Any) -> str:
    if any(part in name.casefold() for part in _SECRET):
        return "[Filtered]"
    text = str(value)[:MAX_VALUE]
    return text if text.isprintable() and "|" not in text else ascii(text).replace("|", "\\x7c")


def _append(path: str, line: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if os.path.exists(path) and os.path.getsize(path) > MAX_SIZE:
        _rotate(path)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        os.write(fd, line.encode("utf-8", "replace"))
    finally:
        os.close(fd)


def _rotate(path: str) -> None:
    for number in range(KEPT - 1, 0, -1):
        if os.path.exists(f"{path}.{number}"):
            os.replace(f"{path}.{number}", f"{path}.{number + 1}")
    os.replace(path, f"{path}.1")
