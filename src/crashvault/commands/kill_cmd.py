"""`crashvault kill`: delete everything."""

from __future__ import annotations

import click

from .context import Context, command, emit


@command("kill", "crashvault kill\ncrashvault kill --yes")
@click.confirmation_option(prompt="Delete ALL issues and events of this vault?")
def kill(context: Context) -> None:
    """Delete all issues and events; projects, levels and settings stay, and ids go on counting."""
    from ..clock import now

    store = context.store
    totals = store.statistics.totals()
    store.deletion.everything(now())
    store.deletion.shrink_file()
    if context.json:
        emit({"deleted_issues": totals.issues, "deleted_events": totals.events})
        return
    from ..console import console
    from ..output.times import counted

    console.print(f"[danger]Deleted[/danger] {counted(totals.issues, 'issue')} with {counted(totals.events, 'event')}")
