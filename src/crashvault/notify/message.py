"""What a delivery tells, read from the vault when it is sent: the notification, and the files that go with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import core
from ..clock import to_iso
from ..models import DEFAULT_PROJECT
from ..output.shapes import event_shape
from ..output.stack_text import stack_text
from ..storage.outbox import Delivery, alert_of
from ..storage.store import Store
from ..views import shown_issues
from ..webhooks.base import EVENT, NEW_ISSUE, REGRESSION, RESOLVED, SUMMARY, File, Held, Notification

MOST_FILE = 5 << 20  # bytes of an attachment; larger ones stay in the vault
MOST_FILES = 10
MOST_HELD = 50  # issues that a summary names
_OF_EVENTS = frozenset({EVENT, NEW_ISSUE, REGRESSION})
_OF_ISSUES = frozenset({*_OF_EVENTS, RESOLVED})
# The colours that the console knows by name, as services want them.
_COLOURS = {
    "black": "#24292f", "red": "#d1242f", "green": "#2da44e", "yellow": "#d29922", "blue": "#2f81f7", "magenta": "#8250df",
    "cyan": "#1b7c83", "white": "#8a8f98", "bright_black": "#8a8f98",
}  # fmt: skip
_WORST = "#a40e26"  # of a background: bold white on red
_OTHER = "#8a8f98"


class Reader:
    """Reads what some deliveries tell, all at once."""

    def __init__(self, store: Store, now: int) -> None:
        self._store = store
        self._now = now
        self._levels = shown_levels(store)
        self._address = dashboard_address(store, now)

    def notifications(self, deliveries: Sequence[Delivery]) -> dict[int, Notification]:
        """By delivery; those whose event or issue is gone are left out."""
        with self._store.reading():
            roots = self._roots(deliveries)
            issues = {one["id"]: one for one in shown_issues(self._store, list(set(roots.values())), self._now)}
            rows = [one.event for one in deliveries if one.event is not None]
            items = {item.row: item for item in self._store.events.load(rows)}
            events = {row: event_shape(item.event, item.issue_id, item.fingerprint) for row, item in items.items()}
            found = {}
            for one in deliveries:
                issue = issues.get(roots.get(one.issue_id or 0, 0))
                event = events.get(one.event or 0)
                if (one.kind in _OF_ISSUES and issue is None) or (one.kind in _OF_EVENTS and event is None):
                    continue
                held = self._held(one.id) if one.kind == SUMMARY else []
                if one.kind == SUMMARY and not held:
                    continue
                found[one.id] = self._notification(one, issue, event, held)
            return found

    def _roots(self, deliveries: Sequence[Delivery]) -> dict[int, int]:
        """The issue that each delivery's issue is, or is part of by now."""
        wanted = {one.issue_id for one in deliveries if one.issue_id is not None}
        merged = self._store.triage.values(sorted(wanted), "merged_into")
        return {
            issue: issue if into is None else self._store.merging.root(into)
            for issue, into in merged.items()
        }  # fmt: skip

    def _held(self, summary: int) -> list[Held]:
        found = self._store.outbox.summarized(summary)
        shown = shown_issues(self._store, [issue for issue, _ in found[:MOST_HELD]], self._now, with_tags=False)
        issues = {one["id"]: one for one in shown}
        return [Held(issues[issue], events) for issue, events in found if issue in issues]

    def _notification(
        self, one: Delivery, issue: dict[str, Any] | None, event: dict[str, Any] | None, held: Sequence[Held]
    ) -> Notification:
        alert = alert_of(one)
        project = str((issue or event or alert or {}).get("project") or DEFAULT_PROJECT)
        return Notification(
            id=one.message_id,
            kind=one.kind,
            at=to_iso(one.queued_at),
            project=project,
            event=event,
            issue=issue,
            alert=alert,
            links=links(self._address, issue, event),
            levels=self._levels,
            count=one.count,
            held=held,
        )

    # Files

    def files(self, delivery: Delivery, notification: Notification) -> list[File]:
        """The event as JSON, its stack trace as text, and what is attached to it."""
        if delivery.event is None or notification.event is None:
            return []
        items = self._store.events.load([delivery.event])
        if not items:
            return []
        content = json.dumps(notification.event, indent=2, ensure_ascii=False).encode("utf-8", "replace")
        short = notification.event["event_id"][:8]
        found = [_file(f"event-{short}.json", "application/json", content)]
        stack = stack_text(items[0].event)
        if stack:
            found.append(_file(f"stack-{short}.txt", "text/plain; charset=utf-8", stack.encode("utf-8", "replace")))
        for one in self._store.attachments.of_event(delivery.event):
            if len(found) < MOST_FILES and one.size <= MOST_FILE:
                found.append(File(one.name, one.content_type, one.size, self._reading(one.digest)))
        return found

    def _reading(self, digest: str) -> Callable[[], bytes]:
        def read() -> bytes:
            with self._store.blobs.open(digest) as file:
                return bytes(file.read())

        return read


def _file(name: str, content_type: str, content: bytes) -> File:
    return File(name, content_type, len(content), lambda: content)


def shown_levels(store: Store) -> dict[str, tuple[str, str]]:
    """Emoji and colour of each level."""
    return {level.name: (level.emoji or "", _colour(level.colour or "")) for level in store.levels.list()}


def _colour(style: str) -> str:
    if re.fullmatch(r"#[0-9a-fA-F]{6}", style):
        return style.lower()
    return _WORST if " on " in style else _COLOURS.get(style, _OTHER)


def dashboard_address(store: Store, now: int) -> str:
    """Where people reach the server; nothing where nobody said so and none runs."""
    public = core.get_setting(store, "server.public_url")[0]
    if public:
        return str(public).rstrip("/")
    if store.leases.live("server", now) is None:
        return ""
    return core.server_url(store.home) or ""


def links(address: str, issue: Mapping[str, Any] | None, event: Mapping[str, Any] | None) -> dict[str, str]:
    found = {}
    if address and issue:
        found["issue"] = f"{address}/issues/{issue['id']}"
    if address and event:
        found["event"] = f"{address}/events/{event['event_id']}"
    if issue:
        found["cli"] = f"crashvault show {issue['id']}"
    return found
