"""What every normalized event must look like, whatever went in."""

from __future__ import annotations

import json
import re
from typing import Any

from crashvault.ingest.limits import DEFAULT_LIMITS, REASONS, Limits
from crashvault.models import LEVEL_RANKS, Event

PLATFORMS = {
    "python",
    "javascript",
    "java",
    "go",
    "rust",
    "ruby",
    "php",
    "csharp",
    "native",
    "elixir",
    "other",
}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TEXTS = ("host", "release", "environment", "logger", "transaction", "dist", "source", "stacktrace")
MAPPINGS = ("context", "request", "sdk", "debug_meta")
FIELDS = {*Event.__annotations__}
LARGEST_INT = 2**63 - 1


def assert_event_shape(event: Any, *, limits: Limits = DEFAULT_LIMITS, levels: Any = LEVEL_RANKS) -> None:
    """Fails where `event` is not an `Event` within `limits`, or JSON and UTF-8 cannot hold it."""
    assert type(event) is dict
    assert event.keys() <= FIELDS
    assert event.keys() >= {"event_id", "project", "timestamp", "received_at", "level", "message"}
    _assert_json(event)
    encoded = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    assert len(encoded) <= limits.event
    assert UUID.fullmatch(event["event_id"])
    assert event["level"] in levels
    assert type(event["timestamp"]) is int and type(event["received_at"]) is int
    assert 10**14 <= event["timestamp"] <= event["received_at"] + limits.future
    assert 0 < len(event["message"]) <= limits.message and not event["message"].isspace()
    for key, value in event.items():
        assert value not in (None, "", [], {}), f"{key} is empty but was not left out"
    _assert_fields(event, limits)
    _assert_stack(event, limits)
    _assert_errors(event.get("errors", []), limits)


def _assert_fields(event: dict[str, Any], limits: Limits) -> None:
    for key in TEXTS:
        assert type(event.get(key, "")) is str
    for key in MAPPINGS:
        assert type(event.get(key, {})) is dict
    assert len(event.get("host", "")) <= limits.name
    assert event.get("platform", "other") in PLATFORMS
    assert type(event.get("user", "")) in (str, dict)
    assert re.fullmatch("[0-9a-f]{32}", event.get("trace_id", "0" * 32))
    assert re.fullmatch("[0-9a-f]{16}", event.get("span_id", "0" * 16))
    for key, low in (("line", 1), ("column", 1), ("pid", 0)):
        assert type(event.get(key, low)) is int and low <= event.get(key, low) <= LARGEST_INT
    tags = event.get("tags", [])
    assert len(tags) == len(set(tags)) <= limits.tags
    for tag in tags:
        assert type(tag) is str and tag and len(tag) <= 2 * limits.tag + 1
    assert all(type(part) is str and part for part in event.get("fingerprint", []))
    assert all(type(k) is str and type(v) is str for k, v in event.get("modules", {}).items())
    assert len(event.get("breadcrumbs", [])) <= limits.breadcrumbs
    for crumb in event.get("breadcrumbs", []):
        assert type(crumb) is dict and type(crumb.get("timestamp", 0)) is int
    for attachment in event.get("attachments", []):
        assert attachment and attachment.keys() <= {"name", "content_type", "size", "digest", "kind"}


def _assert_stack(event: dict[str, Any], limits: Limits) -> None:
    exceptions = event.get("exceptions", [])
    assert not (exceptions and "frames" in event), "frames belong to the exception"
    assert len(exceptions) <= limits.exceptions
    for exception in exceptions:
        assert exception and exception.keys() <= {"type", "value", "module", "frames", "mechanism", "thread"}
        for key in ("type", "value", "module", "thread"):
            assert type(exception.get(key, "x")) is str and exception.get(key, "x")
        assert type(exception.get("mechanism", {})) is dict
        if "frames" in exception:
            _assert_frames(exception["frames"], limits)
    if "frames" in event:
        _assert_frames(event["frames"], limits)
    for thread in event.get("threads", []):
        assert thread and thread.keys() <= {"id", "name", "state", "crashed", "current", "main", "frames"}
        if "frames" in thread:
            _assert_frames(thread["frames"], limits)


def _assert_frames(frames: Any, limits: Limits) -> None:
    assert type(frames) is list and 0 < len(frames) <= limits.first_frames + limits.last_frames
    for frame in frames:
        _assert_frame(frame, limits)


def _assert_frame(frame: Any, limits: Limits) -> None:
    assert type(frame) is dict
    texts = ("file", "function", "module", "context_line", "abs_path", "package", "instruction_addr")
    numbers = ("line", "column", "count")
    others = ("in_app", "pre_context", "post_context", "vars")
    assert frame.keys() <= {*texts, *numbers, *others}
    assert frame.keys() & {*texts}
    assert type(frame["in_app"]) is bool
    for key in texts:
        assert type(frame.get(key, "x")) is str and 0 < len(frame.get(key, "x")) <= limits.line
    for key in numbers:
        assert type(frame.get(key, 1)) is int and 1 <= frame.get(key, 1) < 2**31
    for key in ("pre_context", "post_context"):
        lines = frame.get(key, ["x"])
        assert type(lines) is list and 0 < len(lines) <= limits.source_lines
        assert all(type(line) is str and len(line) <= limits.line for line in lines)
    assert type(frame.get("vars", {})) is dict
    _assert_within(frame.get("vars", {}), limits.line, limits.depth, limits)


def _assert_within(value: Any, longest: int, depth: int, limits: Limits) -> None:
    """Texts, numbers of entries and nesting of a value are within the limits."""
    if isinstance(value, str):
        assert len(value) <= longest
    if isinstance(value, dict | list):
        assert depth > 0 or not value
        assert len(value) <= limits.keys
        for item in value.values() if isinstance(value, dict) else value:
            _assert_within(item, longest, depth - 1, limits)


def _assert_errors(errors: Any, limits: Limits) -> None:
    assert len(errors) <= limits.errors + 25  # one says how many more there were, scrubbing has its own
    for error in errors:
        assert {"field", "reason"} <= error.keys() <= {"field", "reason", "detail"}
        assert error["reason"] in REASONS
        assert error["reason"] != "unreadable", f"a reader failed: {error}"
        assert all(type(text) is str for text in error.values())


def _assert_json(value: Any) -> None:
    """Only exact JSON types, no NUL, no lone surrogates, no numbers that databases refuse."""
    if type(value) is dict:
        for key, item in value.items():
            _assert_json(key)
            assert type(key) is str
            _assert_json(item)
    elif type(value) is list:
        for item in value:
            _assert_json(item)
    elif type(value) is str:
        assert "\0" not in value
        value.encode()
    elif type(value) is int:
        assert -LARGEST_INT <= value <= LARGEST_INT
    else:
        assert value is None or type(value) in (bool, float)
