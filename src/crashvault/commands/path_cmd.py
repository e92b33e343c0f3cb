"""`crashvault path`: where the vault is."""

from __future__ import annotations

import click

from .context import Context, command, emit


@command("path", 'crashvault path\ncd "$(crashvault path)"')
def path(context: Context) -> None:
    """Print the path of the vault's directory."""
    if context.json:
        from .. import core

        emit({"path": context.home, "database": core.shown_database(context.home)})
    else:
        click.echo(context.home)
