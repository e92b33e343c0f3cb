"""The documented shapes of issues and events, as JSON and as every front end shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..clock import to_iso
from ..models import Event, Frame
from .stack_text import stack_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FINGERPRINT_LENGTH = 8

_EVENT_DEFAULTS: dict[str, Any] = {
    "context": {}, "host": None, "pid": None, "release": None, "environment": None, "user": None, "source": None,
    "platform": None, "trace_id": None, "span_id": None, "breadcrumbs": [], "attachments": [], "errors": [],
}  # fmt: skip
TAGS_COUNTED = 100  # latest events of an issue whose tags are counted
_FRAME_KEYS = (
    "file",
    "line",
    "column",
    "function",
    "module",
    "in_app",
    "pre_context",
    "context_line",
    "post_context",
    "vars",
)
_LISTS = ("pre_context", "post_context")
_OURS = frozenset({*_EVENT_DEFAULTS, "event_id", "project", "timestamp", "received_at", "level", "message", "exceptions",
                   "frames", "stacktrace", "tags", "fingerprint"})  # fmt: skip


def short_hash(digest: str) -> str:
    """A grouping hash as people see it."""
    return digest[:FINGERPRINT_LENGTH]


def event_shape(event: Event, issue_id: int, fingerprint: str) -> dict[str, Any]:
    """An event as the interface documents it: every key there, whatever else is known after them."""
    chain = event.get("exceptions") or []
    last = chain[-1] if chain else None
    frames = (last.get("frames") if last else event.get("frames")) or []
    shape: dict[str, Any] = {
        "event_id": event["event_id"],
        "issue_id": issue_id,
        "project": event.get("project"),
        "timestamp": to_iso(event["timestamp"]),
        "received_at": to_iso(event["received_at"]),
        "level": event.get("level"),
        "message": event.get("message", ""),
        "exception": {"type": last.get("type"), "value": last.get("value")} if last else None,
        "exceptions": [_exception_shape(link) for link in chain],
        "stacktrace": stack_text(event) or None,
        "frames": [frame_shape(frame) for frame in frames],
        "tags": list(event.get("tags", ())),
        **{key: event.get(key, default) for key, default in _EVENT_DEFAULTS.items()},
        "fingerprint": short_hash(fingerprint),
        "hash": fingerprint,
    }
    if "fingerprint" in event:
        shape["client_fingerprint"] = event["fingerprint"]
    shape.update((key, value) for key, value in event.items() if key not in _OURS)
    return shape


def _exception_shape(link: Mapping[str, Any]) -> dict[str, Any]:
    shape = {"type": link.get("type"), "value": link.get("value"), "module": link.get("module")}
    shape["frames"] = [frame_shape(frame) for frame in link.get("frames", ())]
    shape.update((key, value) for key, value in link.items() if key not in shape)
    return shape


def frame_shape(frame: Frame) -> dict[str, Any]:
    shape: dict[str, Any] = {key: frame.get(key, [] if key in _LISTS else None) for key in _FRAME_KEYS}
    shape.update((key, value) for key, value in frame.items() if key not in shape)
    return shape


def span_shape(span: Mapping[str, Any]) -> dict[str, Any]:
    """A span as the interface documents it: what is not known is null."""
    known = {key: None if value == "" else value for key, value in span.items()}
    return {
        **known,
        "start": to_iso(span["start"]),
        "end": to_iso(span["end"]),
        "duration_ms": (span["end"] - span["start"]) / 1_000,
    }


def issue_shape(issue: Any, level: str, fingerprint: str, tags: Sequence[str], now: int) -> dict[str, Any]:
    """An issue (storage.issues.Issue) as the interface documents it."""
    return {
        "id": issue.id,
        "fingerprint": short_hash(fingerprint),
        "title": issue.title,
        "culprit": issue.culprit,
        "status": issue.status,
        "level": level,
        "severity": issue.severity,
        "project": issue.project,
        "count": issue.count,
        "users": issue.users,
        "first_seen": to_iso(issue.first_seen),
        "last_seen": to_iso(issue.last_seen),
        "created_at": to_iso(issue.created_at),
        "release": issue.release,
        "environment": issue.environment,
        "assigned": issue.assigned,
        "category": issue.category,
        "tags": list(tags),
        "is_new": issue.is_new(now),
        "is_regressed": bool(issue.is_regressed),
        "resolved_at": to_iso(issue.resolved_at) if issue.resolved_at else None,
    }


def listing(items: list[Any], total: int, next_cursor: str | None, **more: Any) -> dict[str, Any]:
    """The shape of every list."""
    return {"items": items, "total": total, "next_cursor": next_cursor, **more}
