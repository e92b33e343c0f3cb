"""Finding events and issues: which way a query takes through the indexes.

- *Along time.* Events are looked at from the newest on, until the page is full (`Finder.walk`). That is how
  most queries are answered, since people ask for what is common, or for what has just happened.
- *From few candidates.* Where the newest events do not fill the page, and some part that must hold has at most
  a few thousand events: fetch those and check the rest of the query on them. The total is exact.
- *Along issues.* The same for listing issues: walk them in the order asked for, and ask the index whether an
  issue has a matching event.

The total is exact where the index can count it or all matches were seen, else it is said to be "at least".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from ..models import LEVEL_RANKS
from ..query.match import matches
from ..query.syntax import parse
from ..query.tree import And, Everything, Node, Term, all_of, leaves
from .asking import Asking
from .document import hash_token, is_counted
from .finding import Finder, Stretch
from .issues import Issues, Order, Position, Where, check_page, order_of
from .loading import Loader, StoredEvent
from .query_sql import (
    ISSUE_FIELDS,
    Clause,
    Compiler,
    Condition,
    Group,
    Index,
    any_token,
    conjuncts,
    exact,
    issue_only,
    where,
)
from .sqlite import SQLite, chunks, marks

COUNTED = 1_000  # matches up to which a total is counted when walking
CHECKED = 5_000  # events that are read to answer one query that the index cannot answer alone
READ_OF_HASH = 50  # events of one hash that are read to see whether one of them matches
CHECKED_ON = 100  # the same where the page is full already, for a better total
CHECKED_ISSUES = 200  # events that are read where more issues were found than are shown
WALKED = 10_000  # events that are walked along for a better total
ASKED = 100  # issues that are asked one by one before all events that match are
GATHERED = 100_000  # matching events up to which all of them are looked at rather than any issue is asked
FURTHER = 40  # issues that are asked in any case, for a better total

_OF_ISSUES = ISSUE_FIELDS | {"tag"}
_SLICE = 5_000  # rows given to one statement
_READ_AT_ONCE = 50  # candidates
_HASHES = 100  # of one issue, that the index is asked for
_EVENT_TABLES = "events e JOIN hashes h ON h.id = e.hash_id JOIN issues i ON i.id = h.issue_id"
_LATEST_FIRST = "ORDER BY e.timestamp DESC, e.id DESC"


class Page(NamedTuple):
    """Part of a listing."""

    ids: list[int]  # rows of events, or issues
    total: int
    total_exact: bool  # else there are at least so many
    further: tuple[int, int] | None = None  # (timestamp, row) of the event behind which to look on, if it ends early


class Search:
    def __init__(self, db: SQLite, now: int) -> None:
        self.db = db
        self.now = now
        self.compiler = Compiler(db, now)
        self.finder = Finder(db)
        self.loader = Loader(db)
        self.issues = Issues(db)
        self._views: dict[tuple[int, str], dict[str, Any]] = {}
        self._level_ranks: dict[str, int] = {}

    def parse(self, text: str) -> Node:
        """Read a query with this vault's levels. Raises QueryError."""
        return parse(text, self.now, dict(self.db.rows("SELECT name, rank FROM levels ORDER BY rank")) or LEVEL_RANKS)

    # Events

    def events(self, node: Node, limit: int, offset: int = 0, before: tuple[int, int] | None = None) -> Page:
        """Rows of matching events, latest first. `before`: only those older than that (timestamp, row)."""
        check_page(limit, offset)
        self._begin()
        if isinstance(node, Everything) and before is None:
            return Page(self._latest(limit, offset), self._all_events(), True)
        condition = self._by_hashes(self.compiler.condition(node))
        if not exact(condition):
            return self._checked_events(node, condition, limit, offset, before)
        return self._events_of_issue(condition, limit, offset, before) or self._walked_events(
            condition, limit, offset, before
        )

    def filter(self, node: Node, rows: Sequence[int]) -> list[int]:
        """Which of the rows match, in the order given."""
        self._begin()
        condition = self.compiler.condition(node)
        kept = self.finder.meeting(condition, rows)
        chosen = [row for row in rows if row in kept]
        if exact(condition):
            return chosen
        return [item.row for item in self.loader.load(chosen) if self._matches(node, item)]

    def arrivals(self, node: Node, after: int, limit: int) -> tuple[list[int], int]:
        """Rows of matching events that arrived after a row, in the order of arrival, and the row up to which was looked."""
        self._begin()
        condition = self.compiler.condition(node)
        candidates, looked = self.finder.arrived(condition, after, _SLICE)
        rows = sorted(self.finder.meeting(condition, candidates))
        if len(rows) > limit:
            rows = rows[:limit]
            looked = rows[-1]
        if exact(condition):
            return rows, looked
        return [item.row for item in self.loader.load(rows) if self._matches(node, item)], looked

    def every_event(self, node: Node) -> Iterator[int]:
        """Rows of all matching events, in the order of arrival, however many; for changing and deleting them."""
        condition = Compiler(self.db, self.now, bulk=True).condition(node)
        found = self.finder.every(condition)
        if exact(condition):
            return found
        self._begin()
        return (item.row for item in self.loader.stream(found) if self._matches(node, item))

    def every_issue(self, node: Node) -> list[int]:
        """Ids of all issues that have a matching event, ascending, however many."""
        if issue_only(node):
            clause = self._issue_condition(node)
            rows = self.db.rows(f"SELECT i.id FROM issues i WHERE {clause.sql} ORDER BY i.id", clause.parameters)
            return [issue for (issue,) in rows]
        found: set[int] = set()
        for part in _slices(self.every_event(node), _SLICE):
            found.update(issue for (issue,) in self.db.rows(
                f"""SELECT DISTINCT h.issue_id FROM {self.db.numbers} CROSS JOIN events e ON e.id = c.value
                    CROSS JOIN hashes h ON h.id = e.hash_id""",
                (self.db.many(part),),
            ))  # fmt: skip
        return sorted(found)

    def _all_events(self) -> int:
        return int(self.db.value("SELECT COALESCE(sum(count - evicted), 0) FROM hashes"))

    def _latest(self, limit: int, offset: int) -> list[int]:
        rows = self.db.rows(f"SELECT e.id FROM events e {_LATEST_FIRST} LIMIT ? OFFSET ?", (limit, offset))
        return [row for (row,) in rows]

    def _by_hashes(self, condition: Condition) -> Condition:
        """A condition on one issue and the index with the issue's hashes in it, for which the index has tokens."""
        parts = conjuncts(condition)
        issue = next((part for part in parts if _is_issue(part)), None)
        if not isinstance(issue, Clause) or len(parts) == 1:
            return condition
        hashes = self._hashes_of(issue)
        if len(hashes) > _HASHES:
            return condition
        tokens = any_token([hash_token(hash_id) for hash_id in hashes])
        return Group("AND", (*(_within(part, tokens) for part in parts if part is not issue), issue))

    def _hashes_of(self, clause: Clause) -> list[int]:
        rows = self.db.rows(
            f"SELECT h.id FROM issues i JOIN hashes h ON h.issue_id = i.id WHERE {clause.sql} LIMIT ?",
            (*clause.parameters, _HASHES + 1),
        )
        return [hash_id for (hash_id,) in rows]

    def _events_of_issue(
        self, condition: Condition, limit: int, offset: int, before: tuple[int, int] | None
    ) -> Page | None:
        """A page of an issue's events, along each of its hashes; None where more is asked than that."""
        if not _is_issue(condition):
            return None
        hashes = self._hashes_of(condition)  # type: ignore[arg-type]
        if len(hashes) > _HASHES:
            return None
        older = "AND (e.timestamp, e.id) < (?, ?)" if before else ""
        found = sorted(
            (
                item
                for hash_id in hashes
                for item in self.db.rows(
                    f"SELECT e.timestamp, e.id FROM events e WHERE e.hash_id = ? {older} {_LATEST_FIRST} LIMIT ?",
                    (hash_id, *(before or ()), offset + limit),
                )
            ),
            reverse=True,
        )
        total = sum(
            self.db.value(f"SELECT count(*) FROM events e WHERE e.hash_id = ? {older}", (hash_id, *before))
            if before
            else self.db.value("SELECT count - evicted FROM hashes WHERE id = ?", (hash_id,))
            for hash_id in hashes
        )
        return Page([row for _, row in found[offset : offset + limit]], total, True)

    def _walked_events(self, condition: Condition, limit: int, offset: int, before: tuple[int, int] | None) -> Page:
        """A page of what the index can tell alone."""
        wanted = offset + limit
        found: list[int] = []
        looked = total = 0
        counted = before is not None
        for stretch in self.finder.walk(condition, before):
            found += stretch.rows
            looked += stretch.size
            if len(found) >= wanted and not counted:
                counted = True
                total, complete = self.finder.at_least(condition)
                if complete:
                    return Page(found[offset:wanted], total, True)
            if len(found) >= wanted and (looked >= WALKED or max(total, len(found)) > COUNTED):
                return Page(found[offset:wanted], max(total, len(found)), False)
            if looked == stretch.size and len(found) < wanted:
                few = self._few(condition, before)
                if few is not None:
                    return Page(few[offset:wanted], len(few), True)
        return Page(found[offset:wanted], len(found), True)

    def _few(self, condition: Condition, before: tuple[int, int] | None = None) -> list[int] | None:
        """Rows of all events that meet a condition, latest first, or None where its candidates are not few."""
        rows = self.finder.few(condition)
        if rows is None:
            return None
        if before is not None:
            older = Clause("(e.timestamp, e.id) < (?, ?)", before)
            condition = Group("AND", (*conjuncts(condition), older))
        if not isinstance(condition, Index):
            rows = list(self.finder.meeting(condition, rows))
        return self.finder.latest_first(rows)

    # Events that must be looked at

    def _checked_events(
        self, node: Node, condition: Condition, limit: int, offset: int, before: tuple[int, int] | None
    ) -> Page:
        """Events of a query that the index only narrows: read and check them, latest first."""
        candidates: Iterator[int]
        few = self._few(condition, before)
        candidates = iter(few) if few is not None else _rows_of(self.finder.walk(condition, before))
        wanted = offset + limit
        found: list[int] = []
        for read, item in enumerate(self.loader.stream(candidates), 1):
            if self._matches(node, item):
                found.append(item.row)
            if read >= (CHECKED_ON if len(found) >= wanted else CHECKED) and (few is None or len(found) >= wanted):
                further = (item.event["timestamp"], item.row) if len(found) < wanted else None
                return Page(found[offset:wanted], len(found), read == len(few or ()), further)
        return Page(found[offset:wanted], len(found), True)

    def _matches(self, node: Node, item: StoredEvent) -> bool:
        view = None
        if _asks_issues(node):
            key = (item.issue_id, item.fingerprint)
            view = self._views.get(key)
            if view is None:
                view = self._views[key] = self._issue_view(*key)
        return matches(node, item.event, view, self._level_ranks)

    def _begin(self) -> None:
        """Forget what an earlier query has seen."""
        self._views.clear()
        self._level_ranks = dict(self.db.rows("SELECT name, rank FROM levels ORDER BY rank"))

    def _issue_view(self, issue_id: int, fingerprint: str) -> dict[str, Any]:
        issue = self.issues.get(issue_id)
        tags = self.issues.tags([issue_id]).get(issue_id, [])
        return {
            **issue._asdict(), "is_new": issue.is_new(self.now), "is_regressed": bool(issue.is_regressed),
            "fingerprint": fingerprint, "own_tags": tags,
        }  # fmt: skip

    # Issues

    def find_issues(
        self,
        node: Node,
        sort: str = "last_seen",
        descending: bool = True,
        limit: int = 100,
        offset: int = 0,
        after: Position | None = None,
        *,
        paged: bool = False,
    ) -> Page:
        """Ids of issues that have a matching event, in the order asked for.

        `after`: only those behind that place, as the page before ended; the total is then of no meaning. `paged`: a
        further page may be asked for, so that no issue is left for want of patience that a later page would not have.
        """
        check_page(limit, offset)
        self._begin()
        part = _Part(order_of(sort, descending), limit, offset, after)
        if issue_only(node):
            return self._issues_where(self._issue_condition(node), part)
        condition = self.compiler.condition(node)
        if not exact(condition):
            enough = CHECKED if paged or after is not None else offset + limit
            found, complete = self._checked_issues(node, condition, enough)
            return self._issues_where(self._issues_in(found), part)._replace(total_exact=complete)
        known = self._issues_of_few(condition)
        if known is None:
            known = self._issues_of_words(node)
        if known is None:
            if not self._few_enough(node):
                page, answered = self._issues_along(condition, part, ASKED)
                if answered:
                    return page
            known = self._issues_of_hashes(node)
        if known is None:
            return self._issues_along(condition, part)[0]
        return self._issues_where(self._issues_in(known), part)

    def _issue_condition(self, node: Node) -> Clause:
        """An issue-only tree over `issues i` alone. Issues that were merged away have no events, and are left out here."""
        clause = where(self.compiler.condition(node), self.db)
        sql = clause.sql.replace("h.project_id", "i.project_id")
        if "h.hash" in sql:
            sql = f"EXISTS (SELECT 1 FROM hashes h WHERE h.issue_id = i.id AND ({sql}))"
        return Clause(f"({sql}) AND i.merged_into IS NULL", clause.parameters)

    def _issues_where(self, clause: Clause, part: _Part) -> Page:
        total = 0
        if part.after is None:
            total = int(self.db.value(f"SELECT count(*) FROM issues i WHERE {clause.sql}", clause.parameters))
        if part.after is None:
            return Page(self._listed(clause, Where("TRUE", ()), part, part.limit, part.offset), total, True)
        found: list[int] = []
        wanted = part.offset + part.limit
        for behind in part.order.behind(part.after):
            found += self._listed(clause, behind, part, wanted - len(found), 0)
        return Page(found[part.offset :], total, True)

    def _listed(self, clause: Clause, behind: Where, part: _Part, limit: int, offset: int) -> list[int]:
        rows = self.db.rows(
            f"SELECT i.id FROM issues i WHERE {clause.sql} AND {behind.sql} ORDER BY {part.order.sql} LIMIT ? OFFSET ?",
            (*clause.parameters, *behind.parameters, limit, offset),
        )
        return [row for (row,) in rows]

    def _issues_in(self, issues: Iterable[int]) -> Clause:
        return Clause(f"i.id IN (SELECT c.value FROM {self.db.numbers})", (self.db.many(sorted(issues)),))

    def _issues_of_few(self, condition: Condition) -> set[int] | None:
        """The issues of a query that has few candidate events."""
        rows = self.finder.few(condition)
        if rows is not None and not isinstance(condition, Index):
            rows = sorted(self.finder.meeting(condition, rows))
        return None if rows is None else {issue for _, _, issue in self._placed(rows)}

    def _placed(self, rows: Sequence[int]) -> list[tuple[int, int, int]]:
        """Rows of events with their hash and issue, in the order given."""
        return self.db.rows(
            f"""SELECT c.value, h.id, h.issue_id FROM {self.db.numbers} CROSS JOIN events e ON e.id = c.value
                CROSS JOIN hashes h ON h.id = e.hash_id ORDER BY c.key""",
            (self.db.many(rows),),
        )

    def _checked_issues(self, node: Node, condition: Condition, wanted: int) -> tuple[set[int], bool]:
        """The issues of a query that the index only narrows, and whether those are all.

        Candidates are read from the newest on, none of an issue that is known to match, and only so many of a
        hash of which none does.
        """
        few = self._few(condition)
        stretches = [Stretch(few, len(few))] if few is not None else self.finder.walk(condition)
        found: set[int] = set()
        tried: dict[int, int] = {}
        read, complete = 0, True
        for stretch in stretches:
            for part in chunks(stretch.rows, _READ_AT_ONCE):
                open_ = [(row, hash_id) for row, hash_id, issue in self._placed(part) if issue not in found]
                left = [(row, hash_id) for row, hash_id in open_ if tried.get(hash_id, 0) < READ_OF_HASH]
                complete = complete and len(left) == len(open_)
                for (_, hash_id), item in zip(left, self.loader.load([row for row, _ in left]), strict=True):
                    if item.issue_id in found:
                        continue
                    read += 1
                    tried[hash_id] = tried.get(hash_id, 0) + 1
                    if self._matches(node, item):
                        found.add(item.issue_id)
                if read > (CHECKED_ISSUES if len(found) > wanted else CHECKED):
                    return found, False
        return found, complete

    def _issues_of_words(self, node: Node) -> set[int] | None:
        """The issues of a query with one event word, as `tag:db is:open` has: the table of words per hash knows."""
        about_issues = [part for part in _all_parts(node) if issue_only(part)]
        about_events = [part for part in _all_parts(node) if not issue_only(part)]
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
        clause = where(self.compiler.condition(all_of(about_issues)), self.db)
        rows = self.db.rows(
            f"""SELECT DISTINCT i.id FROM hash_words w JOIN hashes h ON h.id = w.hash_id JOIN issues i ON i.id = h.issue_id
                WHERE w.word IN ({marks(words)}) AND {clause.sql}""",
            (*words, *clause.parameters),
        )
        return {issue for (issue,) in rows}

    def _few_enough(self, node: Node) -> bool:
        """Whether looking at all matching events is little work."""
        condition = self.compiler.condition(_about_events(node))
        count, _ = self.finder.at_least(condition, GATHERED)
        return 0 < count < GATHERED

    def _issues_of_hashes(self, node: Node) -> set[int] | None:
        """The issues of a query whose event terms ask nothing of the issue: each event is looked at once, without it."""
        wanted = self.compiler.condition(_about_events(node))
        clause = where(wanted, self.db)
        if not clause.exact or "i." in clause.sql or "h." in clause.sql:
            return None
        hashes = sorted(self._hashes(wanted))
        clause = where(self.compiler.condition(all_of(part for part in _all_parts(node) if issue_only(part))), self.db)
        rows = self.db.rows(
            f"""SELECT DISTINCT i.id FROM {self.db.numbers} CROSS JOIN hashes h ON h.id = c.value
                CROSS JOIN issues i ON i.id = h.issue_id WHERE {clause.sql}""",
            (self.db.many(hashes), *clause.parameters),
        )
        return {issue for (issue,) in rows}

    def _hashes(self, condition: Condition) -> set[int]:
        """The hashes that have an event which meets a condition; alternatives are followed one by one, each by its index."""
        if isinstance(condition, Group) and condition.joiner == "OR":
            return set().union(*map(self._hashes, condition.parts))
        if isinstance(condition, Index):
            sql = f"""SELECT DISTINCT e.hash_id FROM event_index CROSS JOIN events e ON e.id = event_index.rowid
                      WHERE {self.db.match("event_index")}"""
            rows = self.db.rows(sql, (condition.expression,)) if condition.expression else []
        elif isinstance(condition, Clause) and condition.sql.startswith("e.stack_id IN (SELECT"):
            sql = f"""SELECT DISTINCT s.hash_id FROM stack_hashes s WHERE {condition.sql.replace("e.stack_id", "s.stack_id")}
                      AND EXISTS (SELECT 1 FROM events e WHERE e.hash_id = s.hash_id AND e.stack_id = s.stack_id)"""
            rows = self.db.rows(sql, condition.parameters)
        else:
            clause = where(condition, self.db)
            rows = self.db.rows(f"SELECT DISTINCT e.hash_id FROM events e WHERE {clause.sql}", clause.parameters)
        return {row for (row,) in rows}

    def _issues_along(self, condition: Condition, part: _Part, at_most: int = 1 << 62) -> tuple[Page, bool]:
        """Walk issues in order, and ask for each whether it has a matching event; False where `at_most` were too few."""
        wanted = part.offset + part.limit
        found: list[int] = []
        asking = Asking(self.db, condition)
        complete = answered = True
        for asked, issue in enumerate(asking.issues(part.order, part.after), 1):
            if asked > at_most:
                complete = answered = False
                break
            if asking.has_match(issue):
                found.append(issue)
            if len(found) > wanted and (asked >= FURTHER or len(found) > COUNTED):
                complete = False
                break
        return Page(found[part.offset : wanted], len(found), complete), answered


