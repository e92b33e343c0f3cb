"""The access log: a line for each request in `logs/access.log`, `key=value` with bars between, without secrets.

Lines are written some at a time, by one `write` to a file opened for appending, so that several processes
share it. A full disk costs lines, never a request.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from ..clock import now, to_iso
from ..ingest.secret_keys import is_secret_name

FILE = "access.log"
MAX_SIZE = 20 << 20  # bytes; then the file becomes access.log.1, and so on
KEPT = 5
MAX_VALUE = 300  # characters
_MANY = 500  # lines that are written at once
_MASK = "[Filtered]"

_SECRET_PARAMETERS = frozenset(("key", "sentry_key", "sentry_secret", "glitchtip_key", "k", "sig", "signature", "code"))
# /api/1/cron/nightly/KEY
_KEY_IN_PATH = re.compile(r"(/cron/[^/]+/)[^/]+")

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]


class AccessLog:
    """The log of one process. `later` is told when there is something to write, and calls `flush` soon."""

    def __init__(self, folder: str, *, echo: bool, later: Callable[[], object]) -> None:
        self.path = os.path.join(folder, FILE)
        self.echo = echo
        self.lost = 0
        self._later = later
        self._lines: list[str] = []
        self._pid = os.getpid()

    def add(self, fields: dict[str, Any]) -> None:
        """Note one request."""
        line = f"{to_iso(now())} info {self._pid} request | {' | '.join([f'{k}={v}' for k, v in fields.items()])}\n"
        if self.echo:
            sys.stderr.write(line)
        self._lines.append(line)
        if len(self._lines) == 1:
            self._later()
        elif len(self._lines) >= _MANY:
            self.flush()

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            _append(self.path, "".join(lines).encode("utf-8", "replace"))
        except OSError:
            self.lost += len(lines)


def shown(text: str) -> str:
    """A value that cannot begin a new line or a new field, and is not too long."""
    cut = text[:MAX_VALUE]
    return cut if cut.isprintable() and "|" not in cut else ascii(cut)[1:-1].replace("|", "\\x7c")


def shown_path(path: str) -> str:
    return shown(_KEY_IN_PATH.sub(rf"\1{_MASK}", path) if "/cron/" in path else path)


def shown_query(query: bytes) -> str:
    """A query string with the values of secret parameters masked."""
    text = query[: 4 * MAX_VALUE].decode("latin-1")
    return shown("&".join(_shown_parameter(part) for part in text.split("&")))


def _shown_parameter(part: str) -> str:
    name, equals, _ = part.partition("=")
    plain = unquote_plus(name)
    if not equals:  # a value without a name may be anything
        return part if len(part) < 20 else _MASK
    return f"{name}={_MASK}" if plain.casefold() in _SECRET_PARAMETERS or is_secret_name(plain) else part


def _append(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if os.path.getsize(path) > MAX_SIZE:
            _rotate(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _rotate(path: str) -> None:
    """Move the file out of the way, unless another worker has just done so."""
    with _alone(f"{path}.lock"):
        if os.path.getsize(path) <= MAX_SIZE:
            return
        for number in range(KEPT - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}.{number}", f"{path}.{number + 1}")
        os.replace(path, f"{path}.1")


@contextlib.contextmanager
def _alone(path: str) -> Any:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
