"""What a ticket says, and by which label it is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from crashvault.errors import CrashvaultError
from crashvault.webhooks.base import ALERT, Notification, Response

MOST_TITLE = 200  # characters
_MOST_STACK = 8_000
JSON = "application/json"


class UnreadableError(CrashvaultError):
    """An answer from which it can't be told whether there is a ticket already; none is opened then."""


def label(issue: Mapping[str, Any]) -> str:
    """What the ticket of an issue is found by: an issue is a project and a fingerprint."""
    key = json.dumps([issue["project"], issue["fingerprint"]])
    return f"crashvault-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def issues_of(notification: Notification) -> list[Mapping[str, Any]]:
    """The issues that want a ticket: one, or several that a rate limit held back. Alerts have none of their own."""
    if notification.kind == ALERT:
        return []
    return [notification.issue] if notification.issue else [held.issue for held in notification.held]


def title(issue: Mapping[str, Any]) -> str:
    text = " ".join(str(issue["title"]).split())
    return text if len(text) <= MOST_TITLE else f"{text[: MOST_TITLE - 1]}…"


def facts(issue: Mapping[str, Any], notification: Notification) -> list[tuple[str, str]]:
    """What is worth knowing, in order; nothing that is empty."""
    found = [(name.replace("_", " "), issue.get(name)) for name in
             ("project", "level", "count", "users", "first_seen", "release", "environment", "culprit")]  # fmt: skip
    found.append(("issue", notification.links.get("issue") or notification.links.get("cli")))
    return [(name, " ".join(str(value).split())) for name, value in found if value]


def stack(notification: Notification) -> str:
    """The end of the stack trace, where the crash is."""
    event = notification.event or {}
    return str(event.get("stacktrace") or event.get("message") or "")[-_MOST_STACK:]


def labels(options: Mapping[str, str], own: str) -> list[str]:
    more = [part.strip() for part in options.get("labels", "").split(",")]
    return [own, *(part for part in more if part)]


def readable(answers: Sequence[Response], place: int, what: type) -> Any:
    """The JSON of an answer. Raises UnreadableError where it is another thing, or too long to be read whole."""
    found = answers[place].json() if place < len(answers) else None
    if not isinstance(found, what):
        raise UnreadableError("the answer could not be read, so nothing was opened")
    return found