class _Part(NamedTuple):
    """Which part of a listing of issues is asked for."""

    order: Order
    limit: int
    offset: int
    after: Position | None


def _asks_issues(node: Node) -> bool:
    """Whether a query asks anything of the issue: its tags count as tags of its events."""
    return any(isinstance(leaf, Term) and leaf.field in _OF_ISSUES for leaf in leaves(node))


def _all_parts(node: Node) -> Sequence[Node]:
    return node.children if isinstance(node, And) else (node,)


def _about_events(node: Node) -> Node:
    return all_of(part for part in _all_parts(node) if not issue_only(part))


def _rows_of(walk: Iterator[Stretch]) -> Iterator[int]:
    return chain.from_iterable(stretch.rows for stretch in walk)


def _within(condition: Condition, tokens: str) -> Condition:
    """What the index is asked for in a condition, only among events with one of the tokens."""
    if isinstance(condition, Index):
        return Index(f"({condition.expression}) AND ({tokens})" if condition.expression and tokens else "")
    if isinstance(condition, Group):
        return Group(condition.joiner, tuple(_within(part, tokens) for part in condition.parts))
    return condition


def _is_issue(condition: Condition) -> bool:
    return isinstance(condition, Clause) and condition.sql.startswith("i.id IN (?")


def _slices(rows: Iterator[int], size: int) -> Iterator[list[int]]:
    while part := list(islice(rows, size)):
        yield part


def _counted_by_hash(node: Node) -> bool:
    """Whether the table of words per hash knows all about a term."""
    return isinstance(node, Term) and node.op != "has" and node.field != "trace"
