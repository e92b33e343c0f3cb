"""`crashvault unmerge`: take a merged issue out again."""

from __future__ import annotations

import click

from .context import Context, command, emit
from .triage import IssueId, named


@command("unmerge", "crashvault unmerge 15")
@click.argument("issue", type=IssueId())
def unmerge(context: Context, issue: int) -> None:
    """Take an issue out of the one it was merged into; it is again what it was, with the events since."""
    from .. import lifecycle
    from ..clock import now

    store = context.store
    root = lifecycle.unmerge(store, issue, context.actor, now())
    found = store.issues.get(issue)
    if context.json:
        emit({"issue_id": issue, "unmerged_from": root, "count": found.count, "status": found.status})
        return
    from ..console import console

    console.print(
        f"[success]Took[/success] {named([issue])} out of {named([root])}: {found.status}, {found.count} events"
    )
