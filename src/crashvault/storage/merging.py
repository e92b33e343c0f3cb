"""Merging issues, and taking them apart again.

An issue that is merged away keeps its row, untouched and unlisted, and names the issue it went into. What
belonged to it (hashes, tags, activity, files) points at the other issue meanwhile, and remembers its home.
So nothing has to be undone: unmerging points those parts home, and the issue is what it was. Merges may be
nested; then the parts point at the outermost issue, its *root*.
"""

from __future__ import annotations

from collections.abc import Sequence

from .deletion import members, recompute_issue
from .sqlite import SQLite, marks

_PARTS = ("hashes", "issue_tags", "activity", "attachments")


class Merging:
    """Call its writing methods inside `writing()`."""

    def __init__(self, db: SQLite) -> None:
        self.db = db

    def members(self, issue: int) -> list[int]:
        """An issue and all that were merged into it, at any depth."""
        return members(self.db, issue)

    def root(self, issue: int) -> int:
        """The issue that has the events of this one: itself, unless it was merged away."""
        while (into := self.parent(issue)) is not None:
            issue = into
        return issue

    def parent(self, issue: int) -> int | None:
        """The issue into which this one was merged."""
        found: int | None = self.db.value("SELECT merged_into FROM issues WHERE id = ?", (issue,))
        return found

    def projects(self, issues: Sequence[int]) -> dict[int, int]:
        """The project's id of each issue that exists."""
        return dict(self.db.rows(f"SELECT id, project_id FROM issues WHERE id IN ({marks(issues)})", issues))

    def homeless(self, issue: int) -> tuple[int, int] | None:
        """Project and present issue of hashes from an issue whose row is gone, as after importing a merged one."""
        row = self.db.row(
            """SELECT project_id, issue_id FROM hashes
               WHERE home_issue_id = ? AND count > 0 AND NOT EXISTS (SELECT 1 FROM issues WHERE id = home_issue_id) LIMIT 1""",
            (issue,),
        )
        return (row[0], row[1]) if row else None

    def merge(self, target: int, other: int) -> None:
        """Point all that belongs to `other` at `target`; neither is merged into anything."""
        moved = self.members(other)
        self.db.execute("UPDATE issues SET merged_into = ? WHERE id = ?", (target, other))
        self._gather(target, moved)
        recompute_issue(self.db, target)

    def unmerge(self, issue: int) -> int:
        """Point all that belongs to `issue` home again; the issue that had it."""
        root = self.root(issue)
        places = self.members(root)
        self.db.execute("UPDATE issues SET merged_into = NULL WHERE id = ?", (issue,))
        self._part(issue, root, places)
        return root

    def revive(self, issue: int, project: int, root: int, now: int) -> None:
        """Make an issue anew from its hashes, where its row is gone."""
        self.db.execute(
            """INSERT INTO issues (id, project_id, title, culprit, status, level, count, users, first_seen, last_seen,
                                   created_at, changed_at, last_event)
               SELECT home_issue_id, project_id, title, culprit, 'open', 40, 0, 0, first_seen, last_seen, ?, ?, 0
               FROM hashes WHERE home_issue_id = ? AND project_id = ? ORDER BY id LIMIT 1""",
            (now, now, issue, project),
        )
        self._part(issue, root, [issue, *self.members(root)])

    def _part(self, issue: int, root: int, places: Sequence[int]) -> None:
        self._gather(issue, places)
        # A tag that several members had is held by one of them: perhaps by the one that went.
        self._gather(root, self.members(root))
        recompute_issue(self.db, issue)
        recompute_issue(self.db, root)

    def _gather(self, root: int, places: Sequence[int]) -> None:
        """Point the parts of `root` and of all its members at it, from the issues they point at now."""
        found = self.members(root)
        # Of a tag that several members have, only one can be the root's: all go home before one is chosen again.
        self.db.execute(
            f"""UPDATE issue_tags SET issue_id = home_issue_id
                WHERE issue_id IN ({marks(places)}) AND home_issue_id IN ({marks(found)})""",
            (*places, *found),
        )
        unless = "AND NOT EXISTS (SELECT 1 FROM issue_tags t WHERE t.issue_id = ? AND t.tag = issue_tags.tag)"
        for member in found:
            for table in _PARTS:
                tags = table == "issue_tags"
                self.db.execute(
                    f"""UPDATE {table} SET issue_id = ?, home_issue_id = ?
                        WHERE issue_id <> ? AND issue_id IN ({marks(places)})
                          AND COALESCE(home_issue_id, issue_id) = ? {unless if tags else ""}""",
                    (root, member, root, *places, member, *([root] if tags else [])),
                )
