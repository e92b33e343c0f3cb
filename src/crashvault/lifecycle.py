"""Changing an issue's state: state and activity together, on an open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .errors import InvalidError, NotFoundError
from .models import SEVERITIES, STATUSES
from .storage.recording import Stored
from .storage.store import Store

MAX_TITLE = 200
MAX_COMMENT = 20_000
SYSTEM = "crashvault"


def reopen_regressed(store: Store, stored: Iterable[Stored], now: int) -> set[int]:
    """Reopen the resolved issues that came back with these events; their ids. Joins the open transaction.

    An event that happened before the issue was resolved, and only arrives now, is no regression.
    """
    newest: dict[int, int] = {}
    for item in stored:
        if item.issue_id is not None and not item.duplicate and not item.issue_created:
            newest[item.issue_id] = max(newest.get(item.issue_id, 0), item.timestamp)
    regressed = set(store.triage.resolved_before(newest))
    for issue in sorted(regressed):
        store.triage.update(issue, now, status="open", is_regressed=1, resolved_at=None)
        store.triage.log(issue, now, SYSTEM, "regression", {"status": ["resolved", "open"]})
    return regressed


def set_status(store: Store, issues: Sequence[int], status: str, actor: str, now: int) -> list[int]:
    """Give issues a status; the ids of those it changed. Raises InvalidError, NotFoundError."""
    if status not in STATUSES:
        raise InvalidError(f"there is no status {status!r}", f"Use one of: {', '.join(STATUSES)}")
    resolved_at = now if status == "resolved" else None
    return _change(store, issues, actor, now, "status", status, resolved_at=resolved_at, is_regressed=0)


def set_severity(store: Store, issues: Sequence[int], severity: str, actor: str, now: int) -> list[int]:
    if severity not in SEVERITIES:
        raise InvalidError(f"there is no severity {severity!r}", f"Use one of: {', '.join(SEVERITIES)}")
    return _change(store, issues, actor, now, "severity", severity)


def set_title(store: Store, issue: int, title: str, actor: str, now: int) -> list[int]:
    title = " ".join(title.split())
    if not title or len(title) > MAX_TITLE:
        raise InvalidError("a title has 1 to 200 characters", "Give a shorter one" if title else "Give one")
    return _change(store, [issue], actor, now, "title", title, title_fixed=1)


def assign(store: Store, issues: Sequence[int], user: str | None, actor: str, now: int) -> list[int]:
    """Give issues to somebody, or to nobody (None)."""
    if user is not None and (not user.strip() or len(user) > 200):
        raise InvalidError(f"{user!r} is not a name", "Give a name, or --none")
    return _change(store, issues, actor, now, "assigned", user.strip() if user else None)


def comment(store: Store, issue: int, text: str, actor: str, now: int) -> None:
    if not text.strip() or len(text) > MAX_COMMENT:
        raise InvalidError(
            f"a comment has 1 to {MAX_COMMENT} characters", "Give a text, or - to read it from standard input"
        )
    with store.writing():
        _require(store, [issue])
        store.triage.update(issue, now)
        store.triage.log(issue, now, actor, "comment", {"text": text})


def _change(
    store: Store, issues: Sequence[int], actor: str, now: int, field: str, value: Any, **also: Any
) -> list[int]:
    """Set one field of issues, all or none, each change with its activity."""
    with store.writing():
        before = _require(store, issues, field)
        changed = [issue for issue in dict.fromkeys(issues) if before[issue] != value]
        for issue in changed:
            store.triage.update(issue, now, **{field: value}, **also)
            store.triage.log(issue, now, actor, field, {field: [before[issue], value]})
    return changed


def _require(store: Store, issues: Sequence[int], field: str = "status") -> dict[int, Any]:
    """The present value of a field of issues that all must exist."""
    found = store.triage.values(issues, field)
    missing = [str(issue) for issue in dict.fromkeys(issues) if issue not in found]
    if missing:
        raise NotFoundError(f"there is no issue {', '.join(missing)}", "See: crashvault list --status all")
    return found
