"""Reading issues."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..clock import DAY, HOUR
from ..errors import InvalidError, NotFoundError
from .sqlite import SQLite, chunks, marks

NEW_FOR = DAY  # an issue is new until then, or until somebody touches it
MAX_LIMIT = 10_000

_COLUMNS = """i.id, p.name, i.title, i.culprit, i.status, i.severity, i.level, i.assigned, i.release, i.environment,
  i.is_regressed, i.count, i.users, i.first_seen, i.last_seen, i.created_at, i.changed_at, i.resolved_at,
  i.resolved_in, i.last_event, i.category, i.merged_into, i.ignored_until"""

# What `--sort` understands, as SQL over `issues i`; the id decides between equals.
SORTS: dict[str, str] = {
    "id": "i.id",
    "title": "i.title",
    "status": "i.status",
    "created_at": "i.created_at",
    "last_seen": "i.last_seen",
    "events": "i.count",
    "users": "i.users",
    # Triage severity first, then level; among equals what happens to more people, more often, more lately.
    "priority": """(CASE i.severity WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'low' THEN 1 ELSE 2 END) * 100000
      + i.level * 1000 + CASE WHEN i.users < 400 THEN i.users ELSE 400 END
      + CASE WHEN i.count < 400 THEN i.count ELSE 400 END + i.last_seen / 86400000000 % 100""",
}


class Issue(NamedTuple):
    id: int
    project: str
    title: str
    culprit: str
    status: str
    severity: str | None
    level: int  # rank of the latest event
    assigned: str | None
    release: str | None
    environment: str | None
    is_regressed: int
    count: int  # type: ignore[assignment]  # a column, not the method of tuples
    users: int
    first_seen: int
    last_seen: int
    created_at: int
    changed_at: int
    resolved_at: int | None
    resolved_in: str | None
    last_event: int
    category: str | None
    merged_into: int | None = None  # then its events are there
    ignored_until: str | None = None  # JSON: at, count, users

    def is_new(self, now: int) -> bool:
        return self.status == "open" and not self.is_regressed and now - self.created_at < NEW_FOR


class HashInfo(NamedTuple):
    """One grouping hash of an issue."""

    hash: str
    algorithm: str
    title: str
    count: int  # type: ignore[assignment]  # a column, not the method of tuples
    merged: bool  # it came from another issue
    key: str
    reason: str
    parts: list[list[str]]


class Issues:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def get(self, issue: int) -> Issue:
        """Raises NotFoundError."""
        found = self.by_ids([issue])
        if not found:
            raise NotFoundError(f"there is no issue {issue}", "See: crashvault list --status all")
        return found[0]

    def all_ids(self) -> list[int]:
        return [issue for (issue,) in self.db.rows("SELECT id FROM issues ORDER BY id")]

    def by_ids(self, ids: Sequence[int]) -> list[Issue]:
        """Issues in the order asked for; unknown ids are left out."""
        found: dict[int, Issue] = {}
        for part in chunks(ids):
            rows = self.db.rows(
                f"SELECT {_COLUMNS} FROM issues i JOIN projects p ON p.id = i.project_id WHERE i.id IN ({marks(part)})",
                part,
            )
            found.update((row[0], Issue(*row)) for row in rows)
        return [found[issue] for issue in ids if issue in found]

    def key(self, issue: int, sort: str) -> int | str:
        """What an issue is sorted by."""
        found: int | str = self.db.value(f"SELECT {SORTS[sort]} FROM issues i WHERE i.id = ?", (issue,))
        return found

    def closed(self) -> int:
        """How many issues are resolved or ignored."""
        return int(self.db.value("SELECT count(*) FROM issues WHERE status <> 'open' AND merged_into IS NULL"))

    def hashes(self, issue: int) -> list[HashInfo]:
        """Why events are in this issue."""
        rows = self.db.rows(
            """SELECT hash, algorithm, title, count, home_issue_id <> issue_id, grouping FROM hashes
               WHERE issue_id = ? ORDER BY count DESC, id""",
            (issue,),
        )
        return [
            HashInfo(digest.hex(), algorithm, title, count, bool(merged), *json.loads(grouping))
            for digest, algorithm, title, count, merged, grouping in rows
        ]

    def tags_of(self, issues: Collection[int]) -> dict[int, list[str]]:
        """The tags that people gave issues, by issue; those without any are left out."""
        found: dict[int, list[str]] = {}
        for part in chunks(sorted(issues)):
            sql = f"SELECT issue_id, tag FROM issue_tags WHERE issue_id IN ({marks(part)})"
            for issue, tag in self.db.rows(sql, part):
                found.setdefault(issue, []).append(tag)
        return found

    def evicted(self, issue: int) -> int:
        """How many of the events that an issue counts are not stored any more."""
        return int(self.db.value("SELECT COALESCE(sum(evicted), 0) FROM hashes WHERE issue_id = ?", (issue,)))

    def fingerprints(self, issues: Sequence[int]) -> dict[int, str]:
        """The first hash of each issue, in hex; its own before those merged into it."""
        found: dict[int, str] = {}
        for part in chunks(issues):
            rows = self.db.rows(
                f"SELECT issue_id, hash FROM hashes WHERE issue_id IN ({marks(part)}) ORDER BY home_issue_id = issue_id, id DESC",
                part,
            )
            found.update((issue, digest.hex()) for issue, digest in rows)
        return found

    def tags(self, issues: Sequence[int]) -> dict[int, list[str]]:
        """The tags that people put on issues."""
        found: dict[int, list[str]] = {}
        for part in chunks(issues):
            for issue, tag in self.db.rows(
                f"SELECT issue_id, tag FROM issue_tags WHERE issue_id IN ({marks(part)}) ORDER BY tag", part
            ):
                found.setdefault(issue, []).append(tag)
        return found

    def hours(self, issue: int, since: int, until: int) -> list[int]:
        """Events an hour between two times, from the counters."""
        first, last = since // HOUR, until // HOUR
        counts = [0] * (last - first + 1)
        for hour, count in self.db.rows(
            """SELECT c.hour, sum(c.count) FROM hashes h JOIN hash_hours c ON c.hash_id = h.id
               WHERE h.issue_id = ? AND c.hour BETWEEN ? AND ? GROUP BY c.hour""",
            (issue, first, last),
        ):
            counts[hour - first] = count
        return counts

    def days(self, issues: Sequence[int], since: int, until: int) -> dict[int, list[int]]:
        """Events a day (of UTC) of each issue between two times, from the counters."""
        first, last = since // DAY, until // DAY
        found = {issue: [0] * (last - first + 1) for issue in issues}
        for part in chunks(issues):
            for issue, day, count in self.db.rows(
                f"""SELECT h.issue_id, c.hour / 24, sum(c.count) FROM hashes h JOIN hash_hours c ON c.hash_id = h.id
                    WHERE h.issue_id IN ({marks(part)}) AND c.hour BETWEEN ? AND ? GROUP BY 1, 2""",
                (*part, first * 24, last * 24 + 23),
            ):
                found[issue][day - first] = count
        return found

    def counts(self, issues: Sequence[int], first: int, end: int) -> dict[int, int]:
        """Events of issues from the hour `first` until before the hour `end`, from the counters; none: not named."""
        found: dict[int, int] = {}
        for part in chunks(issues):
            found.update(
                self.db.rows(
                    f"""SELECT h.issue_id, sum(c.count) FROM hashes h JOIN hash_hours c ON c.hash_id = h.id
                        WHERE h.issue_id IN ({marks(part)}) AND c.hour >= ? AND c.hour < ? GROUP BY 1""",
                    (*part, first, end),
                )
            )
        return found

    def latest_events(self, issue: int, limit: int = 1) -> list[int]:
        """Rows of an issue's latest events, latest first."""
        rows = self.db.rows(
            """SELECT e.id FROM hashes h JOIN events e ON e.hash_id = h.id WHERE h.issue_id = ?
               ORDER BY e.timestamp DESC, e.id DESC LIMIT ?""",
            (issue, limit),
        ) if limit > 1 else self.db.rows("SELECT last_event FROM issues WHERE id = ?", (issue,))  # fmt: skip
        return [row for (row,) in rows]


