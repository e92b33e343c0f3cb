"""A notification of each kind, made up: what a template is tried on before it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import ALERT, EVENT, NEW_ISSUE, REGRESSION, RESOLVED, SUMMARY, TEST, Held, Notification

_AT = "2026-01-02T03:04:05.000000Z"
_EVENT_ID = "7d3f2c9e-8c1b-4e0a-9d57-0b9a6f6f2f10"
_TEXT = """Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/flask/app.py", line 880, in full_dispatch_request
    rv = self.dispatch_request()
  File "shop/payment.py", line 41, in pay
    return cards[order.card]
KeyError: 'visa'"""

LEVELS = {
    "debug": ("🔍", "#8a8f98"),
    "info": ("ℹ️", "#2f81f7"),
    "warning": ("⚠️", "#d29922"),
    "error": ("❌", "#d1242f"),
    "critical": ("🔥", "#a40e26"),
}
LINKS = {
    "issue": "https://crashes.example/issues/7",
    "event": f"https://crashes.example/events/{_EVENT_ID}",
    "cli": "crashvault show 7",
}


def _frame(file: str, line: int, function: str, module: str, source: str, in_app: bool) -> dict[str, Any]:
    return {
        "file": file, "line": line, "column": None, "function": function, "module": module, "in_app": in_app,
        "pre_context": [], "context_line": source, "post_context": [], "vars": None,
    }  # fmt: skip


def event() -> dict[str, Any]:
    """An event in its documented shape."""
    frames = [
        _frame("flask/app.py", 880, "full_dispatch_request", "flask.app", "    rv = self.dispatch_request()", False),
        _frame("shop/payment.py", 41, "pay", "shop.payment", "    return cards[order.card]", True),
    ]
    error = {"type": "KeyError", "value": "'visa'"}
    return {
        "event_id": _EVENT_ID, "issue_id": 7, "project": "default", "timestamp": _AT, "received_at": _AT,
        "level": "error", "message": "KeyError: 'visa'", "exception": error,
        "exceptions": [{**error, "module": None, "frames": frames}], "stacktrace": _TEXT, "frames": frames,
        "tags": ["db", "region=eu"], "context": {"order": 4711}, "host": "web-1", "pid": 4242,
        "release": "shop@1.4.2", "environment": "production", "user": {"id": "u-81"}, "source": None,
        "platform": "python", "trace_id": None, "span_id": None, "breadcrumbs": [], "attachments": [], "errors": [],
        "fingerprint": "5f1c0a9b", "hash": "5f1c0a9b6c1d2e3f405162738495a6b7c8d9e0f1",
    }  # fmt: skip


def issue() -> dict[str, Any]:
    """An issue in its documented shape."""
    return {
        "id": 7, "fingerprint": "5f1c0a9b", "title": "KeyError: 'visa'", "culprit": "shop.payment in pay",
        "status": "open", "level": "error", "severity": None, "project": "default", "count": 128, "users": 19,
        "first_seen": "2026-01-01T20:00:00.000000Z", "last_seen": _AT, "created_at": "2026-01-01T20:00:00.000000Z",
        "release": "shop@1.4.2", "environment": "production", "assigned": None, "category": None,
        "tags": ["db", "region=eu"], "is_new": False, "is_regressed": False, "resolved_at": None,
    }  # fmt: skip


def alert() -> dict[str, Any]:
    return {
        "name": "many payment errors", "state": "firing", "condition": "count > 10 in 1m", "query": "", "project": None,
        "by": "issue", "group": "7", "severity": "high", "value": "23 events in 1m", "numbers": {"count": 23}, "since": _AT,
        "at": _AT, "issue_id": 7,
    }  # fmt: skip


_PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    EVENT: lambda: {"event": event(), "issue": issue(), "count": 3},
    NEW_ISSUE: lambda: {"event": event(), "issue": {**issue(), "is_new": True, "count": 1, "users": 1}},
    REGRESSION: lambda: {"event": event(), "issue": {**issue(), "is_regressed": True}},
    RESOLVED: lambda: {"issue": {**issue(), "status": "resolved", "resolved_at": _AT}},
    ALERT: lambda: {"alert": alert(), "event": event(), "issue": issue()},
    SUMMARY: lambda: {
        "count": 45,
        "held": (Held(issue(), 40), Held({**issue(), "id": 8, "title": "Out of memory"}, 5)),
    },
    TEST: lambda: {"event": event(), "issue": issue()},
}


def sample(kind: str) -> Notification:
    links = {} if kind == SUMMARY else LINKS
    return Notification("sample", kind, _AT, "default", links=links, levels=LEVELS, **_PARTS[kind]())
