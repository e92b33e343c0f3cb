"""Issues as Markdown, for a wiki or a ticket: facts, comments, latest events, stack trace."""

from __future__ import annotations

from typing import Any

from ..output.escaping import code_span, fenced
from ..output.escaping import markdown_text as escape
from ..output.times import counted, short
from . import document
from .document import Progress, Source
from .exporting import Output
from .people import SHOWN_EVENTS, Story, comments, facts, stories


def write(source: Source, out: Output, progress: Progress) -> None:
    head = document.header(source)
    about = f" for `{code_span(source.query)}`" if source.query else ""
    out.write(
        f"# Crashvault export\n\n{counted(head['issue_count'], 'issue')}, {counted(head['event_count'], 'event')}{about}, "
        f"written {short(head['exported_at'])}.\n".encode()
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
