"""People who may log in, their sessions, and the passwords that were wrong. No password or token lies here as it is."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ConflictError, InvalidError, NotFoundError
from .sqlite import SQLite

ROLES = ("admin", "member", "viewer")
MAX_NAME = 100


class User(NamedTuple):
    id: int
    name: str
    role: str
    password: str  # scrypt$N$r$p$salt$key
    created_at: int
    changed_at: int
    seen_at: int | None


_SELECT = "SELECT id, name, role, password, created_at, changed_at, seen_at FROM users"


class Users:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def list(self) -> list[User]:
        return [User(*row) for row in self.db.rows(f"{_SELECT} ORDER BY name")]

    def any(self) -> bool:
        return self.db.row("SELECT 1 FROM users LIMIT 1") is not None

    def find(self, name: str) -> User | None:
        row = self.db.row(f"{_SELECT} WHERE name = ?", (name.strip(),))
        return User(*row) if row else None

    def require(self, name: str) -> User:
        """Raises NotFoundError that names those there are."""
        found = self.find(name)
        if found is None:
            names = ", ".join(user.name for user in self.list())
            raise NotFoundError(
                f"there is no user {name[:MAX_NAME]!r}", f"There are: {names}" if names else "There is none yet"
            )
        return found

    def add(self, name: str, role: str, password: str, now: int) -> User:
        """Keep a new user with a hashed password. Raises InvalidError, and ConflictError for a name that is taken."""
        name = _checked_name(name)
        with self.db.writing():
            if self.find(name):
                raise ConflictError(
                    f"there is a user {name!r} already", f"Change the password: crashvault user passwd {name}"
                )
            self.db.execute(
                "INSERT INTO users (name, role, password, created_at, changed_at) VALUES (?, ?, ?, ?, ?)",
                (name, checked_role(role), password, now, now),
            )  # fmt: skip
            return self.require(name)

    def set_password(self, user: int, password: str, now: int) -> None:
        """A new password; whoever is logged in with the old one is no longer."""
        with self.db.writing():
            self.db.execute("UPDATE users SET password = ?, changed_at = ? WHERE id = ?", (password, now, user))
            self.db.execute("DELETE FROM logins WHERE user_id = ?", (user,))

    def set_role(self, user: User, role: str, now: int) -> None:
        """Raises InvalidError where nobody could administer any more."""
        with self.db.writing():
            if checked_role(role) != "admin":
                self._keep_an_admin(user)
            self.db.execute("UPDATE users SET role = ?, changed_at = ? WHERE id = ?", (role, now, user.id))

    def remove(self, user: User) -> None:
        """With all sessions. Raises InvalidError for the last administrator while there are others."""
        with self.db.writing():
            if len(self.list()) > 1:
                self._keep_an_admin(user)
            self.db.execute("DELETE FROM logins WHERE user_id = ?", (user.id,))
            self.db.execute("DELETE FROM users WHERE id = ?", (user.id,))

    def _keep_an_admin(self, user: User) -> None:
        if not any(one.role == "admin" and one.id != user.id for one in self.list()):
            raise InvalidError(f"{user.name} is the only administrator", "Make another one first")

    # Sessions

    def log_in(self, user: int, digest: bytes, now: int, expires_at: int) -> None:
        with self.db.writing():
            self.db.execute("DELETE FROM logins WHERE expires_at <= ?", (now,))
            self.db.execute("INSERT INTO logins VALUES (?, ?, ?, ?)", (digest, user, now, expires_at))
            self.db.execute("UPDATE users SET seen_at = ? WHERE id = ?", (now, user))

    def session(self, digest: bytes, now: int) -> User | None:
        """Who is logged in with a token of that digest."""
        row = self.db.row(
            f"{_SELECT} WHERE id = (SELECT user_id FROM logins WHERE digest = ? AND expires_at > ?)", (digest, now)
        )
        return User(*row) if row else None

    def log_out(self, digest: bytes) -> None:
        with self.db.writing():
            self.db.execute("DELETE FROM logins WHERE digest = ?", (digest,))

    # The link with which the first user is made

    def invite(self, digest: bytes, now: int, expires_at: int) -> None:
        """Make that link the one that is good."""
        with self.db.writing():
            self.db.execute("DELETE FROM logins WHERE user_id IS NULL")
            self.db.execute("INSERT INTO logins VALUES (?, NULL, ?, ?)", (digest, now, expires_at))

    def is_invited(self, digest: bytes, now: int) -> bool:
        sql = "SELECT 1 FROM logins WHERE digest = ? AND user_id IS NULL AND expires_at > ?"
        return self.db.row(sql, (digest, now)) is not None

    def end_invitation(self) -> None:
        with self.db.writing():
            self.db.execute("DELETE FROM logins WHERE user_id IS NULL")

    # Wrong passwords

    def failures(self, who: str) -> tuple[int, int]:
        """How many there were, and when the last one was."""
        row = self.db.row("SELECT count, last_at FROM login_failures WHERE who = ?", (who,))
        return (row[0], row[1]) if row else (0, 0)

    def note_failure(self, who: str, now: int, forget_after: int) -> None:
        with self.db.writing():
            self.db.execute("DELETE FROM login_failures WHERE last_at < ?", (now - forget_after,))
            self.db.execute(
                """INSERT INTO login_failures VALUES (?, 1, ?)
                   ON CONFLICT (who) DO UPDATE SET count = login_failures.count + 1, last_at = excluded.last_at""",
                (who, now),
            )

    def forget_failures(self, who: str) -> None:
        with self.db.writing():
            self.db.execute("DELETE FROM login_failures WHERE who = ?", (who,))


def checked_role(role: str) -> str:
    if role not in ROLES:
        raise InvalidError(f"there is no role {role[:MAX_NAME]!r}", f"Use one of: {', '.join(ROLES)}")
    return role


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidError(f"a user cannot be called {name[:MAX_NAME]!r}", f"Use 1 to {MAX_NAME} printable characters")
    return name
