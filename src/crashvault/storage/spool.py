"""The spool: requests that a node has accepted while the database was away, durable on its own disk, in order.

It is a small SQLite file in the node's directory. What was appended is on disk, file and folder, before anybody is
told; all processes of the node share it, and one of them at a time drains it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from ..clock import SECOND
from ..errors import StoreError
from .sqlite import SQLite

try:
    import fcntl
except ImportError:  # Windows has no server, which alone drains; others only look whether something waits
    fcntl = None  # type: ignore[assignment]

FOLDER = "spool"
FILE_NAME = "spool.db"
DRAINING = "draining.lock"

_SCHEMA = """CREATE TABLE IF NOT EXISTS requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key BLOB NOT NULL,             -- from which events without an id get theirs, the same with every attempt
  accepted_at INTEGER NOT NULL,  -- microseconds
  project TEXT NOT NULL,
  source TEXT NOT NULL,          -- the door, for the ledger
  request BLOB NOT NULL          -- as the server packed it
)"""
_ASIDE = "CREATE TABLE IF NOT EXISTS aside AS SELECT * FROM requests LIMIT 0"  # what could not be stored, for people


class SpoolFullError(StoreError):
    """The spool has its size. Nothing was kept of what was to be appended."""

    code = "spool_full"
    retry_after = 30


class Spooled(NamedTuple):
    """One request."""

    key: bytes
    accepted_at: int
    project: str
    source: str
    request: bytes


class Depth(NamedTuple):
    """How much waits in a spool, and since when."""

    requests: int
    bytes: int
    oldest: int | None  # microseconds; None where nothing waits

    def age(self, now: int) -> float:
        """Seconds that the first one waits."""
        return 0.0 if self.oldest is None else max(0, now - self.oldest) / SECOND


class Spool:
    """The open spool of one process. Not to be used by two threads at once. Raises StoreError like a vault."""

    def __init__(self, home: str, most_bytes: int) -> None:
        folder = os.path.join(home, FOLDER)
        path = os.path.join(folder, FILE_NAME)
        self.most_bytes = most_bytes
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._lock = os.open(os.path.join(folder, DRAINING), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"the spool {path} cannot be made ({error.strerror})", _HINT) from error
        self._db = SQLite(path)
        self._prepare()
        _sync_folder(folder)
        _sync_folder(home)

    def _prepare(self) -> None:
        self._db.unmap()
        for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "secure_delete = ON"):
            self._db.rows(f"PRAGMA {pragma}")
        self._db.execute(_SCHEMA)
        self._db.execute(_ASIDE)

    def append(self, requests: Sequence[Spooled]) -> None:
        """Keep requests behind all others; they are on disk when this returns. Raises SpoolFullError."""
        size = sum(len(one.request) for one in requests)
        with self._db.writing():
            if self._bytes() + size > self.most_bytes:
                raise SpoolFullError("the database is away, and the spool is full", "Raise server.spool_size")
            self._db.execute_many(
                "INSERT INTO requests (key, accepted_at, project, source, request) VALUES (?, ?, ?, ?, ?)", requests
            )

    def first(self, most: int, most_bytes: int) -> list[tuple[int, Spooled]]:
        """The oldest requests with their numbers, at most so many and about so large, at least one."""
        found: list[tuple[int, Spooled]] = []
        size = 0
        for number, key, accepted_at, project, source, length in self._db.rows(
            "SELECT id, key, accepted_at, project, source, length(request) FROM requests ORDER BY id LIMIT ?", (most,)
        ):
            if found and size + length > most_bytes:
                break
            size += length
            request = self._db.value("SELECT request FROM requests WHERE id = ?", (number,))
            found.append((number, Spooled(key, accepted_at, project, source, request)))
        return found

    def remove(self, last: int) -> None:
        """Forget the requests up to a number: they are in the vault."""
        with self._db.writing():
            self._db.execute("DELETE FROM requests WHERE id <= ?", (last,))
        if self.is_empty():
            self._db.rows("PRAGMA incremental_vacuum")
            self._db.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def set_aside(self, number: int) -> None:
        """Keep a request that cannot be stored where it is in nobody's way."""
        with self._db.writing():
            self._db.execute("INSERT INTO aside SELECT * FROM requests WHERE id = ?", (number,))

    def is_empty(self) -> bool:
        return self._db.row("SELECT 1 FROM requests LIMIT 1") is None

    def depth(self) -> Depth:
        # Requests are taken from the front only: their number is known from the first and the last.
        first, last, oldest = self._db.rows(
            """SELECT min(id), max(id), (SELECT accepted_at FROM requests ORDER BY id LIMIT 1) FROM requests"""
        )[0]
        return Depth(0, 0, None) if first is None else Depth(last - first + 1, self._bytes(), oldest)

    def _bytes(self) -> int:
        pages, free, size = (self._db.value(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size"))
        return int(pages - free) * int(size)

    def claim(self) -> bool:
        """Whether this process may drain; until `release`, or its end, no other may."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def release(self) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)


def spool_exists(home: str) -> bool:
    return os.path.exists(os.path.join(home, FOLDER, FILE_NAME))


def _sync_folder(path: str) -> None:
    """A new file is found after a loss of power only when its folder is on disk too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_HINT = "Check the directory's permissions and free space"
