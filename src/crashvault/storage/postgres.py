"""The thin PostgreSQL driver: connection, transactions, errors. It has what `sqlite.SQLite` has.

Statements are written once for both engines, and made into PostgreSQL's form here, once for each text: see
`statements`. Writers don't queue on a file but on a lock of the database. Most of what is written has it alone, as
with SQLite, and may believe that nobody else writes meanwhile; those who record, send, and count requests share it,
and are written so that rows and unique keys keep them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors, pq
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper, NumericBinaryLoader, NumericLoader

from ..errors import AwayError, StoreError, TransientError
from ..logs import log_debug
from .statements import Inserting, inserting, statement, updating
from .urls import parse_url, shown_url

DIALECT = "postgres"
CONNECT_SECONDS = 10
LOCK_SECONDS = 60
# A line that is dead without a word is noticed within ten seconds.
_LINE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
FAILURES = (psycopg.Error,)

_LONGEST = 200  # characters of PostgreSQL's own message
_FETCHED = 2_000  # rows at a time of a stream
_VAULT = "17238, 1"  # the advisory lock of those who write
_DROP_WAITS = "200ms"
_SAMPLED = 1_000  # events whose size is looked at
_OVERHEAD = 1.5  # what rows and indexes take beside the values of an event
_SEQUENCES = ("events", "hashes", "issues", "stacks", "backgrounds")
_DAYS_AHEAD = 3  # partitions that are there before they are needed, today's among them
_DAY_BITS = 32  # of an event's id, behind the day of its arrival

if TYPE_CHECKING:
    from .blobs import Blobs
    from .health import Check

_HINTS: tuple[tuple[str, str, str], ...] = (
    # beginning of the SQLSTATE or part of the message, what people read, what to do
    ("28", "the database refuses the user or the password", "Check them in CRASHVAULT_DATABASE_URL"),
    ("password authentication failed", "the database refuses the password", "Check it in CRASHVAULT_DATABASE_URL"),
    ("no password supplied", "the database asks for a password", "Put it into CRASHVAULT_DATABASE_URL or ~/.pgpass"),
    ("3D000", "there is no such database", "Make it with: createdb, or correct CRASHVAULT_DATABASE_URL"),
    ("does not exist", "there is no such database", "Make it with: createdb, or correct CRASHVAULT_DATABASE_URL"),
    ("53300", "the database has too many connections", "Raise its max_connections, or use fewer threads and workers"),
    ("too many clients", "the database has too many connections", "Raise its max_connections, or use a pooler"),
    ("remaining connection slots", "the database has too many connections", "Raise its max_connections"),
    ("53100", "the disk of the database is full", "Free some space; what was stored before is safe"),
    ("no space left", "the disk of the database is full", "Free some space; what was stored before is safe"),
    ("25006", "the database can only be read: it is a standby", "Name the primary in CRASHVAULT_DATABASE_URL"),
    ("42501", "the database user may not do that", "Let it own the vault's schema"),
    ("55P03", "the vault is busy", "Another program holds it; try again, or look with: crashvault doctor"),
    ("57014", "the statement took too long", "Ask for less at once"),
    ("57P0", "the database is stopping, or only starting", "Try again in a moment"),
    ("starting up", "the database is only starting", "Try again in a moment"),
    ("shutting down", "the database is stopping", "Try again in a moment"),
    ("42P01", "the vault is incomplete", "Run: crashvault doctor"),
    ("invalid integer", "the address of the database cannot be read", "Correct CRASHVAULT_DATABASE_URL"),
    ("resolve host", "the database's host is not known", "Check the name in CRASHVAULT_DATABASE_URL"),
    ("name or service not known", "the database's host is not known", "Check the name in CRASHVAULT_DATABASE_URL"),
    ("refused", "the database does not answer", "Start it, or check host and port in CRASHVAULT_DATABASE_URL"),
    ("timeout", "the database does not answer", "Start it, or check host and port in CRASHVAULT_DATABASE_URL"),
    ("no such file", "the database does not answer", "Start it, or check host and port in CRASHVAULT_DATABASE_URL"),
    ("08", "the connection to the database was lost", "It is opened again with the next attempt"),
    ("connection", "the connection to the database was lost", "It is opened again with the next attempt"),
)
_AWAY = ("08", "53", "57P", "25006")  # SQLSTATEs: connections, resources, stopping and starting, standby
_RETRIED = (errors.SerializationFailure, errors.DeadlockDetected)


def convert_error(error: Exception, shown: str) -> StoreError:
    """The one place where PostgreSQL's words become ours; `shown` is the database's address without its password."""
    text = " ".join(str(error).split())[:_LONGEST]
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error, _RETRIED):
        return TransientError(f"two transactions were in each other's way ({text})", "Try again")
    lowered = text.lower()
    away = state.startswith(_AWAY) if state else isinstance(error, psycopg.OperationalError)
    kind = AwayError if away else StoreError
    for part, what, hint in _HINTS:
        if state.startswith(part) if part[0].isdigit() else not state and part in lowered:
            return kind(f"{what} ({shown}: {text})", hint)
    return kind(f"the vault {shown} answers: {text}", "Run: crashvault doctor")


class _BoolDumper(Int8Dumper):
    """Flags are numbers in the store, as SQLite has them."""

    def dump(self, obj: Any) -> Any:
        return super().dump(int(obj))


class _BoolBinaryDumper(Int8BinaryDumper):
    def dump(self, obj: Any) -> Any:
        return super().dump(int(obj))


class _SumLoader(NumericLoader):
    """Sums of numbers are numbers, not decimals."""

    def load(self, data: Any) -> Any:
        return _number(super().load(data))


class _SumBinaryLoader(NumericBinaryLoader):
    def load(self, data: Any) -> Any:
        return _number(super().load(data))


def _number(value: Any) -> int | float:
    whole = int(value)
    return whole if whole == value else float(value)


Transaction = Callable[[], AbstractContextManager[None]]


class Postgres:
    """One connection to one database. Not to be used by two threads at once.

    A connection that was lost is made again for the next statement, unless a transaction was under way.
    """

    dialect = DIALECT
    rows_begin_with_day = True  # numbers of events: see `cv_allocate`
    least, greatest = "cv_least", "cv_greatest"  # of two numbers; nothing where one of them is nothing
    has_vocabulary = False  # the index does not tell its words
    numbers = "unnest(CAST(? AS BIGINT[])) WITH ORDINALITY AS c (value, key)"

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.url = url
        self.path = shown_url(url)
        self.read_only = read_only
        self.rollbacks = 0
        self._depth = 0
        self._relaxed = False
        self._days: set[int] = set()  # that are known to have their partitions
        self._types: dict[str, dict[str, str]] = {}
        self.connection = self._connect()

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            connection = psycopg.connect(
                **parse_url(self.url, connect_timeout=CONNECT_SECONDS, **_LINE), autocommit=True,
                cursor_factory=psycopg.RawCursor,
            )  # fmt: skip
            adapters = connection.adapters
            for dumper in (Int8Dumper, Int8BinaryDumper):
                adapters.register_dumper(int, dumper)
            for dumper in (_BoolDumper, _BoolBinaryDumper):
                adapters.register_dumper(bool, dumper)
            for loader in (_SumLoader, _SumBinaryLoader):
                adapters.register_loader("numeric", loader)
            connection.execute(
                f"SET lock_timeout = '{LOCK_SECONDS}s'; SET client_encoding = 'UTF8'; SET jit = off;"
                f" SET synchronous_commit = {'off' if self._relaxed else 'on'};"
                f" SET default_transaction_read_only = {'on' if self.read_only else 'off'}"
            )
        except FAILURES as error:
            raise convert_error(error, self.path) from error
        return connection

    def unmap(self) -> None:
        """Nothing is mapped here."""

    def relax(self) -> None:
        """From now on a commit may be lost when the database crashes, though never when a process of ours does."""
        self._relaxed = True
        self.execute("SET synchronous_commit = off")

    @contextmanager
    def relaxed(self) -> Iterator[None]:
        """The same for a while: for work that can be done again, so that nobody waits for the disk because of it."""
        before, self._relaxed = self._relaxed, True
        self.script("SET synchronous_commit = off")
        try:
            yield
        finally:
            self._relaxed = before
            self.script(f"SET synchronous_commit = {'off' if before else 'on'}")

    def close(self) -> None:
        self.connection.close()

    # Statements

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows it changed."""
        return self._run(sql, parameters).rowcount

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement for each row; what inserts is sent as one statement for all of them."""
        if not rows:
            return 0
        insert = inserting(sql)
        if insert is not None and insert.is_distinct(rows):
            try:
                return self._insert(insert, rows, "").rowcount
            except psycopg.DataError as error:
                if error.sqlstate is not None:  # the database's, not the adapter's
                    raise convert_error(error, self.path) from error
        found = statement(sql)
        with self._converted(), self._live().cursor(binary=True) as cursor:
            cursor.executemany(found.sql, [found.values(row) for row in rows])
            return cursor.rowcount

    def update_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run an UPDATE of one row for each of the rows, as one statement where no row is meant twice."""
        found = updating(sql)
        if found is None or len(rows) < 2 or not found.is_distinct(rows):
            return self.execute_many(sql, rows)
        columns = [list(column) for column in zip(*rows, strict=True)]
        with self._converted():
            connection = self._live()
            # In the order of their keys, as everybody locks rows.
            connection.execute(
                f"SELECT FROM {found.table} WHERE {found.key} = ANY($1) ORDER BY {found.key} FOR UPDATE",
                (columns[found.place],), binary=True,
            )  # fmt: skip
            return connection.execute(found.over(columns), columns, binary=True).rowcount

    def insert_new(self, sql: str, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Insert what is not there; those of the rows that were not. `sql` names every column it inserts."""
        insert = inserting(sql)
        assert insert is not None
        if not rows:
            return []
        return self._insert(insert, rows, f" RETURNING {', '.join(insert.quoted)}").fetchall()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._run(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        return self._run(sql, parameters).fetchone()

    def value(self, sql: str, parameters: Sequence[Any] = (), default: Any = None) -> Any:
        row = self.row(sql, parameters)
        return default if row is None else row[0]

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows one by one, in constant memory. Outside a transaction the database keeps the result meanwhile."""
        found = statement(sql)
        with self._converted():
            connection = self._live()
            outside = connection.info.transaction_status == pq.TransactionStatus.IDLE
            cursor = psycopg.RawServerCursor(connection, f"cv_{id(found)}_{self._next_stream()}", withhold=outside)
            cursor.itersize = _FETCHED
            with cursor:
                cursor.execute(found.sql, found.values(parameters), binary=True)
                yield from cursor

    _streams = 0

    def _next_stream(self) -> int:
        self._streams += 1
        return self._streams

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        found = statement(sql)
        with self._converted():
            return self._live().execute(found.sql, found.values(parameters), binary=True)

    def _insert(self, insert: Inserting, rows: Sequence[Sequence[Any]], ending: str) -> psycopg.Cursor[Any]:
        types = self._column_types(insert.table)
        insert = insert.with_columns(tuple(types))
        sql = insert.sql(types) + ending
        with self._converted(psycopg.DataError):
            return self._live().execute(sql, insert.arrays(rows, types), binary=True)

    def _column_types(self, table: str) -> dict[str, str]:
        """The type of each column of a table, in their order."""
        found = self._types.get(table)
        if found is None:
            rows = self.rows(
                """SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
                   WHERE attrelid = CAST(CAST(? AS text) AS regclass) AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
                (table,),
            )
            found = self._types[table] = dict(rows)
        return found

    @contextmanager
    def _converted(self, *unless: type[Exception]) -> Iterator[None]:
        try:
            yield
        except unless:
            raise
        except FAILURES as error:
            raise convert_error(error, self.path) from error

    def _live(self) -> psycopg.Connection[Any]:
        if self.connection.closed and not self._depth:
            self.rollbacks += 1  # a commit without an answer may have failed
            self._days.clear()
            self.connection = self._connect()
        return self.connection

    # Transactions

    @contextmanager
    def writing(self, *, alone: bool = True) -> Iterator[None]:
        """One write transaction; nested use joins the outer one.

        With `alone` nobody else writes meanwhile; without it others do who also go without, and what is written must
        be kept apart by rows and keys.
        """
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        try:
            self._command(f"BEGIN; SELECT {lock}({_VAULT})")
            self._depth = 1
            yield
            self._command("COMMIT")
        except BaseException:
            self.rollbacks += 1
            self._days.clear()
            self._rollback()
            raise
        finally:
            self._depth = 0

    @contextmanager
    def migrating(self, lock: str) -> Iterator[None]:
        """One transaction that changes the schema, under a lock of its own: nobody writes meanwhile."""
        with self.writing():
            self._command(f"SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock({lock})")
            yield

    def script(self, sql: str) -> None:
        """Run several statements that take nothing."""
        self._command(sql)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One consistent view for several statements."""
        if self._live().info.transaction_status != pq.TransactionStatus.IDLE:
            yield
            return
        self._command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            self._rollback()

    def _command(self, sql: str) -> None:
        with self._converted():
            self._live().execute(sql)

    def _rollback(self) -> None:
        try:
            if self.connection.info.transaction_status != pq.TransactionStatus.IDLE:
                self.connection.execute("ROLLBACK")
        except FAILURES:
            self.connection.close()  # whatever was under way is given up with the connection

    def replaced(self) -> bool:
        """Whether the connection is of no use any more."""
        return self.connection.closed

    def data_version(self) -> int:
        """A number that changes with every commit, be it of another process."""
        return hash(self.value("SELECT CAST(pg_current_snapshot() AS text)"))

    # What differs between the engines

    def allocate(self, name: str, count: int) -> int:
        """Reserve `count` ids, never given twice; the first of them. Only inside `writing()`."""
        first = int(self.value("SELECT cv_allocate(?, ?)", (name, count)))
        if name == "events":
            self._make_days(first >> _DAY_BITS)
        return first

    def _make_days(self, day: int) -> None:
        if day not in self._days:
            self._command(f"SELECT cv_make_days({day}, {_DAYS_AHEAD})")
            self._days.add(day)

    def following(self, name: str) -> int:
        """The id that would be given next."""
        return int(self.value("SELECT cv_following(?)", (name,)))

    def skip_to(self, name: str, following: int) -> None:
        """Give no id below `following` from now on."""
        self.value("SELECT setval(CAST('seq_' || ? AS regclass), ?, false)", (name, following))

    def serialize(self, what: str) -> None:
        """Have others who name the same thing wait until this transaction ends."""
        self.value("SELECT CAST(pg_advisory_xact_lock(17240, hashtext(?)) AS text)", (what,))

    def for_update(self, table: str) -> str:
        """SQL at the end of a SELECT whose rows are changed afterwards: nobody else may change them meanwhile. Those that
        somebody is changing just now are left out."""
        return f"FOR UPDATE OF {table} SKIP LOCKED"

    def settled(self) -> int:
        """The row of an event up to which nothing new can appear any more."""
        return int(self.value("SELECT cv_settled()"))

    @staticmethod
    def many(values: Sequence[int]) -> str:
        """The parameter of `numbers`: an array as text."""
        return f"{{{','.join(map(str, values))}}}"

    @staticmethod
    def contains(column: str) -> str:
        """SQL that is true where a column has the text of its parameter in it."""
        return f"strpos({column}, ?) > 0"

    @staticmethod
    def having_word(index: str) -> str:
        """SQL for the rows of an index whose documents have a word like the parameter."""
        return f"SELECT d.rowid FROM {index} d, unnest(tsvector_to_array(d.body)) AS w (word) WHERE w.word LIKE ? AND w.word NOT LIKE '¤%'"

    @staticmethod
    def words_between(index: str) -> str:
        """SQL for the distinct words of an index between its two parameters, ascending."""
        words = (
            f'SELECT DISTINCT w.word COLLATE "C" AS word FROM {index} d, unnest(tsvector_to_array(d.body)) AS w (word)'
        )
        return f"SELECT word FROM ({words}) AS words WHERE word >= ? AND word < ? ORDER BY word"

    @staticmethod
    def match(index: str) -> str:
        """SQL that is true where a document of an index meets the expression of its parameter."""
        return f"{index}.body @@ cv_query(?)"

    def index(self, index: str, documents: Sequence[tuple[int, str]]) -> None:
        """Put documents into an index."""
        if documents:
            self.execute(
                f"""INSERT INTO {index} (rowid, body)
                    SELECT d.row, array_to_tsvector(string_to_array(d.words, ' '))
                    FROM unnest(CAST(? AS BIGINT[]), CAST(? AS TEXT[])) AS d (row, words)""",
                ([row for row, _ in documents], [_words(text) for _, text in documents]),
            )

    def unindex(self, index: str, documents: Sequence[tuple[int, str]]) -> None:
        """Take documents out of an index."""
        self.execute(f"DELETE FROM {index} WHERE rowid = ANY(?)", ([row for row, _ in documents],))

    def blobs(self, home: str) -> Blobs:
        """Where the contents of attachments lie."""
        from .stored_blobs import StoredBlobs

        return StoredBlobs(self)

    def clear_index(self, index: str) -> None:
        self.execute(f"DELETE FROM {index}")

    def merge_index(self, index: str, writing: Transaction) -> None:
        """Rows that were deleted go when the database vacuums, and what the index had of them with them."""

    def erase_safely(self) -> None:
        """The database overwrites rows only when it vacuums."""

    def shrink(self, writing: Transaction, checkpoint: Callable[[], object]) -> int:
        """Drop the partitions of days that are over and of which nothing is left; the bytes by which that made the
        database smaller. Other space goes back to the database when it vacuums."""
        return sum(self._drop_day(day, writing) for day in self._days_over())

    def _days_over(self) -> list[str]:
        """The partitions of days before yesterday without an event, each by the end of its name."""
        rows = self.rows(
            """SELECT CAST(substr(relname, length('events_') + 1) AS text) FROM pg_class JOIN pg_inherits ON inhrelid = oid
               WHERE inhparent = CAST('events' AS regclass)
                 AND substr(relname, length('events_') + 1) < to_char(now() - INTERVAL '2 days', 'YYYYMMDD')"""
        )
        return [day for (day,) in rows if self.row(f"SELECT 1 FROM events_{day} LIMIT 1") is None]

    def _drop_day(self, day: str, writing: Transaction) -> int:
        freed = 0
        try:
            with writing():
                self.script(f"SET LOCAL lock_timeout = '{_DROP_WAITS}'")  # whoever reads just now is not waited for
                for table in ("event_index", "payloads", "events"):
                    name = f"{table}_{day}"
                    freed += int(self.value("SELECT pg_total_relation_size(CAST(? AS regclass))", (name,)))
                    self.script(f"DROP TABLE {name}")
        except StoreError as error:
            log_debug("a day's partition stays", day=day, error=error)
            return 0
        return freed

    def make_day(self, day: int) -> None:
        """Have the partition of one day."""
        if day not in self._days:
            self._command(f"SELECT cv_make_days({day}, 1)")
            self._days.add(day)

    def tables(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """The tables of the vault with their columns and keys, by name."""
        rows = self.rows(
            """SELECT CAST(t.relname AS text),
                 (SELECT array_agg(CAST(a.attname AS text) ORDER BY a.attnum) FROM pg_attribute a
                  WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),
                 (SELECT array_agg(CAST(a.attname AS text) ORDER BY array_position(CAST(i.indkey AS smallint[]), a.attnum))
                  FROM pg_index i JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)
                  WHERE i.indrelid = t.oid AND i.indisprimary)
               FROM pg_class t WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition
                 AND t.relnamespace = CAST(current_schema() AS regnamespace) ORDER BY t.relname"""
        )
        return [(name, tuple(columns), tuple(key or ())) for name, columns, key in rows]

    def numbering(self) -> dict[str, int]:
        """The number that each sequence, and each table that numbers its rows, would give next."""
        found = {}
        for name, sequence in self.rows(
            """SELECT CAST(t.relname AS text), pg_get_serial_sequence(quote_ident(t.relname), 'id') FROM pg_class t
               JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'id' AND a.attidentity <> ''
               WHERE NOT t.relispartition AND t.relnamespace = CAST(current_schema() AS regnamespace)"""
        ):
            sql = f"SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM {sequence}"
            found[name] = int(self.value(sql))
        return {**found, **{name: self.following(name) for name in _SEQUENCES}}

    def continue_from(self, name: str, following: int) -> None:
        """Give no number below `following` from now on."""
        if name in _SEQUENCES:
            self.skip_to(name, max(following, self.following(name)))
        else:
            self.value("SELECT setval(pg_get_serial_sequence(?, 'id'), ?, false)", (name, max(following, 1)))

    def used_size(self) -> int:
        """About how many bytes events and spans take, whatever room the database has kept of others that went."""
        events = """(SELECT * FROM events ORDER BY id DESC LIMIT ?) e JOIN payloads p ON p.id = e.id
                    JOIN event_index x ON x.rowid = e.id"""
        spans = "(SELECT * FROM spans ORDER BY id DESC LIMIT ?) s"
        sizes = "pg_column_size(e.*) + pg_column_size(p.*) + pg_column_size(x.*)"
        return self._taken("events", sizes, events) + self._taken("spans", "pg_column_size(s.*)", spans)

    def _taken(self, table: str, sizes: str, sample: str) -> int:
        average = self.value(f"SELECT avg({sizes}) FROM {sample}", (_SAMPLED,))
        return int(_OVERHEAD * (average or 0) * self.value(f"SELECT count(*) FROM {table}"))

    def empty_size(self) -> int:
        """What `used_size` is of a vault without events."""
        return 0

    def size(self) -> int:
        """Bytes of the database on disk."""
        return int(self.value("SELECT pg_database_size(current_database())"))

    def interruptible(self) -> AbstractContextManager[None]:
        """Ctrl-C ends a statement here anyway."""
        return nullcontext()

    def checks(self, deep: bool) -> dict[str, Check]:
        """What `doctor` looks at."""
        from .health_postgres import CHECKS, DEEP

        return {**CHECKS, **(DEEP if deep else {})}

    def abandon(self) -> None:
        """After a fork, in the child: the driver knows by itself that the connection is the parent's."""

    def checkpoint(self, *, wait: bool = True) -> None:
        """The database does that itself."""


_LONGEST_WORD = 500  # characters, at most 2,000 bytes, which PostgreSQL takes; cv_query cuts words in the same way
_LONGEST_DOCUMENT = 250_000  # characters, likewise at most 1,000,000 bytes


def _words(text: str) -> str:
    """The distinct words of a document, no longer than PostgreSQL has them."""
    words = dict.fromkeys(text.split())
    joined = " ".join(words)
    if len(joined) <= _LONGEST_WORD:
        return joined
    if max(map(len, words)) > _LONGEST_WORD:
        joined = " ".join(dict.fromkeys(word[:_LONGEST_WORD] for word in words))
    return joined if len(joined) <= _LONGEST_DOCUMENT else _shortened(joined)


def _shortened(words: str) -> str:
    """The beginning of a document that PostgreSQL would not take, and its last words: what it says of its fields."""
    half = _LONGEST_DOCUMENT // 2
    return f"{words[:half].rpartition(' ')[0]} {words[-half:].partition(' ')[2]}".strip()


__all__ = ["Postgres", "convert_error"]
