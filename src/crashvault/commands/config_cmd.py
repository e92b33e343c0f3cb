"""`crashvault config`: settings."""

from __future__ import annotations

import click

from ..config import SETTINGS, shown_value
from .context import Command, Context, command, emit
from .group import SubGroup


@click.group("config", cls=SubGroup)
def config() -> None:
    """Read and change settings; each is checked, and written where it belongs."""


@command("get", "crashvault config get scrub.keys")
@click.argument("setting", metavar="KEY")
def get(context: Context, setting: str) -> None:
    """Print a setting's value."""
    from .. import core

    value, _ = core.get_setting(context.store, setting)
    if context.json:
        emit(_public(setting, value))
    else:
        click.echo(shown_value(setting, value))


@command("set", "crashvault config set scrub.keys employee_id,badge\ncrashvault config set scrub.enabled false")
@click.argument("setting", metavar="KEY")
@click.argument("value")
def set_(context: Context, setting: str, value: str) -> None:
    """Change a setting; lists are written a,b or as JSON."""
    from .. import core
    from ..clock import now
    from ..console import console, escape

    stored = core.set_setting(context.store, setting, value, now())
    if context.json:
        emit({setting: _public(setting, stored)})
    else:
        console.print(
            f"[success]Set[/success] [highlight]{setting}[/highlight] = {escape(shown_value(setting, stored))}"
        )


@command("unset", "crashvault config unset scrub.keys")
@click.argument("setting", metavar="KEY")
def unset(context: Context, setting: str) -> None:
    """Take a setting back to its default."""
    from .. import core
    from ..console import console

    changed = core.unset_setting(context.store, setting)
    if context.json:
        emit({"unset": changed})
    else:
        console.print(
            f"[success]Unset[/success] {setting}" if changed else f"[muted]{setting} had its default already.[/muted]"
        )


@command("list", "crashvault config list")
def list_settings(context: Context) -> None:
    """List every setting, its value, and where that comes from."""
    from .. import core
    from ..console import Column, console, escape

    settings = core.all_settings(context.store)
    if context.json:
        emit(
            {"items": [{"key": key, "value": _public(key, value), "origin": origin} for key, value, origin in settings]}
        )
        return
    columns = (Column("setting", style="highlight"), Column("value", ratio=1, min_width=10), Column("from", style="muted"),
               Column("meaning", ratio=1, no_wrap=False, min_width=20))  # fmt: skip
    console.table(
        columns,
        [[key, escape(shown_value(key, value)), origin, SETTINGS[key].about] for key, value, origin in settings],
    )


def _public(key: str, value: object) -> object:
    """A value as JSON may show it."""
    return shown_value(key, value) if SETTINGS[key].secret else value


@command("path", "crashvault config path")
def path(context: Context) -> None:
    """Print the path of this node's config.json."""
    from .. import core

    found = core.config_path(context.home)
    if context.json:
        emit({"path": found})
    else:
        click.echo(found)


@command("edit", "EDITOR=vi crashvault config edit")
def edit(context: Context) -> None:
    """Open config.json in your editor; it is only replaced when it is right."""
    from .. import core
    from ..console import console

    text = core.config_text(context.home)
    changed = click.edit(text, extension=".json")
    if changed is None or changed.strip() == text.strip():
        console.print("[muted]Nothing changed.[/muted]")
        return
    core.save_checked_config(changed, context.home)
    console.print("[success]Saved[/success]")


for _command in (get, set_, unset, list_settings, path, edit):
    assert isinstance(_command, Command)
    config.add_command(_command)
