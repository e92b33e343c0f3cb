"""`crashvault plugin`: code of others that adds to Crashvault."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ..errors import NotFoundError
from .context import Context, command, emit
from .group import SubGroup

if TYPE_CHECKING:
    from ..plugins.found import Found


@click.group("plugin", cls=SubGroup)
def plugin() -> None:
    """Plugins: commands, webhook types, formats and rules that others have written."""


@command("list", "crashvault plugin list")
def list_plugins(context: Context) -> None:
    """List the plugins that are there, and which hooks they have."""
    from ..console import console, escape
    from ..output.plain import Column

    found = [_shape(context, one) for one in _known(context)]
    if context.json:
        emit({"items": found, "total": len(found), "next_cursor": None})
        return
    if not found:
        console.print("[muted]No plugins yet.[/muted] Write one: crashvault plugin new NAME")
        return
    rows = [
        [escape(one["name"]), one["state"], escape(one["from"]), escape(one["error"] or one["about"])] for one in found
    ]
    console.table((*(Column(head) for head in ("name", "state", "from")), Column("", ratio=1)), rows)


@command("info", "crashvault plugin info parquet")
@click.argument("plugin", metavar="NAME")
def info(context: Context, plugin: str) -> None:
    """Show what a plugin adds, and what is wrong with it."""
    from ..console import console, escape
    from ..plugins.parts import additions
    from .plugged import names_of

    shape = _shape(context, _require(context, plugin))
    commands = names_of(click.get_current_context(), shape["name"])
    shape["adds"] = {**({"commands": commands} if commands else {}), **additions(shape["name"])}
    if context.json:
        emit(shape)
        return
    console.print(f"[highlight]{escape(shape['name'])}[/highlight] {escape(shape['about'])}")
    console.print(f"State: {shape['state']}")
    console.print(f"From: {escape(shape['from'])} ({escape(shape['value'])})")
    if shape["error"]:
        console.print(f"[error]Error:[/error] {escape(shape['error'])}")
    if shape["hooks"]:
        console.print(f"Hooks: {', '.join(shape['hooks'])}")
    for kind, names in shape["adds"].items():
        console.print(f"Adds {kind.replace('_', ' ')}: {escape(', '.join(names))}")


@command("enable", "crashvault plugin enable parquet")
@click.argument("plugin", metavar="NAME")
def enable(context: Context, plugin: str) -> None:
    """Load a plugin again from the next command on; a server, when it is started again."""
    _switch(context, plugin, True)


@command("disable", "crashvault plugin disable parquet")
@click.argument("plugin", metavar="NAME")
def disable(context: Context, plugin: str) -> None:
    """Don't load a plugin any more, from the next command on; a server, when it is started again."""
    _switch(context, plugin, False)


@command("new", "crashvault plugin new pager\ncrashvault plugin new pager --single-file")
@click.argument("name")
@click.option("--directory", metavar="DIR", help="Where the package goes. [default: crashvault-NAME]")
@click.option("--single-file", is_flag=True, help="One file in the vault's directory plugins, which counts at once.")
def new(context: Context, name: str, directory: str | None, single_file: bool) -> None:
    """Write a plugin to begin with: a package with its tests, or a single file."""
    from .. import core
    from ..console import console, escape
    from ..plugins import discovery, skeleton

    if single_file and directory:
        raise click.UsageError("a single file goes into the vault. Leave --directory or --single-file out")
    skeleton.check_name(name)
    folder = os.path.join(context.home, discovery.FOLDER) if single_file else directory or f"crashvault-{name}"
    files = skeleton.single_file(name) if single_file else skeleton.package(name)
    core.write_plugin(folder, files)
    if context.json:
        emit({"name": name, "directory": folder, "files": sorted(files)})
        return
    console.print(f"[success]Wrote[/success] {len(files)} {'file' if single_file else 'files'} to {escape(folder)}")
    console.print(
        f"Look at it with: crashvault plugin info {skeleton.module_name(name)}" if single_file
        else f"Install it with: pip install -e {escape(folder)}"
    )  # fmt: skip


def _switch(context: Context, name: str, on: bool) -> None:
    from .. import core
    from ..console import console, escape

    found = _require(context, name)
    changed = core.switch_plugin(context.home, found.name, on)
    if context.json:
        emit({"name": found.name, "enabled": on, "changed": changed})
        return
    word = "Enabled" if on else "Disabled"
    console.print(f"[success]{word}[/success] {escape(found.name)}" if changed else f"It is {word.lower()} already.")


def _known(context: Context) -> list[Found]:
    from .. import core

    return core.known_plugins(context.home)


def _require(context: Context, name: str) -> Found:
    """The plugin of a name. Raises NotFoundError, which names those there are."""
    known = {one.name: one for one in _known(context)}
    if name not in known:
        hint = f"There are: {', '.join(known)}" if known else "There is none yet; see: crashvault plugin new --help"
        raise NotFoundError(f"there is no plugin {name!r}", hint)
    return known[name]


def _shape(context: Context, found: Found) -> dict[str, Any]:
    """A plugin as the interface documents it."""
    from .. import core, plugins

    core.use_plugins(context.home)
    active = plugins.active()
    loaded = next((one for one in active.plugins if one.name == found.name), None) if active else None
    return {
        "name": found.name,
        "state": "disabled" if loaded is None else "broken" if loaded.trouble else "loaded",
        "about": loaded.about if loaded else "",
        "from": found.package or "file",
        "value": found.value,
        "hooks": list(loaded.hooks) if loaded else [],
        "error": loaded.trouble or None if loaded else None,
    }


for one in (list_plugins, info, enable, disable, new):
    plugin.add_command(one)
