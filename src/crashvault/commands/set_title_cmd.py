"""`crashvault set-title`."""

from __future__ import annotations

import click

from .context import Context, command
from .triage import IssueId, report


@command("set-title", 'crashvault set-title 12 "Checkout fails for guests"')
@click.argument("issue", type=IssueId())
@click.argument("title")
def set_title(context: Context, issue: int, title: str) -> None:
    """Give an issue a title of your own."""
    from .. import lifecycle
    from ..clock import now

    changed = lifecycle.set_title(context.store, issue, title, context.actor, now())
    report(context, [issue], changed, "New title for")
