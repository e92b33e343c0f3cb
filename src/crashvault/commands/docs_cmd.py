"""`crashvault docs`: read the documentation."""

from __future__ import annotations

from typing import Any

import click

from ..errors import NotFoundError
from .context import Context, command, emit


@command("docs", "crashvault docs\ncrashvault docs query\ncrashvault docs --web")
@click.argument("topic", required=False)
@click.option("--web", is_flag=True, help="Open the documentation in the browser.")
def docs(context: Context, topic: str | None, web: bool) -> None:
    """Read the documentation: lists the topics, or shows one; the beginning of its name is enough."""
    from .. import manual

    if web:
        _open(context, manual.web_address())
    elif topic is None:
        _list(context, manual.topics())
    else:
        found = manual.topic(topic)
        _show(context, found, manual.read(found))


def _open(context: Context, address: str | None) -> None:
    if address is None:
        raise NotFoundError("this installation does not know a web address", "Read it here: crashvault docs")
    if context.json:
        emit({"url": address})
        return
    from ..console import console, escape

    console.print(f"[highlight]{escape(address)}[/highlight]")
    click.launch(address)


def _list(context: Context, topics: list[Any]) -> None:
    if context.json:
        emit({"items": [item._asdict() for item in topics]})
        return
    from ..console import Column, console, escape

    if not topics:
        console.print("[muted]No documentation came with this installation.[/muted] See: crashvault help")
        return
    columns = (Column("topic", style="highlight"), Column("about", no_wrap=False, ratio=1, min_width=20))
    console.table(columns, [[escape(item.name), escape(item.title)] for item in topics])
    console.print("[muted]Read one with: crashvault docs TOPIC. On a command: crashvault help COMMAND[/muted]")


def _show(context: Context, found: Any, text: str) -> None:
    if context.json:
        emit({**found._asdict(), "text": text})
        return
    from ..console import console

    if not console.styled:
        click.echo(text, nl=not text.endswith("\n"))
        return
    from rich.markdown import Markdown

    rich = console.rich()
    with rich.capture() as capture:
        rich.print(Markdown(text, hyperlinks=False))
    click.echo_via_pager(capture.get(), color=True)
