"""One issue in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..console import console, escape, tagged, visible
from .events import place
from .issues import shown_level, shown_status
from .plain import cut
from .shapes import TAGS_COUNTED
from .sparkline import sparkline
from .stack import stack_markup
from .times import ago, counted, short

_ACTIVITY = 10  # changes shown, beside what people wrote

_SHOWN_MESSAGE = 1_000  # cells


def print_issue(issue: Mapping[str, Any], levels: Mapping[str, Any], full: bool) -> None:
    """Print the details of an issue that `crashvault show` collects."""
    console.print(f"[highlight]#{issue['id']}[/highlight] [bold]{escape(issue['title'])}[/bold]")
    if issue["culprit"]:
        console.print(f"[muted]in[/muted] {escape(issue['culprit'])}")
    if issue["merged_into"]:
        _print_merged(issue)
        return
    for name, value in _facts(issue, levels):
        console.print(f"  [muted]{name:<12}[/muted] {value}")
    event = issue["latest_event"]
    if event is not None:
        _print_latest(event, full)
    _print_activity(issue["activity"])
    if issue["similar"]:
        console.print("\n[bold]Similar issues[/bold]")
    for other in issue["similar"]:
        for line in similar_lines(other):
            console.print(line)
    if event is not None:
        change = "resolve" if issue["status"] == "open" else "reopen"
        console.print(
            f"\n[muted]Next: crashvault {change} {issue['id']} · events --issue {issue['id']} · event {event['event_id'][:8]}[/muted]"
        )


def _print_merged(issue: Mapping[str, Any]) -> None:
    """An issue that has no events while another has them."""
    into = issue["merged_into"]
    console.print(f"  [muted]merged into[/muted] [highlight]#{into}[/highlight]")
    console.print(f"\n[muted]Next: crashvault show {into} · crashvault unmerge {issue['id']}[/muted]")


def _facts(issue: Mapping[str, Any], levels: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    status = tagged(f"status.{issue['status']}", issue["status"])
    note = shown_status(issue) if issue["is_new"] or issue["is_regressed"] else ""
    yield "status", f"{status} {note}".strip()
    yield "level", shown_level(issue["level"], levels)
    if issue["severity"]:
        yield "severity", tagged(f"severity.{issue['severity']}", issue["severity"])
    users = f", {issue['users']} users" if issue["users"] else ""
    evicted = f" [muted]({issue['evicted']} evicted)[/muted]" if issue["evicted"] else ""
    yield "events", f"{issue['count']}{evicted}{users}"
    yield (
        "last 14 days",
        f"[info]{sparkline(issue['events_per_day']) or '-'}[/info] [muted]{sum(issue['events_per_day'])}[/muted]",
    )
    yield "first seen", f"{short(issue['first_seen'])} [secondary]{ago(issue['first_seen'])}[/secondary]"
    yield "last seen", f"{short(issue['last_seen'])} [secondary]{ago(issue['last_seen'])}[/secondary]"
    for name in ("release", "environment", "assigned", "category", "fingerprint", "project"):
        if issue[name]:
            yield name, escape(issue[name])
    if issue["tag_counts"]:
        counts = ", ".join(f"{escape(tag)} [muted]{count}[/muted]" for tag, count in issue["tag_counts"].items())
        yield (
            "tags",
            counts if issue["count"] <= TAGS_COUNTED else f"{counts} [muted]in the last {TAGS_COUNTED}[/muted]",
        )
    if issue["attachments"]:
        yield (
            "files",
            ", ".join(f"{escape(file['name'])} [muted]{file['size']} bytes[/muted]" for file in issue["attachments"]),
        )
    if issue["merged"]:
        yield "merged", ", ".join(f"#{member}" for member in issue["merged"])
    own = [tag for tag in issue["tags"] if tag not in issue["tag_counts"]]
    if own:
        yield "issue tags", escape(", ".join(own))


def _print_latest(event: Mapping[str, Any], full: bool) -> None:
    lines = list(stack_markup(event, variables=full, fold=not full))
    if not lines:
        said = escape(event["message"] if full else cut(visible(event["message"]), _SHOWN_MESSAGE))
        console.print(f"\n[bold]Latest event[/bold] [muted]{event['event_id'][:8]}[/muted] {said}")
        return
    console.print(f"\n[bold]Latest stack trace[/bold] [muted]{event['event_id'][:8]} {escape(place(event))}[/muted]")
    for line in lines:
        console.print(line)


def similar_lines(other: Mapping[str, Any]) -> Iterator[str]:
    """One similar issue: how alike, what it is, and why."""
    status = "" if other["status"] == "open" else f" [muted]{escape(other['status'])}[/muted]"
    yield f"[info]{other['score']:>6.1%}[/info] [highlight]#{other['id']}[/highlight] {escape(other['title'])}{status}"
    if other["reasons"]:
        yield f"       [muted]{escape('; '.join(other['reasons']))}[/muted]"


def _print_activity(entries: Sequence[Mapping[str, Any]]) -> None:
    """What people wrote, and the latest of what they did; `entries` are the latest first."""
    shown = [entry for place, entry in enumerate(entries) if place < _ACTIVITY or entry["kind"] in ("comment", "note")]
    if shown:
        console.print()
    if len(shown) < len(entries):
        console.print(f"[muted]… {counted(len(entries) - len(shown), 'earlier change')}; all with --json[/muted]")
    for entry in reversed(shown):
        console.print(_activity(entry))


def _activity(entry: Mapping[str, Any]) -> str:
    when = f"[secondary]{short(entry['at'])}[/secondary] {escape(entry['actor'])}"
    if entry["kind"] == "comment":
        return f"{when}: {escape(entry['data'].get('text', ''), multiline=True)}"
    changes = ", ".join(
        f"{escape(key)} {_shown(value[0])} → {_shown(value[1])}"
        if isinstance(value, list) and len(value) == 2
        else f"{escape(key)} {escape(value)}"
        for key, value in entry["data"].items()
    )
    what = "" if entry["kind"] in entry["data"] else f"{escape(entry['kind'])}: "  # most are named by what they changed
    return f"{when} [muted]{what}{changes}[/muted]"


def _shown(value: Any) -> str:
    return "-" if value is None else escape(value)
