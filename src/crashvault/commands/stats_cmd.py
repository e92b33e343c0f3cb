"""`crashvault stats`: totals and trends."""

from __future__ import annotations

from typing import Any

import click

from ..clock import DAY, HOUR, to_iso
from .context import Context, command, emit

_TOP = 5


@command("stats", "crashvault stats\ncrashvault stats --dropped")
@click.option("--dropped", is_flag=True, help="What was refused, limited, evicted, scrubbed or lost, and why.")
def stats(context: Context, dropped: bool) -> None:
    """Show totals by status, level and project, events over time, and the top issues."""
    from ..clock import now

    if dropped:
        _show_dropped(context)
        return
    store = context.store
    with store.reading():
        figures = _figures(context, store, now())
        levels = {level.name: level for level in store.levels.list()}
    if context.json:
        emit(figures)
        return
    from ..output.statistics import print_statistics

    print_statistics(figures, levels)


def _figures(context: Context, store: Any, now: int) -> dict[str, Any]:
    from ..views import shown_issues, shown_totals
    from .reading import narrowed

    project = store.projects.require(context.project).id if context.project else None
    midnight = now - now % DAY
    hours = store.statistics.hours(midnight - 13 * DAY, now, project)
    search = store.search(now)
    node, _ = narrowed(context, search, "", open_by_default=True)
    top = search.find_issues(node, sort="events", limit=_TOP).ids
    return {
        **shown_totals(store, context.project),
        "events_per_hour": {"until": to_iso(now), "counts": hours[-24:], "total": sum(hours[-24:])},
        "events_per_day": {"until": to_iso(now), "counts": _days(hours), "total": sum(hours)},
        "first_hour": to_iso(now - now % HOUR - 23 * HOUR),
        "top_issues": shown_issues(store, top, now, with_tags=False),
    }


def _days(hours: list[int]) -> list[int]:
    return [sum(hours[start : start + 24]) for start in range(0, len(hours), 24)]


def _show_dropped(context: Context) -> None:
    drops = context.store.ledger.list()
    if context.json:
        items = [{**drop._asdict(), "first": to_iso(drop.first), "last": to_iso(drop.last)} for drop in drops]
        emit({"items": items})
        return
    from ..output.statistics import print_drops

    print_drops(drops)
