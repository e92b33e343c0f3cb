"""`crashvault stats`: totals and trends."""

from __future__ import annotations

import click

from ..clock import to_iso
from .context import Context, command, emit


@command("stats", "crashvault stats\ncrashvault stats --dropped", reads=True)
@click.option("--dropped", is_flag=True, help="What was refused, limited, evicted, scrubbed or lost, and why.")
def stats(context: Context, dropped: bool) -> None:
    """Show totals by status, level and project, events over time, and the top issues."""
    from ..clock import now
    from ..views import figures

    if dropped:
        _show_dropped(context)
        return
    store = context.store
    with store.reading():
        found = figures(store, now(), context.project)
        levels = {level.name: level for level in store.levels.list()}
    if context.json:
        emit(found)
        return
    from ..output.statistics import print_statistics

    print_statistics(found, levels)


def _show_dropped(context: Context) -> None:
    drops = context.store.ledger.list()
    if context.json:
        items = [{**drop._asdict(), "first": to_iso(drop.first), "last": to_iso(drop.last)} for drop in drops]
        emit({"items": items})
        return
    from ..output.statistics import print_drops

    print_drops(drops)
