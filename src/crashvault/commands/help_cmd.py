"""`crashvault help`: help on a command or a topic."""

from __future__ import annotations

import click

from .context import Context, command, emit

_TOPICS = ("query",)


@command("help", "crashvault help\ncrashvault help add\ncrashvault help query")
@click.argument("topics", nargs=-1, metavar="[TOPIC…]")
def help(context: Context, topics: tuple[str, ...]) -> None:
    """Show help on Crashvault, on a command, or on the query language (`help query`)."""
    if topics == ("query",):
        _query_help(context)
        return
    here = click.get_current_context()
    root = here.find_root()
    found: click.Command = root.command
    inner = root
    for name in topics:
        if not isinstance(found, click.Group):
            raise click.UsageError(f"{inner.command_path} has no command {name!r}", here)
        _, child, _ = found.resolve_command(inner, [name])
        assert child is not None
        inner = click.Context(child, info_name=name, parent=inner)
        found = child
    if context.json:
        emit({"help": found.get_help(inner)})
    else:
        click.echo(found.get_help(inner))


def _query_help(context: Context) -> None:
    from ..console import Column, console, escape
    from ..query.fields import FIELDS

    if context.json:
        fields = [
            {"name": name, "description": field.description, "example": field.example} for name, field in FIELDS.items()
        ]
        emit({"help": _QUERY.strip(), "fields": fields})
        return
    for line in _QUERY.strip().split("\n"):
        console.print(escape(line))
    columns = (
        Column("field", style="highlight"),
        Column("meaning", no_wrap=False, ratio=1, min_width=20),
        Column("example", ratio=1),
    )
    console.table(columns, [[name, escape(field.description), escape(field.example)] for name, field in FIELDS.items()])


_QUERY = """
A query is made of field:value terms and free words; all must hold.

  is:open level:>=error tag:db file:orders/*.py since:24h -"connection reset"

  OR, NOT or -, and ( ) combine terms; "quoted words" stand next to each other.
  * stands for any characters; a,b means any of them; >n >=n <n <=n compare.
  Times are ISO 8601, or relative: 2h means two hours ago; > is later.
"""
