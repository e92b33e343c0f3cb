"""The state of issues as people change it, and the log of those changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..clock import to_iso
from .sqlite import SQLite, chunks, marks

_FIELDS = frozenset(
    {
        "status",
        "severity",
        "title",
        "title_fixed",
        "assigned",
        "is_regressed",
        "resolved_at",
        "resolved_in",
        "ignored_until",
        "release",
        "category",
        "merged_into",
    }
)


class Activity(NamedTuple):
    at: int
    actor: str
    kind: str  # a field's name, or comment, regression, merge …
    data: dict[str, Any]


class Triage:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def values(self, issues: Sequence[int], field: str) -> dict[int, Any]:
        """The value of one field, by issue id; ids that do not exist are left out."""
        assert field in _FIELDS
        found: dict[int, Any] = {}
        for part in chunks(list(issues)):
            found.update(self.db.rows(f"SELECT id, {field} FROM issues WHERE id IN ({marks(part)})", part))
        return found

    def resolved(self, issues: Sequence[int]) -> list[tuple[int, int, str | None]]:
        """Those of the issues that are resolved: (issue, when, in which release)."""
        found: list[tuple[int, int, str | None]] = []
        for part in chunks(issues):
            found += self.db.rows(
                f"""SELECT id, COALESCE(resolved_at, 0), resolved_in FROM issues
                    WHERE status = 'resolved' AND id IN ({marks(part)})""",
                part,
            )
        return found

    def ignored_until(self) -> list[tuple[int, str, int, int]]:
        """The issues that are ignored for a while: (issue, until when as JSON, its events, its users)."""
        return [
            (issue, until, count, users)
            for issue, until, count, users in self.db.rows(
                "SELECT id, ignored_until, count, users FROM issues WHERE ignored_until IS NOT NULL"
            )
        ]

    def resolved_issue(self, project: str, fingerprint: str) -> int | None:
        """The issue of a grouping hash (40 hex digits), if there is one and it is resolved."""
        return self.db.value(
            """SELECT i.id FROM projects p JOIN hashes h ON h.project_id = p.id JOIN issues i ON i.id = h.issue_id
               WHERE p.name = ? AND h.hash = ? AND i.status = 'resolved'""",
            (project, bytes.fromhex(fingerprint)),
        )

    def update(self, issue: int, now: int, **fields: Any) -> None:
        """Set fields of one issue. Joins the open transaction."""
        assert _FIELDS.issuperset(fields)
        columns = "".join(f", {name} = ?" for name in fields)
        self.db.execute(f"UPDATE issues SET changed_at = ?{columns} WHERE id = ?", (now, *fields.values(), issue))

    def log(self, issue: int, now: int, actor: str, kind: str, data: Mapping[str, Any]) -> None:
        self.db.execute(
            "INSERT INTO activity (issue_id, at, actor, kind, data) VALUES (?, ?, ?, ?, ?)",
            (issue, now, actor, kind, json.dumps(data, ensure_ascii=False)),
        )

    def tags(self, issues: Sequence[int]) -> set[tuple[int, str]]:
        """The tags that people gave, as (issue, tag)."""
        found: set[tuple[int, str]] = set()
        for part in chunks(list(issues)):
            found.update(self.db.rows(f"SELECT issue_id, tag FROM issue_tags WHERE issue_id IN ({marks(part)})", part))
        return found

    def tag(self, issue: int, tag: str) -> None:
        """Give an issue a tag. Joins the open transaction."""
        self.db.execute("INSERT INTO issue_tags (issue_id, tag) VALUES (?, ?) ON CONFLICT DO NOTHING", (issue, tag))

    def untag(self, issues: Sequence[int], tag: str) -> None:
        """Take a tag from an issue and, since each of them may hold it, from all that were merged into it."""
        self.db.execute(f"DELETE FROM issue_tags WHERE tag = ? AND issue_id IN ({marks(issues)})", (tag, *issues))

    def activity(self, issue: int, limit: int = 50) -> list[Activity]:
        """What happened to an issue, latest first."""
        rows = self.db.rows(
            "SELECT at, actor, kind, data FROM activity WHERE issue_id = ? ORDER BY id DESC LIMIT ?",
            (issue, limit),
        )
        return [Activity(at, actor, kind, json.loads(data)) for at, actor, kind, data in rows]


def shown_until(text: str | None) -> dict[str, Any] | None:
    """`ignored_until` as front ends show it: time, and how many events and users there are then. None: for good."""
    if not text:
        return None
    ends = ends_of(text)
    at = ends.get("at")
    return {"time": None if at is None else to_iso(at), "events": ends.get("count"), "users": ends.get("users")}


def ends_of(text: str) -> dict[str, int]:
    """What is kept; nothing of what another program wrote and cannot be read."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, int)} if isinstance(found, dict) else {}
