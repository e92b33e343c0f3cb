"""Who may do what: keys of the API, public keys of DSNs, and the scopes they give.

A key is `cv_`, 256 random bits and a checksum, so that scanners recognise it and a mistyped one costs nothing.
The vault has its SHA-256 only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from . import clock
from .errors import AwayError, CrashvaultError, InvalidError
from .logs import log_debug
from .storage.keys import ApiKey
from .storage.projects import Project
from .storage.store import Store

T = TypeVar("T")

PREFIX = "cv_"
SHOWN = 11  # characters of a key by which people know it
# What each scope allows.
SCOPES: dict[str, frozenset[str]] = {
    "ingest": frozenset({"ingest"}),
    "read": frozenset({"read"}),
    "write": frozenset({"read", "write"}),
    "admin": frozenset({"ingest", "read", "write", "admin"}),
}
USES_KEPT = 60 * clock.SECOND  # uses of keys are written once in that time
_LOOK_AGAIN = clock.SECOND  # whether the vault's file is still the one that is open
_MOST_KNOWN = 10_000  # entries of the caches

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(rf"{PREFIX}[{_ALPHABET}]{{49}}", re.ASCII)
_PUBLIC_KEY = re.compile(r"[0-9a-f]{32}")


class Access(NamedTuple):
    """What somebody may do."""

    key_id: int | None  # of an API key
    name: str
    scopes: frozenset[str]  # with what each of them includes
    project: str | None  # None: all projects
    project_id: int | None = None


EVERYBODY = Access(None, "anonymous", SCOPES["admin"], None)  # where no key is asked


def allows(access: Access, scope: str, project: str | None) -> bool:
    """Whether somebody may do that in a project; None is the whole vault, which a key of one project never has."""
    return scope in access.scopes and (access.project is None or access.project == project)


# Keys


def new_key() -> str:
    body = f"{PREFIX}{_base62(int.from_bytes(secrets.token_bytes(32), 'big'), 43)}"
    return f"{body}{_checksum(body)}"


def is_key(text: str) -> bool:
    """Whether a text has the shape of a key and its checksum is right."""
    return len(text) == 52 and bool(_KEY.fullmatch(text)) and _checksum(text[:-6]) == text[-6:]


def digest_of(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def create_key(
    store: Store, name: str, scopes: Iterable[str], *, project: str | None = None, expires_at: int | None = None, now: int
) -> tuple[ApiKey, str]:  # fmt: skip
    """Make a key of the API; what the vault keeps of it, and the key itself, which nobody can be told again.

    Raises InvalidError, NotFoundError for the project, ConflictError for a name that is taken.
    """
    chosen = _checked_scopes(scopes)
    if expires_at is not None and expires_at <= now:
        raise InvalidError("the key would have expired already", "Give a time to come, such as 90d")
    key = new_key()
    with store.writing():
        project_id = store.projects.require(project).id if project is not None else None
        made = store.keys.add(
            name, prefix=key[:SHOWN], digest=digest_of(key), scopes=chosen, project_id=project_id, now=now,
            expires_at=expires_at,
        )  # fmt: skip
    return made, key


def key_status(key: ApiKey, now: int) -> str:
    """`active`, `expired` or `revoked`."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def key_shape(key: ApiKey, now: int) -> dict[str, Any]:
    """A key as it is shown: never its secret part."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "project": key.project,
        "status": key_status(key, now),
        "created_at": clock.to_iso(key.created_at),
        "expires_at": clock.to_iso(key.expires_at) if key.expires_at else None,
        "last_used_at": clock.to_iso(key.last_used_at) if key.last_used_at else None,
    }


def dsn(url: str, project: Project, public_key: str | None = None) -> str:
    """The DSN that sends to a project through the server at `url`."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{public_key or project.public_key}@{rest.rstrip('/')}/{project.id}"


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    chosen = [scope for scope in SCOPES if scope in (given := set(scopes))]
    wrong = sorted(given - set(SCOPES)) if chosen or given else []
    if wrong or not chosen:
        what = f"there is no scope {wrong[0]!r}" if wrong else "a key needs a scope"
        raise InvalidError(what, f"Use some of: {', '.join(SCOPES)}")
    return chosen


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), 6)


# Looking keys up


