"""Which events meet a condition: the few that can, those among some rows, or all along time.

The full-text index is asked for short ranges of rows wherever possible. Events mostly arrive in the order
of time, so that a stretch of time is one short range, or a few where several sources were recorded side by
side or a clock was wrong.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .query_sql import FALSE, TRUE, Clause, Condition, Group, Index, Negation, conjuncts, exact
from .sqlite import SQLite

FEW = 5_000  # candidates that are worth fetching at once
COUNTED = 50_000  # events up to which the index is asked how many it has

_STRETCH, _LONGEST_STRETCH = 2_000, 50_000  # events
_SKIPPED = 10_000  # events of a stretch from which it is worth asking first whether the index has any of them
_GAP, _RANGES = 1_000, 32  # rows between two ranges, and how many ranges a stretch is cut into at most
_EVENT_TABLES = "events e JOIN hashes h ON h.id = e.hash_id JOIN issues i ON i.id = h.issue_id"
_ALL = 1 << 62  # rows
_NEWEST: tuple[int, int] = (1 << 62, 1 << 62)


class Stretch(NamedTuple):
    """A piece of time, latest first."""

    rows: list[int]  # that meet the condition
    size: int  # events looked at


class Finder:
    def __init__(self, db: SQLite) -> None:
        self.db = db
        self._match = db.match("event_index")

    # Along time

    def walk(self, condition: Condition, before: tuple[int, int] | None = None) -> Iterator[Stretch]:
        """Matching rows, latest first: a stretch of time after the other, within the times a condition sets.

        `before`: only those older than that (timestamp, row). The stretches grow. After the last one there is
        no further match.
        """
        times = _times(conjuncts(condition))
        others = tuple(part for part in conjuncts(condition) if not _is_time(part))
        rest = others[0] if len(others) == 1 else Group("AND", others or (TRUE,))
        index = next((part for part in others if isinstance(part, Index)), None)
        size, last = _STRETCH, min([before or _NEWEST, *map(_upper_bound, times)])
        times = [part for part in times if _upper_bound(part) == _NEWEST]
        while True:
            if index is not None and size >= _SKIPPED:
                last = self._past_empty(index, last, times, size)
            sql, parameters = _older(last, times)
            found = self.db.rows(f"{sql} LIMIT ?", (*parameters, size))
            rows = [row for row, _ in found]
            kept = self.meeting(rest, rows)
            yield Stretch([row for row in rows if row in kept], len(rows))
            if len(rows) < size:
                return
            last = (found[-1][1], found[-1][0])
            # Where rows are scattered the index gives all it has each time; long stretches keep that rare.
            scattered = sum(high - low for low, high in row_ranges(rows)) > 8 * size
            size = _LONGEST_STRETCH if scattered else min(size * 4, _LONGEST_STRETCH)

    def _past_empty(self, index: Index, last: tuple[int, int], times: Sequence[Clause], size: int) -> tuple[int, int]:
        """Where to go on behind stretches of which the index has nothing."""
        while True:
            sql, parameters = _older(last, times)
            end = self.db.row(f"{sql} LIMIT 1 OFFSET ?", (*parameters, size - 1))
            if end is None:
                return last
            low, high = self.db.rows(f"SELECT min(id), max(id) FROM ({sql} LIMIT ?) AS stretch", (*parameters, size))[0]
            if self._index_rows(index.expression, low, high, 1):
                return last
            last = (end[1], end[0])

    # In the order of arrival

    def arrived(self, condition: Condition, after: int, limit: int) -> tuple[list[int], int]:
        """Rows after a row that can meet a condition, oldest first, and the row up to which all of them are told.

        The index finds at once what is rare among many others.
        """
        newest = max(after, self.db.settled())
        index = next((part for part in conjuncts(condition) if isinstance(part, Index)), None)
        if index is None:
            sql = "SELECT id FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
            rows = [row for (row,) in self.db.rows(sql, (after, newest, limit))]
            return rows, rows[-1] if rows else after
        rows = self._index_rows(index.expression, after + 1, newest, limit) if index.expression else []
        return rows, rows[-1] if len(rows) == limit else newest

    # Among some rows

    def meeting(self, condition: Condition, rows: Iterable[int]) -> set[int]:
        """Those of the rows that meet a condition, as far as SQL can tell."""
        left = rows if isinstance(rows, set) else set(rows)
        if not left:
            return left
        if isinstance(condition, Index):
            return self._indexed(condition.expression, left)
        if isinstance(condition, Clause):
            return self._selected(condition, left)
        if isinstance(condition, Negation):
            # What SQL can only narrow cannot be excluded: all of it stays a candidate.
            return left - self.meeting(condition.part, left) if exact(condition.part) else left
        if condition.joiner == "AND":
            for part in sorted(condition.parts, key=lambda item: not isinstance(item, Index)):
                left = self.meeting(part, left)
            return left
        found: set[int] = set()
        for part in condition.parts:
            found |= self.meeting(part, left - found)
        return found

    def _indexed(self, expression: str, rows: set[int]) -> set[int]:
        if not expression:
            return set()
        return rows.intersection(
            row for low, high in row_ranges(rows) for row in self._index_rows(expression, low, high)
        )

    def _index_rows(self, expression: str, low: int, high: int, limit: int = _ALL) -> list[int]:
        found = self.db.rows(
            f"SELECT rowid FROM event_index WHERE {self._match} AND rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?",
            (expression, low, high, limit),
        )
        return [row for (row,) in found]

    def _selected(self, clause: Clause, rows: set[int]) -> set[int]:
        if clause.sql == FALSE.sql:
            return set()
        if clause.sql == TRUE.sql:
            return rows
        tables = "CROSS JOIN events e ON e.id = c.value"
        if "h." in clause.sql or "i." in clause.sql:
            tables += " CROSS JOIN hashes h ON h.id = e.hash_id CROSS JOIN issues i ON i.id = h.issue_id"
        found = self.db.rows(
            f"SELECT c.value FROM {self.db.numbers} {tables} WHERE {clause.sql}",
            (self.db.many(sorted(rows)), *clause.parameters),
        )
        return {row for (row,) in found}

    def latest_first(self, rows: Iterable[int]) -> list[int]:
        """Rows in the order of listings; those that are gone are left out."""
        found = self.db.rows(
            f"""SELECT e.id FROM {self.db.numbers} CROSS JOIN events e ON e.id = c.value
                ORDER BY e.timestamp DESC, e.id DESC""",
            (self.db.many(list(rows)),),
        )
        return [row for (row,) in found]

    # Candidates

    def few(self, condition: Condition, limit: int | None = None) -> list[int] | None:
        """Rows of all events that can meet a condition, or None where those are more than `limit` or unknown."""
        limit = FEW if limit is None else limit
        if isinstance(condition, Index):
            return self._few_rows(f"SELECT rowid FROM event_index WHERE {self._match}", (condition.expression,), limit)
        if isinstance(condition, Clause):
            return self._few_of_clause(condition, limit)
        if isinstance(condition, Negation):
            return None
        if condition.joiner == "AND":
            return self._fewest(condition.parts, limit)
        found: set[int] = set()
        for part in condition.parts:
            rows = self.few(part, limit)
            if rows is None:
                return None
            found.update(rows)
        return list(found) if len(found) <= limit else None

    def _fewest(self, parts: Sequence[Condition], limit: int) -> list[int] | None:
        best: list[int] | None = None
        times = _times(parts)
        if times:
            sql = " AND ".join(part.sql for part in times)
            within = tuple(value for part in times for value in part.parameters)
            best = self._few_rows(f"SELECT e.id FROM events e WHERE {sql}", within, limit)
        for part in sorted(parts, key=_cost):
            if best is not None and (len(best) < 500 or not isinstance(part, Index)):
                break
            rows = self.few(part, limit if best is None else len(best))
            best = best if rows is None else rows
        return best

    def _few_of_clause(self, clause: Clause, limit: int) -> list[int] | None:
        if clause.sql == FALSE.sql:
            return []
        for start, at_most, way in _WAYS:
            if clause.sql.startswith(start):
                sql = clause.sql.replace(*_ELSEWHERE.get(start, ("", "")))
                if at_most and self.db.value(at_most.format(sql=sql), clause.parameters, 0) > 4 * limit:
                    return None
                return self._few_rows(way.format(sql=sql), clause.parameters, limit)
        return None

    def _few_rows(self, sql: str, parameters: Sequence[Any], limit: int) -> list[int] | None:
        if "" in parameters:
            return []
        rows = [row for (row,) in self.db.rows(f"{sql} LIMIT ?", (*parameters, limit + 1))]
        return None if len(rows) > limit else rows

    def every(self, condition: Condition) -> Iterator[int]:
        """Rows of all events that meet a condition, in the order of arrival."""
        if isinstance(condition, Index) and condition.expression:
            sql = f"SELECT rowid FROM event_index WHERE {self._match} ORDER BY rowid"
            return (row for (row,) in self.db.stream(sql, (condition.expression,)))
        few = self.few(condition)
        if few is not None:
            return iter(sorted(self.meeting(condition, few)))
        return iter(array("q", sorted(row for stretch in self.walk(condition) for row in stretch.rows)))

    # How many

    def at_least(self, condition: Condition, limit: int | None = None) -> tuple[int, bool]:
        """How many events meet a condition at least, as far as the index alone can tell, and whether that is all."""
        limit = COUNTED if limit is None else limit
        if isinstance(condition, Index):
            if not condition.expression:
                return 0, True
            found = self.db.value(
                f"SELECT count(*) FROM (SELECT 1 FROM event_index WHERE {self._match} LIMIT ?) AS found",
                (condition.expression, limit + 1),
            )
            return min(found, limit), found <= limit
        if isinstance(condition, Group) and condition.joiner == "OR":
            return max(self.at_least(part, limit)[0] for part in condition.parts), False
        return 0, False


def row_ranges(rows: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of rows that are near each other."""
    ordered = sorted(rows)
    if not ordered:
        return []
    gap = max(_GAP, (ordered[-1] - ordered[0]) // _RANGES)
    found, first, before = [], ordered[0], ordered[0]
    for row in ordered:
        if row - before > gap:
            found.append((first, before))
            first = row
        before = row
    return [*found, (first, before)]


def _cost(part: Condition) -> int:
    """The order in which to ask for candidates."""
    return 0 if isinstance(part, Index) else 1 if isinstance(part, Clause) else 2


def _times(parts: Iterable[Condition]) -> list[Clause]:
    return [part for part in parts if isinstance(part, Clause) and _is_time(part)]


def _is_time(part: Condition) -> bool:
    return isinstance(part, Clause) and part.sql.startswith("e.timestamp")


def _upper_bound(part: Clause) -> tuple[int, int]:
    """The (timestamp, row) before which a condition on time lets events be."""
    if part.sql.startswith("e.timestamp <"):
        return part.parameters[0], 1 << 62 if part.sql.startswith("e.timestamp <=") else 0
    return _NEWEST


def _older(last: tuple[int, int], times: Sequence[Clause]) -> tuple[str, tuple[Any, ...]]:
    """SQL for the events before (timestamp, row), latest first."""
    bounds = "".join(f" AND {part.sql}" for part in times)
    sql = f"""SELECT e.id, e.timestamp FROM events e WHERE (e.timestamp, e.id) < (?, ?){bounds}
              ORDER BY e.timestamp DESC, e.id DESC"""
    return sql, (*last, *(value for part in times for value in part.parameters))


# How a clause leads to few events: how it begins, how many there are at most where that is cheap to know, and
# the query that finds them through an index.
_WAYS: tuple[tuple[str, str, str], ...] = (
    ("i.id IN (?)", "", f"SELECT e.id FROM {_EVENT_TABLES} WHERE {{sql}}"),
    ("h.hash BETWEEN", "", f"SELECT e.id FROM {_EVENT_TABLES} WHERE {{sql}}"),
    (
        "e.stack_id IN (SELECT",
        "SELECT COALESCE(sum(h.count - h.evicted), 0) FROM hashes h WHERE h.id IN (SELECT s.hash_id FROM stack_hashes s WHERE {sql})",
        "SELECT e.id FROM stack_hashes s CROSS JOIN events e ON e.hash_id = s.hash_id AND e.stack_id = s.stack_id"
        " WHERE {sql}",
    ),
    (
        "e.event_id BETWEEN",
        "",
        "SELECT k.event FROM projects p CROSS JOIN event_keys k ON k.project_id = p.id"
        " WHERE k.event IS NOT NULL AND {sql}",
    ),
)
_ELSEWHERE = {"e.stack_id IN (SELECT": ("e.stack_id", "s.stack_id"), "e.event_id BETWEEN": ("e.event_id", "k.event_id")}
