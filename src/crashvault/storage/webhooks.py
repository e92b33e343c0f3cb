"""Webhooks as they are configured, and how each of them is doing. Secrets lie here as they were given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import ConflictError, NotFoundError
from . import named
from .sqlite import SQLite

FAILURES_ALLOWED = 5  # in a row; then a webhook is left alone, and only tried now and then

# What a webhook has where nobody says otherwise.
DEFAULTS: Mapping[str, Any] = {
    "headers": {}, "options": {}, "secrets": [], "kinds": frozenset({"new-issue", "regression", "alert"}), "levels": "", "query": "",
    "project": "", "template": "", "rate_limit": "", "pause": 30_000_000, "attach": False, "timeout": 10, "max_attempts": 10,
    "enabled": True,
}  # fmt: skip

_VERSION, _PUSH_KEY = "webhooks", "push_key"  # of meta


class Webhook(NamedTuple):
    id: int
    name: str
    type: str  # the provider's name
    url: str
    headers: Mapping[str, str]
    options: Mapping[str, str]
    secrets: tuple[str, ...]  # that sign, the newest first
    kinds: frozenset[str]
    levels: str  # error,critical or >=error; empty: all
    query: str
    project: str  # empty: all
    template: str
    rate_limit: str
    pause: int  # least microseconds between two messages about events of one issue
    attach: bool
    timeout: int  # seconds
    max_attempts: int
    enabled: bool
    created_at: int
    changed_at: int
    failures: int  # attempts in a row that failed
    silent_until: int | None
    last_error: str | None
    last_delivered_at: int | None
    tokens: float | None  # of the rate limit, at `tokens_at`
    tokens_at: int | None

    @property
    def failing(self) -> bool:
        """Whether it is left alone after repeated failure."""
        return self.failures >= FAILURES_ALLOWED


_COLUMNS = ", ".join(Webhook._fields)
_JSON = frozenset({"headers", "options", "secrets"})
_CHANGEABLE = frozenset(Webhook._fields[1:18])
_STATE = frozenset({"failures", "silent_until", "last_error", "last_delivered_at", "tokens", "tokens_at"})


class Webhooks:
    def __init__(self, db: SQLite) -> None:
        self.db = db
        self._listening: tuple[str, Sequence[Webhook]] | None = None

    def add(self, fields: Mapping[str, Any], now: int) -> Webhook:
        """Keep a new webhook; `fields` are those of Webhook up to `enabled`. Raises InvalidError, ConflictError."""
        name = named.checked_name(fields["name"], "a webhook")
        values = {**fields, "name": name, "created_at": now, "changed_at": now}
        with self.db.writing():
            self._check_free(name)
            columns = ", ".join(values)
            marks = ", ".join("?" * len(values))
            row = self.db.value(
                f"INSERT INTO webhooks ({columns}) VALUES ({marks}) RETURNING id",
                [_stored(key, value) for key, value in values.items()],
            )
            named.advance(self.db, _VERSION)
            return self.get(row)

    def change(self, webhook: int, now: int, **fields: Any) -> Webhook:
        """Change how a webhook is configured. Raises InvalidError, ConflictError, NotFoundError."""
        assert _CHANGEABLE.issuperset(fields)
        with self.db.writing():
            before = self.get(webhook)
            if "name" in fields:
                fields["name"] = named.checked_name(fields["name"], "a webhook")
                if fields["name"] != before.name:
                    self._check_free(fields["name"])
            self._set(webhook, {**fields, "changed_at": now})
            named.advance(self.db, _VERSION)
            return self.get(webhook)

    def note(self, webhook: int, **state: Any) -> None:
        """Keep how a webhook is doing. Joins the open transaction."""
        assert _STATE.issuperset(state)
        self._set(webhook, state)

    def _set(self, webhook: int, values: Mapping[str, Any]) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        stored = [_stored(key, value) for key, value in values.items()]
        self.db.execute(f"UPDATE webhooks SET {columns} WHERE id = ?", [*stored, webhook])

    def remove(self, webhook: int) -> int:
        """Remove a webhook with its deliveries; how many of those were still to be made."""
        with self.db.writing():
            waiting = self.db.value(
                """SELECT count(*) FROM outbox
                   WHERE webhook_id = ? AND state IN ('queued', 'delivering', 'retry', 'held')""",
                (webhook,),
            )
            self.db.execute("DELETE FROM outbox WHERE webhook_id = ?", (webhook,))
            self.db.execute("DELETE FROM webhooks WHERE id = ?", (webhook,))
            named.advance(self.db, _VERSION)
            return int(waiting)

    def list(self) -> list[Webhook]:
        return [_webhook(row) for row in self.db.rows(f"SELECT {_COLUMNS} FROM webhooks ORDER BY id")]

    def get(self, webhook: int) -> Webhook:
        """Raises NotFoundError."""
        found = self.find(webhook)
        if found is None:
            raise NotFoundError(f"there is no webhook {webhook}", "See: crashvault webhook list")
        return found

    def find(self, webhook: int) -> Webhook | None:
        row = self.db.row(f"SELECT {_COLUMNS} FROM webhooks WHERE id = ?", (webhook,))
        return _webhook(row) if row else None

    def require(self, which: str) -> Webhook:
        """The one that a person means by its name or number. Raises NotFoundError that names the nearest."""
        return named.meant(self.list(), which, "webhook")

    def push_key(self, make: Callable[[], str]) -> str:
        """The key with which the vault signs what it pushes to phones; made when it is first asked for."""
        found = self.db.value("SELECT value FROM meta WHERE key = ?", (_PUSH_KEY,), default="")
        if found:
            return str(found)
        made = make()
        with self.db.writing():
            self.db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (_PUSH_KEY, made))
            return str(self.db.value("SELECT value FROM meta WHERE key = ?", (_PUSH_KEY,)))

    # For those who record: asked with every batch

    def version(self) -> str:
        """Changes whenever one of them does; empty while there never was one."""
        return named.version(self.db, _VERSION)

    def listening(self) -> Sequence[Webhook]:
        """The webhooks that are enabled; read again only when one of them has changed."""
        version = self.version()
        if self._listening is None or self._listening[0] != version:
            self._listening = version, [webhook for webhook in self.list() if webhook.enabled] if version else []
        return self._listening[1]

    def _check_free(self, name: str) -> None:
        if self.db.row("SELECT 1 FROM webhooks WHERE name = ?", (name,)):
            raise ConflictError(
                f"there is a webhook {name!r} already", f"Choose another --name, or change it: crashvault webhook edit {name}"
            )  # fmt: skip


def _stored(key: str, value: Any) -> Any:
    if key in _JSON:
        return json.dumps(value, ensure_ascii=False)
    return " ".join(sorted(value)) if key == "kinds" else value


def _webhook(row: tuple[Any, ...]) -> Webhook:
    found = Webhook(*row)
    return found._replace(
        headers=json.loads(row[4]),
        options=json.loads(row[5]),
        secrets=tuple(json.loads(row[6])),
        kinds=frozenset(row[7].split()),
        attach=bool(found.attach),
        enabled=bool(found.enabled),
    )
