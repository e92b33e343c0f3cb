"""`crashvault level`: custom severity levels."""

from __future__ import annotations

import click

from .context import Context, command, emit
from .group import SubGroup


@click.group("level", cls=SubGroup)
def level() -> None:
    """Severity levels of events: the five that are built in, and your own between them."""


@command("list", "crashvault level list")
def list_levels(context: Context) -> None:
    """List the levels by rank."""
    from ..console import Column, console, escape
    from ..output.issues import shown_level

    levels = context.store.levels.list()
    if context.json:
        emit({"items": [item._asdict() for item in levels]})
        return
    known = {item.name: item for item in levels}
    rows = [
        [shown_level(item.name, known), str(item.rank), escape(item.emoji or ""), escape(item.colour or ""), "built in" if item.built_in else ""]
        for item in levels
    ]  # fmt: skip
    columns = (
        Column("level"),
        Column("rank", justify="right"),
        Column("emoji"),
        Column("colour"),
        Column("", style="muted"),
    )
    console.table(columns, rows)


@command("add", "crashvault level add notice --rank 25 --color cyan --emoji 🔔")
@click.argument("name")
@click.option(
    "--rank", type=int, required=True, help="Its place: debug is 10, info 20, warning 30, error 40, critical 50."
)
@click.option("--color", "colour", help="black, red, green, yellow, blue, magenta, cyan, white or #rrggbb.")
@click.option("--emoji", help="Shown beside its name.")
def add(context: Context, name: str, rank: int, colour: str | None, emoji: str | None) -> None:
    """Make a level."""
    _report(context, context.store.levels.add(name, rank, colour, emoji), "Added")


@command("set", "crashvault level set notice --color magenta")
@click.argument("level", metavar="NAME")
@click.option("--rank", type=int, help="Only of a custom level that no event has.")
@click.option("--color", "colour", help="black, red, green, yellow, blue, magenta, cyan, white or #rrggbb.")
@click.option("--emoji", help="Shown beside its name.")
def set_(context: Context, level: str, rank: int | None, colour: str | None, emoji: str | None) -> None:
    """Change a level's rank, colour or emoji."""
    _report(context, context.store.levels.set(level, rank, colour, emoji), "Changed")


@command("remove", "crashvault level remove notice")
@click.argument("level", metavar="NAME")
def remove(context: Context, level: str) -> None:
    """Remove a custom level that no event has."""
    found = context.store.levels.require(level)
    context.store.levels.remove(level)
    _report(context, found, "Removed")


def _report(context: Context, item: object, what: str) -> None:
    from ..console import console, escape

    if context.json:
        emit(item._asdict())  # type: ignore[attr-defined]
        return
    name, rank = item.name, item.rank  # type: ignore[attr-defined]
    console.print(f"[success]{what}[/success] level [highlight]{escape(name)}[/highlight], rank {rank}")


for _command in (list_levels, add, set_, remove):
    level.add_command(_command)
