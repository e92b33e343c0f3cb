"""`crashvault show`: one issue."""

from __future__ import annotations

import click

from .context import Context, command, emit
from .triage import IssueId


@command("show", "crashvault show 12\ncrashvault show 12 --json", reads=True)
@click.argument("issue", type=IssueId())
@click.option("--full", is_flag=True, help="Every frame, with local variables.")
def show(context: Context, issue: int, full: bool) -> None:
    """Show an issue: state, counts, history, tags, its latest stack trace with source, notes and activity."""
    from ..clock import now
    from ..views import issue_details

    moment = now()
    store = context.store
    with store.reading():
        details = issue_details(store, issue, moment)
        levels = {level.name: level for level in store.levels.list()}
    if context.json:
        emit(details)
        return
    from ..output.issue import print_issue

    print_issue(details, levels, full)
