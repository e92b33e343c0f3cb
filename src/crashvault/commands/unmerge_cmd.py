"""`crashvault unmerge`: take merged issues out again."""

from __future__ import annotations

import click

from .context import Context, command, emit
from .triage import IssueId, named


@command("unmerge", "crashvault unmerge 15\ncrashvault unmerge 15 18")
@click.argument("merged", metavar="ISSUE…", nargs=-1, required=True, type=IssueId())
def unmerge(context: Context, merged: tuple[int, ...]) -> None:
    """Take issues out of the one they were merged into; each is again what it was, with the events since."""
    from .. import lifecycle
    from ..clock import now
    from ..console import console
    from ..output.times import counted

    store = context.store
    with store.writing():  # all or none
        roots = {issue: lifecycle.unmerge(store, issue, context.actor, now()) for issue in merged}
    taken = [(store.issues.get(issue), root) for issue, root in roots.items()]
    if context.json:
        shown = [
            {"issue_id": found.id, "unmerged_from": root, "count": found.count, "status": found.status}
            for found, root in taken
        ]
        emit(shown[0] if len(shown) == 1 else {"items": shown})
        return
    for found, root in taken:
        console.print(
            f"[success]Took[/success] {named([found.id])} out of {named([root])}: {found.status}, "
            f"{counted(found.count, 'event')}"
        )
