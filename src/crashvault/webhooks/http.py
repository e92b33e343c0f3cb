"""A POST of JSON to any address, signed, for programs to read.

The body is `{"type": "crashvault.event", "id": …, "timestamp": …, "data": {…}}`, as Standard Webhooks advises
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md); `SCHEMA` describes it.
With files it is multipart/form-data: that JSON as the part `payload`, then a part `files` for each. What a template
made takes the place of the JSON. `webhook-id` goes with each request, signed or not, and is the same in each attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import (
    ALERT,
    EVENT,
    KINDS,
    NEW_ISSUE,
    REGRESSION,
    RESOLVED,
    SUMMARY,
    TEST,
    File,
    Notification,
    Provider,
    Step,
    Target,
)
from .bodies import JSON, Part, file_part, form, json_bytes, post, rendered_body
from .targets import check_target

TYPES = {
    EVENT: "crashvault.event",
    NEW_ISSUE: "crashvault.issue.new",
    REGRESSION: "crashvault.issue.regression",
    RESOLVED: "crashvault.issue.resolved",
    ALERT: "crashvault.alert",
    SUMMARY: "crashvault.summary",
    TEST: "crashvault.test",
}

_OBJECT = {"type": ["object", "null"]}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The body of a webhook of type http",
    "type": "object",
    "required": ["type", "id", "timestamp", "data"],
    "properties": {
        "type": {"enum": list(TYPES.values())},
        "id": {"type": "string", "description": "The same in each attempt: what arrived already has it."},
        "timestamp": {"type": "string", "format": "date-time", "description": "When it was queued."},
        "data": {
            "type": "object",
            "required": ["kind", "project", "count", "event", "issue", "alert", "links", "held"],
            "properties": {
                "kind": {"enum": list(KINDS)},
                "project": {"type": "string"},
                "count": {"type": "integer", "minimum": 1, "description": "Events that this message stands for."},
                "event": {**_OBJECT, "description": "As GET /api/v1/events/{id} gives it."},
                "issue": {**_OBJECT, "description": "As GET /api/v1/issues gives it."},
                "alert": {**_OBJECT, "description": "name, condition, state, severity, group, value, since."},
                "links": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "issue and event: pages of the dashboard; cli: a command.",
                },
                "held": {
                    "type": "array",
                    "description": "Of a summary: what the rate limit held back, for each issue.",
                    "items": {
                        "type": "object",
                        "required": ["issue", "events"],
                        "properties": {"issue": {"type": "object"}, "events": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


def body(notification: Notification) -> dict[str, Any]:
    """The body as a value, in the shape of `SCHEMA`."""
    return {
        "type": TYPES[notification.kind],
        "id": notification.id,
        "timestamp": notification.at,
        "data": {
            "kind": notification.kind,
            "project": notification.project,
            "count": notification.count,
            "event": notification.event,
            "issue": notification.issue,
            "alert": notification.alert,
            "links": dict(notification.links),
            "held": [held._asdict() for held in notification.held],
        },
    }


def build_requests(notification: Notification, target: Target, files: Sequence[File]) -> list[Step]:
    def send(_: object) -> Any:
        content_type, content = JSON, b""
        if target.rendered is not None:
            content_type, content = rendered_body(target.rendered)
        else:
            content = json_bytes(body(notification))
        if files:
            parts = [Part("payload", content_type, content), *(file_part("files", file) for file in files)]
            content_type, content = form(notification.id, parts)
        return post(target, content_type, content, webhook_id=notification.id)

    return [send]


def check(target: Target) -> None:
    check_target(target, "http")


PROVIDER = Provider(
    name="http",
    title="HTTP",
    build_requests=build_requests,
    check=check,
    signed=True,
    takes_files=lambda target: True,
)
