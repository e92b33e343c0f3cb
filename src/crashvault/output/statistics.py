"""Totals, trends and drops for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..clock import to_iso
from ..console import Column, console, escape, tagged
from .issues import print_issues, shown_level
from .sparkline import sparkline
from .times import short


def print_statistics(figures: Mapping[str, Any], levels: Mapping[str, Any]) -> None:
    """Print what `crashvault stats` collects."""
    by_status = ", ".join(f"{count} {tagged(f'status.{name}', name)}" for name, count in figures["by_status"].items())
    console.print(f"[bold]{figures['issues']}[/bold] {'issue' if figures['issues'] == 1 else 'issues'}: {by_status}")
    by_level = ", ".join(f"{count} {shown_level(name, levels)}" for name, count in figures["by_level"].items())
    events = "event" if figures["events"] == 1 else "events"
    console.print(f"[bold]{figures['events']}[/bold] {events}{': ' + by_level if by_level else ''}")
    if len(figures["by_project"]) > 1:
        rows = [
            [escape(name), str(item["issues"]), str(item["events"])] for name, item in figures["by_project"].items()
        ]
        columns = (Column("project"), Column("issues", justify="right"), Column("events", justify="right"))
        console.table(columns, rows)
    for title, key in (("last 24 hours", "events_per_hour"), ("last 14 days", "events_per_day")):
        series = figures[key]
        console.print(f"[muted]{title:<14}[/muted] [info]{sparkline(series['counts'])}[/info] {series['total']}")
    if figures["top_issues"]:
        console.print("\n[bold]Most events among open issues[/bold]")
        print_issues(figures["top_issues"], levels)


def print_drops(drops: Sequence[Any]) -> None:
    """Print the ledger of drops."""
    if not drops:
        console.print("[muted]Nothing was ever refused, cut short or lost.[/muted]")
        return
    columns = (Column("reason"), Column("source"), Column("category"), Column("count", justify="right"),
               Column("first"), Column("last"))  # fmt: skip
    rows = [
        [escape(drop.reason), escape(drop.source), escape(drop.category), str(drop.count),
         short(to_iso(drop.first)), short(to_iso(drop.last))]
        for drop in drops
    ]  # fmt: skip
    console.table(columns, rows)
