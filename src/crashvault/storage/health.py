"""Is the vault well? Each check is a function that yields what is wrong, with what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..errors import StoreError
from .blobs import Blobs
from .migrations import VERSION
from .sqlite import FAILURES, SQLite
from .webhooks import FAILURES_ALLOWED

LOW_SPACE = 200 * 1024 * 1024
_LONG_LOG = 512 * 1024 * 1024


class Finding(NamedTuple):
    severity: str  # error or warning
    check: str
    message: str
    hint: str


Check = Callable[[Any, str], Iterator[tuple[str, str, str]]]


def examine(db: Any, home: str, *, deep: bool = False) -> Iterator[tuple[str, list[Finding]]]:
    """Run every check; its name, and what it found. `deep` also reads every page of the file."""
    for name, check in db.checks(deep).items():
        try:
            with db.interruptible():
                found = [Finding(severity, name, message, hint) for severity, message, hint in check(db, home)]
        except (*FAILURES, StoreError) as error:
            found = [Finding("error", name, f"the check failed: {error}", _RESTORE)]
        yield name, found


_RESTORE = "Bring a backup back with: crashvault restore FILE"


def _structure(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    for (line,) in db.connection.execute("PRAGMA quick_check(5)"):
        if line != "ok":
            yield "error", line, _RESTORE


def _integrity(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    for (line,) in db.connection.execute("PRAGMA integrity_check(5)"):
        if line != "ok":
            yield "error", line, _RESTORE


def _index(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    for index in ("event_index", "stack_index"):
        try:
            db.connection.execute(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            yield "error", f"{index}: {error}", _RESTORE


def check_schema(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    version = int(db.value("SELECT value FROM meta WHERE key = 'schema_version'"))
    if version > VERSION:
        yield "warning", f"the vault has schema {version}, this program knows {VERSION}", "Upgrade Crashvault"


def check_totals(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    hashes = db.value("SELECT COALESCE(sum(count), 0) FROM hashes")
    hours = db.value("SELECT COALESCE(sum(count), 0) FROM project_hours")
    if hashes != hours:
        yield "warning", f"issues count {hashes} events, charts {hours}", "Run: crashvault gc, and please report it"


def check_counters(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    """Whether each hash counts what it has stored and what was evicted of it."""
    ((wrong, evicted),) = db.rows(
        """SELECT (SELECT count(*) FROM hashes h
                   LEFT JOIN (SELECT hash_id, count(*) AS stored FROM events GROUP BY hash_id) e ON e.hash_id = h.id
                   WHERE h.count - h.evicted <> COALESCE(e.stored, 0)),
                  (SELECT count(*) FROM hashes h
                   WHERE h.evicted <> (SELECT COALESCE(sum(count), 0) FROM evicted_hours WHERE hash_id = h.id))"""
    )
    if wrong or evicted:
        yield (
            "warning",
            f"{wrong} groups of events count wrongly, {evicted} what was evicted of them",
            "Please report it",
        )


def _attachments(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    blobs = Blobs(home)
    gone = [
        name
        for digest, name in db.connection.execute("SELECT DISTINCT digest, name FROM attachments")
        if not os.path.exists(blobs.path(digest.hex()))
    ]
    if gone:
        yield "error", f"{len(gone)} attachments have lost their content, such as {gone[0]!r}", _RESTORE


def _permissions(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    for path in (home, db.path):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode & 0o077:
            yield "warning", f"{path} can be read by others (mode {mode:o})", f"Run: chmod go= {path}"
    if not os.access(db.path, os.W_OK):
        yield "warning", f"{db.path} cannot be written", "Reading works; recording does not"


def _space(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    free = shutil.disk_usage(home).free
    if free < LOW_SPACE:
        yield "warning", f"only {free >> 20} MiB of disk are free", "Delete old events: crashvault prune --days 30"
    log = f"{db.path}-wal"
    if os.path.exists(log) and os.path.getsize(log) > _LONG_LOG:
        yield "warning", f"the write-ahead log has {os.path.getsize(log) >> 20} MiB", "Run: crashvault gc"


def _filesystem(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    mode = db.connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal" and os.access(db.path, os.W_OK):  # else it was opened as if it never changed
        yield (
            "warning",
            f"the journal mode is {mode!r}, not 'wal'",
            "Keep the vault on a local disk, not on a network share",
        )


def _legacy(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    """What of a vault in the earlier JSON format could not be imported."""
    row = db.connection.execute("SELECT value FROM settings WHERE key = 'legacy.unreadable'").fetchone()
    for path, why in json.loads(row[0]) if row else ():
        yield "warning", f"{path} of the old vault could not be imported: {why}", "It lies in the folder legacy"


def check_webhooks(db: SQLite, home: str) -> Iterator[tuple[str, str, str]]:
    """Deliveries that were given up, and webhooks that are left alone because they fail."""
    rows = db.rows(
        """SELECT w.name, (SELECT count(*) FROM outbox o WHERE o.webhook_id = w.id AND o.state = 'failed'),
                  w.enabled = 1 AND w.silent_until IS NOT NULL AND w.failures >= ?, w.failures, w.last_error
           FROM webhooks w ORDER BY w.id""",
        (FAILURES_ALLOWED,),
    )
    for name, failed, silent, failures, why in rows:
        if silent:
            yield (
                "warning",
                f"webhook {name!r} failed {failures} times in a row ({why})",
                f"Run: crashvault webhook test {name}",
            )
        if failed:
            yield "warning", f"{failed} deliveries to {name!r} failed", "See: crashvault webhook deliveries --failed"


CHECKS: dict[str, Check] = {
    "structure": _structure,
    "schema": check_schema,
    "totals": check_totals,
    "attachments": _attachments,
    "permissions": _permissions,
    "disk space": _space,
    "file system": _filesystem,
    "old vault": _legacy,
    "webhooks": check_webhooks,
}
DEEP: dict[str, Check] = {"integrity": _integrity, "index": _index, "counters": check_counters}
