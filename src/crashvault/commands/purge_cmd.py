"""`crashvault purge`: delete issues with their events."""

from __future__ import annotations

import click

from .asking import confirm_deletion
from .context import Context, command, emit
from .triage import issues_argument


@command("purge", "crashvault purge 12\ncrashvault purge 12 15 --yes")
@issues_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(context: Context, issues: tuple[int, ...], yes: bool) -> None:
    """Delete issues with all their events, their text in the index, attachments, feedback and the spans of their traces."""
    from .. import lifecycle
    from ..clock import now
    from ..console import console, progress
    from ..output.times import counted

    store = context.store
    lifecycle.require(store, issues)
    chosen = list(dict.fromkeys(issues))
    total = sum(store.issues.get(issue).count - store.issues.evicted(issue) for issue in chosen)
    what = counted(len(chosen), "issue")
    if not yes:
        confirm_deletion(f"Delete {what} with {counted(total, 'event')}?")
    with progress("Deleting events", total) as bar:
        deleted = store.deletion.issues(chosen, now(), bar.advance)
        store.deletion.merge_index()
    if context.json:
        emit({"deleted_issues": len(chosen), "deleted_events": deleted})
        return
    console.print(f"[success]Deleted[/success] {what} with {counted(deleted, 'event')}")
    console.print("[muted]Backups and exports that you made may still hold them.[/muted]")
