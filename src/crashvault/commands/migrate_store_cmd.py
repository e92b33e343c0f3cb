"""`crashvault migrate-store`: the vault into another engine."""

from __future__ import annotations

import click

from .context import Context, command, emit

_EXAMPLES = """
crashvault migrate-store --to postgresql://crashvault@db.example.com/crashvault
CRASHVAULT_DATABASE_URL=postgresql://… crashvault migrate-store --to ./vault
"""


@command("migrate-store", _EXAMPLES)
@click.option(
    "--to", "target", metavar="URL|DIR", required=True, help="A PostgreSQL database, or a directory for a vault file."
)
def migrate_store(context: Context, target: str) -> None:
    """Copy the whole vault into a PostgreSQL database, or from there into a file, and compare the two.

    What was begun is taken up again by running it once more. Stop servers first: nothing may be recorded meanwhile."""
    from .. import core
    from ..console import console, escape, progress
    from ..output.times import counted

    with core.open_target(target) as other:
        rows = core.rows_to_move(context.store)
        with progress("Copying the vault", 3 * rows) as bar:
            done = core.move_store(context.store, other, bar.advance)
        place = other.db.path
    if context.json:
        emit({"to": place, **done._asdict()})
        return
    console.print(
        f"[success]Copied[/success] {counted(done.rows, 'row')} and {counted(done.attachments, 'attachment')} to"
        f" [highlight]{escape(place)}[/highlight]; both vaults have the same content [muted]({done.checksum[:12]})[/muted]"
    )
    console.print(f"[muted]Use it from now on: {escape(core.how_to_use(target))}[/muted]")
