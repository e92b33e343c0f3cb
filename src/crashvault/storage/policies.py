"""Retention policies: how much a vault may keep, of everything or of what a policy is limited to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidError, NotFoundError
from ..query.syntax import parse
from ..query.tree import Everything, Node, Term, all_of
from ..units import parse_size, parse_span
from .levels import Levels
from .projects import Projects
from .settings import Settings
from .sqlite import SQLite

SETTING = "retention.policies"
MAX_AGE, MAX_EVENTS, MAX_PER_ISSUE, MAX_SIZE = "max-age", "max-events", "max-events-per-issue", "max-size"
KINDS = (MAX_AGE, MAX_PER_ISSUE, MAX_EVENTS, MAX_SIZE)  # in the order in which they are applied
MOST = 100  # policies
_SHOWN_QUERY = 80  # characters


class Scope(NamedTuple):
    """What a policy is limited to. None: not limited so."""

    level: str | None = None  # as in a query: debug, or <=info
    project: str | None = None
    query: str | None = None

    def __str__(self) -> str:
        parts = [self.level and f"level:{self.level}", self.project and f"project:{self.project}", self.query]
        text = " ".join(part for part in parts if part)
        return text if len(text) <= _SHOWN_QUERY else f"{text[: _SHOWN_QUERY - 1]}…"


class Policy(NamedTuple):
    kind: str
    value: str  # as people write it
    scope: Scope = Scope()

    def __str__(self) -> str:
        return f"{self.kind} {self.value} {self.scope}".rstrip()

    @property
    def amount(self) -> int:
        """Microseconds, events or bytes."""
        return _READERS[self.kind](self.value)

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "value": self.value, **self.scope._asdict()}


class Policies:
    """The policies of a vault, kept as one of its shared settings."""

    def __init__(self, db: SQLite) -> None:
        self.db = db
        self._settings = Settings(db)

    def list(self) -> list[Policy]:
        """In the order in which they are applied."""
        known = self._settings.get(SETTING, [])
        found = [
            Policy(one["kind"], one["value"], Scope(one.get("level"), one.get("project"), one.get("query")))
            for one in known
            if one.get("kind") in KINDS
        ]
        return sorted(found, key=lambda policy: (KINDS.index(policy.kind), str(policy.scope)))

    def set(self, kind: str, value: str, scope: Scope, now: int) -> Policy:
        """Set a policy; it takes the place of the one of the same kind and scope. Raises InvalidError, NotFoundError."""
        policy = Policy(check_kind(kind), value.strip(), _plain(scope))
        if policy.amount < 1:
            raise InvalidError(
                f"{kind} cannot be {value}", "To keep nothing, delete: crashvault prune, crashvault kill"
            )
        if kind == MAX_SIZE and policy.amount < self.db.empty_size():
            raise InvalidError(
                f"max-size cannot be {value}", f"An empty vault takes {self.db.empty_size()} bytes; say more than that"
            )
        self.meant(policy.scope, now)
        with self.db.writing():
            others = self._others(policy.kind, policy.scope)
            if len(others) >= MOST:
                raise InvalidError(f"there are {MOST} policies already", "Unset one: crashvault retention show")
            self._save([*others, policy], now)
        return policy

    def unset(self, kind: str, scope: Scope, now: int) -> None:
        """Raises NotFoundError."""
        scope = _plain(scope)
        with self.db.writing():
            others = self._others(check_kind(kind), scope)
            if len(others) == len(self.list()):
                about = f" limited to {scope}" if str(scope) else ""
                raise NotFoundError(f"there is no policy {kind}{about}", "See: crashvault retention show")
            self._save(others, now)

    def _others(self, kind: str, scope: Scope) -> Sequence[Policy]:
        return [policy for policy in self.list() if (policy.kind, policy.scope) != (kind, scope)]

    def _save(self, policies: Sequence[Policy], now: int) -> None:
        self._settings.set(SETTING, [policy.as_dict() for policy in policies], now)

    def meant(self, scope: Scope, now: int) -> Node:
        """The events that a scope means, as a query. Raises QueryError, NotFoundError."""
        levels = Levels(self.db).ranks()
        parts = [parse(scope.query or "", now, levels)]
        if scope.level:
            parts.append(parse(f"level:{scope.level}", now, levels))
            if not isinstance(parts[-1], Term):
                raise InvalidError(f"{scope.level!r} is not a level", "Use one such as debug, or '<=info'")
        if scope.project:
            Projects(self.db).require(scope.project)
            parts.append(Term("project", None, "is", (scope.project,)))
        return all_of(part for part in parts if not isinstance(part, Everything))


def check_kind(kind: str) -> str:
    if kind not in KINDS:
        raise InvalidError(f"there is no policy {kind!r}", f"Use one of: {', '.join(KINDS)}")
    return kind


def _plain(scope: Scope) -> Scope:
    """Nothing said is None, however it was said."""
    return Scope(*((text or "").strip() or None for text in scope))


def _count(text: str) -> int:
    digits = re.sub("[,_' ]", "", text)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise InvalidError(f"{text!r} is not a number of events", "Write it as 1000000")
    return int(digits)


_READERS: dict[str, Callable[[str], int]] = {
    MAX_AGE: parse_span, MAX_EVENTS: _count, MAX_PER_ISSUE: _count, MAX_SIZE: parse_size
}  # fmt: skip
