"""The statements of the repositories in PostgreSQL's form, made once for each text.

What repositories write is SQL that both engines know, with SQLite's placeholders. Three things are changed on the way:
placeholders get numbers, a list of them becomes one array (so that a statement is the same however long the list is),
and `CROSS JOIN … ON`, by which SQLite is told in which order to join, is a plain join here. An INSERT of many rows becomes
one statement over arrays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

_MARK = re.compile(r"(NOT )?IN \((\?(?:,\?)*)?\)|\?(\d+)?( IS NULL)?")
_ORDERED_JOIN = re.compile(r"\bCROSS JOIN (?=\S+ \S+ ON\b)")
_INSERT = re.compile(r"\s*INSERT INTO (\w+)\s*(?:\(([^()]*)\))?\s*VALUES\s*\(([^()]*)\)\s*(.*)", re.DOTALL)
_TARGET = re.compile(r"ON CONFLICT \(([^()]*)\) DO UPDATE")


class Statement(NamedTuple):
    """A statement with which of the caller's parameters each of its own is made of."""

    sql: str
    parts: tuple[int | slice, ...]
    plain: bool  # one is the other

    def values(self, parameters: Sequence[Any]) -> Sequence[Any]:
        if self.plain:
            return parameters
        return [list(parameters[part]) if isinstance(part, slice) else parameters[part] for part in self.parts]


@lru_cache(4096)
def statement(sql: str) -> Statement:
    parts: list[int | slice] = []
    numbered: dict[str, int] = {}
    taken = 0

    def number(found: re.Match[str]) -> str:
        nonlocal taken
        negated, marks, name, asks_null = found.groups()
        if found[0].startswith("?"):
            if asks_null:  # which says nothing of the type, so this is a parameter of its own
                parts.append(int(name) - 1 if name else taken)
                taken += not name
                return f"CAST(${len(parts)} AS text) IS NULL"
            if name and name in numbered:
                return f"${numbered[name]}"
            parts.append(int(name) - 1 if name else taken)
            taken += not name
            if name:
                numbered[name] = len(parts)
            return f"${len(parts)}"
        many = marks.count("?") if marks else 0
        parts.append(slice(taken, taken + many))
        taken += many
        return f"<> ALL(${len(parts)})" if negated else f"= ANY(${len(parts)})"

    made = _MARK.sub(number, _ORDERED_JOIN.sub("JOIN ", sql))
    return Statement(made, tuple(parts), parts == list(range(len(parts))))


class Inserting(NamedTuple):
    """An INSERT of one row that can be made one of many."""

    table: str
    columns: tuple[str, ...]  # none: all of the table
    items: tuple[str, ...]  # what is inserted in each: ? or a constant
    ending: str
    keys: tuple[str, ...]  # columns in which no two rows may be equal

    @property
    def quoted(self) -> list[str]:
        return [f'"{column}"' for column in self.columns]

    def with_columns(self, columns: tuple[str, ...]) -> Inserting:
        return self if self.columns else self._replace(columns=columns)

    def is_distinct(self, rows: Sequence[Sequence[Any]]) -> bool:
        """Whether one statement does what one for each row would: a row can only be updated once in it."""
        if not self.keys:
            return True
        if not self.columns:
            return len({tuple(row[: len(self.keys)]) for row in rows}) == len(rows)
        given = [column for column, item in zip(self.columns, self.items, strict=True) if item == "?"]
        if not set(self.keys) <= set(given):
            return False
        places = [given.index(key) for key in self.keys]
        return len({tuple(row[place] for place in places) for row in rows}) == len(rows)

    def sql(self, types: dict[str, str]) -> str:
        """Over one array for each placeholder."""
        given = [column for column, item in zip(self.columns, self.items, strict=True) if item == "?"]
        arrays = ", ".join(f"${place}::{types[column]}[]" for place, column in enumerate(given, 1))
        names = ", ".join(f"c{place}" for place in range(len(given)))
        marks = iter(range(len(given)))
        items = ", ".join(f"c{next(marks)}" if item == "?" else item for item in self.items)
        return (
            f"INSERT INTO {self.table} ({', '.join(self.quoted)}) SELECT {items} FROM unnest({arrays}) AS given ({names})"
            f" {self.ending}"
        )

    def arrays(self, rows: Sequence[Sequence[Any]], types: dict[str, str]) -> list[list[Any]]:
        return [list(column) for column in zip(*rows, strict=True)]


@lru_cache(512)
def inserting(sql: str) -> Inserting | None:
    """The parts of an INSERT of plain values; None for other statements."""
    found = _INSERT.fullmatch(sql)
    if found is None:
        return None
    table, columns, items, ending = found.groups()
    if "?" in ending:
        return None
    target = _TARGET.search(ending)
    return Inserting(table, _names(columns), _names(items), ending.strip(), _names(target[1]) if target else ())


class Updating(NamedTuple):
    """An UPDATE of one row that can be made one of many."""

    sql: str  # over `given`, without its arrays
    table: str
    key: str
    place: int  # of the key among the parameters

    def is_distinct(self, rows: Sequence[Sequence[Any]]) -> bool:
        return len({row[self.place] for row in rows}) == len(rows)

    def over(self, columns: Sequence[Sequence[Any]]) -> str:
        arrays = ", ".join(f"${place}::{_type_of(column)}[]" for place, column in enumerate(columns, 1))
        names = ", ".join(f"c{place}" for place in range(len(columns)))
        return self.sql.replace("\0", f"unnest({arrays}) AS given ({names})")


_UPDATE = re.compile(r"\s*UPDATE (\w+) SET (.*?)\s+WHERE (\w+) = \?(.*)", re.DOTALL)


@lru_cache(64)
def updating(sql: str) -> Updating | None:
    """The parts of an UPDATE of the row with a key; None for other statements."""
    found = _UPDATE.fullmatch(sql)
    if found is None:
        return None
    table, changes, key, rest = found.groups()
    place = changes.count("?")
    marks = count()
    column = lambda _: f"given.c{next(marks)}"
    changes = re.sub(r"\?", column, changes)
    keyed = f"{table}.{key} = given.c{next(marks)}"
    return Updating(
        f"UPDATE {table} SET {changes} FROM \0 WHERE {keyed}{re.sub(r'[?]', column, rest)}", table, key, place
    )


def _type_of(values: Sequence[Any]) -> str:
    known = next((value for value in values if value is not None), "")
    return "bigint" if isinstance(known, int) else "bytea" if isinstance(known, bytes) else "text"


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip().strip('"') for name in text.split(",")) if text else ()
