"""Leases: who does what only one may do, until when. A lease that is not renewed runs out by itself."""

from __future__ import annotations

from typing import NamedTuple

from .sqlite import SQLite


class Lease(NamedTuple):
    name: str
    holder: str
    expires_at: int


class Leases:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def live(self, name: str, now: int) -> Lease | None:
        """The lease of that name, if it has not run out."""
        row = self.db.row("SELECT name, holder, expires_at FROM leases WHERE name = ? AND expires_at > ?", (name, now))
        return Lease(*row) if row else None

    def take(self, name: str, holder: str, now: int, duration: int) -> bool:
        """Take or renew a lease for `duration` microseconds; whether it is ours now."""
        with self.db.writing(alone=False):
            self.db.execute(
                """INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE
                   SET holder = excluded.holder, expires_at = excluded.expires_at
                   WHERE leases.holder = excluded.holder OR leases.expires_at <= ?""",
                (name, holder, now + duration, now),
            )
            return self.db.value("SELECT holder FROM leases WHERE name = ?", (name,)) == holder

    def seize(self, name: str, holder: str, now: int, duration: int) -> None:
        """Take a lease whoever has it: for those who know by other means that the holder is gone."""
        with self.db.writing(alone=False):
            self.db.execute(
                """INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE
                   SET holder = excluded.holder, expires_at = excluded.expires_at""",
                (name, holder, now + duration),
            )

    def release(self, name: str, holder: str) -> None:
        with self.db.writing(alone=False):
            self.db.execute("DELETE FROM leases WHERE name = ? AND holder = ?", (name, holder))
