"""`crashvault merge`: make several issues one."""

from __future__ import annotations

import click

from .context import Context, command, emit
from .triage import IssueId, named


@command("merge", "crashvault merge 12 15\ncrashvault merge 12 15 18 21")
@click.argument("target", type=IssueId())
@click.argument("issues", metavar="OTHER…", nargs=-1, required=True, type=IssueId())
def merge(context: Context, target: int, issues: tuple[int, ...]) -> None:
    """Merge issues into TARGET: their events, present and future, are its events.

    TARGET keeps its title, status, severity and assignee. `crashvault unmerge` takes them apart again."""
    from .. import lifecycle
    from ..clock import now

    store = context.store
    merged = lifecycle.merge(store, target, issues, context.actor, now())
    found = store.issues.get(target)
    if context.json:
        emit({"issue_id": target, "merged": merged, "count": found.count, "users": found.users})
        return
    from ..console import console
    from ..output.times import counted

    if not merged:
        console.print(f"[muted]Unchanged:[/muted] {named(issues)} had been merged into {named([target])} before")
        return
    console.print(
        f"[success]Merged[/success] {named(merged)} into {named([target])}, which has {counted(found.count, 'event')} now"
    )
    console.print(f"[muted]Undo with: crashvault unmerge {' '.join(map(str, merged))}[/muted]")
