"""Reading events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..digests import dashed
from ..errors import InvalidError, NotFoundError
from .loading import Loader, StoredEvent
from .sqlite import SQLite, chunks, marks

_SHOWN_CANDIDATES = 5


class Arrival(NamedTuple):
    """What is known of an event without reading it."""

    row: int
    received_at: int
    issue: int
    project: str


class Events:
    def __init__(self, db: SQLite) -> None:
        self.db = db
        self.loader = Loader(db)

    def load(self, rows: Sequence[int]) -> list[StoredEvent]:
        return self.loader.load(rows)

    def get(self, prefix: str, project: str | None = None) -> StoredEvent:
        """The event whose id begins so. Raises NotFoundError, or InvalidError that names the candidates."""
        return self.load([self.resolve(prefix, project)])[0]

    def resolve(self, prefix: str, project: str | None = None) -> int:
        """The row of the event whose id begins with `prefix` (hexadecimal, dashes as one likes), in one project or any."""
        digits = prefix.strip().replace("-", "").lower()
        if not digits or len(digits) > 32 or not all(digit in "0123456789abcdef" for digit in digits):
            raise InvalidError(f"{prefix!r} is not an event id", "An id looks like 4f1c9a7e-…; see: crashvault events")
        low = bytes.fromhex(digits.ljust(32, "0"))
        high = bytes.fromhex(digits.ljust(32, "f"))
        rows = self.db.rows(
            """SELECT k.event, k.event_id, p.name FROM projects p JOIN event_keys k ON k.project_id = p.id
               WHERE k.event_id BETWEEN ?1 AND ?2 AND k.event IS NOT NULL AND (?4 IS NULL OR p.name = ?4)
               ORDER BY k.event_id, p.id LIMIT ?3""",
            (low, high, _SHOWN_CANDIDATES + 1, project),
        )
        if not rows:
            raise NotFoundError(f"there is no event {prefix}", "See: crashvault events")
        if len(rows) > 1:
            names = [f"{dashed(key)} ({project})" for _, key, project in rows[:_SHOWN_CANDIDATES]]
            more = " and more" if len(rows) > _SHOWN_CANDIDATES else ""
            raise InvalidError(f"{prefix!r} fits several events", f"Type more of one of: {', '.join(names)}{more}")
        return int(rows[0][0])

    def find(self, project: str, event_id: str) -> int:
        """The row of a project's event by its whole id. Raises NotFoundError."""
        row = self.db.value(
            """SELECT k.event FROM projects p JOIN event_keys k ON k.project_id = p.id
               WHERE p.name = ? AND k.event_id = ? AND k.event IS NOT NULL""",
            (project, bytes.fromhex(event_id.replace("-", ""))),
        )
        if row is None:
            raise NotFoundError(f"there is no event {event_id} in {project}", "See: crashvault events")
        return int(row)

    def ids(self, rows: Sequence[int]) -> dict[int, str]:
        """The event id of each row that is there."""
        found: dict[int, str] = {}
        for part in chunks(rows):
            keys = self.db.rows(f"SELECT id, event_id FROM events WHERE id IN ({marks(part)})", part)
            found.update((row, dashed(key)) for row, key in keys)
        return found

    def newest_row(self) -> int:
        """The row of the last event that arrived; 0 in an empty vault."""
        return self.db.settled()

    def rows_after(self, row: int, limit: int = 1000) -> list[int]:
        """Rows that arrived after a row, in the order of arrival, and before any that may still appear."""
        sql = "SELECT id FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
        return [found for (found,) in self.db.rows(sql, (row, self.db.settled(), limit))]

    def neighbours(self, item: StoredEvent) -> tuple[int | None, int | None]:
        """Rows of the events before and after this one in its issue: the nearest of each hash, and of those the nearest."""
        at = item.event["timestamp"]
        found = []
        for compare, direction in (("<", "DESC"), (">", "ASC")):
            found.append(
                self.db.value(
                    f"""SELECT id FROM events WHERE id IN (
                          SELECT (SELECT e.id FROM events e
                                  WHERE e.hash_id = h.id AND (e.timestamp, e.id) {compare} (?2, ?3)
                                  ORDER BY e.timestamp {direction}, e.id {direction} LIMIT 1)
                          FROM hashes h WHERE h.issue_id = ?1)
                        ORDER BY timestamp {direction}, id {direction} LIMIT 1""",
                    (item.issue_id, at, item.row),
                )
            )
        return found[0], found[1]

    def received_between(self, rows: Sequence[int], start: int, end: int) -> list[Arrival]:
        """Those of the rows that arrived between two times, in the order of arrival."""
        found: list[Arrival] = []
        for part in chunks(rows):
            found += [
                Arrival(*row)
                for row in self.db.rows(
                    f"""SELECT e.id, e.received_at, h.issue_id, p.name
                        FROM events e JOIN hashes h ON h.id = e.hash_id JOIN projects p ON p.id = e.project_id
                        WHERE e.id IN ({marks(part)}) AND e.received_at BETWEEN ? AND ? ORDER BY e.id""",
                    (*part, start, end),
                )
            ]
        return found

    def all_rows(self) -> Iterator[int]:
        """Every row, oldest arrival first; for export."""
        last = 0
        while rows := self.db.rows("SELECT id FROM events WHERE id > ? ORDER BY id LIMIT 5000", (last,)):
            last = rows[-1][0]
            yield from (row for (row,) in rows)
