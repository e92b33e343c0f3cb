"""`crashvault kill`: delete everything."""

from __future__ import annotations

import click

from .asking import confirm
from .context import Context, command, emit


@command("kill", "crashvault kill\ncrashvault kill --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
def kill(context: Context, yes: bool) -> None:
    """Delete all issues and events; projects, levels and settings stay, and ids go on counting."""
    from ..clock import now
    from ..output.times import counted

    store = context.store
    totals = store.statistics.totals()
    if not yes:
        whole = f"{counted(totals.issues, 'issue')} and {counted(totals.events, 'event')}"
        confirm(f"Delete everything in {context.home}: {whole}?")
    store.deletion.everything(now())
    store.deletion.shrink_file()
    if context.json:
        emit({"deleted_issues": totals.issues, "deleted_events": totals.events})
        return
    from ..console import console

    console.print(f"[danger]Deleted[/danger] {counted(totals.issues, 'issue')} with {counted(totals.events, 'event')}")
