"""Queries that people keep under a name."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import InvalidError
from .sqlite import SQLite

MAX_NAME = 60
_MOST = 100


class SavedSearch(NamedTuple):
    id: int
    name: str
    query: str
    actor: str


class Searches:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def list(self) -> list[SavedSearch]:
        return [
            SavedSearch(*row) for row in self.db.rows("SELECT id, name, query, actor FROM saved_searches ORDER BY name")
        ]

    def save(self, name: str, query: str, actor: str, now: int) -> None:
        """Keep a query; one of the same name is replaced. Raises InvalidError."""
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise InvalidError(f"a search cannot be called {name[:MAX_NAME]!r}", f"Use 1 to {MAX_NAME} characters")
        with self.db.writing():
            if len(self.list()) >= _MOST:
                raise InvalidError(f"there are {_MOST} saved searches already", "Remove one first")
            self.db.execute(
                """INSERT INTO saved_searches (name, query, actor, created_at) VALUES (?, ?, ?, ?)
                   ON CONFLICT (name) DO UPDATE SET query = excluded.query, actor = excluded.actor""",
                (name, query, actor, now),
            )

    def remove(self, search: int) -> None:
        with self.db.writing():
            self.db.execute("DELETE FROM saved_searches WHERE id = ?", (search,))
