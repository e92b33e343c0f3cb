"""What `doctor` looks at where the vault lies in PostgreSQL."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from ..clock import DAY, now
from . import health
from .postgres import Postgres

Found = Iterator[tuple[str, str, str]]

_OLDEST = 150_000  # version 15, as the server tells it
_FEW_CONNECTIONS = 10
_DAYS_AHEAD = 2


def _server(db: Postgres, home: str) -> Found:
    version = int(db.value("SHOW server_version_num"))
    if version < _OLDEST:
        yield "error", f"the server is PostgreSQL {version // 10_000}", "Crashvault needs version 15 or newer"
    encoding = db.value("SHOW server_encoding")
    if encoding != "UTF8":
        yield "error", f"the database's encoding is {encoding}", "Make a database with: createdb --encoding UTF8"


def _connections(db: Postgres, home: str) -> Found:
    most = int(db.value("SHOW max_connections"))
    used = int(db.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))
    if most - used < _FEW_CONNECTIONS:
        yield "warning", f"{used} of {most} connections are in use", "Raise max_connections, or use a pooler"


def _partitions(db: Postgres, home: str) -> Found:
    """Events find their partition when it is made ahead; making one on demand works too, but takes a lock."""
    today = now() // DAY
    for day in range(today, today + _DAYS_AHEAD):
        name = db.value("SELECT CAST(to_regclass('events' || to_char(DATE '1970-01-01' + CAST(? AS INTEGER), '_YYYYMMDD')) AS text)", (day,))  # fmt: skip
        if name is None:
            yield "warning", f"there is no partition for day {day}", "It is made with the next event"


def _attachments(db: Postgres, home: str) -> Found:
    gone = db.rows(
        """SELECT DISTINCT a.name FROM attachments a WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.digest = a.digest
           AND b.size = (SELECT COALESCE(sum(length(c.data)), 0) FROM blob_chunks c WHERE c.digest = b.digest))
           ORDER BY a.name"""
    )
    if gone:
        yield "error", f"{len(gone)} attachments have lost their content, such as {gone[0][0]!r}", _RESTORE


def _home(db: Postgres, home: str) -> Found:
    """The directory of this node: configuration and logs."""
    mode = stat.S_IMODE(os.stat(home).st_mode)
    if mode & 0o077:
        yield "warning", f"{home} can be read by others (mode {mode:o})", f"Run: chmod go= {home}"
    free = shutil.disk_usage(home).free
    if free < health.LOW_SPACE:
        yield "warning", f"only {free >> 20} MiB of disk are free", "Free some: logs are written there"


def _index(db: Postgres, home: str) -> Found:
    for table, index in (("events", "event_index"), ("stacks", "stack_index")):
        without = db.value(
            f"SELECT count(*) FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM {index} i WHERE i.rowid = t.id)"
        )
        if without:
            yield "error", f"{index}: {without} rows are not in it", _RESTORE


_RESTORE = "Bring a backup of the database back"

CHECKS: dict[str, health.Check] = {
    "server": _server,
    "connections": _connections,
    "schema": health.check_schema,
    "partitions": _partitions,
    "totals": health.check_totals,
    "attachments": _attachments,
    "directory": _home,
    "webhooks": health.check_webhooks,
}
DEEP: dict[str, health.Check] = {"index": _index, "counters": health.check_counters}
