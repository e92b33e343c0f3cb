"""The ledger of everything refused, limited, evicted, scrubbed or reported lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .sqlite import SQLite

Entry = tuple[str, str, str]  # reason, source, category


class Drop(NamedTuple):
    reason: str
    source: str
    category: str
    count: int  # type: ignore[assignment]  # a column, not the method of tuples
    first: int
    last: int


class Ledger:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def add(self, counts: Mapping[Entry, int], now: int) -> None:
        """Count drops. Joins the open transaction, if there is one."""
        rows = [(*entry, count, now, now) for entry, count in sorted(counts.items()) if count > 0]
        if not rows:
            return
        with self.db.writing(alone=False):
            self.db.execute_many(
                """INSERT INTO drops VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT (reason, source, category)
                   DO UPDATE SET count = drops.count + excluded.count, last = excluded.last""",
                rows,
            )

    def list(self) -> list[Drop]:
        rows = self.db.rows("SELECT reason, source, category, count, first, last FROM drops ORDER BY last DESC, reason")
        return [Drop(*row) for row in rows]
