"""Settings that all nodes share, kept in the store as JSON."""

from __future__ import annotations

import json
from typing import Any

from .sqlite import SQLite


class Settings:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def get(self, key: str, default: Any = None) -> Any:
        value = self.db.value("SELECT value FROM settings WHERE key = ?", (key,))
        return default if value is None else json.loads(value)

    def all(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self.db.rows("SELECT key, value FROM settings ORDER BY key")}

    def set(self, key: str, value: Any, now: int) -> None:
        with self.db.writing():
            self.db.execute(
                """INSERT INTO settings VALUES (?, ?, ?)
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at""",
                (key, json.dumps(value, ensure_ascii=False), now),
            )

    def unset(self, key: str) -> bool:
        with self.db.writing():
            return self.db.execute("DELETE FROM settings WHERE key = ?", (key,)) > 0