_INDEXED = frozenset({"title", "status", "created_at", "last_seen"})
# What new events move forward, what they move anywhere, and what people move.
_GROWING = frozenset({"last_seen", "events", "users"})
_MOVED_BY_EVENTS = frozenset({"priority"})
_MOVED_BY_PEOPLE = frozenset({"title", "status", "priority"})
_UNTOUCHED = """i.id NOT IN (SELECT h.issue_id FROM events e CROSS JOIN hashes h ON h.id = e.hash_id WHERE e.id > ?)"""


class Position(NamedTuple):
    """A place in a listing of issues: behind one of them, as it was."""

    key: int | str  # what the listing is sorted by
    issue: int
    newest: int  # the row of the newest event when the first page was read
    at: int  # when that was, in microseconds


class Where(NamedTuple):
    """A condition in SQL."""

    sql: str
    parameters: tuple[int | str, ...]


class Order(NamedTuple):
    """The order of a listing; the id decides between equals."""

    sort: str
    descending: bool

    @property
    def sql(self) -> str:
        """For ORDER BY."""
        direction = "DESC" if self.descending else "ASC"
        return f"{SORTS[self.sort]} {direction}, i.id {direction}"

    def behind(self, after: Position | None) -> tuple[Where, ...]:
        """Conditions on `issues i` for what comes behind a place, one after the other.

        Two where an index has the order: what is equal to the place, then what is beyond it. SQLite finds the
        beginning of each in the index, but that of both in one comparison only among what is not equal.
        An issue that changed since the first page, so that it may stand behind its old place, may have been
        shown there; it is left out.
        """
        if after is None:
            return (Where("TRUE", ()),)
        key, compare = SORTS[self.sort], "<" if self.descending else ">"
        if self.sort in _INDEXED:
            found = [
                Where(f"{key} = ? AND i.id {compare} ?", (after.key, after.issue)),
                Where(f"{key} {compare} ?", (after.key,)),
            ]
        else:
            found = [Where(f"({key}, i.id) {compare} (?, ?)", (after.key, after.issue))]
        if self.sort in _MOVED_BY_EVENTS or (self.sort in _GROWING and not self.descending):
            found = [Where(f"{sql} AND {_UNTOUCHED}", (*given, after.newest)) for sql, given in found]
        if self.sort in _MOVED_BY_PEOPLE:
            found = [Where(f"{sql} AND i.changed_at <= ?", (*given, after.at)) for sql, given in found]
        return tuple(found)


def order_of(sort: str, descending: bool) -> Order:
    """Raises InvalidError that names the sorts."""
    if sort not in SORTS:
        raise InvalidError(f"issues cannot be sorted by {sort!r}", f"Use one of: {', '.join(SORTS)}")
    return Order(sort, descending)


def check_page(limit: int, offset: int) -> None:
    """One item more than anybody may ask for tells whether there is a further page."""
    if not 0 <= limit <= MAX_LIMIT + 1 or offset < 0:
        raise InvalidError(f"a page of {limit} from {offset} cannot be had", f"Use a limit of 0 to {MAX_LIMIT}")


__all__ = ["HashInfo", "Issue", "Issues", "Order", "Position", "Where", "check_page", "order_of"]
