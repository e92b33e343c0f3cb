"""`crashvault group`: why events are together."""

from __future__ import annotations

from typing import Any

import click

from .context import Context, command, emit
from .group import SubGroup
from .triage import IssueId


@click.group("group", cls=SubGroup)
def group() -> None:
    """Why an event is in its issue, and the rules that decide it."""


@command("explain", "crashvault group explain 12\ncrashvault group explain 4f1c9a7e")
@click.argument("event_or_issue")
def explain(context: Context, event_or_issue: str) -> None:
    """Say why an event, or the events of an issue, are where they are.

    A number is an issue, anything else the beginning of an event's id; `#12` is always an issue."""
    store = context.store
    is_issue = event_or_issue.startswith("#") or (event_or_issue.isdecimal() and len(event_or_issue) < 8)
    if is_issue:
        issue = IssueId().convert(event_or_issue, None, None)
        store.issues.get(issue)
        wanted = None
    else:
        found = store.events.get(event_or_issue)
        issue, wanted = found.issue_id, found.fingerprint
    hashes = [item for item in store.issues.hashes(issue) if wanted in (None, item.hash)]
    if context.json:
        emit({"issue_id": issue, "hashes": [item._asdict() for item in hashes]})
    else:
        _print(issue, hashes)


def _print(issue: int, hashes: list[Any]) -> None:
    from ..console import console, escape
    from ..output.shapes import short_hash
    from ..output.times import counted

    for item in hashes:
        merged = " [muted](merged into it)[/muted]" if item.merged else ""
        console.print(
            f"[highlight]{short_hash(item.hash)}[/highlight] in issue [highlight]#{issue}[/highlight]{merged} "
            f"[muted]{counted(item.count, 'event')}, algorithm {escape(item.algorithm)}[/muted]"
        )
        console.print(f"  {escape(item.reason)}")
        for what, value in item.parts:
            console.print(f"  [muted]{escape(what):<12}[/muted] {escape(value)}")
        console.print(f"  [muted]{'key':<12}[/muted] {escape(item.key)}")


@command(
    "rules",
    'crashvault group rules\ncrashvault config set grouping.rules \'[{"match": {"type": "TimeoutError"}, "fingerprint": ["timeouts"]}]\'',
)
def rules(context: Context) -> None:
    """Show the grouping rules; they are set with `crashvault config set grouping.rules`."""
    import json

    from .. import core
    from ..console import console, escape

    found, _ = core.get_setting(context.store, "grouping.rules")
    if context.json:
        emit({"items": found})
        return
    if not found:
        console.print(
            "[muted]No rules: events are grouped by exception, place and message. See: crashvault docs grouping[/muted]"
        )
    for position, rule in enumerate(found, start=1):
        console.print(f"[highlight]{position}[/highlight] {escape(json.dumps(rule, ensure_ascii=False))}")


for _command in (explain, rules):
    group.add_command(_command)
