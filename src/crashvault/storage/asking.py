"""Whether an issue has an event that meets a condition, asked issue by issue."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .document import hash_token
from .issues import Order, Position
from .query_sql import TRUE, Clause, Condition, Group, Index, conjuncts, where
from .sqlite import SQLite

_ISSUES = "CROSS JOIN hashes h ON h.id = e.hash_id CROSS JOIN issues i ON i.id = h.issue_id"
_TABLES = f"events e {_ISSUES}"
_OF_EVENTS = f"events e ON e.id = event_index.rowid {_ISSUES}"


class Asking:
    """A condition in the parts that each have their own index: what it asks of the issue, and of its events."""

    def __init__(self, db: SQLite, condition: Condition) -> None:
        self.db = db
        parts = conjuncts(condition)
        seen = [_seen(part) for part in parts if isinstance(part, Clause) and part.sql.startswith("e.timestamp >")]
        self._of_issue = where(_all([*seen, *(part for part in parts if _is_of_issue(part))]), db)
        self._alternatives = _alternatives(_all([part for part in parts if not _is_of_issue(part)]))
        self._stacks: dict[Clause, dict[int, list[int]]] = {}  # which a clause means, by hash

    def issues(self, order: Order, after: Position | None = None) -> Iterator[int]:
        """Those that can have a match, in the order of a listing, behind a place of it."""
        for behind in order.behind(after):
            sql = f"""SELECT i.id FROM issues i WHERE i.merged_into IS NULL AND ({self._of_issue.sql}) AND {behind.sql}
                      ORDER BY {order.sql}"""
            for (issue,) in self.db.stream(sql, (*self._of_issue.parameters, *behind.parameters)):
                yield issue

    def has_match(self, issue: int) -> bool:
        """Whether one of its events meets the condition, as far as SQL can tell."""
        hashes = self._hashes(issue)
        return any(self._fits(part, hash_id) for part in self._alternatives for hash_id in hashes)

    def _hashes(self, issue: int) -> list[int]:
        return [hash_id for (hash_id,) in self.db.rows("SELECT id FROM hashes WHERE issue_id = ?", (issue,))]

    def _fits(self, part: Condition, hash_id: int) -> bool:
        if isinstance(part, Index):
            sql = f"SELECT 1 FROM event_index WHERE {self.db.match('event_index')} LIMIT 1"
            return bool(part.expression and self.db.row(sql, (_in_hash(part, hash_id),)))
        if isinstance(part, Clause) and part.sql.startswith("e.stack_id IN (SELECT"):
            return self._has_stack(part, hash_id)
        return self._has_event(part, hash_id)

    def _has_event(self, condition: Condition, hash_id: int) -> bool:
        """The latest are tried first: mostly it is they that are asked for."""
        parts = conjuncts(condition)
        index = next((part for part in parts if isinstance(part, Index)), None)
        rest = where(_all([part for part in parts if part is not index]), self.db, each=True)
        if index is None:
            sql = f"SELECT 1 FROM {_TABLES} WHERE e.hash_id = ? AND ({rest.sql}) ORDER BY e.timestamp DESC LIMIT 1"
            return self.db.row(sql, (hash_id, *rest.parameters)) is not None
        sql = f"""SELECT 1 FROM event_index CROSS JOIN {_OF_EVENTS}
                  WHERE {self.db.match("event_index")} AND ({rest.sql})
                  ORDER BY event_index.rowid DESC LIMIT 1"""
        return bool(index.expression) and self.db.row(sql, (_in_hash(index, hash_id), *rest.parameters)) is not None

    def _has_stack(self, clause: Clause, hash_id: int) -> bool:
        sql = "SELECT 1 FROM events WHERE hash_id = ? AND stack_id = ? LIMIT 1"
        return any(self.db.row(sql, (hash_id, stack)) for stack in self._stacks_of(clause).get(hash_id, ()))

    def _stacks_of(self, clause: Clause) -> dict[int, list[int]]:
        found = self._stacks.get(clause)
        if found is None:
            found = self._stacks[clause] = {}
            sql = f"SELECT s.hash_id, s.stack_id FROM stack_hashes s WHERE {clause.sql.replace('e.stack_id', 's.stack_id')}"
            for hash_id, stack in self.db.rows(sql, clause.parameters):
                found.setdefault(hash_id, []).append(stack)
        return found


def _all(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Group("AND", tuple(parts) or (TRUE,))


def _is_of_issue(part: Condition) -> bool:
    return isinstance(part, Clause) and part.exact and not re.search(r"\b[eh]\.", part.sql)


def _seen(part: Clause) -> Clause:
    """What a lower bound on the time of an event asks of its issue."""
    return Clause(part.sql.replace("e.timestamp", "i.last_seen"), part.parameters)


def _alternatives(condition: Condition) -> tuple[Condition, ...]:
    """Conditions of which one event of an issue must meet one."""
    return condition.parts if isinstance(condition, Group) and condition.joiner == "OR" else (condition,)


def _in_hash(index: Index, hash_id: int) -> str:
    return f'({index.expression}) AND "{hash_token(hash_id)}"'
