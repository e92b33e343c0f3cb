"""`crashvault ignore`."""

from __future__ import annotations

import click

from .context import Context, command
from .triage import change, issues_argument

_EXAMPLES = """
crashvault ignore 12
crashvault ignore 12 15 18
crashvault ignore 12 --until 7d
crashvault ignore 12 --events 100 --users 10
"""


@command("ignore", _EXAMPLES)
@issues_argument
@click.option("--until", "time", metavar="TIME|SPAN", help="Until then, such as 7d or 2026-12-01T08:00.")
@click.option("--events", type=click.IntRange(1), help="Until so many more events have arrived.")
@click.option("--users", type=click.IntRange(1), help="Until it has hit so many more users.")
def ignore(context: Context, issues: tuple[int, ...], time: str | None, events: int | None, users: int | None) -> None:
    """Ignore issues: they keep counting events and stay out of the list.

    With --until, --events or --users they are opened again by themselves, with whichever comes first."""
    from .. import lifecycle
    from ..clock import now

    if time or events or users:
        until = lifecycle.until(time, events, users, now())
        change(context, lifecycle.ignore_until, issues, "Ignored", until)
    else:
        change(context, lifecycle.set_status, issues, "Ignored", "ignored")
