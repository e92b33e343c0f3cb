"""`crashvault show`: one issue."""

from __future__ import annotations

from typing import Any

import click

from ..clock import DAY, to_iso
from .context import Context, command, emit
from .reading import shown_events, shown_issues

_DAYS = 14  # of the sparkline
_TAGS_FROM = 100  # events whose tags are counted


@command("show", "crashvault show 12\ncrashvault show 12 --json")
@click.argument("issue", type=click.IntRange(1))
@click.option("--full", is_flag=True, help="Every frame, with local variables.")
def show(context: Context, issue: int, full: bool) -> None:
    """Show an issue: state, counts, history, tags, its latest stack trace with source, notes and activity."""
    from ..clock import now

    moment = now()
    store = context.store
    with store.reading():
        details = _details(store, issue, moment)
        levels = {level.name: level for level in store.levels.list()}
    if context.json:
        emit(details)
        return
    from ..output.issue import print_issue

    print_issue(details, levels, full)


def _details(store: Any, issue: int, now: int) -> dict[str, Any]:
    """Everything about an issue: its documented shape, and what only this view has."""
    into = store.issues.get(issue).merged_into
    found = shown_issues(store, [issue], now)[0]
    since = now - now % DAY - (_DAYS - 1) * DAY
    hours = store.issues.hours(issue, since, now)
    latest = shown_events(store, store.issues.latest_events(issue)) if into is None else []
    activity = [entry._asdict() | {"at": to_iso(entry.at)} for entry in store.triage.activity(issue)]
    return {
        **found,
        "events_per_day": [sum(hours[start : start + 24]) for start in range(0, len(hours), 24)],
        "tag_counts": _tag_counts(store, issue),
        "hashes": [item._asdict() for item in store.issues.hashes(issue)],
        "latest_event": latest[0] if latest else None,
        "notes": [entry for entry in activity if entry["kind"] == "comment"],
        "activity": activity,
        "attachments": [file.info() for file in store.attachments.of_issue(issue)],
        "merged": [member for member in store.merging.members(issue) if member != issue],
        "merged_into": None if into is None else store.merging.root(into),
    }


def _tag_counts(store: Any, issue: int) -> dict[str, int]:
    """How many of the latest events have each tag, the commonest first."""
    counts: dict[str, int] = {}
    for item in store.events.load(store.issues.latest_events(issue, _TAGS_FROM)):
        for tag in item.event.get("tags", ()):
            counts[tag] = counts.get(tag, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1])[:20])
