"""Finding events and issues: which way a query takes through the indexes.

Three ways, chosen by looking at how much the index has for each part of the query, which costs little:

- *From few candidates.* Some part that must hold has at most a few thousand events: fetch those, check the
  rest of the query on them, sort. The total is exact.
- *Along time.* Every part is common: walk events from the newest on, look each up in the index, and stop
  when the page is full. The total is counted up to a limit and said to be "at least".
- *Along issues.* The same for listing issues: walk them in the order asked for, and ask the index whether an
  issue has a matching event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ..models import LEVEL_RANKS
from ..query.match import matches
from ..query.syntax import parse
from ..query.tree import And, Everything, Node, Term, all_of
from .document import is_counted
from .issues import Issues, check_page, order_by
from .loading import Loader, StoredEvent
from .query_sql import (
    FALSE,
    TRUE,
    Clause,
    Compiler,
    Condition,
    Group,
    Index,
    Negation,
    conjuncts,
    exact,
    issue_only,
    where,
    within_hash,
)
from .sqlite import SQLite, chunks

FEW = 20_000  # candidates that are worth fetching at once
COUNTED = 1_000  # matches up to which a total is counted when walking
LOOKED_AT = 500  # events of one issue that are read to see whether one of them matches
CHECKED = 5_000  # events that are read to answer one query that the index cannot answer alone

_STRETCH, _LONGEST_STRETCH = 2_000, 50_000  # events
_EVENT_TABLES = "events e JOIN hashes h ON h.id = e.hash_id JOIN issues i ON i.id = h.issue_id"
_LATEST_FIRST = "ORDER BY e.timestamp DESC, e.id DESC"


class Page(NamedTuple):
    """Part of a listing."""

    ids: list[int]  # rows of events, or issues
    total: int
    total_exact: bool  # else there are at least so many


class Search:
    def __init__(self, db: SQLite, now: int) -> None:
        self.db = db
        self.now = now
        self.compiler = Compiler(db, now)
        self.loader = Loader(db)
        self.issues = Issues(db)
        self._views: dict[tuple[int, str], dict[str, Any]] = {}
        self._level_ranks: dict[str, int] = {}

    def parse(self, text: str) -> Node:
        """Read a query with this vault's levels. Raises QueryError."""
        return parse(text, self.now, dict(self.db.rows("SELECT name, rank FROM levels")) or LEVEL_RANKS)

    # Events

    def events(self, node: Node, limit: int, offset: int = 0, before: tuple[int, int] | None = None) -> Page:
        """Rows of matching events, latest first. `before`: only those older than that (timestamp, row)."""
        check_page(limit, offset)
        self._begin()
        condition = self.compiler.condition(node)
        if before is not None:
            older = Clause("(e.timestamp < ? OR (e.timestamp = ? AND e.id < ?))", (before[0], before[0], before[1]))
            condition = Group("AND", (*conjuncts(condition), older))
        if not exact(condition):
            return self._checked_events(node, condition, limit, offset)
        if isinstance(node, Everything) and before is None:
            return Page(self._latest(limit, offset), self._all_events(), True)
        rows = self._few(condition)
        if rows is None:
            return self._counted_walk(condition, limit, offset)
        found = self._fitting(rows, condition)
        return Page([row for row, _ in found[offset : offset + limit]], len(found), True)

    def filter(self, node: Node, rows: Sequence[int]) -> list[int]:
        """Which of the rows match, in the order given."""
        condition = self.compiler.condition(node)
        kept = {row for row, _ in self._fitting(rows, condition)}
        chosen = [row for row in rows if row in kept]
        if exact(condition):
            return chosen
        return [item.row for item in self.loader.load(chosen) if self._matches(node, item)]

    def every_event(self, node: Node) -> Iterator[int]:
        """Rows of all matching events, in the order of arrival, however many; for changing and deleting them."""
        condition = self.compiler.condition(node)
        clause = where(condition)
        found = (row for (row,) in self.db.stream(
            f"SELECT e.id FROM {_EVENT_TABLES} WHERE {clause.sql} ORDER BY e.id", clause.parameters
        ))  # fmt: skip
        if exact(condition):
            return found
        return (item.row for item in self.loader.stream(found) if self._matches(node, item))

    def every_issue(self, node: Node) -> list[int]:
        """Ids of all issues that have a matching event, ascending, however many."""
        if issue_only(node):
            clause = self._issue_condition(node)
            rows = self.db.rows(f"SELECT i.id FROM issues i WHERE {clause.sql} ORDER BY i.id", clause.parameters)
            return [issue for (issue,) in rows]
        found: set[int] = set()
        for part in _slices(self.every_event(node), FEW):
            found.update(issue for (issue,) in self.db.rows(
                """SELECT DISTINCT h.issue_id FROM json_each(?) c CROSS JOIN events e ON e.id = c.value
                   CROSS JOIN hashes h ON h.id = e.hash_id""",
                (json.dumps(part),),
            ))  # fmt: skip
        return sorted(found)

    def _all_events(self) -> int:
        return int(self.db.value("SELECT COALESCE(sum(count), 0) FROM hashes"))

    def _latest(self, limit: int, offset: int) -> list[int]:
        rows = self.db.rows(f"SELECT e.id FROM events e {_LATEST_FIRST} LIMIT ? OFFSET ?", (limit, offset))
        return [row for (row,) in rows]

    def _walk(self, condition: Condition, limit: int, offset: int) -> list[int]:
        """Rows of matching events, latest first: a stretch of time after the other, until there are enough."""
        found: list[int] = []
        for stretch in self._stretches(condition):
            found += [row for row, _ in self._fitting(stretch, condition, (min(stretch), max(stretch)))]
            if len(found) >= offset + limit:
                break
        return found[offset : offset + limit]

    def _stretches(self, condition: Condition) -> Iterator[list[int]]:
        """Rows of all events from the latest on, within the times that a condition sets, ever more at once.

        Events mostly arrive in the order of time, so that a stretch of time is a short range of rows, and the
        index is asked for that range alone. Where they did not, the index gives all it has each time; long
        stretches keep that rare.
        """
        times = [
            part for part in conjuncts(condition) if isinstance(part, Clause) and part.sql.startswith("e.timestamp")
        ]
        bounds = "".join(f" AND {part.sql}" for part in times)
        parameters = [value for part in times for value in part.parameters]
        size, last = _STRETCH, (1 << 62, 0)
        while True:
            rows = self.db.rows(
                f"SELECT e.id, e.timestamp FROM events e WHERE (e.timestamp, e.id) < (?, ?){bounds} {_LATEST_FIRST} LIMIT ?",
                (*last, *parameters, size),
            )
            if rows:
                yield [row for row, _ in rows]
            if len(rows) < size:
                return
            last = (rows[-1][1], rows[-1][0])
            scattered = max(rows)[0] - min(rows)[0] > 8 * size
            size = _LONGEST_STRETCH if scattered else min(size * 4, _LONGEST_STRETCH)

    def _counted_walk(self, condition: Condition, limit: int, offset: int) -> Page:
        wanted = max(offset + limit, COUNTED)
        rows = self._walk(condition, wanted + 1, 0)
        return Page(rows[offset : offset + limit], min(len(rows), wanted), len(rows) <= wanted)

    def _fitting(
        self, rows: Sequence[int], condition: Condition, between: tuple[int, int] | None = None
    ) -> list[tuple[int, int]]:
        """(row, timestamp) of the candidates that meet a condition, latest first; all `between` two rows, if given."""
        found: list[tuple[int, int]] = []
        clause = where(condition, rows=between)
        for part in chunks(rows, FEW):
            found += self.db.rows(
                f"SELECT e.id, e.timestamp FROM json_each(?) c CROSS JOIN events e ON e.id = c.value"
                f" CROSS JOIN hashes h ON h.id = e.hash_id CROSS JOIN issues i ON i.id = h.issue_id WHERE {clause.sql}",
                (json.dumps(part), *clause.parameters),
            )
        found.sort(key=lambda item: (item[1], item[0]), reverse=True)
        return found

    # Candidates

    def _few(self, condition: Condition, limit: int = FEW) -> list[int] | None:
        """Rows of all events that can meet a condition, or None where those are many or unknown."""
        if isinstance(condition, Index):
            return self._few_rows(
                "SELECT rowid FROM event_index WHERE event_index MATCH ?", (condition.expression,), limit
            )
        if isinstance(condition, Clause):
            return self._few_of_clause(condition, limit)
        if isinstance(condition, Negation):
            return None
        if condition.joiner == "AND":
            return self._fewest(condition.parts, limit)
        found: set[int] = set()
        for part in condition.parts:
            rows = self._few(part, limit)
            if rows is None:
                return None
            found.update(rows)
        return list(found)

    def _fewest(self, parts: Sequence[Condition], limit: int) -> list[int] | None:
        best: list[int] | None = None
        for part in sorted(parts, key=lambda item: not isinstance(item, Index)):
            rows = self._few(part, limit if best is None else len(best))
            if rows is not None:
                best = rows
                if len(best) < 500:
                    break
        return best

    def _few_of_clause(self, clause: Clause, limit: int) -> list[int] | None:
        if clause.sql == FALSE.sql:
            return []
        for start, way in _WAYS:
            if clause.sql.startswith(start):
                sql = clause.sql.replace(*_ELSEWHERE.get(start, ("", "")))
                return self._few_rows(way.format(sql=sql), clause.parameters, limit)
        return None

    def _few_rows(self, sql: str, parameters: Sequence[Any], limit: int) -> list[int] | None:
        if "" in parameters:
            return []
        rows = [row for (row,) in self.db.rows(f"{sql} LIMIT ?", (*parameters, limit + 1))]
        return None if len(rows) > limit else rows

    # Events that must be looked at

    def _checked_events(self, node: Node, condition: Condition, limit: int, offset: int) -> Page:
        """Events of a query that the index only narrows: read and check them, latest first."""
        rows = self._few(condition)
        if rows is not None:
            candidates = iter([row for row, _ in self._fitting(rows, condition)])
        else:
            candidates = iter(self._walk(condition, CHECKED, 0))
        wanted = offset + limit
        found, read = [], 0
        for item in self.loader.stream(candidates):
            read += 1
            if self._matches(node, item):
                found.append(item.row)
            if len(found) >= wanted and read >= CHECKED:
                return Page(found[offset:wanted], len(found), False)
        return Page(found[offset:wanted], len(found), rows is not None or read < CHECKED)

    def _matches(self, node: Node, item: StoredEvent) -> bool:
        key = (item.issue_id, item.fingerprint)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._issue_view(*key)
        return matches(node, item.event, view, self._level_ranks)

    def _begin(self) -> None:
        """Forget what an earlier query has seen."""
        self._views.clear()
        self._level_ranks = dict(self.db.rows("SELECT name, rank FROM levels"))

    def _issue_view(self, issue_id: int, fingerprint: str) -> dict[str, Any]:
        issue = self.issues.get(issue_id)
        tags = self.issues.tags([issue_id]).get(issue_id, [])
        return {
            **issue._asdict(), "is_new": issue.is_new(self.now), "is_regressed": bool(issue.is_regressed),
            "fingerprint": fingerprint, "own_tags": tags,
        }  # fmt: skip

    # Issues

    def find_issues(
        self, node: Node, sort: str = "last_seen", descending: bool = True, limit: int = 100, offset: int = 0
    ) -> Page:
        """Ids of issues that have a matching event, in the order asked for."""
        check_page(limit, offset)
        self._begin()
        order = order_by(sort, descending)
        if issue_only(node):
            return self._issues_where(self._issue_condition(node), order, limit, offset)
        condition = self.compiler.condition(node)
        found = self._issues_of_few(node, condition)
        if found is None:
            found = self._issues_of_words(node)
        if found is None:
            found = self._issues_of_hashes(node)
        if found is None:
            return self._issues_along(node, condition, order, limit, offset)
        return self._issues_where(Clause("i.id IN (SELECT value FROM json_each(?))", (json.dumps(sorted(found)),)),
                                  order, limit, offset)  # fmt: skip

    def _issue_condition(self, node: Node) -> Clause:
        """An issue-only tree over `issues i` alone. Issues that were merged away have no events, and are left out here."""
        clause = where(self.compiler.condition(node))
        sql = clause.sql.replace("h.project_id", "i.project_id")
        if "h.hash" in sql:
            sql = f"EXISTS (SELECT 1 FROM hashes h WHERE h.issue_id = i.id AND ({sql}))"
        return Clause(f"({sql}) AND i.merged_into IS NULL", clause.parameters)

    def _issues_where(self, clause: Clause, order: str, limit: int, offset: int) -> Page:
        total = int(self.db.value(f"SELECT count(*) FROM issues i WHERE {clause.sql}", clause.parameters))
        rows = self.db.rows(
            f"SELECT i.id FROM issues i WHERE {clause.sql} ORDER BY {order} LIMIT ? OFFSET ?",
            (*clause.parameters, limit, offset),
        )
        return Page([row for (row,) in rows], total, True)

    def _issues_of_few(self, node: Node, condition: Condition) -> set[int] | None:
        """The issues of a query that has few candidate events."""
        rows = self._few(condition)
        if rows is None:
            return None
        clause = where(condition)
        if clause.exact:
            return {
                issue
                for part in chunks(rows, FEW)
                for (issue,) in self.db.rows(
                    f"SELECT DISTINCT i.id FROM json_each(?) c CROSS JOIN events e ON e.id = c.value"
                    f" CROSS JOIN hashes h ON h.id = e.hash_id CROSS JOIN issues i ON i.id = h.issue_id WHERE {clause.sql}",
                    (json.dumps(part), *clause.parameters),
                )
            }
        found: set[int] = set()
        for item in self.loader.stream(row for row, _ in self._fitting(rows, condition)):
            if item.issue_id not in found and self._matches(node, item):
                found.add(item.issue_id)
        return found

    def _issues_of_words(self, node: Node) -> set[int] | None:
        """The issues of a query with one event word, as `tag:db is:open` has: the table of words per hash knows."""
        parts = node.children if isinstance(node, And) else (node,)
        about_issues = [part for part in parts if issue_only(part)]
        about_events = [part for part in parts if not issue_only(part)]
        if len(about_events) != 1 or not _counted_by_hash(about_events[0]):
            return None
        condition = self.compiler.condition(about_events[0])
        if not isinstance(condition, Index) or '" *' in condition.expression:
            return None
        tokens = [token.strip('"') for token in condition.expression.split(" OR ")]
        if not all(token.startswith("¤") and not token.startswith("¤h") for token in tokens):
            return None
        words = [int(token[1:], 16) for token in tokens]
        if not all(map(is_counted, words)):
            return None
        # `fingerprint:` must hold for the very hash that has the word, so this is no condition on the issue alone.
        clause = where(self.compiler.condition(all_of(about_issues)))
        rows = self.db.rows(
            f"""SELECT DISTINCT i.id FROM hash_words w JOIN hashes h ON h.id = w.hash_id JOIN issues i ON i.id = h.issue_id
                WHERE w.word IN ({",".join("?" * len(words))}) AND {clause.sql}""",
            (*words, *clause.parameters),
        )
        return {issue for (issue,) in rows}

    def _issues_of_hashes(self, node: Node) -> set[int] | None:
        """The issues of a query whose event terms ask nothing of the issue: each event is looked at once, without it."""
        parts = node.children if isinstance(node, And) else (node,)
        about_issues = [part for part in parts if issue_only(part)]
        wanted = self.compiler.condition(all_of(part for part in parts if not issue_only(part)))
        clause = where(wanted)
        if not clause.exact or "i." in clause.sql or "h." in clause.sql:
            return None
        hashes = sorted(self._hashes(wanted))
        clause = where(self.compiler.condition(all_of(about_issues)))
        rows = self.db.rows(
            f"""SELECT DISTINCT i.id FROM json_each(?) c CROSS JOIN hashes h ON h.id = c.value
                CROSS JOIN issues i ON i.id = h.issue_id WHERE {clause.sql}""",
            (json.dumps(hashes), *clause.parameters),
        )
        return {issue for (issue,) in rows}

    def _hashes(self, condition: Condition) -> set[int]:
        """The hashes that have an event which meets a condition; alternatives are followed one by one, each by its index."""
        if isinstance(condition, Group) and condition.joiner == "OR":
            return set().union(*map(self._hashes, condition.parts))
        if isinstance(condition, Index):
            sql = """SELECT DISTINCT e.hash_id FROM event_index CROSS JOIN events e ON e.id = event_index.rowid
                     WHERE event_index MATCH ?"""
            rows = self.db.rows(sql, (condition.expression,)) if condition.expression else []
        elif isinstance(condition, Clause) and condition.sql.startswith("e.stack_id IN (SELECT"):
            sql = f"""SELECT DISTINCT s.hash_id FROM stack_hashes s WHERE {condition.sql.replace("e.stack_id", "s.stack_id")}
                      AND EXISTS (SELECT 1 FROM events e WHERE e.hash_id = s.hash_id AND e.stack_id = s.stack_id)"""
            rows = self.db.rows(sql, condition.parameters)
        else:
            clause = where(condition)
            rows = self.db.rows(f"SELECT DISTINCT e.hash_id FROM events e WHERE {clause.sql}", clause.parameters)
        return {row for (row,) in rows}

    def _issues_along(self, node: Node, condition: Condition, order: str, limit: int, offset: int) -> Page:
        """Walk issues in order, and ask for each whether it has a matching event."""
        wanted = max(offset + limit, COUNTED)
        found: list[int] = []
        clause = where(condition, each=True)
        read, complete = 0, True
        for issue in self._candidate_issues(condition, order):
            fits = exact(condition)
            if not fits:
                fits, looked_at = self._has_match(node, clause, issue)
                read += looked_at
                complete = complete and (fits or looked_at < LOOKED_AT)
            if fits:
                found.append(issue)
            if len(found) > wanted or (read > CHECKED and len(found) >= offset + limit):
                return Page(found[offset : offset + limit], min(len(found), wanted), False)
        return Page(found[offset : offset + limit], len(found), complete)

    def _candidate_issues(self, condition: Condition, order: str) -> Iterator[int]:
        clause = self._some_event(condition)
        for (issue,) in self.db.stream(
            f"SELECT i.id FROM issues i WHERE {clause.sql} ORDER BY {order}", clause.parameters
        ):
            yield issue

    def _some_event(self, condition: Condition) -> Clause:
        """SQL over `issues i`: it has an event that meets a condition."""
        parts = conjuncts(condition)
        index = next((part for part in parts if isinstance(part, Index)), None)
        rest = where(Group("AND", tuple(part for part in parts if part is not index) or (TRUE,)), each=True)
        if index is None:
            source, parameters = "SELECT 1 FROM hashes h JOIN events e ON e.hash_id = h.id WHERE h.issue_id = i.id", ()
        else:
            match, parameter = within_hash(index.expression, "h.id")
            source = f"""SELECT 1 FROM hashes h CROSS JOIN event_index x CROSS JOIN events e ON e.id = x.rowid
                         WHERE h.issue_id = i.id AND event_index MATCH {match}"""
            source = source.replace("event_index x", "event_index").replace("x.rowid", "event_index.rowid")
            parameters = (parameter,)  # type: ignore[assignment]
        return Clause(f"EXISTS ({source} AND ({rest.sql}))", (*parameters, *rest.parameters))

    def _has_match(self, node: Node, clause: Clause, issue: int) -> tuple[bool, int]:
        """Whether one of an issue's latest events really matches, and how many were looked at for that."""
        rows = self.db.rows(
            f"SELECT e.id FROM {_EVENT_TABLES} WHERE h.issue_id = ? AND ({clause.sql}) {_LATEST_FIRST} LIMIT ?",
            (issue, *clause.parameters, LOOKED_AT),
        )
        read = 0
        for item in self.loader.stream(row for (row,) in rows):
            read += 1
            if self._matches(node, item):
                return True, read
        return False, read