class Keyring:
    """Looks keys up for one server process. What was found is remembered until anybody writes to the vault: asking for
    that takes some microseconds, and lets a revocation count from the next request on.

    `away()` says whether the vault's database is known not to answer; None where that is no reason to let anybody in.
    Otherwise whoever was good when `remember` was last called is let in until it is back: a revocation counts then.

    May be called by several threads. Close it, so that the last uses are written.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        now: Callable[[], int] = clock.now,
        away: Callable[[], bool | None] = lambda: None,
    ) -> None:
        self._open = open_store
        self._away = away
        self._last_keys: dict[bytes, tuple[ApiKey, Access]] = {}  # by digest; of those who may be let in meanwhile
        self._last_dsns: dict[str, Access] = {}
        self._now = now
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._looked_at = 0
        self._version = -1
        self._keys: dict[str, tuple[ApiKey, Access] | None] = {}
        self._dsns: dict[str, Access | None] = {}
        self._uses: dict[int, int] = {}
        self._written_at = now()
        self._writer: threading.Thread | None = None

    def find(self, token: str) -> Access | None:
        """Who a key of the API belongs to; None where there is none such, or it is revoked or has expired."""
        if not is_key(token):
            return None
        now = self._now()
        with self._lock:
            found = self._found(self._keys, token, now, _looked_up, lambda: self._last_keys.get(digest_of(token)))
            if found is None or key_status(found[0], now) != "active":
                return None
            self._note_use(found[0], now)
            return found[1]

    def dsn(self, public_key: str) -> Access | None:
        """The project that a DSN's public key sends to."""
        if not _PUBLIC_KEY.fullmatch(public_key):
            return None
        with self._lock:
            return self._found(self._dsns, public_key, self._now(), _sender, lambda: self._last_dsns.get(public_key))

    def remember(self, store: Store) -> None:
        """Keep who is good now, for the time when the database is away."""
        projects = {project.name: project for project in store.projects.list()}
        keys = {key.digest: (key, _access_of(key, projects.get(key.project or ""))) for key in store.keys.list()}
        dsns = {project.public_key: _sender_to(project) for project in projects.values()}
        with self._lock:
            self._last_keys, self._last_dsns = keys, dsns

    def _found(
        self,
        known: dict[str, T | None],
        token: str,
        now: int,
        look_up: Callable[[Store, str], T | None],
        last: Callable[[], T | None],
    ) -> T | None:
        """What a token belongs to, as the vault has it, or had it when it could last be asked. Raises StoreError."""
        away = self._away()
        if not away:
            try:
                store = self._current(now)
                if token not in known:
                    known[token] = look_up(store, token)
                return known[token]
            except AwayError:
                self._forget()
                if away is None:
                    raise
        return last()

    def _current(self, now: int) -> Store:
        """The open vault, after what was known from an older state of it is forgotten. Raises StoreError."""
        store = self._store
        if store is not None and not 0 <= now - self._looked_at < _LOOK_AGAIN:
            self._looked_at = now
            if store.db.replaced():
                self._forget()
        if self._store is None:
            self._store, self._looked_at = self._open(), now
        try:
            version = self._store.db.data_version()
        except CrashvaultError:
            self._forget()
            raise
        if version != self._version or len(self._keys) + len(self._dsns) > _MOST_KNOWN:
            self._keys.clear()
            self._dsns.clear()
            self._version = version
        return self._store

    def _forget(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store, self._version = None, -1

    # Uses

    def _note_use(self, key: ApiKey, now: int) -> None:
        self._uses[key.id] = now
        if now - self._written_at >= USES_KEPT and self._writer is None:
            self._written_at = now
            self._writer = threading.Thread(target=self._write_uses, name="crashvault-key-uses", daemon=True)
            self._writer.start()

    def _write_uses(self) -> None:
        try:
            self.flush()
        finally:
            self._writer = None

    def flush(self) -> None:
        """Write when keys were last used. A vault that cannot be written is no reason to refuse anybody."""
        with self._lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            with self._open() as store:
                store.keys.note_uses(uses)
        except CrashvaultError as error:
            log_debug("uses of keys could not be written", error=error)
            with self._lock:
                self._uses = uses | self._uses

    def close(self) -> None:
        """Write the last uses, and close the vault."""
        writer = self._writer
        if writer is not None:
            writer.join()
        self.flush()
        with self._lock:
            self._forget()


def _looked_up(store: Store, token: str) -> tuple[ApiKey, Access] | None:
    digest = digest_of(token)
    key = store.keys.find(digest)
    if key is None or not hmac.compare_digest(key.digest, digest):
        return None
    return key, _access_of(key, store.projects.find(key.project) if key.project is not None else None)


def _access_of(key: ApiKey, project: Project | None) -> Access:
    scopes = frozenset[str]().union(*(SCOPES.get(scope, frozenset()) for scope in key.scopes))
    return Access(key.id, key.name, scopes, key.project, project.id if project else None)


def _sender(store: Store, public_key: str) -> Access | None:
    project = store.projects.by_public_key(public_key)
    return _sender_to(project) if project else None


def _sender_to(project: Project) -> Access:
    return Access(None, f"dsn:{project.name}", SCOPES["ingest"], project.name, project.id)


__all__ = [
    "EVERYBODY",
    "SCOPES",
    "Access",
    "Keyring",
    "allows",
    "create_key",
    "dsn",
    "is_key",
    "key_shape",
    "key_status",
]
