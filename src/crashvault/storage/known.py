"""Which hashes a vault has: asked of every event, so this imports nothing."""

from __future__ import annotations

from .sqlite import SQLite

_KEPT = 50_000


class Known:
    def __init__(self, db: SQLite) -> None:
        self.db = db
        self._seen: set[tuple[str, str]] = set()
        self._generation = ""

    def refresh(self) -> None:
        """Forget what is believed to be there once rows were deleted, by any process; once a batch."""
        generation = self.db.value("SELECT value FROM meta WHERE key = 'generation'", default="")
        if generation != self._generation:
            self._seen.clear()
            self._generation = generation

    def has(self, project: str, digest: str) -> bool:
        """Whether a project has the hash (hex), or had it a moment ago."""
        key = (project, digest)
        if key in self._seen:
            return True
        if self.db.row(
            "SELECT 1 FROM projects p JOIN hashes h ON h.project_id = p.id WHERE p.name = ? AND h.hash = ?",
            (project, bytes.fromhex(digest)),
        ):
            if len(self._seen) >= _KEPT:
                self._seen.clear()
            self._seen.add(key)
            return True
        return False
