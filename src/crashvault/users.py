"""People of the dashboard: their roles, passwords and sessions, and who is kept from guessing.

Passwords are kept as scrypt of them, sessions as SHA-256 of a token that the browser has in a cookie. Everything
lies in the vault, so that all processes of a server know the same sessions and count the same wrong passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import NamedTuple

from . import clock
from .announce import PUSH
from .auth import SCOPES, Access, digest_of
from .errors import CrashvaultError, InvalidError
from .storage.store import Store
from .storage.users import ROLES, User, checked_role

# What each role may do, in the scopes that keys have.
SCOPE_OF_ROLE = {"admin": "admin", "member": "write", "viewer": "read"}
SESSION_LASTS = 30 * clock.DAY
INVITATION_LASTS = clock.DAY
LEAST_PASSWORD = 8
MOST_PASSWORD = 1_000

_COST = (1 << 15, 8, 3)  # scrypt's N, r and p: 32 MiB, some tenths of a second
_FREE_FAILURES = {"name": 5, "address": 20}  # until one has to wait
_FIRST_WAIT = 30 * clock.SECOND  # doubled with each further failure
_LONGEST_WAIT = clock.HOUR
_FORGOTTEN = clock.DAY  # after that time without another failure


class Session(NamedTuple):
    """Somebody who is logged in."""

    user: User
    token: str

    @property
    def access(self) -> Access:
        return Access(None, self.user.name, SCOPES[SCOPE_OF_ROLE[self.user.role]], None)


class LockedError(CrashvaultError):
    """Too many wrong passwords."""

    code = "locked"
    status = 429

    def __init__(self, wait: int) -> None:
        self.retry_after = max(1, wait // clock.SECOND)
        super().__init__("too many wrong passwords", f"Try again in {self.retry_after} s")


class WrongPasswordError(CrashvaultError):
    code = "wrong_password"
    status = 403

    def __init__(self) -> None:
        super().__init__("name or password is wrong")


# Passwords


def hashed(password: str) -> str:
    """What is kept of a password. Raises InvalidError for one that is too short or too long."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise InvalidError(f"a password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters", "Use some words in a row")
    salt = secrets.token_bytes(16)
    return "$".join(("scrypt", *map(str, _COST), salt.hex(), _derived(password, salt, *_COST).hex()))


def fits(password: str, kept: str) -> bool:
    """Whether a password is the one of which that was kept."""
    _, n, r, p, salt, key = kept.split("$")
    found = _derived(password[: MOST_PASSWORD + 1], bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(key))


def _derived(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    raw = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(raw, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)


_NOBODY = f"scrypt${'$'.join(map(str, _COST))}${'00' * 16}${'00' * 32}"  # costs what a real one does, and fits nothing


# Users


def add_user(store: Store, name: str, role: str, password: str, now: int) -> User:
    """Raises InvalidError for an unfit name, role or password, ConflictError for a name that is taken."""
    checked_role(role)
    return store.users.add(name, role, hashed(password), now)


def set_password(store: Store, user: User, password: str, now: int) -> None:
    """Give somebody a new password; sessions of the old one end, and devices are told no more."""
    store.users.set_password(user.id, hashed(password), now)
    _forget_devices(store, user)
    store.users.forget_failures(_by_name(user.name))


def remove_user(store: Store, user: User) -> None:
    """Remove somebody with all sessions and devices. Raises InvalidError for the last administrator among others."""
    store.users.remove(user)
    _forget_devices(store, user)


def _forget_devices(store: Store, user: User) -> None:
    for device in store.webhooks.list():
        if device.type == PUSH and device.options.get("user") == user.name:
            store.webhooks.remove(device.id)


# Logging in


def log_in(store: Store, name: str, password: str, address: str, now: int) -> str:
    """The token of a new session. Raises LockedError and WrongPasswordError."""
    counted = {"name": _by_name(name), "address": f"address:{address}"}
    for kind, who in counted.items():
        wait = _wait(*store.users.failures(who), _FREE_FAILURES[kind], now)
        if wait > 0:
            raise LockedError(wait)
    user = store.users.find(name)
    if not fits(password, user.password if user else _NOBODY) or user is None:
        for who in counted.values():
            store.users.note_failure(who, now, _FORGOTTEN)
        raise WrongPasswordError()
    store.users.forget_failures(counted["name"])
    return begin_session(store, user, now)


def begin_session(store: Store, user: User, now: int) -> str:
    token = secrets.token_urlsafe(32)
    store.users.log_in(user.id, digest_of(token), now, now + SESSION_LASTS)
    return token


def session_of(store: Store, token: str, now: int) -> Session | None:
    """Who the browser with that token belongs to."""
    if not _is_token(token):
        return None
    user = store.users.session(digest_of(token), now)
    return Session(user, token) if user else None


def log_out(store: Store, token: str) -> None:
    store.users.log_out(digest_of(token))


def _by_name(name: str) -> str:
    return f"name:{name.strip()[:100]}"


def _wait(failures: int, last_at: int, free: int, now: int) -> int:
    if failures < free or now - last_at > _FORGOTTEN:
        return 0
    doubled = min(_LONGEST_WAIT, _FIRST_WAIT << min(20, failures - free))
    return last_at + doubled - now


def _is_token(token: str) -> bool:
    return len(token) == 43 and token.isascii()


# The first user


def invite(store: Store, now: int) -> str:
    """The token of a link with which the first user can be made, once."""
    token = secrets.token_urlsafe(32)
    store.users.invite(digest_of(token), now, now + INVITATION_LASTS)
    return token


def is_invited(store: Store, token: str, now: int) -> bool:
    return _is_token(token) and store.users.is_invited(digest_of(token), now) and not store.users.any()


def add_first_user(store: Store, token: str, name: str, password: str, now: int) -> User:
    """Raises InvalidError where the link is no longer good."""
    kept = hashed(password)
    with store.writing():
        if not is_invited(store, token, now):
            raise InvalidError("this link was used already, or is too old", "Restart the server for a new one")
        made = store.users.add(name, "admin", kept, now)
        store.users.end_invitation()
    return made


__all__ = [
    "ROLES", "LockedError", "Session", "WrongPasswordError", "add_first_user", "add_user", "begin_session", "invite",
    "is_invited", "log_in", "log_out", "remove_user", "session_of", "set_password",
]  # fmt: skip
