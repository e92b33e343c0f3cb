"""Issues as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..console import Column, console, escape, level_tag, tagged
from ..models import LEVEL_LOOKS
from .times import ago

_COLUMNS = (
    Column("id", justify="right"),
    Column("level", min_width=5, spare=1),
    Column("title", min_width=16, ratio=1),
    Column("events", justify="right"),
    Column("users", justify="right", spare=3),
    Column("seen", min_width=6),
    Column("status", min_width=4, spare=2),
)


def print_issues(issues: Sequence[Mapping[str, Any]], levels: Mapping[str, Any]) -> None:
    """Print issues in their documented shape."""
    console.table(_COLUMNS, [_row(issue, levels) for issue in issues])


def _row(issue: Mapping[str, Any], levels: Mapping[str, Any]) -> list[str]:
    title = escape(issue["title"])
    culprit = f" [muted]{escape(issue['culprit'])}[/muted]" if issue["culprit"] else ""
    return [
        f"[highlight]{issue['id']}[/highlight]",
        shown_level(issue["level"], levels),
        f"{title}{culprit}",
        str(issue["count"]),
        str(issue["users"] or ""),
        f"[secondary]{ago(issue['last_seen'])}[/secondary]",
        shown_status(issue),
    ]


def shown_level(name: str, levels: Mapping[str, Any]) -> str:
    """A level in its colour and with its emoji, where people have chosen them; else a built-in one in its usual colour."""
    level = levels.get(name)
    usual = LEVEL_LOOKS.get(name, ("", ""))
    colour = level.colour if level is not None and level.colour != usual[0] else ""
    emoji = f"{level.emoji} " if level is not None and level.emoji and level.emoji != usual[1] else ""
    return tagged(level_tag(name, colour or ""), f"{emoji}{name}")


def shown_status(issue: Mapping[str, Any]) -> str:
    """The status, and what is special about an open issue."""
    status = issue["status"]
    note = "regressed" if issue["is_regressed"] else "new" if issue["is_new"] else ""
    if note:
        return (
            f"[{'warning' if note == 'regressed' else 'info'}]{note}[/{'warning' if note == 'regressed' else 'info'}]"
        )
    return tagged(f"status.{status}", status)
