"""`crashvault restore`: bring a backup back."""

from __future__ import annotations

import click

from .asking import confirm, somebody_there
from .context import Context, command, emit


@command("restore", "crashvault restore vault.tar.gz\ncrashvault --home ./elsewhere restore vault.tar")
@click.argument("file", metavar="FILE|-", type=click.Path())
@click.option("--force", "--yes", is_flag=True, help="Replace a vault that holds something, without asking.")
def restore(context: Context, file: str, force: bool) -> None:
    """Bring back what `crashvault backup` wrote, after checking all of it.

    A vault that holds something is replaced only if you agree. config.json comes back only where there is none."""
    from .. import core
    from ..console import console, escape
    from ..errors import ConflictError
    from ..output.times import counted, short

    try:
        core.check_restore(context.home, force=force)
    except ConflictError as error:
        if "holds" not in error.message or file == "-" or not somebody_there():
            raise
        confirm(f"{error.message[0].upper()}{error.message[1:]}. Replace them?")
        force = True
    done = core.restore_backup(file, context.home, force=force)
    if context.json:
        emit({"home": context.home, **done._asdict()})
        return
    console.print(
        f"[success]Restored[/success] {counted(done.issues, 'issue')}, {counted(done.events, 'event')} "
        f"and {counted(done.attachments, 'attachment')} of [highlight]{escape(short(done.created_at))}[/highlight] into [highlight]{escape(context.home)}[/highlight]"
    )
