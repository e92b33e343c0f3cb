"""What an export reads: which events and issues are meant, and all that is known of an issue."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ..errors import NotFoundError
from ..query.tree import Everything, Node
from . import evicted
from .query_sql import issue_only
from .search import Search
from .sqlite import SQLite, chunks, marks

_AT_ONCE = 200  # issues
_TITLES_KEPT = 20_000
_ISSUE = """i.id, p.name AS project, i.title, i.title_fixed, i.culprit, i.status, i.severity, i.assigned, i.level,
  i.release, i.environment, i.is_regressed, i.first_seen, i.last_seen, i.created_at, i.changed_at, i.resolved_at,
  i.resolved_in, i.ignored_until, i.category,
  i.count - (SELECT COALESCE(sum(evicted), 0) FROM hashes WHERE issue_id = i.id) AS count"""
_ISSUE_KEYS = ("id", "project", "title", "title_fixed", "culprit", "status", "severity", "assigned", "level", "release",
               "environment", "is_regressed", "first_seen", "last_seen", "created_at", "changed_at", "resolved_at",
               "resolved_in", "ignored_until", "category", "count")  # fmt: skip
_HASH_KEYS = ("hash", "home", "algorithm", "grouping", "title", "culprit", "first_seen", "last_seen", "created_at")
_HOME = "NULLIF(home_issue_id, issue_id)"  # where a part was before any merge, if that is not where it is
_FILE = "name, content_type, kind, size, digest"
_FILE_KEYS = ("name", "content_type", "kind", "size", "digest")


class Selection(NamedTuple):
    """What is to be exported. None stands for everything."""

    issues: array[int] | None  # ids, ascending
    rows: array[int] | None  # of events, in the order of arrival
    counts: dict[int, int]  # selected events by issue; empty where all of them are
    issue_count: int
    event_count: int
    whole_issues: bool = True  # then what was counted of evicted events belongs to it


class Exporting:
    """Reads for exports; call it inside `reading()`, so that all of it is one view."""

    def __init__(self, db: SQLite) -> None:
        self.db = db

    def select(self, search: Search, node: Node) -> Selection:
        """The issues and events that a query means; an issue without events is meant by what is said of issues."""
        if isinstance(node, Everything):
            return Selection(None, None, {}, self._all_issues(), int(self.db.value("SELECT count(*) FROM events")))
        rows = array("q", search.every_event(node))
        counts = self._counts(rows)
        found = set(counts)
        if issue_only(node):
            clause = search._issue_condition(node)
            found.update(i for (i,) in self.db.rows(f"SELECT i.id FROM issues i WHERE {clause.sql}", clause.parameters))
        issues = array("q", sorted(found))
        return Selection(issues, rows, counts, len(issues), len(rows), issue_only(node))

    def require_issues(self, issues: Sequence[int]) -> None:
        """Raises NotFoundError that names the issues which do not exist."""
        known: set[int] = set()
        for part in chunks(issues):
            known.update(i for (i,) in self.db.rows(f"SELECT id FROM issues WHERE id IN ({marks(part)})", part))
        missing = [str(issue) for issue in dict.fromkeys(issues) if issue not in known]
        if missing:
            raise NotFoundError(f"there is no issue {', '.join(missing)}", "See: crashvault list --status all")

    def _all_issues(self) -> int:
        sql = "SELECT count(*) FROM issues i WHERE EXISTS (SELECT 1 FROM hashes WHERE issue_id = i.id)"
        return int(self.db.value(sql))

    def _counts(self, rows: Sequence[int]) -> dict[int, int]:
        counts: dict[int, int] = {}
        for part in chunks(rows, 10_000):
            for issue, count in self.db.rows(
                f"""SELECT h.issue_id, count(*) FROM {self.db.numbers} CROSS JOIN events e ON e.id = c.value
                    CROSS JOIN hashes h ON h.id = e.hash_id GROUP BY h.issue_id""",
                (self.db.many(part),),
            ):
                counts[issue] = counts.get(issue, 0) + count
        return counts

    # Rows

    def event_rows(self, selection: Selection) -> Iterable[int]:
        return self._every("events") if selection.rows is None else selection.rows

    def _every(self, table: str) -> Iterator[int]:
        last = 0
        while rows := self.db.rows(f"SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT 5000", (last,)):
            last = rows[-1][0]
            yield from (row for (row,) in rows)

    def latest_rows(self, selection: Selection, issue: int, limit: int) -> list[int]:
        """The latest selected events of an issue, latest first."""
        found = self.db.stream(
            """SELECT e.id FROM hashes h JOIN events e ON e.hash_id = h.id WHERE h.issue_id = ?
               ORDER BY e.timestamp DESC, e.id DESC""",
            (issue,),
        )
        return list(islice((row for (row,) in found if selection.rows is None or _within(selection.rows, row)), limit))

    def titles(self) -> Titles:
        return Titles(self.db)

    def issues(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """All of an issue but its events: state, hashes, tags, activity, files. Issues without a hash have no identity."""
        ids = self._every("issues") if selection.issues is None else selection.issues
        for part in _grouped(ids, _AT_ONCE):
            for issue in self._issues(part, selection.whole_issues):
                if issue["hashes"]:
                    if selection.rows is not None:
                        issue["count"] = selection.counts.get(issue["id"], 0)
                    yield issue

    def _issues(self, ids: Sequence[int], whole: bool) -> list[dict[str, Any]]:
        rows = self.db.rows(
            f"""SELECT {_ISSUE} FROM issues i JOIN projects p ON p.id = i.project_id
                WHERE i.id IN ({marks(ids)}) ORDER BY i.id""",
            ids,
        )
        issues = {row[0]: dict(zip(_ISSUE_KEYS, row, strict=True)) for row in rows}
        for issue in issues.values():
            issue.update(tags=[], activity=[], hashes=[], attachments=[], merged=[])
        merged = self._merged(ids, issues)
        for issue_id, tag, home in self._of(ids, "issue_tags", f"tag, {_HOME}", "tag"):
            issues[issue_id]["tags"].append(tag)
            merged.get(home, {}).get("tags", []).append(tag)
            if home not in merged:
                issues[issue_id].get("own_tags", []).append(tag)
        for issue_id, *entry in self._of(ids, "activity", f"at, actor, kind, data, {_HOME}", "at, id"):
            issues[issue_id]["activity"].append(tuple(entry))
        columns = "id, hash, home_issue_id, algorithm, grouping, title, culprit, first_seen, last_seen, created_at"
        found = self._of(ids, "hashes", columns, "id")
        lost = evicted.of_hashes(self.db, [hash_id for _, hash_id, *_ in found]) if whole else {}
        for issue_id, hash_id, *values in found:
            issues[issue_id]["hashes"].append(dict(zip(_HASH_KEYS, values, strict=True)))
            if hash_id in lost:
                issues[issue_id]["hashes"][-1]["evicted"] = lost[hash_id]
        for issue_id, *values in self._of(ids, "attachments", f"{_FILE}, created_at, {_HOME}", "id"):
            issues[issue_id]["attachments"].append(dict(zip((*_FILE_KEYS, "created_at", "home"), values, strict=True)))
        return list(issues.values())

    def _merged(self, ids: Sequence[int], issues: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """What issues that were merged into these have of their own; an issue before those that were merged into it."""
        rows = self.db.rows(
            f"""WITH RECURSIVE member (id, root, depth) AS
                  (SELECT id, id, 0 FROM issues WHERE id IN ({marks(ids)}) AND merged_into IS NULL
                   UNION ALL SELECT i.id, m.root, m.depth + 1 FROM member m JOIN issues i ON i.merged_into = m.id)
                SELECT m.root, i.merged_into, {_ISSUE} FROM member m JOIN issues i ON i.id = m.id
                  JOIN projects p ON p.id = i.project_id
                WHERE m.depth > 0 ORDER BY m.root, m.depth, m.id""",
            ids,
        )
        found = {}
        for root, into, *values in rows:
            member = found[values[0]] = dict(zip(_ISSUE_KEYS, values, strict=True), into=into, tags=[])
            issues[root]["merged"].append(member)
            issues[root].setdefault("own_tags", [])
        for part in chunks(list(found)):
            for issue_id, tag in self._of(part, "issue_tags", "tag", "tag"):
                found[issue_id]["tags"].append(tag)
        return found

    def _of(self, ids: Sequence[int], table: str, columns: str, order: str) -> list[tuple[Any, ...]]:
        return self.db.rows(
            f"SELECT issue_id, {columns} FROM {table} WHERE issue_id IN ({marks(ids)}) ORDER BY issue_id, {order}", ids
        )

    # Attachments

    def digests(self, selection: Selection) -> list[bytes]:
        """The contents that selected issues and events name, each once, in the order of their digests."""
        if selection.rows is None or selection.issues is None:
            return [digest for (digest,) in self.db.rows("SELECT DISTINCT digest FROM attachments ORDER BY digest")]
        found: set[bytes] = set()
        for column, ids in (("event", selection.rows), ("issue_id", selection.issues)):
            for part in chunks(ids, 10_000):
                found.update(digest for (digest,) in self.db.rows(
                    f"SELECT a.digest FROM {self.db.numbers} CROSS JOIN attachments a ON a.{column} = c.value",
                    (self.db.many(part),),
                ))  # fmt: skip
        return sorted(found)

    def files(self, rows: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
        """The attachments of events, by row."""
        found: dict[int, list[dict[str, Any]]] = {}
        for part in chunks(rows):
            for row, *values in self.db.rows(
                f"SELECT event, {_FILE} FROM attachments WHERE event IN ({marks(part)}) ORDER BY event, id", part
            ):
                found.setdefault(row, []).append(dict(zip(_FILE_KEYS, values, strict=True)))
        return found


class Titles:
    """Title and status of issues, looked up once while they are needed again and again."""

    def __init__(self, db: SQLite) -> None:
        self._db = db
        self._known: dict[int, tuple[str, str]] = {}

    def of(self, issue: int) -> tuple[str, str]:
        found = self._known.get(issue)
        if found is None:
            if len(self._known) >= _TITLES_KEPT:
                self._known.clear()
            row = self._db.row("SELECT title, status FROM issues WHERE id = ?", (issue,))
            found = self._known[issue] = (row[0], row[1]) if row else ("", "")
        return found


def _within(rows: array[int], row: int) -> bool:
    place = bisect_left(rows, row)
    return place < len(rows) and rows[place] == row


def _grouped(values: Iterable[int], size: int) -> Iterator[list[int]]:
    pending: list[int] = []
    for value in values:
        pending.append(value)
        if len(pending) >= size:
            yield pending
            pending = []
    if pending:
        yield pending
