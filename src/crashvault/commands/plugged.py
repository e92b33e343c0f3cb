"""The commands of plugins: what each adds to a group of its own, as far as the names are free."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import click

from .choosing import count_plugins


def commands(context: click.Context, taken: Collection[str]) -> dict[str, click.Command]:
    """The commands of the plugins of this run's vault, by name; `taken` are names that they cannot have."""
    if not count_plugins(context):
        return {}
    from .. import plugins

    found = plugins.active()
    if found is None or not found.has("register_commands"):
        return {}
    kept: dict[str, click.Command] = found.once("commands", lambda: _collected(found, taken))
    return kept


def _collected(found: Any, taken: Collection[str]) -> dict[str, click.Command]:
    from ..plugins.calling import complain

    kept: dict[str, click.Command] = {}
    for plugin, name, one in _added(found):
        if name in taken or name in kept:
            complain(plugin, f"its command {name!r} is left out, because there is one of that name already")
        else:
            kept[name] = one
    return kept


def _added(found: Any) -> Iterator[tuple[str, str, click.Command]]:
    for plugin, ask in found.each("register_commands"):
        group = click.Group("crashvault")
        ask(cli=group)
        yield from ((plugin, name, one) for name, one in group.commands.items())


def names_of(context: click.Context, plugin: str) -> list[str]:
    """The names of the commands that a plugin adds."""
    from .. import plugins

    found = plugins.active() if count_plugins(context) else None
    return [name for owner, name, _ in _added(found) if owner == plugin] if found else []
