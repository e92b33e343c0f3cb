"""Issues as Markdown, for a wiki or a ticket: facts, comments, latest events, stack trace."""

from __future__ import annotations

import re
from typing import Any

from ..output.times import counted, short
from . import document
from .document import Progress, Source
from .exporting import Output
from .people import SHOWN_EVENTS, Story, comments, facts, stories

# A colon means something only in an address and around the name of an emoji.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#!|~&@$]|:(?=//|[a-z_+-]))", re.I)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BLANKS = re.compile(r"\s+")
_RUN = re.compile("`+")
_CELL = 200  # characters


def write(source: Source, out: Output, progress: Progress) -> None:
    head = document.header(source)
    about = f" for `{_code(source.query)}`" if source.query else ""
    out.write(
        f"# Crashvault export\n\n{counted(head['issue_count'], 'issue')}, {counted(head['event_count'], 'event')}{about}, "
        f"written {short(head['exported_at'])} UTC.\n".encode()
    )
    for story in stories(source, progress):
        out.write(_section(story).encode("utf-8", "replace"))


def _section(story: Story) -> str:
    issue = story.issue
    parts = [f"\n## #{issue['id']} {escape(issue['title'])}\n"]
    parts += [f"- **{name}:** {escape(value)}" for name, value in facts(issue)]
    notes = comments(issue)
    if notes:
        parts += [
            "\n### Comments\n",
            *(f"- {short(at)} {escape(actor)}: {escape(text)}" for at, actor, text in notes),
        ]
    if story.latest:
        parts += [_events(issue, story.latest)]
    if story.stack:
        parts += ["\n### Latest stack trace\n", fenced(story.stack)]
    return "\n".join(parts) + "\n"


def _events(issue: dict[str, Any], events: list[dict[str, Any]]) -> str:
    more = issue["count"] - len(events)
    title = f"### Latest {SHOWN_EVENTS} events" if more > 0 else "### Events"
    rows = [
        f"| {short(event['timestamp'])} | {escape(event['level'])} | {escape(event['release'] or '')} "
        f"| {escape(event['host'] or '')} | {escape(event['message'])} | `{event['event_id']}` |"
        for event in events
    ]
    note = [f"\n{more} older events are left out; `--format jsonl` has all."] if more > 0 else []
    table = ["| Time (UTC) | Level | Release | Host | Message | Event |", "| --- | --- | --- | --- | --- | --- |"]
    return "\n".join([f"\n{title}\n", *table, *rows, *note])


def escape(text: object) -> str:
    """Foreign text in one line, where none of it is markup."""
    line = _BLANKS.sub(" ", _CONTROL.sub("\ufffd", str(text).replace("\n", " "))).strip()
    line = line if len(line) <= _CELL else f"{line[: _CELL - 1]}…"
    return _SPECIAL.sub(r"\\\1", line)


def fenced(text: str) -> str:
    """A block of code, in a fence that is longer than any in the text."""
    clean = _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))
    longest = max((len(run) for run in _RUN.findall(clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{clean}\n{fence}"


def _code(text: str) -> str:
    return _CONTROL.sub("\ufffd", text).replace("`", "'")
