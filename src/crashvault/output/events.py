"""Events as a table, as lines of a stream, and one in full."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..console import TAGS, Column, console, escape, visible
from .issues import shown_level
from .plain import cell_width, cut, strip
from .stack import stack_markup
from .times import short

_COLUMNS = (
    Column("event"),
    Column("time", style="secondary", spare=2),
    Column("issue", justify="right"),
    Column("level", min_width=5, spare=1),
    Column("message", min_width=16, ratio=1),
    Column("where", max_width=40, ratio=1, spare=3),
)
_SHOWN_VALUE = 2_000  # characters of one value in the full view


def print_events(events: Sequence[Mapping[str, Any]], levels: Mapping[str, Any]) -> None:
    """Print events in their documented shape as a table."""
    console.table(_COLUMNS, [_row(event, levels) for event in events])


def _row(event: Mapping[str, Any], levels: Mapping[str, Any]) -> list[str]:
    return [
        f"[highlight]{event['event_id'][:8]}[/highlight]",
        short(event["timestamp"]),
        str(event["issue_id"]),
        shown_level(event["level"], levels),
        escape(headline(event)),
        f"[muted]{escape(place(event))}[/muted]",
    ]


def event_line(event: Mapping[str, Any], levels: Mapping[str, Any], width: int | None = None) -> str:
    """One event as a line of `tail`; cut to `width` cells where one is given."""
    level = shown_level(event["level"], levels)
    start = f"[secondary]{short(event['timestamp'])}[/secondary] {level} [highlight]#{event['issue_id']}[/highlight]"
    said, tags = visible(headline(event)), visible(" ".join(event["tags"][:8]))
    if width is not None:
        said = cut(said, width - cell_width(strip(start, TAGS)) - 1)
        tags = cut(tags, width - cell_width(strip(start, TAGS)) - cell_width(said) - 2)
    return f"{start} {escape(said)}{f' [muted]{escape(tags)}[/muted]' if tags else ''}"


def headline(event: Mapping[str, Any]) -> str:
    """What happened, in one line."""
    exception = event["exception"]
    if not exception or not exception["type"]:
        return first_line(event["message"])
    value = first_line(exception["value"] or "")
    return f"{exception['type']}: {value}" if value else str(exception["type"])


def first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def place(event: Mapping[str, Any]) -> str:
    """Where it happened: the innermost frame of the program itself."""
    frames = event["frames"]
    own = [frame for frame in frames if frame["in_app"]] or frames
    if not own:
        return event["source"] or ""
    frame = own[-1]
    file = (frame["file"] or frame["module"] or "?").rsplit("/", 2)
    line = f":{frame['line']}" if frame["line"] else ""
    return f"{'/'.join(file[-2:])}{line}"


def print_event(event: Mapping[str, Any], levels: Mapping[str, Any]) -> None:
    """Everything that is known of one event."""
    console.print(f"{shown_level(event['level'], levels)} [bold]{escape(headline(event))}[/bold]")
    console.print(
        f"[muted]event[/muted] [highlight]{event['event_id']}[/highlight] [muted]of issue[/muted] #{event['issue_id']}"
    )
    for name, value in _facts(event):
        console.print(f"  [muted]{name:<12}[/muted] {escape(value)}")
    if event["message"] and first_line(event["message"]) not in headline(event):
        _section("Message", escape(event["message"], multiline=True))
    stack = "\n".join(stack_markup(event, variables=True))
    if stack:
        _section("Stack trace", stack)
    for title, value in _blocks(event):
        _section(title, value)


def _facts(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "time", event["timestamp"]
    yield "received", event["received_at"]
    for name in ("project", "release", "environment", "host", "pid", "source", "platform", "logger", "transaction",
                 "trace_id", "span_id", "fingerprint"):  # fmt: skip
        if event.get(name) not in (None, ""):
            yield name, str(event[name])
    if event["user"]:
        yield "user", event["user"] if isinstance(event["user"], str) else _json(event["user"], None)
    if event["tags"]:
        yield "tags", ", ".join(event["tags"])


def _blocks(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if event["context"]:
        yield (
            "Context",
            "\n".join(f"[muted]{escape(key)}[/muted] {_value(value)}" for key, value in event["context"].items()),
        )
    if event.get("request"):
        yield "Request", _value(event["request"])
    if event["breadcrumbs"]:
        yield "Breadcrumbs", "\n".join(map(_breadcrumb, event["breadcrumbs"][-20:]))
    if event["attachments"]:
        yield (
            "Attachments",
            "\n".join(
                f"{escape(item['name'])} [muted]{item['size']} bytes, {escape(item['content_type'])}[/muted]"
                for item in event["attachments"]
            ),
        )
    if event["errors"]:
        yield (
            "Noted while storing",
            "\n".join(
                f"[warning]{escape(item.get('field', ''))}[/warning] {escape(item.get('reason', ''))} {escape(item.get('detail', ''))}"
                for item in event["errors"]
            ),
        )


def _breadcrumb(crumb: Mapping[str, Any]) -> str:
    parts = [str(crumb.get(key) or "") for key in ("timestamp", "category", "level")]
    text = crumb.get("message") or (_json(crumb["data"], None) if crumb.get("data") else "")
    return f"[muted]{escape(' '.join(filter(None, parts)))}[/muted] {escape(str(text)[:200])}"


def _value(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return escape(_json(value, 2 if len(str(value)) > 100 else None)[:_SHOWN_VALUE], multiline=True)
    return escape(str(value)[:_SHOWN_VALUE], multiline=True)


def _json(value: Any, indent: int | None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def _section(title: str, body: str) -> None:
    console.print(f"\n[bold]{title}[/bold]")
    for line in body.split("\n"):
        console.print(f"  {line}")
