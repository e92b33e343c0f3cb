"""Removing what clients report beside events: spans, runs of programs (sessions), check-ins and feedback.

Feedback belongs to its event as long as that is stored, and goes with it; so do the spans of a deleted event's trace
that no other event names. What belongs to no event goes by its age, its project, or whom it is about.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from ..clock import HOUR
from . import codec
from .document import trace_word, word_token
from .sqlite import SQLite, chunks, marks
from .telemetry import person_digest

CATEGORIES = {"spans": "span", "sessions": "session", "check_ins": "check_in", "feedback": "feedback"}  # in the ledger
TABLES = (*CATEGORIES, "session_users")
_AT_ONCE = 2_000  # rows a transaction
_SPAN_ROW = 280  # bytes of a span with its places in indexes, without its attributes
_SAMPLED = 1_000  # spans
_WHO = (
    "user",
    "user.id",
    "user.email",
    "user.name",
    "user.username",
    "user.ip_address",
    "enduser.id",
    "client.address",
)

_AGED = {
    "spans": "received_at < ?1 AND started_at < ?1",
    "sessions": f"hour < ?1 / {HOUR}",
    "check_ins": "at < ?1",
    "feedback": """at < ?1 AND NOT EXISTS (SELECT 1 FROM event_keys k
                   WHERE k.project_id = t.project_id AND k.event_id = t.event_id AND k.event IS NOT NULL)""",
}

Removed = Counter[str]  # rows by table; none that are zero


class Found(NamedTuple):
    """What there is of one person."""

    people: list[tuple[int, int]]  # session and digest
    feedback: list[int]
    spans: list[int]

    @property
    def counts(self) -> Removed:
        named = {"session_users": len(self.people), "feedback": len(self.feedback), "spans": len(self.spans)}
        return +Counter(named)


class Reported:
    """`writing` gives the transaction of each step."""

    def __init__(self, db: SQLite, writing: Callable[[], AbstractContextManager[None]] | None = None) -> None:
        self.db = db
        self.writing = writing or db.writing

    # By age and project

    def older(self, before: int, project: int | None = None) -> Removed:
        """How many of each have come, and are of a time, before a moment."""
        return self._tables(lambda table, where: self._count(table, where, before, project))

    def remove_older(self, before: int, project: int | None = None) -> Removed:
        return self._tables(lambda table, where: self._remove(table, where, before, project))

    def remove_of(self, project: int) -> Removed:
        """Remove all that one project has reported."""
        return Counter({table: self._remove(table, "TRUE", 0, project) for table in _AGED})

    def _tables(self, each: Callable[[str, str], int]) -> Removed:
        return Counter({table: found for table, where in _AGED.items() if (found := each(table, where))})

    def _count(self, table: str, where: str, before: int, project: int | None) -> int:
        sql = f"SELECT count(*) FROM {table} t WHERE ?2 IN (-1, project_id) AND {where} AND ?1 = ?1"
        return int(self.db.value(sql, (before, -1 if project is None else project)))

    def _remove(self, table: str, where: str, before: int, project: int | None) -> int:
        """Remove rows, some thousand a transaction; how many."""
        sql = f"SELECT id FROM {table} t WHERE ?2 IN (-1, project_id) AND {where} AND ?1 = ?1"
        found = self.db.stream(sql, (before, -1 if project is None else project))
        return self._remove_all(table, array("q", (row for (row,) in found)))

    def _remove_all(self, table: str, rows: Sequence[int]) -> int:
        removed = 0
        for part in chunks(rows, _AT_ONCE):
            with self.writing():
                removed += self._remove_rows(table, part)
        return removed

    def _remove_rows(self, table: str, rows: Sequence[int]) -> int:
        if table == "sessions":
            self.db.execute_many("DELETE FROM session_users WHERE session_id = ?", [(row,) for row in rows])
        return self.db.execute_many(f"DELETE FROM {table} WHERE id = ?", [(row,) for row in rows])

    # With their events

    def remove_feedback(self, events: Iterable[tuple[int, bytes]]) -> int:
        """Remove what people wrote about events, of project and id each; joins the open transaction."""
        return self.db.execute_many("DELETE FROM feedback WHERE project_id = ? AND event_id = ?", list(events))

    def remove_traces(self, traces: Collection[tuple[int, str]]) -> None:
        """Remove the spans, by project, of traces that no event names any more; joins the open transaction."""
        for project, trace in sorted(traces):
            key = (project, bytes.fromhex(trace))
            if not self.db.row("SELECT 1 FROM spans WHERE project_id = ? AND trace_id = ? LIMIT 1", key):
                continue
            asked = f'"{word_token(trace_word(trace))}"'
            if not self.db.row(f"SELECT 1 FROM event_index WHERE {self.db.match('event_index')} LIMIT 1", (asked,)):
                self.db.execute("DELETE FROM spans WHERE project_id = ? AND trace_id = ?", key)

    # By person

    def of_person(self, names: Iterable[str], project: int | None = None) -> Found:
        """The feedback and the spans of somebody, and where they are counted among those who ran a program."""
        known = {name.casefold() for name in names if name}
        digests = sorted({person_digest(name) for name in {*names, *known} if name})
        scope = -1 if project is None else project
        people = self.db.rows(
            f"""SELECT u.session_id, u.user FROM session_users u JOIN sessions s ON s.id = u.session_id
                WHERE ? IN (-1, s.project_id) AND u.user IN ({marks(digests)})""",
            (scope, *digests),
        )
        wrote = self.db.stream("SELECT id, name, email FROM feedback WHERE ? IN (-1, project_id)", (scope,))
        packed = self.db.stream(
            "SELECT id, attributes FROM spans WHERE ? IN (-1, project_id) AND attributes IS NOT NULL", (scope,)
        )
        feedback = [row for row, *who in wrote if any(name and name.casefold() in known for name in who)]
        spans = [row for row, body in packed if _names(json.loads(codec.expand(body)), known)]
        return Found(people, feedback, spans)

    def remove_found(self, found: Found) -> Removed:
        removed: Removed = Counter()
        for part in chunks(found.people, _AT_ONCE):
            with self.writing():
                removed["session_users"] += self.db.execute_many(
                    "DELETE FROM session_users WHERE session_id = ? AND session_users.user = ?", part
                )
        removed["feedback"] = self._remove_all("feedback", found.feedback)
        removed["spans"] = self._remove_all("spans", found.spans)
        return +removed

    # By size

    def span_bytes(self) -> tuple[int, float]:
        """How many spans there are, and about how many bytes one of them takes."""
        count = int(self.db.value("SELECT count(*) FROM spans"))
        packed = self.db.value(
            f"SELECT avg(COALESCE(length(attributes), 0)) FROM (SELECT attributes FROM spans ORDER BY id DESC LIMIT {_SAMPLED}) AS sampled"
        )
        return count, _SPAN_ROW + (packed or 0.0)

    def remove_oldest_spans(self, count: int) -> Removed:
        removed = 0
        while removed < count:
            most = min(_AT_ONCE, count - removed)
            with self.writing():
                gone = self.db.execute(
                    "DELETE FROM spans WHERE id IN (SELECT id FROM spans ORDER BY received_at, id LIMIT ?)", (most,)
                )
            removed += gone
            if gone < most:
                break
        return Counter({"spans": removed} if removed else {})


def _names(attributes: Mapping[str, object], known: set[str]) -> bool:
    """Whether a span says that somebody was there."""
    return any(str(attributes[key]).casefold() in known for key in _WHO if key in attributes)


__all__ = ["CATEGORIES", "TABLES", "Removed", "Reported"]
