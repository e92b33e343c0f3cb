"""Moving a vault between engines: every table, in pieces that can be taken up again, and compared afterwards.

Rows keep their keys. Only the rows of events get other numbers on the way into PostgreSQL, where a number begins with
the day of arrival; their order stays. The index is made anew from the events, because an index does not tell what
was put into it.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..clock import DAY
from ..errors import ConflictError, StoreError
from . import codec
from .document import event_document, event_words, hash_token, stack_document
from .loading import Loader
from .store import Store

COPYING = "copying"  # of meta, in the vault that is being filled
DAY_BITS = 32  # of an event's row in PostgreSQL, behind the day
_AT_ONCE = 500  # rows
# Which columns name the row of an event.
_EVENT_ROWS = {("events", "id"), ("payloads", "id"), ("issues", "last_event")}
_EVENT_COLUMN = "event"
# What is copied in a way of its own, or belongs to one vault alone.
_APART = frozenset({"meta", "sequences", "event_index", "stack_index", "blobs", "blob_chunks"})
_META_KEPT = ("schema_version", "min_reader", COPYING)
_FILLED = ("projects", "levels")  # what a new vault has rows of

Progress = Callable[[int], object]  # rows that were copied or compared


class Moved(NamedTuple):
    """What a move has done."""

    tables: int
    rows: int
    attachments: int
    checksum: str  # SHA-256 of all rows, equal in both vaults


class Table(NamedTuple):
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


def move(source: Store, target: Store, progress: Progress = lambda rows: None) -> Moved:
    """Copy a vault into another one, which is new or was begun to be filled from this one; then compare them.

    Taken up again where an earlier run ended. Raises ConflictError where the target holds something else, or where
    the source has changed meanwhile: then another run brings the rest.
    """
    if source.db.path == target.db.path:
        raise ConflictError("that is the same vault", "Give another place with --to")
    with source.reading():
        run = _Run(source, target, progress)
        run.copy()
        checksum = run.compare()
        attachments = run.copy_contents()
        run.finish()
    return Moved(len(run.tables), run.total(), attachments, checksum)


def rows_to_move(store: Store) -> int:
    """How many rows a move copies, and compares as often."""
    return sum(store.db.value(f"SELECT count(*) FROM {table.name}") for table in tables_of(store))


def tables_of(store: Store) -> list[Table]:
    return [Table(*found) for found in store.db.tables() if found[0] not in _APART]


class _Run:
    def __init__(self, source: Store, target: Store, progress: Progress) -> None:
        self.source, self.target, self.progress = source, target, progress
        self.tables = tables_of(source)
        self.rows = _rows_between(source, target)
        self.state = self._begin()

    def total(self) -> int:
        return rows_to_move(self.source)

    # Where an earlier run ended

    def _begin(self) -> dict[str, Any]:
        known = self.target.db.value("SELECT value FROM meta WHERE key = ?", (COPYING,))
        identity = self._identity()
        if known is None:
            self._require_new()
            state: dict[str, Any] = {"from": identity, "done": {}, "days": self.rows.days}
            with self.target.writing():
                for name in _FILLED:
                    self.target.db.execute(f"DELETE FROM {name}")
                self._keep(state)
            return state
        state = dict(json.loads(known))
        if state["from"] != identity:
            raise ConflictError(
                f"{self.target.db.path} is being filled from another vault", "Give an empty place with --to"
            )
        self.rows.take_up(state["days"])
        return state

    def _identity(self) -> str:
        """What tells this vault from others: the key of its first project."""
        return str(self.source.db.value("SELECT public_key FROM projects ORDER BY id LIMIT 1"))

    def _require_new(self) -> None:
        held = sum(self.target.db.value(f"SELECT count(*) FROM {name}") for name in ("issues", "events", "api_keys"))
        if held or self.target.db.value("SELECT count(*) FROM projects") > 1:
            raise ConflictError(f"the vault {self.target.db.path} holds something", "Give an empty place with --to")

    def _keep(self, state: dict[str, Any]) -> None:
        self.target.db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (COPYING, json.dumps(state)),
        )

    # Copying

    def copy(self) -> None:
        theirs = {table.name: set(table.columns) for table in tables_of(self.target)}
        for table in self.tables:
            if set(table.columns) != theirs.get(table.name):
                raise StoreError(f"{table.name} is not the same in both vaults", "Upgrade both with: crashvault init")
            self._copy_table(table)

    def _copy_table(self, table: Table) -> None:
        done: dict[str, Any] = self.state["done"]
        place = done.get(table.name)
        if place == "all":
            return
        after = None if place is None else _unpacked(place)
        while found := _read(self.source, table, after):
            after = _key(table, found[-1])
            with self.target.writing():
                self.rows.prepare(table, found)
                self._insert(table, [self.rows.there(table, row) for row in found])
                if table.name == "events":
                    self._index([row[table.columns.index("id")] for row in found])
                elif table.name == "stacks":
                    self._index_stacks(table, found)
                done[table.name] = _packed(after)
                self._keep(self.state)
            self.progress(len(found))
        with self.target.writing():
            done[table.name] = "all"
            self._keep(self.state)

    def _insert(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        columns = ", ".join(f'"{column}"' for column in table.columns)
        marks = ", ".join("?" * len(table.columns))
        self.target.db.execute_many(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", rows)

    def _index(self, rows: Sequence[int]) -> None:
        numbers = self.source.db.numbers
        found = self.source.db.rows(
            f"SELECT e.id, e.hash_id, e.level FROM {numbers} JOIN events e ON e.id = c.value",
            (self.source.db.many(rows),),
        )
        placed = {row: (hash_id, rank) for row, hash_id, rank in found}
        documents = []
        for item in Loader(self.source.db).load(rows):
            hash_id, rank = placed[item.row]
            words = event_words(item.event, rank)
            text = f"{event_document(item.event, words)} {hash_token(hash_id)}"
            documents.append((self.rows.number(item.row), text))
        self.target.db.index("event_index", documents)

    def _index_stacks(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        place, body = table.columns.index("id"), table.columns.index("body")
        self.target.db.index(
            "stack_index",
            [(row[place], stack_document(codec.join(b"{}", codec.expand(row[body])))) for row in rows],
        )

    # Comparing

    def compare(self) -> str:
        """The checksum of both. Tables that differ are copied anew by the next run. Raises ConflictError."""
        whole, different = hashlib.sha256(), []
        for table in self.tables:
            mine = self._checksum(self.source, table, self.rows.there)
            theirs = self._checksum(self.target, table, lambda table, row: row)
            whole.update(mine)
            if mine != theirs:
                different.append(table.name)
        if different:
            self._forget(different)
            raise ConflictError(
                f"the vault has changed while it was copied ({', '.join(different)})",
                "Stop what writes to it, and run this again: it goes on where it ended",
            )
        return whole.hexdigest()

    def _checksum(
        self, store: Store, table: Table, there: Callable[[Table, tuple[Any, ...]], tuple[Any, ...]]
    ) -> bytes:
        digest, after = hashlib.sha256(table.name.encode()), None
        while found := _read(store, table, after):
            after = _key(table, found[-1])
            for row in found:
                digest.update(repr(there(table, row)).encode(errors="surrogatepass"))
            self.progress(len(found))
        return digest.digest()

    def _forget(self, names: Sequence[str]) -> None:
        """Have the next run copy these tables from the beginning."""
        with self.target.writing():
            for name in names:
                self.target.db.execute(f"DELETE FROM {name}")
                self.state["done"].pop(name, None)
                if name == "events":
                    self.target.db.clear_index("event_index")
                elif name == "stacks":
                    self.target.db.clear_index("stack_index")
            self._keep(self.state)

    # Contents of attachments

    def copy_contents(self) -> int:
        """Contents that attachments name; one that is gone from the source stays gone."""
        copied = 0
        for (digest,) in self.source.db.rows("SELECT DISTINCT digest FROM attachments ORDER BY digest"):
            name = digest.hex()
            if self.source.blobs.has(name):
                if not self.target.blobs.has(name):
                    with self.source.blobs.open(name) as file:
                        stored = self.target.blobs.put(file, name)
                    if stored.get("digest") != name:
                        raise StoreError(
                            f"the content {name[:12]} of an attachment is damaged", "Run: crashvault doctor"
                        )
                copied += 1
        return copied

    # The end

    def finish(self) -> None:
        """Let the target go on counting where the source is, and be a vault like any other."""
        with self.target.writing():
            for name, following in self.source.db.numbering().items():
                at_least = self.rows.following() if name == "events" else following
                self.target.db.continue_from(name, at_least)
            for key, value in self.source.db.rows("SELECT key, value FROM meta ORDER BY key"):
                if key not in _META_KEPT:
                    self.target.db.execute(
                        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                        (key, value),
                    )
            self.target.db.execute("DELETE FROM meta WHERE key = ?", (COPYING,))


class _Rows:
    """What the rows of events are called in the target: here the same."""

    days: list[list[int]] = []

    def __init__(self, source: Store, target: Store) -> None:
        self.source, self.target = source, target

    def take_up(self, days: list[list[int]]) -> None:
        """Go on with what an earlier run has decided."""

    def number(self, row: int) -> int:
        return row

    def there(self, table: Table, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row as the target has it."""
        return row

    def prepare(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Make room for rows."""

    def following(self) -> int:
        newest = self.source.db.value("SELECT COALESCE(max(id), 0) FROM events")
        return max(int(newest) + 1, self.source.db.numbering()["events"])


class _DaysBefore(_Rows):
    """Rows that get the day of arrival put before their number."""

    def __init__(self, source: Store, target: Store) -> None:
        super().__init__(source, target)
        self.days = [list(one) for one in _days(source)]

    def take_up(self, days: list[list[int]]) -> None:
        known = {first for first, _ in days}
        last = days[-1][0] if days else -1
        self.days = [*days, *(one for one in self.days if one[0] > last and one[0] not in known)]

    def number(self, row: int) -> int:
        if row >> DAY_BITS or row <= 0:
            return row
        place = bisect_right(self.days, row, key=lambda one: one[0]) - 1
        return (self.days[max(place, 0)][1] << DAY_BITS) + row if self.days else row

    def there(self, table: Table, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            self.number(value) if value is not None and _names_event(table.name, column) else value
            for column, value in zip(table.columns, row, strict=True)
        )

    def prepare(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        if table.name in ("events", "payloads"):
            place = table.columns.index("id")
            for day in sorted({self.number(row[place]) >> DAY_BITS for row in rows}):
                self.target.db.make_day(day)

    def following(self) -> int:
        newest = int(self.source.db.value("SELECT COALESCE(max(id), 0) FROM events"))
        return max(self.number(newest) + 1, 1)


def _rows_between(source: Store, target: Store) -> _Rows:
    begins_with_day = target.db.rows_begin_with_day and not source.db.rows_begin_with_day
    return _DaysBefore(source, target) if begins_with_day else _Rows(source, target)


def _days(source: Store) -> Iterator[tuple[int, int]]:
    """(first row, day) of each day on which events arrived. Days never go back, though what was imported is older."""
    last, day = 0, -1
    while found := source.db.rows("SELECT id, received_at FROM events WHERE id > ? ORDER BY id LIMIT 5000", (last,)):
        for row, received_at in found:
            if received_at // DAY > day:
                day = received_at // DAY
                yield row, day
        last = found[-1][0]


def _names_event(table: str, column: str) -> bool:
    return column == _EVENT_COLUMN or (table, column) in _EVENT_ROWS


def _read(store: Store, table: Table, after: tuple[Any, ...] | None) -> list[tuple[Any, ...]]:
    """Some rows in the order of their key, behind one."""
    columns = ", ".join(f't."{column}"' for column in table.columns)
    key = ", ".join(f't."{column}"' for column in table.key)
    marks = ", ".join("?" * len(table.key))
    behind = f"WHERE ({key}) > ({marks})" if after is not None else ""
    return store.db.rows(
        f"SELECT {columns} FROM {table.name} t {behind} ORDER BY {key} LIMIT ?", (*(after or ()), _AT_ONCE)
    )


def _key(table: Table, row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(row[table.columns.index(column)] for column in table.key)


def _packed(key: tuple[Any, ...]) -> list[Any]:
    return [{"bytes": part.hex()} if isinstance(part, bytes) else part for part in key]


def _unpacked(key: list[Any]) -> tuple[Any, ...]:
    return tuple(bytes.fromhex(part["bytes"]) if isinstance(part, dict) else part for part in key)
