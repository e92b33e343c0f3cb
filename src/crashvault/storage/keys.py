"""Keys of the API. What lies here is a digest of each, its beginning, and what it may do; never the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import ConflictError, InvalidError, NotFoundError
from .sqlite import SQLite

MAX_NAME = 100


class ApiKey(NamedTuple):
    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    project: str | None  # None: all projects
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    digest: bytes  # SHA-256 of the key


_SELECT = """SELECT k.id, k.name, k.prefix, k.scopes, p.name, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.digest
             FROM api_keys k LEFT JOIN projects p ON p.id = k.project_id"""


class Keys:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def add(
        self, name: str, *, prefix: str, digest: bytes, scopes: Sequence[str], project_id: int | None, now: int,
        expires_at: int | None = None,
    ) -> ApiKey:  # fmt: skip
        """Keep a new key. Raises InvalidError for an unfit name, ConflictError for that of a key in force."""
        name = _checked_name(name)
        with self.db.writing():
            if any(key.name == name and key.revoked_at is None for key in self.list()):
                raise ConflictError(
                    f"there is a key {name!r} already", f"Revoke it with: crashvault api-key revoke {name}"
                )
            row = self.db.value(
                """INSERT INTO api_keys (name, prefix, digest, scopes, project_id, created_at, expires_at)
                   VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id""",
                (name, prefix, digest, " ".join(scopes), project_id, now, expires_at),
            )
            return self.get(row)

    def list(self) -> list[ApiKey]:
        """Every key that was ever made, the oldest first."""
        return [_key(row) for row in self.db.rows(f"{_SELECT} ORDER BY k.id")]

    def get(self, key_id: int) -> ApiKey:
        row = self.db.row(f"{_SELECT} WHERE k.id = ?", (key_id,))
        if row is None:
            raise NotFoundError(f"there is no key {key_id}", "See: crashvault api-key list")
        return _key(row)

    def find(self, digest: bytes) -> ApiKey | None:
        """The key with that digest, be it in force or not."""
        row = self.db.row(f"{_SELECT} WHERE k.digest = ?", (digest,))
        return _key(row) if row else None

    def require(self, which: str) -> ApiKey:
        """The key that a person means by its name, its number or its beginning. Raises NotFoundError, ConflictError."""
        keys = self.list()
        for found in (
            [key for key in keys if key.name == which and key.revoked_at is None],
            [key for key in keys if str(key.id) == which],
            [key for key in keys if key.name == which],
            [key for key in keys if which and key.prefix.startswith(which[: len(key.prefix)]) and len(which) > 3],
        ):
            if len(found) == 1:
                return found[0]
            if found:
                numbers = ", ".join(str(key.id) for key in found)
                raise ConflictError(f"{which!r} fits several keys", f"Name one by its number: {numbers}")
        names = ", ".join(key.name for key in keys if key.revoked_at is None)
        raise NotFoundError(f"there is no key {which!r}", f"There are: {names}" if names else "There is none yet")

    def revoke(self, key_id: int, now: int) -> ApiKey:
        """Take a key out of force for good. One that is revoked already stays as it is."""
        with self.db.writing():
            self.db.execute("UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (now, key_id))
            return self.get(key_id)

    def note_uses(self, uses: Mapping[int, int]) -> None:
        """Remember when keys were last used: id → time."""
        with self.db.writing(alone=False):
            self.db.execute_many(
                "UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)",
                [(at, key_id, at) for key_id, at in sorted(uses.items())],
            )


def _key(row: tuple[object, ...]) -> ApiKey:
    key = ApiKey(*row)  # type: ignore[arg-type]
    return key._replace(scopes=tuple(str(row[3]).split()))


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidError(f"a key cannot be called {name[:MAX_NAME]!r}", f"Use 1 to {MAX_NAME} printable characters")
    return name
