"""`crashvault list`: the issues."""

from __future__ import annotations

from typing import Any

import click

from ..models import STATUSES
from .context import Context, command, emit, joined_query, page_options, query_argument

_EXAMPLES = """
crashvault list
crashvault list 'level:>=error tag:db since:24h'
crashvault list --status all --sort events --limit 20
crashvault list file:orders/*.py --json
"""
_HIDDEN_COUNTED = 100  # issues left out that are told exactly
_SORTS = ("id", "title", "status", "created_at", "last_seen", "events", "users", "priority")


@command("list", _EXAMPLES, reads=True)
@query_argument
@click.option(
    "--status", type=click.Choice([*STATUSES, "all"], case_sensitive=False), help="Which issues. [default: open]"
)
@click.option("--level", metavar="LEVEL", help="Only with an event of this level.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only with an event with this tag; may be repeated.")
@click.option("--sort", type=click.Choice(_SORTS, case_sensitive=False), default="last_seen", show_default=True)
@click.option(
    "--desc/--asc", "descending", default=None, help="Order. [default: --desc, --asc for id, title and status]"
)
@page_options
def list_issues(
    context: Context, query: tuple[str, ...], status: str | None, level: str | None, tags: tuple[str, ...], sort: str,
    descending: bool | None, limit: int, offset: int, cursor: str | None,
) -> None:  # fmt: skip
    """List issues, those seen last first.

    Without a status only open issues are shown. QUERY is written in the query language: `crashvault help query`."""
    from .. import lifecycle
    from ..clock import now
    from ..views import issue_page, shown_issues
    from .reading import narrowed

    moment = now()
    store = context.store
    lifecycle.end_ignoring(store, moment)
    with store.reading():
        search = store.search(moment)
        node, open_only = narrowed(context, search, joined_query(query), status=status, level=level, tags=tags)
        order = sort not in ("id", "title", "status") if descending is None else descending
        asked = (joined_query(query), status, level, *sorted(tags), context.project)
        page = issue_page(
            store, search, node, asked, sort=sort, descending=order, limit=limit, offset=offset, cursor=cursor,
            paged=context.json,
        )  # fmt: skip
        hidden = _hidden(context, search, query, level, tags) if open_only and store.issues.closed() else (0, True)
        issues = shown_issues(store, page.ids, moment, with_tags=context.json)
    if context.json:
        from ..output.shapes import listing

        emit(listing(issues, page.total, page.next_cursor, total_exact=page.total_exact, hidden=hidden[0]))
    else:
        # Behind a cursor nobody knows how many came before.
        page = page._replace(total=0) if cursor else page
        _print(context, store, issues, page, offset, hidden, bool(query or level or tags))


list = list_issues


def _hidden(
    context: Context, search: Any, query: tuple[str, ...], level: str | None, tags: tuple[str, ...]
) -> tuple[int, bool]:
    """How many issues the default status leaves out at least, and whether that is all."""
    from ..query.tree import Not, Term, all_of
    from .reading import narrowed

    if not query and not level and not tags and not context.project:
        return context.store.issues.closed(), True
    node, _ = narrowed(context, search, joined_query(query), status="all", level=level, tags=tags)
    closed = Not(Term("status", None, "any", ("open",)))
    page = search.find_issues(all_of([node, closed]), limit=_HIDDEN_COUNTED)
    return page.total, page.total_exact


def _print(
    context: Context, store: Any, issues: Any, page: Any, offset: int, hidden: tuple[int, bool], filtered: bool
) -> None:
    from ..console import console
    from ..output.issues import print_issues
    from .reading import nothing, page_note

    place = page_note(len(issues), offset, page.total, page.total_exact)
    if issues:
        print_issues(issues, {level.name: level for level in store.levels.list()})
    elif not place:
        console.print(nothing(context, "issues", filtered or bool(hidden[0])))
        if not filtered and not store.statistics.totals().issues:
            console.print(_EMPTY)
    notes = [place] if place else []
    if hidden[0]:
        plus = "" if hidden[1] else "at least "
        notes.append(f"{plus}{hidden[0]} resolved or ignored left out; all with --status all")
    for note in notes:
        console.print(f"[muted]{note}[/muted]")


_EMPTY = """Record one:
  crashvault wrap -- python app.py
  crashvault add "Something broke\""""
