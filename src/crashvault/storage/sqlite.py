"""The thin SQLite driver: connection, transactions, errors. Everything else in `storage` speaks through it.

WAL with `synchronous=FULL`: a commit that returned is on disk. Writers of all processes queue on a
lock file before `BEGIN IMMEDIATE`, because the kernel wakes them in turn, while SQLite's own busy
handler sleeps and retries, which starves some of them under load.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import CrashvaultError, StoreError

if TYPE_CHECKING:
    from .blobs import Blobs
    from .health import Check

try:
    import fcntl
except ImportError:  # Windows: SQLite's busy handler alone
    fcntl = None  # type: ignore[assignment]

DIALECT = "sqlite"
FILE_NAME = "vault.db"
BUSY_SECONDS = 60.0

FAILURES = (sqlite3.Error, UnicodeDecodeError)  # what SQLite says of a damaged schema may be no text
_LONGEST = 200  # characters of SQLite's own message
_NUMBERED_BY_ROWS = ("spans", "sessions", "check_ins", "feedback")  # whose next number is that behind the last row
_PAGES_MERGED = 250  # of an index at a time
_PAGES_FREED = 250
_HEAR_EVERY = 100_000  # steps of SQLite's machine, some milliseconds
_HINTS: tuple[tuple[str, str, str], ...] = (
    # part of SQLite's message, what people read, what to do
    ("disk is full", "the disk is full", "Free some space; what was stored before is safe"),
    ("disk i/o error", "the disk does not answer properly", "Check it, then run: crashvault doctor"),
    ("readonly", "the vault cannot be written", "Check the permissions of {path} and its directory"),
    (
        "unable to open",
        "the vault cannot be opened",
        "Check that {path} exists and that you may read and write it",
    ),
    (
        "malformed",
        "the vault file is damaged",
        "Run: crashvault doctor, and bring a backup back with: crashvault restore",
    ),
    (
        "not a database",
        "{path} is not a vault",
        "Move the file away, or bring a backup back with: crashvault restore",
    ),
    ("locked", "the vault is busy", "Another program holds it; try again, or look with: crashvault doctor"),
    ("no such table", "the vault is incomplete", "Run: crashvault doctor"),
)


@contextmanager
def interruptible(connection: sqlite3.Connection) -> Iterator[None]:
    """Let Ctrl-C end a statement that takes long: Python hears of it only between statements."""
    connection.set_progress_handler(lambda: 0, _HEAR_EVERY)  # an interrupt is raised inside it, and ends the statement
    try:
        yield
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def convert_error(error: Exception, path: str) -> StoreError:
    """The one place where SQLite's words become ours."""
    text = " ".join(str(error).split())[:_LONGEST]  # of a damaged schema it quotes lines
    if isinstance(error, UnicodeDecodeError):
        text = "malformed database schema"
    lowered = text.lower()
    for part, what, hint in _HINTS:
        if part in lowered:
            return StoreError(f"{what.format(path=path)} ({text})", hint.format(path=path))
    return StoreError(f"the vault {path} answers: {text}", "Run: crashvault doctor")


Transaction = Callable[[], AbstractContextManager[None]]


