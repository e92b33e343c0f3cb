"""Projects: namespaces of issues inside a vault."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import ConflictError, InvalidError, NotFoundError
from .sqlite import SQLite

MAX_NAME = 100


class Project(NamedTuple):
    id: int
    name: str
    public_key: str
    created_at: int


class Projects:
    def __init__(self, db: SQLite) -> None:
        self.db = db
        self._ids: dict[str, int] = {}
        self._rollbacks = 0

    def ids(self, names: Iterable[str], now: int) -> dict[str, int]:
        """The id of each named project; a new name makes a project. Call it inside `writing()`.

        Projects are never deleted, so an id once seen stays true, unless the transaction that made it failed.
        """
        if self._rollbacks != self.db.rollbacks:
            self._ids.clear()
            self._rollbacks = self.db.rollbacks
        for name in sorted(names):
            if name not in self._ids:
                self._ids[name] = self._find(name) or self._create(name, now)
        return self._ids

    def forget(self) -> None:
        """Drop the ids this process knows, after a transaction that may have made projects and failed."""
        self._ids.clear()

    def find(self, name: str) -> Project | None:
        row = self.db.row("SELECT id, name, public_key, created_at FROM projects WHERE name = ?", (name,))
        return Project(*row) if row else None

    def require(self, name: str) -> Project:
        project = self.find(name)
        if project is None:
            names = ", ".join(project.name for project in self.list())
            raise NotFoundError(f"there is no project {name!r}", f"There are: {names}")
        return project

    def list(self) -> list[Project]:
        return [
            Project(*row) for row in self.db.rows("SELECT id, name, public_key, created_at FROM projects ORDER BY id")
        ]

    def add(self, name: str, now: int) -> Project:
        """Make a project. Raises ConflictError for a name that is taken, InvalidError for one that is unfit."""
        check_name(name)
        with self.db.writing():
            if self._find(name):
                raise ConflictError(f"there is a project {name!r} already", "See: crashvault project list")
            self._create(name, now)
        return self.require(name)

    # Public keys of the DSN. `projects.public_key` is the one that is shown; others stay good until they are revoked.

    def by_public_key(self, public_key: str) -> Project | None:
        """The project that a DSN with that key sends to."""
        row = self.db.row(
            """SELECT id, name, public_key, created_at FROM projects WHERE public_key = ?1
               UNION ALL SELECT p.id, p.name, p.public_key, p.created_at
                 FROM dsn_keys d JOIN projects p ON p.id = d.project_id WHERE d.public_key = ?1""",
            (public_key,),
        )
        return Project(*row) if row else None

    def public_keys(self, project: Project) -> Sequence[str]:
        """All keys that are good for a project: the one that is shown, then the others, the latest first."""
        others = self.db.rows(
            "SELECT public_key FROM dsn_keys WHERE project_id = ? ORDER BY replaced_at DESC, public_key", (project.id,)
        )
        return [project.public_key, *(key for (key,) in others)]

    def add_public_key(self, name: str, now: int) -> Project:
        """Give a project a new key, which is shown from now on; those it has stay good."""
        with self.db.writing():
            project = self.require(name)
            self.db.execute("INSERT INTO dsn_keys VALUES (?, ?, ?)", (project.public_key, project.id, now))
            self._show_public_key(project.id, _new_public_key())
            return self.require(name)

    def revoke_public_key(self, name: str, public_key: str) -> Project:
        """Take a key out of force; the latest of the others is shown in its place, or a new one. Raises NotFoundError."""
        with self.db.writing():
            project = self.require(name)
            keys = self.public_keys(project)
            if public_key not in keys:
                raise NotFoundError(f"{name!r} has no key {public_key!r}", f"See: crashvault project show {name}")
            self.db.execute("DELETE FROM dsn_keys WHERE public_key = ?", (public_key,))
            if public_key == project.public_key:
                shown = keys[1] if len(keys) > 1 else _new_public_key()
                self.db.execute("DELETE FROM dsn_keys WHERE public_key = ?", (shown,))
                self._show_public_key(project.id, shown)
            return self.require(name)

    def _show_public_key(self, project: int, public_key: str) -> None:
        self.db.execute("UPDATE projects SET public_key = ? WHERE id = ?", (public_key, project))

    def _find(self, name: str) -> int | None:
        value = self.db.value("SELECT id FROM projects WHERE name = ?", (name,))
        return None if value is None else int(value)

    def _create(self, name: str, now: int) -> int:
        sql = """INSERT INTO projects (name, public_key, created_at) VALUES (?, ?, ?)
                 ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"""
        return int(self.db.value(sql, (name, _new_public_key(), now)))


def _new_public_key() -> str:
    return os.urandom(16).hex()


def check_name(name: str) -> None:
    """Raises InvalidError where a project cannot be called so."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidError(
            f"a project cannot be called {name[:MAX_NAME]!r}", f"Use 1 to {MAX_NAME} printable characters"
        )
