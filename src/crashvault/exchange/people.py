"""What the formats for people share: issues with their latest events, and cells of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..output.shapes import event_shape
from ..output.times import short
from ..storage.loading import StoredEvent
from . import document
from .document import Progress, Source

SHOWN_EVENTS = 20  # of an issue
_LONGEST_STACK = 20_000  # characters


class Story(NamedTuple):
    """One issue, as a person reads about it."""

    issue: dict[str, Any]  # as in the lossless format
    latest: list[dict[str, Any]]  # events in their documented shape, latest first
    stack: str  # of the latest one


def stories(source: Source, progress: Progress) -> Iterator[Story]:
    """The selected issues, each with its latest selected events."""
    for issue in document.issues(source):
        rows = source.reads.latest_rows(source.selection, issue["id"], SHOWN_EVENTS)
        shapes = [shape(item) for item in source.store.events.load(rows)]
        stack = (shapes[0]["stacktrace"] or "") if shapes else ""
        yield Story(issue, shapes, stack[:_LONGEST_STACK])
        progress(issue["count"])


def shape(item: StoredEvent) -> dict[str, Any]:
    return event_shape(item.event, item.issue_id, item.fingerprint)


def facts(issue: dict[str, Any]) -> list[tuple[str, str]]:
    """What is worth knowing of an issue, in order; nothing that is empty."""
    pairs = [
        ("Status", issue["status"]),
        ("Level", issue["level"]),
        ("Severity", issue["severity"]),
        ("Project", issue["project"]),
        ("Events", str(issue["count"])),
        ("First seen", short(issue["first_seen"])),
        ("Last seen", short(issue["last_seen"])),
        ("Resolved", short(issue["resolved_at"] or "")),
        ("Release", issue["release"]),
        ("Environment", issue["environment"]),
        ("Assigned", issue["assigned"]),
        ("Category", issue["category"]),
        ("Tags", ", ".join(issue["tags"])),
        ("Where", issue["culprit"]),
        ("Fingerprint", issue["hashes"][0]["hash"][:8]),
    ]
    return [(name, value) for name, value in pairs if value]


def comments(issue: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Time, author and text of what people wrote."""
    return [
        (entry["at"], entry["actor"], str(entry["data"].get("text", "")))
        for entry in issue["activity"]
        if entry["kind"] in ("comment", "note")
    ]


def user_text(user: Any) -> str:
    if isinstance(user, dict):
        return str(next((user[key] for key in ("id", "email", "username", "ip_address") if user.get(key)), ""))
    return str(user or "")