def _slices(rows: Iterator[int], size: int) -> Iterator[list[int]]:
    while part := list(islice(rows, size)):
        yield part


def _counted_by_hash(node: Node) -> bool:
    """Whether the table of words per hash knows all about a term."""
    return isinstance(node, Term) and node.op != "has" and node.field != "trace"


# How a clause leads to few events: how it begins, and the query that finds them through an index.
_WAYS: tuple[tuple[str, str], ...] = (
    ("i.id IN (?)", f"SELECT e.id FROM {_EVENT_TABLES} WHERE {{sql}}"),
    ("h.hash BETWEEN", f"SELECT e.id FROM {_EVENT_TABLES} WHERE {{sql}}"),
    (
        "e.stack_id IN (SELECT",
        "SELECT e.id FROM stack_hashes s CROSS JOIN events e ON e.hash_id = s.hash_id AND e.stack_id = s.stack_id"
        " WHERE {sql}",
    ),
    (
        "e.event_id BETWEEN",
        "SELECT k.event FROM projects p CROSS JOIN event_keys k ON k.project_id = p.id"
        " WHERE k.event IS NOT NULL AND {sql}",
    ),
)
_ELSEWHERE = {"e.stack_id IN (SELECT": ("e.stack_id", "s.stack_id"), "e.event_id BETWEEN": ("e.event_id", "k.event_id")}
