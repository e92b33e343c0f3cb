"""Issues and events as dictionaries of the earlier JSON format, for scripts that were written for it.

Each call reads everything, as it did then; new scripts are better served by `open_vault()`.
"""

from __future__ import annotations

from typing import Any

from .clock import to_iso
from .output.shapes import short_hash
from .output.stack_text import stack_text
from .storage.issues import MAX_LIMIT
from .storage.loading import StoredEvent
from .storage.store import Store


def load_issues(store: Store) -> list[dict[str, Any]]:
    """All issues: `id, fingerprint, title, status, created_at, first_seen, last_seen, count, level, severity, tags`."""
    levels = store.levels.names()
    found: list[dict[str, Any]] = []
    with store.reading():
        ids = store.issues.all_ids()
        for start in range(0, len(ids), MAX_LIMIT):
            part = ids[start : start + MAX_LIMIT]
            fingerprints, tags = store.issues.fingerprints(part), store.issues.tags(part)
            found += [
                {
                    "id": issue.id,
                    "fingerprint": short_hash(fingerprints.get(issue.id, "")),
                    "title": issue.title,
                    "status": issue.status,
                    "created_at": to_iso(issue.created_at),
                    "first_seen": to_iso(issue.first_seen),
                    "last_seen": to_iso(issue.last_seen),
                    "count": issue.count,
                    "level": levels.get(issue.level, f"level-{issue.level}"),
                    "severity": issue.severity,
                    "assigned": issue.assigned,
                    "tags": tags.get(issue.id, []),
                }
                for issue in store.issues.by_ids(part)
            ]
    return found


def load_events(store: Store) -> list[dict[str, Any]]:
    """All events: `event_id, issue_id, message, stacktrace, timestamp, level, tags, context, host, pid, source`."""
    with store.reading():
        return [_event(item) for item in store.events.loader.stream(store.events.all_rows())]


def _event(item: StoredEvent) -> dict[str, Any]:
    event = item.event
    return {
        "event_id": event["event_id"],
        "issue_id": item.issue_id,
        "message": event.get("message", ""),
        "stacktrace": stack_text(event),
        "timestamp": to_iso(event["timestamp"]),
        "level": event["level"],
        "tags": event.get("tags", []),
        "context": event.get("context", {}),
        "host": event.get("host"),
        "pid": event.get("pid"),
        "source": event.get("source"),
    }