class SQLite:
    """One connection to one vault file. Not to be used by two threads at once."""

    dialect = DIALECT
    rows_begin_with_day = False
    least, greatest = "min", "max"  # of two numbers; nothing where one of them is nothing
    has_vocabulary = True  # the index tells its words
    numbers = "json_each(?) c"  # a table of numbers, `c (key, value)`, given as one parameter: see `many`

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.rollbacks = 0  # write transactions that failed: what they were believed to store is not there
        self._depth = 0
        self._lock_fd: int | None = None
        try:
            self.connection = self._open()
        except FAILURES as error:
            raise convert_error(error, path) from error
        self._identity = _identity(path)

    def _open(self) -> sqlite3.Connection:
        if not _is_frozen(self.path):
            return self._connect("mode=ro" if self.read_only else "mode=rwc")
        # SQLite wants to put files beside the vault even to read it, and nothing can be written there. Without
        # a log beside it the file is complete as it is, and nobody here can change it.
        self.read_only = True
        return self._connect("mode=ro&immutable=1")

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{_quote(self.path)}?{mode}",
            uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256,
        )  # fmt: skip
        try:
            _set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def unmap(self) -> None:
        """From now on read the file instead of mapping it: a process that lives long would be as large as its vault."""
        self.connection.execute("PRAGMA mmap_size = 0")

    def relax(self) -> None:
        """From now on a commit may be lost when the power fails, though never when a process does."""
        self.connection.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def relaxed(self) -> Iterator[None]:
        """The same for a while: for work that can be done again, so that nobody waits for the disk because of it."""
        before = int(self.value("PRAGMA synchronous"))
        self.relax()
        try:
            yield
        finally:
            self.execute(f"PRAGMA synchronous = {before}")

    def close(self) -> None:
        self.connection.close()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    # Statements

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows it changed."""
        try:
            return self.connection.execute(sql, parameters).rowcount
        except FAILURES as error:
            raise convert_error(error, self.path) from error

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        if not rows:
            return 0
        try:
            return self.connection.executemany(sql, rows).rowcount
        except FAILURES as error:
            raise convert_error(error, self.path) from error

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except FAILURES as error:
            raise convert_error(error, self.path) from error

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        try:
            return self.connection.execute(sql, parameters).fetchone()
        except FAILURES as error:
            raise convert_error(error, self.path) from error

    def value(self, sql: str, parameters: Sequence[Any] = (), default: Any = None) -> Any:
        row = self.row(sql, parameters)
        return default if row is None else row[0]

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows one by one, in constant memory."""
        try:
            yield from self.connection.execute(sql, parameters)
        except FAILURES as error:
            raise convert_error(error, self.path) from error

    # Transactions

    @contextmanager
    def writing(self, *, alone: bool = True) -> Iterator[None]:
        """One write transaction; nested use joins the outer one. Here nobody else ever writes meanwhile."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        with self._queue():
            self._begin()
            self._depth = 1
            try:
                yield
                self._end("COMMIT")
            except BaseException:
                self.rollbacks += 1
                self._rollback()
                raise
            finally:
                self._depth = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One consistent view for several statements."""
        if self.connection.in_transaction:
            yield
            return
        self._end("BEGIN")
        try:
            yield
        finally:
            self._rollback()

    def replaced(self) -> bool:
        """Whether another file, or none, has the vault's name by now."""
        return _identity(self.path) != self._identity

    def data_version(self) -> int:
        """A number that changes with every commit of another connection, be it of another process."""
        return int(self.value("PRAGMA data_version"))

    def _begin(self) -> None:
        if not self.read_only and self.replaced():
            # SQLite would go on writing into a file that nobody can find any more.
            raise StoreError(
                f"the vault {self.path} was moved, replaced or deleted while it was open", "Start the program again"
            )
        self._end("BEGIN IMMEDIATE")

    def _end(self, statement: str) -> None:
        try:
            self.connection.execute(statement)
        except FAILURES as error:
            raise convert_error(error, self.path) from error

    def _rollback(self) -> None:
        if self.connection.in_transaction:
            self.connection.rollback()

    @contextmanager
    def _queue(self) -> Iterator[None]:
        """Our place in the queue of writers."""
        if fcntl is None or self.read_only:
            yield
            return
        if self._lock_fd is None:
            self._lock_fd = _open_lock(self.path)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    # What differs between the engines

    def allocate(self, name: str, count: int) -> int:
        """Reserve `count` ids, never given twice; the first of them. Only inside `writing()`."""
        first = self.value(
            "UPDATE sequences SET next = next + ? WHERE name = ? RETURNING next - ?", (count, name, count)
        )
        return int(first)

    def following(self, name: str) -> int:
        """The id that would be given next."""
        return int(self.value("SELECT next FROM sequences WHERE name = ?", (name,)))

    def skip_to(self, name: str, following: int) -> None:
        """Give no id below `following` from now on."""
        self.execute("UPDATE sequences SET next = ? WHERE name = ?", (following, name))

    def serialize(self, what: str) -> None:
        """Have others who name the same thing wait until this transaction ends. Here they do anyway."""

    def for_update(self, table: str) -> str:
        """SQL at the end of a SELECT whose rows are changed afterwards: nobody else may change them meanwhile."""
        return ""

    def settled(self) -> int:
        """The row of an event up to which nothing new can appear any more."""
        return int(self.value("SELECT COALESCE(max(id), 0) FROM events"))

    @staticmethod
    def many(values: Sequence[int]) -> str:
        """The parameter of `numbers`."""
        return json.dumps(list(values))

    @staticmethod
    def contains(column: str) -> str:
        """SQL that is true where a column has the text of its parameter in it."""
        return f"instr({column}, ?) > 0"

    @staticmethod
    def having_word(index: str) -> str:
        """SQL for the rows of an index whose documents have a word like the parameter; for engines without vocabulary."""
        raise NotImplementedError(index)

    @staticmethod
    def words_between(index: str) -> str:
        """SQL for the distinct words of an index between its two parameters, ascending."""
        return f"SELECT term FROM {index.replace('index', 'terms')} WHERE term >= ? AND term < ?"

    @staticmethod
    def match(index: str) -> str:
        """SQL that is true where a document of an index meets the expression of its parameter."""
        return f"{index} MATCH ?"

    def index(self, index: str, documents: Sequence[tuple[int, str]]) -> None:
        """Put documents into an index."""
        self.execute_many(f"INSERT INTO {index} (rowid, body) VALUES (?, ?)", documents)

    def unindex(self, index: str, documents: Sequence[tuple[int, str]]) -> None:
        """Take documents out of an index, which wants to be told what they were."""
        self.execute_many(f"INSERT INTO {index} ({index}, rowid, body) VALUES ('delete', ?, ?)", documents)

    def update_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run an UPDATE of one row for each of the rows."""
        return self.execute_many(sql, rows)

    def insert_new(self, sql: str, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Insert what is not there; those of the rows that were not. `sql` names every column it inserts."""
        return [tuple(row) for row in rows if self.execute(sql, row)]

    def blobs(self, home: str) -> Blobs:
        """Where the contents of attachments lie."""
        from .blobs import Blobs

        return Blobs(home)

    def clear_index(self, index: str) -> None:
        self.execute(f"INSERT INTO {index} ({index}) VALUES ('delete-all')")

    def merge_index(self, index: str, writing: Transaction) -> None:
        """Rewrite an index without what was deleted, some pages a transaction; until then old terms stay in the file."""
        pages = -_PAGES_MERGED  # negative: begin to merge all segments into one
        while self._merge_some(index, pages, writing):
            pages = _PAGES_MERGED

    def _merge_some(self, index: str, pages: int, writing: Transaction) -> bool:
        """One step of merging; whether there may be more to do."""
        before = self.connection.total_changes
        with writing():
            self.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('merge', ?)", (pages,))
        return self.connection.total_changes - before >= 2

    def erase_safely(self) -> None:
        """From now on what is deleted is overwritten."""
        self.execute("PRAGMA secure_delete = ON")

    def shrink(self, writing: Transaction, checkpoint: Callable[[], object]) -> int:
        """Give free pages back to the file system; the bytes by which the file got smaller."""
        size = int(self.value("PRAGMA page_size"))
        before = int(self.value("PRAGMA page_count"))
        while int(self.value("PRAGMA freelist_count")):
            with writing():
                for _ in range(_PAGES_FREED):  # a statement without columns is stepped once: one page each
                    self.execute("PRAGMA incremental_vacuum(1)")
        checkpoint()
        return (before - int(self.value("PRAGMA page_count"))) * size

    def tables(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """The tables of the vault with their columns and keys, by name; without those that make up an index."""
        found = []
        for (name,) in self.rows(
            """SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
               AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE '%!_index!_%' ESCAPE '!' ORDER BY name"""
        ):
            columns = self.rows(f"SELECT name, pk FROM pragma_table_info('{name}') ORDER BY cid")
            key = sorted((place, column) for column, place in columns if place)
            found.append((name, tuple(column for column, _ in columns), tuple(column for _, column in key)))
        return found

    def numbering(self) -> dict[str, int]:
        """The number that each sequence, and each table that numbers its rows, would give next."""
        counted = self.rows("SELECT name, seq + 1 FROM sqlite_sequence")
        plain = {name: int(self.value(f"SELECT COALESCE(max(id), 0) + 1 FROM {name}")) for name in _NUMBERED_BY_ROWS}
        return {**plain, **dict(counted), **dict(self.rows("SELECT name, next FROM sequences"))}

    def continue_from(self, name: str, following: int) -> None:
        """Give no number below `following` from now on."""
        if self.execute("UPDATE sequences SET next = max(next, ?) WHERE name = ?", (following, name)):
            return
        if name not in _NUMBERED_BY_ROWS and not self.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (following - 1, name)
        ):
            self.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, following - 1))

    def size(self) -> int:
        """Bytes of the vault on disk."""
        return sum(os.path.getsize(name) for end in ("", "-wal") if os.path.exists(name := f"{self.path}{end}"))

    def interruptible(self) -> AbstractContextManager[None]:
        """Let Ctrl-C end a statement that takes long."""
        return interruptible(self.connection)

    def checks(self, deep: bool) -> dict[str, Check]:
        """What `doctor` looks at."""
        from .health import CHECKS, DEEP

        return {**CHECKS, **(DEEP if deep else {})}

    def abandon(self) -> None:
        """After a fork, in the child: let go of what is the parent's without closing it for the parent."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)

    def used_size(self) -> int:
        """Bytes of the database without its free pages."""
        pages = int(self.value("PRAGMA page_count")) - int(self.value("PRAGMA freelist_count"))
        return pages * int(self.value("PRAGMA page_size"))

    def empty_size(self) -> int:
        """The bytes that the database takes without a row: a page for each table and index."""
        tables = self.value("SELECT count(*) FROM sqlite_schema WHERE rootpage > 0")
        return int(tables) * int(self.value("PRAGMA page_size"))

    def checkpoint(self, *, wait: bool = True) -> None:
        """Bring the log into the file, so that its size is what it is. `wait`: for readers too, and empty the log."""
        try:
            self.connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if wait else 'PASSIVE'})").fetchall()
        except FAILURES as error:
            raise convert_error(error, self.path) from error


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA mmap_size = 268435456")
    connection.execute("PRAGMA cache_size = -16000")
    connection.execute("PRAGMA temp_store = MEMORY")
    # Pages that every batch touches are copied from the log into the file once for several batches.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")


def marks(values: Sequence[Any]) -> str:
    """Placeholders for `IN (…)`."""
    return ",".join("?" * len(values))


def chunks(values: Sequence[Any], size: int = 900) -> Iterator[Sequence[Any]]:
    """Slices that fit into one statement's parameters."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _identity(path: str) -> tuple[int, int] | None:
    """What tells one file from another of the same name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_frozen(path: str) -> bool:
    """Whether the file is there, without a log, in a directory that cannot be written."""
    writable = os.access(os.path.dirname(path) or ".", os.W_OK)
    return not writable and os.access(path, os.R_OK) and not os.path.exists(f"{path}-wal")


def _quote(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _open_lock(path: str) -> int:
    lock = f"{path}.lock"
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"the vault cannot be written ({error.strerror}: {lock})",
            f"Check the permissions of {os.path.dirname(lock)}",
        ) from error


__all__ = ["CrashvaultError", "SQLite", "chunks", "convert_error", "marks"]
