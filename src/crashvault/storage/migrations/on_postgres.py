"""Schema steps on PostgreSQL: one transaction under an advisory lock, so that many nodes may start at once."""

from __future__ import annotations

import os
from collections.abc import Callable

from ...errors import StoreError
from ..postgres import Postgres
from . import MIN_READER, VERSION, check_readable

BASELINE = 8  # the step with which a new database begins; those after it have a file each

_FOLDER = os.path.join(os.path.dirname(__file__), "postgres")
_LOCK = "17238, 2"


def schema_version(db: Postgres) -> int:
    """The version of the vault in this database; 0 where there is none. Raises StoreError where it is too new for us."""
    if db.value("SELECT CAST(to_regclass('meta') AS text)") is None:
        return 0
    rows = dict(db.rows("SELECT key, value FROM meta WHERE key IN ('schema_version', 'min_reader')"))
    if "schema_version" not in rows or not all(value.isdigit() for value in rows.values()):
        raise StoreError(
            f"{db.path} is a database of another program", "Give the vault a database, or a schema, of its own"
        )
    return check_readable(rows)


def migrate(db: Postgres, first_contents: Callable[[Postgres], None]) -> None:
    """Bring the vault up to date; `first_contents` is called for a new one, in the same transaction."""
    with db.migrating(_LOCK):
        current = schema_version(db)  # another node may have been quicker
        if current >= VERSION:
            return
        for version in range(current + 1 if current else BASELINE, VERSION + 1):
            db.script(script(version))
        if not current:
            first_contents(db)
        for key, value in (("schema_version", VERSION), ("min_reader", MIN_READER)):
            db.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, str(value)),
            )


def script(version: int) -> str:
    with open(os.path.join(_FOLDER, f"{version:04}.sql"), encoding="utf-8") as file:
        return file.read()
