"""`crashvault init`: make the vault."""

from __future__ import annotations

from .context import Context, command, emit


@command("init", "crashvault init\ncrashvault --home ./vault init")
def init(context: Context) -> None:
    """Make the vault, where it is not there yet; other commands do so too when they need it."""
    from .. import core

    existed = core.vault_exists(context.home)
    store = context.store
    if context.json:
        emit({"path": store.home, "created": not existed})
        return
    from ..console import console, escape

    what = "[info]The vault is there already:[/info]" if existed else "[success]Made the vault[/success]"
    console.print(f"{what} [highlight]{escape(store.home)}[/highlight]")
