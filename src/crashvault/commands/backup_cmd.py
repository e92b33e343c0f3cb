"""`crashvault backup`: a consistent copy while everything goes on."""

from __future__ import annotations

import click

from .context import Context, command, emit


@command("backup", "crashvault backup vault-2026-11-23.tar\ncrashvault backup /mnt/safe/vault.tar.gz")
@click.argument("file", type=click.Path(dir_okay=False))
def backup(context: Context, file: str) -> None:
    """Write the vault, its attachments and config.json to one FILE; compressed if it ends in .gz.

    Others may go on recording meanwhile. Bring it back with `crashvault restore`."""
    from .. import core
    from ..console import console, escape, print_warning, progress
    from ..output.times import counted

    with progress("Copying the vault") as bar:
        done = core.write_backup(
            context.store, file, progress=lambda copied, total: bar.update(completed=copied, total=total)
        )
    if done.missing:
        print_warning(
            f"{counted(done.missing, 'attachment')} not in it, because the content is gone. See: crashvault doctor"
        )
    if context.json:
        emit({"output": file, **done._asdict()})
        return
    console.print(
        f"[success]Backed up[/success] {counted(done.issues, 'issue')}, {counted(done.events, 'event')} "
        f"and {counted(done.attachments, 'attachment')} "
        f"to [highlight]{escape(file)}[/highlight]"
    )
