"""What a message says, whatever service carries it: title, facts, stack trace, links, as clean text without markup.

A provider escapes these parts for its service, fits them into its limits and arranges them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .base import ALERT, EVENT, NEW_ISSUE, REGRESSION, RESOLVED, SUMMARY, TEST, Notification
from .cutting import clean, fit, one_line

GREY, GREEN, RED, BLUE = "#8a8f98", "#1a7f37", "#d1242f", "#2f81f7"

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LONGEST = 100_000  # characters of a part that any service could take
_FRAMES = 10  # of a stack trace excerpt
_TEXT_LINES = 20  # of a stack trace that is there as text only
_HELD = 20  # issues that a summary names
_SEVERAL = 12  # tags or attachments named
_SOURCE = 160  # characters of a line of source
_VALUE = 600  # characters of an exception's value in the excerpt


class Fact(NamedTuple):
    name: str
    value: str  # one line


class Link(NamedTuple):
    title: str
    url: str


class Message(NamedTuple):
    """One notification in words. No part has line breaks but `text` and `stack`."""

    emoji: str
    colour: str  # #rrggbb
    kind: str  # "New issue in shop"
    title: str
    culprit: str
    text: str  # a sentence or two, or the list of a summary; may be empty
    facts: Sequence[Fact]
    stack: str  # the crash last; may be empty
    links: Sequence[Link]
    command: str  # that shows the issue in a terminal; may be empty
    footer: str

    @property
    def heading(self) -> str:
        return f"{self.emoji} {self.title}" if self.emoji else self.title

    @property
    def url(self) -> str:
        """Where a click on the title leads; may be empty."""
        return self.links[0].url if self.links else ""

    @property
    def plain(self) -> str:
        """The message in one line, for what can show no more."""
        return f"{self.emoji} {self.kind}: {self.title}".strip()


def message(notification: Notification) -> Message:
    kind = notification.kind
    issue, event = notification.issue or {}, notification.event or {}
    emoji, colour = _look(notification)
    return Message(
        emoji=emoji,
        colour=colour,
        kind=_kind(notification),
        title=_title(notification),
        culprit=one_line(_text(issue.get("culprit")))[:_LONGEST] if kind not in (SUMMARY, ALERT) else "",
        text=_words(notification),
        facts=list(_facts(notification)),
        stack=stack_excerpt(event),
        links=list(_links(notification)),
        command=one_line(_text(notification.links.get("cli"))),
        footer=f"Crashvault · {one_line(notification.project)}",
    )


def stack_excerpt(event: Mapping[str, Any]) -> str:
    """The frames that lead to the crash, the crash and the error last; own code before that of libraries."""
    frames = [frame for frame in event.get("frames") or () if isinstance(frame, Mapping)]
    lines = list(_frame_lines(frames))
    if not lines:
        given = clean(_text(event.get("stacktrace"))[-_LONGEST:]).rstrip().split("\n")
        return "\n".join(line.rstrip() for line in given[-_TEXT_LINES:])
    return "\n".join([*lines, *_error_lines(event)])


def _frame_lines(frames: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    own = any(frame.get("in_app") for frame in frames)
    last = len(frames) - 1
    shown = [number for number, frame in enumerate(frames) if frame.get("in_app") or not own or number == last]
    before = shown[-_FRAMES] if len(shown) >= _FRAMES else 0
    if before:
        yield f"{_counted(before, 'frame')} before"
    position = before
    for number in (number for number in shown if number >= before):
        if number > position:
            yield f"… {_counted(number - position, 'frame')} of libraries"
        yield from _frame(frames[number])
        position = number + 1


def _frame(frame: Mapping[str, Any]) -> Iterator[str]:
    where = frame.get("file") or frame.get("module") or frame.get("package") or frame.get("instruction_addr") or "?"
    line = f":{frame['line']}" if frame.get("line") else ""
    function = f" in {one_line(_text(frame['function']))[:_SOURCE]}" if frame.get("function") else ""
    yield f"{one_line(_text(where))[-_SOURCE:]}{line}{function}"
    source = one_line(_text(frame.get("context_line")))
    if source:
        yield f"    {fit(source, _SOURCE)}"


def _error_lines(event: Mapping[str, Any]) -> list[str]:
    error = event.get("exception")
    if not isinstance(error, Mapping):
        return []
    kind, value = one_line(_text(error.get("type"))), fit(clean(_text(error.get("value"))[:_LONGEST]).strip(), _VALUE)
    return (f"{kind}: {value}" if kind and value else kind or value).split("\n")


def _look(notification: Notification) -> tuple[str, str]:
    """Emoji and colour."""
    if notification.kind == RESOLVED or _is_over(notification):
        return "✅", GREEN
    if notification.kind == SUMMARY:
        return "🗂", GREY
    emoji, colour = notification.levels.get(_level(notification), ("", ""))
    colour = colour if _COLOUR.fullmatch(colour) else GREY
    if notification.kind == ALERT:
        return "🚨", colour if notification.event or notification.issue else RED
    if notification.kind == TEST:
        return "👋", BLUE
    return one_line(emoji)[:16], colour.lower()


def _level(notification: Notification) -> str:
    return _text((notification.event or notification.issue or {}).get("level"))


def _is_over(notification: Notification) -> bool:
    return notification.kind == ALERT and (notification.alert or {}).get("state") == "resolved"


def _kind(notification: Notification) -> str:
    project = one_line(notification.project)
    if notification.kind == EVENT:
        return f"{one_line(_level(notification)).capitalize() or 'Event'} in {project}"
    words = {
        NEW_ISSUE: "New issue in",
        REGRESSION: "Regression in",
        RESOLVED: "Resolved in",
        ALERT: "Alert is over in" if _is_over(notification) else "Alert in",
        SUMMARY: "Held back in",
        TEST: "Test message from",
    }
    return f"{words[notification.kind]} {project}"


def _title(notification: Notification) -> str:
    if notification.kind == SUMMARY:
        issues = f" of {_counted(len(notification.held), 'issue')}" if notification.held else ""
        return f"{_counted(_held_events(notification), 'event')}{issues}"
    if notification.kind == ALERT:
        return one_line(_text((notification.alert or {}).get("name")))[:_LONGEST] or "Alert"
    if notification.kind == TEST:
        return "Crashvault can reach you here"
    event, issue = notification.event or {}, notification.issue or {}
    found = _text(issue.get("title") or event.get("message"))[:_LONGEST]
    return one_line(found) or "Event without a message"


def _held_events(notification: Notification) -> int:
    return max(notification.count, sum(held.events for held in notification.held))


def _words(notification: Notification) -> str:
    kind = notification.kind
    if kind == SUMMARY:
        return "\n".join(["The rate limit of this webhook held these back:", *_held_lines(notification)])
    if kind == TEST:
        return "This is how messages will look. Nothing has crashed."
    lines: list[str] = []
    if kind == ALERT:
        lines += _alert_lines(notification.alert or {})
    if kind == REGRESSION:
        lines.append("It was resolved and came back.")
    if kind == RESOLVED and (notification.issue or {}).get("assigned"):
        lines.append(f"It was assigned to {one_line(_text((notification.issue or {}).get('assigned')))[:200]}.")
    if notification.count > 1:
        lines.append(f"And {_counted(notification.count - 1, 'more event')} of the same issue, told together.")
    shown = _message_text(notification)
    return "\n".join([*lines, shown] if shown else lines)


def _message_text(notification: Notification) -> str:
    """What an event says, where that is more than its title."""
    if notification.kind in (ALERT, RESOLVED):
        return ""
    said = clean(_text((notification.event or {}).get("message"))[:_LONGEST]).strip()
    return "" if one_line(said) == _title(notification) else said


def _alert_lines(alert: Mapping[str, Any]) -> Iterator[str]:
    condition, by, group, value = (
        one_line(_text(alert.get(key)))[:400] for key in ("condition", "by", "group", "value")
    )
    if condition:
        yield f"When {condition}" + (f", for {by} {group}" if group else "")
    if value:
        yield f"Now: {value}"


def _held_lines(notification: Notification) -> Iterator[str]:
    for held in notification.held[:_HELD]:
        title = fit(one_line(_text(held.issue.get("title"))[:_LONGEST]), 120) or "?"
        yield f"{_counted(held.events, 'event')} of #{one_line(_text(held.issue.get('id')))} {title}"
    if len(notification.held) > _HELD:
        yield f"… and of {_counted(len(notification.held) - _HELD, 'more issue')}"


def _facts(notification: Notification) -> Iterator[Fact]:
    if notification.kind in (SUMMARY, TEST):
        return
    issue, event = notification.issue or {}, notification.event or {}
    alert = notification.alert or {}
    values = {
        "Severity": alert.get("severity") or issue.get("severity"),
        "Since": _time(alert.get("since")),
        "Issue": issue.get("title") if notification.kind == ALERT else None,
        "Level": _level(notification),
        "Events": issue.get("count"),
        "Users": issue.get("users") or None,
        "First seen": _time(issue.get("first_seen")),
        "Last seen": _time(issue.get("last_seen")),
        "Release": event.get("release") or issue.get("release"),
        "Environment": event.get("environment") or issue.get("environment"),
        "Host": event.get("host"),
        "Assigned to": issue.get("assigned") if notification.kind != RESOLVED else None,
        "Root cause": _root_cause(event),
        "Tags": _several(event.get("tags") or issue.get("tags") or ()),
        "Attachments": _several(
            [file.get("name") for file in event.get("attachments") or () if isinstance(file, Mapping)]
        ),
    }
    for name, value in values.items():
        shown = one_line(_text(value)[:_LONGEST])
        if shown:
            yield Fact(name, shown)


def _root_cause(event: Mapping[str, Any]) -> str:
    """The exception that a chain began with, when that is not the one the message is about."""
    chain = [link for link in event.get("exceptions") or () if isinstance(link, Mapping)]
    if len(chain) < 2:
        return ""
    kind, value = _text(chain[0].get("type")), _text(chain[0].get("value"))[:_VALUE]
    return f"{kind}: {value}" if kind and value else kind or value


def _several(values: Sequence[Any]) -> str:
    shown = [fit(one_line(_text(value)), 80) for value in values[:_SEVERAL]]
    more = [f"and {len(values) - _SEVERAL} more"] if len(values) > _SEVERAL else []
    return ", ".join([*filter(None, shown), *more])


def _links(notification: Notification) -> Iterator[Link]:
    titles = {"issue": "Open issue", "event": "Open event", "alert": "Open alert"}
    for name, title in titles.items():
        url = notification.links.get(name, "")
        if is_link(url):
            yield Link(title, url)


def is_link(url: str) -> bool:
    """Whether an address can stand in a message: of the web, printable, without blanks and markup."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and not set(url) & set(" <>\"'`|\\()[]")
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain and len(url) <= 1_000


def _time(iso: Any) -> str:
    """`2026-01-02 03:04 UTC`."""
    return f"{iso[:16].replace('T', ' ')} UTC" if isinstance(iso, str) and iso else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _text(value: Any) -> str:
    """A value of an event as text; nothing of what is none."""
    return "" if value is None or isinstance(value, (Mapping, list, tuple)) else str(value)
