"""`crashvault tail`: follow new events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from .context import Context, command, emit_line, joined_query, query_argument
from .reading import narrowed
from .search_cmd import phrase

_EXAMPLES = """
crashvault tail
crashvault tail 'level:>=error' --tag db
crashvault tail --json | jq .message
"""


@command("tail", _EXAMPLES)
@query_argument
@click.option("--level", metavar="LEVEL", help="A level, or a comparison such as '>=error'.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word or KEY=VALUE; may be repeated.")
@click.option("--text", metavar="TEXT", help="Words that stand next to each other.")
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(0.05, 60),
    default=0.5,
    show_default=True,
    help="Seconds between looks.",
)
@click.option(
    "--lines",
    "-n",
    metavar="N",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="Events from before, to begin with.",
)
@click.option("--no-follow", is_flag=True, help="Stop after the events from before.")
def tail(
    context: Context, query: tuple[str, ...], level: str | None, tags: tuple[str, ...], text: str | None,
    interval: float, lines: int, no_follow: bool,
) -> None:  # fmt: skip
    """Follow new events as they arrive, also those that other programs record; Ctrl-C stops."""
    from ..clock import now

    store = context.store
    search = store.search(now())
    node, _ = narrowed(
        context,
        search,
        joined_query(query),
        level=level,
        tags=tags,
        extra=[phrase(text)] if text else [],
        open_by_default=False,
    )
    levels = {item.name: item for item in store.levels.list()}
    newest = store.events.newest_row()
    earlier = search.events(node, lines).ids
    _print(context, store, list(reversed(earlier)), levels)
    if no_follow:
        return
    for rows in _arrivals(store, newest, interval):
        _print(context, store, search.filter(node, rows), levels)


def _arrivals(store: Any, newest: int, interval: float) -> Iterator[list[int]]:
    """Rows that arrive, some at a time, for ever."""
    import time

    while True:
        rows = store.events.rows_after(newest)
        if rows:
            newest = rows[-1]
            yield rows
        else:
            time.sleep(interval)


def _print(context: Context, store: Any, rows: list[int], levels: dict[str, Any]) -> None:
    from ..console import console
    from ..output.events import event_line
    from ..views import shown_events

    for event in shown_events(store, rows):
        if context.json:
            emit_line(event)
        else:
            console.print(event_line(event, levels, console.width if console.is_terminal else None))
