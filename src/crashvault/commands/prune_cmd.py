"""`crashvault prune`: delete old events, or those that match a query."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..clock import DAY, to_iso
from ..output.times import counted
from .asking import confirm_deletion
from .context import Context, command, emit

_EXAMPLES = """
crashvault prune --days 90 --dry-run
crashvault prune --days 30 --query 'level:<=info' --yes
crashvault prune --query user:ana@example.com
"""


@command("prune", _EXAMPLES)
@click.option("--days", type=click.FloatRange(0), metavar="N", help="Events that happened more than N days ago.")
@click.option("--query", metavar="QUERY", help="Only events that match; without --days of any age.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(context: Context, days: float | None, query: str | None, dry_run: bool, yes: bool) -> None:
    """Delete old events, or events that match a query; issues go with their last event.

    With --days alone, spans, sessions, check-ins and feedback of that age go too. With a query about a person
    (`user:ID`) all that the vault has of them goes; what copies of it there are outside is named."""
    from .. import core
    from ..clock import now
    from ..console import progress

    if days is None and not (query or "").strip():
        raise click.UsageError("say which events: --days N, or --query QUERY, or both")
    moment = now()
    store = context.store
    rows = _rows(context, store, days, query, moment)
    limit = moment - int(days * DAY) if days is not None else None
    other = _companions(context, limit, query, rows, moment)
    before, stored = store.statistics.totals(), store.statistics.stored()
    reported = other.counts()
    if (rows or reported) and not dry_run:
        if not yes:
            what = f"{len(rows)} of {counted(stored, 'event')}{_listed(reported, ', and ')}"
            confirm_deletion(f"Delete {what}?", "look first with --dry-run")
        with progress("Deleting events", len(rows)) as bar:
            store.deletion.events(rows, moment, bar.advance)
            reported = other.remove()
            bar.update(description="Rewriting the index")
            store.deletion.merge_index()
            store.deletion.collect_files(moment)
    issues = before.issues - store.statistics.totals().issues
    _report(context, {
        "deleted_events": len(rows), "deleted_issues": issues, "deleted_reported": dict(reported), "dry_run": dry_run,
        "before": to_iso(limit) if limit is not None else None,
        "copies": core.copies(store.home) if rows or reported else [],
    })  # fmt: skip


def _companions(context: Context, before: int | None, query: str | None, rows: Sequence[int], now: int) -> Any:
    from ..storage.pruning import Companions

    store = context.store
    node = store.search(now).parse(query) if query and query.strip() else None
    project = store.projects.require(context.project).id if context.project else None
    return Companions(store.db, store.deletion.reported, before, node, project, rows)


def _listed(reported: Mapping[str, int], before: str) -> str:
    """`3 spans, 1 feedback`."""
    if not reported:
        return ""
    return before + ", ".join(f"{count} {name.replace('_', '-')}" for name, count in sorted(reported.items()))


def _rows(context: Context, store: Any, days: float | None, query: str | None, now: int) -> array[int]:
    """The events that are meant, by row; 8 bytes each."""
    from ..query.tree import Term, all_of
    from .reading import narrowed

    with store.reading():
        search = store.search(now)
        node, _ = narrowed(context, search, query or "", open_by_default=False)
        if days is not None:
            node = all_of([node, Term("until", None, "<", (now - int(days * DAY),))])
        return array("q", search.every_event(node))


def _report(context: Context, done: dict[str, Any]) -> None:
    if context.json:
        emit(done)
        return
    from ..console import console, escape

    reported = _listed(done["deleted_reported"], ", and ")
    if not done["deleted_events"] and not reported:
        console.print("[muted]No events fit; nothing to delete.[/muted]")
        return
    if done["dry_run"]:
        console.print(f"[info]Would delete[/info] {counted(done['deleted_events'], 'event')}{reported}")
    else:
        console.print(
            f"[danger]Deleted[/danger] {counted(done['deleted_events'], 'event')}"
            + (f", and {counted(done['deleted_issues'], 'issue')} left without any" if done["deleted_issues"] else "")
            + reported
        )
    if done["copies"]:
        console.print("[warning]These may still hold them:[/warning]")
        for path in done["copies"]:
            console.print(f"  {escape(path)}")
    if not done["dry_run"]:
        console.print("[muted]Backups and exports that you keep elsewhere may still hold them.[/muted]")
