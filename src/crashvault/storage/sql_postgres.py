"""`crashvault sql` on PostgreSQL: the documented views, in a transaction that only reads.

What events say is stored compressed, and only the program can decode it. So the views over events read temporary tables
of this connection, which are filled before the query runs, as far as the query names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import psycopg

from ..errors import InvalidError
from . import codec
from .postgres import Postgres, convert_error
from .sql_console import HIDDEN, VIEWS, field_of

STATEMENT_SECONDS = 60
_AT_ONCE = 2_000  # rows
_FIELDS = ("message", "release", "environment", "host", "user", "source", "platform", "trace_id", "tags")
_FRAME = ("exception", "position", "file", "line", "function", "module", "in_app", "context_line")
_READS = re.compile(r"\s*(select|with|values|table|explain)\b", re.IGNORECASE)
# Functions that run text as SQL, or read what is no table.
_UNSAFE = re.compile(
    r"\b(\w+_to_xml\w*|pg_read\w*|pg_ls\w*|pg_stat_file|pg_terminate\w*|pg_cancel\w*|pg_advisory\w*|lo_\w+|dblink\w*"
    r"|set_config|setval|nextval|cv_allocate|cv_make_days)\s*\(",
    re.IGNORECASE,
)
_SCHEMA = f"""
CREATE TEMPORARY TABLE cv_payloads (id BIGINT PRIMARY KEY, {", ".join(f'"{name}" TEXT' for name in _FIELDS)});
CREATE TEMPORARY TABLE cv_frames (stack_id BIGINT, exception TEXT, position BIGINT, file TEXT, line BIGINT, function TEXT,
  module TEXT, in_app BIGINT, context_line TEXT);
CREATE TEMPORARY VIEW v_events AS
  SELECT e.id, encode(e.event_id, 'hex')::uuid::text AS event_id, h.issue_id, p.name AS project,
         cv_time(e.timestamp) AS timestamp, cv_time(e.received_at) AS received_at, l.name AS level,
         {", ".join(f'b."{name}"' for name in _FIELDS[:-1])}
  FROM events e JOIN cv_payloads b ON b.id = e.id JOIN hashes h ON h.id = e.hash_id
       JOIN projects p ON p.id = e.project_id LEFT JOIN levels l ON l.rank = e.level;
CREATE TEMPORARY VIEW v_frames AS
  SELECT e.id, encode(e.event_id, 'hex')::uuid::text AS event_id, h.issue_id, {", ".join(f'f."{name}"' for name in _FRAME)}
  FROM events e JOIN hashes h ON h.id = e.hash_id JOIN cv_frames f ON f.stack_id = e.stack_id;
CREATE TEMPORARY VIEW v_tags AS
  SELECT e.id, encode(e.event_id, 'hex')::uuid::text AS event_id, h.issue_id, t.value AS tag,
         split_part(t.value, '=', 1) AS key,
         CASE WHEN strpos(t.value, '=') > 0 THEN substr(t.value, strpos(t.value, '=') + 1) END AS value
  FROM events e JOIN hashes h ON h.id = e.hash_id JOIN cv_payloads b ON b.id = e.id,
       jsonb_array_elements_text(b.tags::jsonb) AS t (value);
"""


def run(url: str, query: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of one SELECT. Raises InvalidError for SQL that is wrong or writes."""
    if not _READS.match(query):
        raise _only_reading()
    if _UNSAFE.search(query):
        raise InvalidError("that function cannot be used here", f"The views are: {', '.join(VIEWS)}")
    db = Postgres(url)
    try:
        db.script(_SCHEMA)
        with db.connection.transaction():
            db.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            _fill(db, query)
            db.script(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
            _refuse_hidden(db, query)
            cursor = psycopg.RawServerCursor(db.connection, "cv_sql")
            with cursor:
                cursor.execute(query)
                return [column.name for column in cursor.description or ()], cursor.fetchmany(limit)
    except psycopg.Error as error:
        raise _explained(error, db.path) from error
    finally:
        db.close()


def _fill(db: Postgres, query: str) -> None:
    """Decode what the query may ask of the events."""
    lowered = query.lower()
    if "v_events" in lowered or "v_tags" in lowered:
        _copy(db, "cv_payloads", _payloads(db))
    if "v_frames" in lowered:
        _copy(db, "cv_frames", _frames(db))


def _copy(db: Postgres, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    while part := list(islice(rows, _AT_ONCE)):  # read before they are copied: a connection does one thing at a time
        with db.connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in part:
                copy.write_row(row)


def _payloads(db: Postgres) -> Iterator[tuple[Any, ...]]:
    last = 0
    while rows := db.rows("SELECT id, body FROM payloads WHERE id > ? ORDER BY id LIMIT ?", (last, _AT_ONCE)):
        for row, body in rows:
            yield row, *(field_of(body, name) for name in _FIELDS)
        last = rows[-1][0]


def _frames(db: Postgres) -> Iterator[tuple[Any, ...]]:
    for stack, body in db.rows("SELECT id, body FROM stacks"):
        for frame in codec.frames_of(body):
            values = (frame.get(name) for name in _FRAME)
            yield stack, *(int(value) if isinstance(value, bool) else value for value in values)


def _refuse_hidden(db: Postgres, query: str) -> None:
    """Whatever a query reads, itself or through a view, is locked when it is prepared."""
    # In binary form one statement can be sent, and no second one behind it.
    db.connection.execute(f"PREPARE cv_query_asked AS {query}", prepare=False, binary=True)
    found = db.rows(
        """SELECT CAST(CAST(relation AS regclass) AS text) FROM pg_locks
           WHERE locktype = 'relation' AND pid = pg_backend_pid()"""
    )
    names = {name.rpartition(".")[2].strip('"') for (name,) in found}
    if names & HIDDEN:
        raise InvalidError("that table holds secrets", f"The views are: {', '.join(VIEWS)}")


def _only_reading() -> InvalidError:
    return InvalidError("only reading is allowed here", "Write a SELECT over v_issues, v_events, v_frames or v_tags")


def _explained(error: psycopg.Error, shown: str) -> Exception:
    state = error.sqlstate or ""
    if state == "25006" or "data-modifying" in str(error):
        return _only_reading()
    if state == "57014":
        return InvalidError(f"the query took longer than {STATEMENT_SECONDS} s", "Ask for less")
    if state[:2] in ("42", "22", "0A"):
        text = " ".join(str(error.diag.message_primary or error).split())
        return InvalidError(f"the SQL is wrong ({text})", f"The views are: {', '.join(VIEWS)}")
    return convert_error(error, shown)
