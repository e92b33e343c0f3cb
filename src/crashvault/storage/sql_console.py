"""Read-only SQL over the documented views: `cv_*` functions decode what the tables hold compressed."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

from ..clock import to_iso
from ..digests import dashed
from ..errors import InvalidError
from . import codec
from .sqlite import FILE_NAME, SQLite, convert_error, interruptible

VIEWS = ("v_issues", "v_events", "v_frames", "v_tags")
HIDDEN = frozenset({"webhooks", "settings", "api_keys", "users", "logins"})  # secrets lie there
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)


def run(home: str, query: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of one SELECT. Raises InvalidError for SQL that is wrong or writes."""
    db = SQLite(os.path.join(home, FILE_NAME), read_only=True)
    _add_functions(db.connection)
    db.connection.execute("PRAGMA query_only = ON")
    db.connection.set_authorizer(_authorize)
    try:
        with interruptible(db.connection):
            cursor = db.connection.execute(query)
            if cursor.description is None:
                raise InvalidError("that query returns nothing", "Only SELECT can be run here")
            return [column[0] for column in cursor.description], cursor.fetchmany(limit)
    except (sqlite3.DatabaseError, sqlite3.ProgrammingError, sqlite3.Warning) as error:
        raise _explained(error, db.path) from error
    finally:
        db.close()


def _authorize(action: int, table: str | None, *_: Any) -> int:
    hidden = action == sqlite3.SQLITE_READ and table in HIDDEN
    return sqlite3.SQLITE_OK if action in _ALLOWED and not hidden else sqlite3.SQLITE_DENY


def _explained(error: Exception, path: str) -> Exception:
    text = str(error)
    if "is prohibited" in text:
        return InvalidError("that table holds secrets", f"The views are: {', '.join(VIEWS)}")
    if "not authorized" in text:
        return InvalidError(
            "only reading is allowed here",
            "Write a SELECT over v_issues, v_events, v_frames or v_tags",
        )
    if isinstance(error, sqlite3.OperationalError) and not isinstance(error, sqlite3.IntegrityError):
        known = ("no such", "syntax error", "ambiguous", "incomplete", "misuse", "wrong number", "unrecognized")
        if any(part in text for part in known):
            return InvalidError(f"the SQL is wrong ({text})", f"The views are: {', '.join(VIEWS)}")
    if isinstance(error, (sqlite3.ProgrammingError, sqlite3.Warning)):
        return InvalidError(f"the SQL is wrong ({text})", "Give one statement")
    return convert_error(error, path)


def _add_functions(connection: sqlite3.Connection) -> None:
    for name, count, function in (
        ("cv_time", 1, _time), ("cv_uuid", 1, _uuid), ("cv_field", 2, field_of), ("cv_frames", 1, _frames)
    ):  # fmt: skip
        connection.create_function(name, count, function, deterministic=True)


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else to_iso(microseconds)


def _uuid(value: bytes) -> str:
    return dashed(value)


def field_of(body: bytes, name: str) -> Any:
    """One field of a payload; text and numbers as they are, the rest as JSON."""
    value = json.loads(codec.expand(body)).get(name)
    if name == "tags":
        return json.dumps(value or [])
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value, ensure_ascii=False)


def _frames(body: bytes) -> str:
    return json.dumps(codec.frames_of(body))
