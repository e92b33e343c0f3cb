"""What a word being typed may become: ids, tags and values that the vault has. Each answer is short and quick."""

from __future__ import annotations

import uuid

from .loading import Loader
from .sqlite import SQLite

LIMIT = 60
_EVENTS = 20  # these have to be read


class Suggestions:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def issues(self, prefix: str, *, merged: bool = False) -> list[tuple[str, str]]:
        """(id, title) of the issues seen last; or of those that were merged into others."""
        return [
            (str(issue), title)
            for issue, title in self.db.rows(
                f"""SELECT id, title FROM issues WHERE merged_into IS {"NOT" if merged else ""} NULL
                     AND substr(CAST(id AS TEXT), 1, CAST(? AS INTEGER)) = ? ORDER BY last_seen DESC LIMIT ?""",
                (len(prefix), prefix, LIMIT),
            )
        ]

    def events(self, prefix: str) -> list[tuple[str, str]]:
        """(id, message) of the events that arrived last."""
        digits = prefix.replace("-", "").lower()
        if len(digits) > 32 or not all(digit in "0123456789abcdef" for digit in digits):
            return []
        rows = (
            self._events(digits)
            if digits
            else self.db.rows("SELECT id FROM events ORDER BY id DESC LIMIT ?", (_EVENTS,))
        )
        items = Loader(self.db).load([row for (row,) in rows])
        return [(item.event["event_id"], str(item.event.get("message", ""))) for item in items]

    def _events(self, digits: str) -> list[tuple[int]]:
        low, high = bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))
        return self.db.rows(
            """SELECT k.event FROM projects p JOIN event_keys k ON k.project_id = p.id
               WHERE k.event_id BETWEEN ? AND ? AND k.event IS NOT NULL LIMIT ?""",
            (low, high, _EVENTS),
        )

    def webhooks(self, prefix: str) -> list[str]:
        return self._names("webhooks", prefix)

    def alerts(self, prefix: str) -> list[str]:
        return self._names("alert_rules", prefix)

    def _names(self, table: str, prefix: str) -> list[str]:
        sql = f"SELECT name FROM {table} WHERE substr(name, 1, CAST(? AS INTEGER)) = ? ORDER BY name LIMIT ?"
        return [name for (name,) in self.db.rows(sql, (len(prefix), prefix, LIMIT))]

    def values(self, field: str, prefix: str) -> list[str]:
        """Distinct values of an event's field, case folded."""
        prefix = prefix.casefold()
        rows = self.db.rows(
            "SELECT value FROM words WHERE field = ? AND value >= ? AND value < ? LIMIT ?",
            (field, prefix, prefix + "\U0010ffff", LIMIT),
        )
        return [value for (value,) in rows]

    def issue_tags(self, prefix: str) -> list[str]:
        """Tags that people gave to issues."""
        rows = self.db.rows(
            "SELECT DISTINCT tag FROM issue_tags WHERE substr(tag, 1, CAST(? AS INTEGER)) = ? LIMIT ?",
            (len(prefix), prefix, LIMIT),
        )
        return [tag for (tag,) in rows]

    def people(self, prefix: str) -> list[str]:
        """Who has issues assigned."""
        rows = self.db.rows(
            "SELECT DISTINCT assigned FROM issues WHERE substr(assigned, 1, CAST(? AS INTEGER)) = ? LIMIT ?",
            (len(prefix), prefix, LIMIT),
        )
        return [name for (name,) in rows]

    def projects(self, prefix: str) -> list[str]:
        rows = self.db.rows(
            "SELECT name FROM projects WHERE substr(name, 1, CAST(? AS INTEGER)) = ? LIMIT ?",
            (len(prefix), prefix, LIMIT),
        )
        return [name for (name,) in rows]

    def keys(self, prefix: str) -> list[tuple[str, str]]:
        """(prefix, name) of the keys that are in force."""
        return self.db.rows(
            "SELECT prefix, name FROM api_keys WHERE revoked_at IS NULL AND substr(prefix, 1, CAST(? AS INTEGER)) = ? LIMIT ?",
            (len(prefix), prefix, LIMIT),
        )

    def levels(self) -> list[str]:
        return [name for (name,) in self.db.rows("SELECT name FROM levels ORDER BY rank")]


def short_id(event_id: str) -> str:
    """The beginning of an event's id that people type."""
    return uuid.UUID(event_id).hex[:8]
