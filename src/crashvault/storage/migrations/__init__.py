"""Numbered schema steps, one SQL file a step and engine, and what applies them.

`min_reader` says the oldest schema version a program must know to read this vault; it rises only with
a step that older programs would misread.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Mapping

from ...errors import StoreError
from ..sqlite import FAILURES, SQLite, convert_error

VERSION = 9
MIN_READER = 1

_FOLDER = os.path.dirname(__file__)


def schema_version(db: SQLite) -> int:
    """The version of the open vault; 0 for a new file. Raises StoreError where it is newer than we can read."""
    try:
        rows = dict(db.connection.execute("SELECT key, value FROM meta WHERE key IN ('schema_version', 'min_reader')"))
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return _without_version(db)
        raise convert_error(error, db.path) from error
    except FAILURES as error:
        raise convert_error(error, db.path) from error
    if not all(value.isdigit() for value in rows.values()):
        raise StoreError(f"{db.path} is not a vault", "Move the file away, or choose another --home")
    return check_readable(rows)


def check_readable(rows: Mapping[str, str]) -> int:
    """The version that a vault says it has. Raises StoreError where this program is too old to read it."""
    if int(rows.get("min_reader", 0)) > VERSION:
        raise StoreError(
            f"this vault has schema {rows['schema_version']}, which needs a newer Crashvault (this one knows {VERSION})",
            "Upgrade with: pip install --upgrade crashvault",
        )
    return int(rows.get("schema_version", 0))


def _without_version(db: SQLite) -> int:
    """Nothing there yet, or a database of somebody else, or another process has just made the vault."""
    tables = {name for (name,) in db.rows("SELECT name FROM sqlite_master")}
    if "meta" in tables:
        return schema_version(db)
    if tables:
        raise StoreError(f"{db.path} is a database of another program", "Move the file away, or choose another --home")
    return 0


def migrate(db: SQLite, current: int, first_contents: Callable[[SQLite], None]) -> None:
    """Bring the vault from `current` to VERSION, after a backup copy of a vault that holds something.

    `first_contents` is called for a new one, in the same transaction.
    """
    if current == 0:
        _run(db, "PRAGMA auto_vacuum = INCREMENTAL")
        _run(db, "PRAGMA journal_mode = WAL")
    with db.writing():
        current = schema_version(db)  # another process may have been quicker
        if current >= VERSION:
            return
        if current:
            _keep_copy(db, current)
        for version in range(current + 1, VERSION + 1):
            for statement in statements(version):
                _run(db, statement)
        if not current:
            first_contents(db)
        _run(
            db,
            f"INSERT INTO meta VALUES ('schema_version', '{VERSION}') ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        _run(
            db,
            f"INSERT INTO meta VALUES ('min_reader', '{MIN_READER}') ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )


def statements(version: int) -> list[str]:
    """The statements of one step."""
    with open(os.path.join(_FOLDER, "sqlite", f"{version:04}.sql"), encoding="utf-8") as file:
        text = file.read()
    found, pending = [], ""
    for line in text.splitlines(keepends=True):
        pending += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(pending):
            found.append(pending.strip())
            pending = ""
    return found


def _keep_copy(db: SQLite, version: int) -> None:
    """One copy of the vault as it was, made while nobody writes."""
    target = f"{db.path}.v{version}.bak"
    try:
        copy = sqlite3.connect(f"{target}.tmp")
        source = sqlite3.connect(db.path)
        with copy:
            source.backup(copy)
        copy.close()
        source.close()
        os.chmod(f"{target}.tmp", stat.S_IMODE(os.stat(db.path).st_mode))
        os.replace(f"{target}.tmp", target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"no backup copy could be made before the upgrade ({error})", "Free some space and try again"
        ) from error


def _run(db: SQLite, statement: str) -> None:
    try:
        db.connection.execute(statement)
    except FAILURES as error:
        raise convert_error(error, db.path) from error
