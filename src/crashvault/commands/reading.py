"""What reading commands share: options joined with the query, and pages of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import views
from ..output.plain import escape
from ..output.shapes import listing
from ..query.tree import Everything, Node
from ..views import shown_events
from .context import Context, emit


def text_or_input(given: str, limit: int = 1 << 20) -> str:
    """A text argument, where `-` stands for standard input (at most `limit` bytes of it)."""
    if given != "-":
        return given
    import sys

    return sys.stdin.buffer.read(limit).decode("utf-8", "replace").rstrip("\n")


def page_note(shown: int, offset: int, total: int, total_exact: bool) -> str:
    """Where this part of a listing lies in the whole, as a sentence; nothing if it is the whole."""
    of = f"{'' if total_exact else 'at least '}{total}"
    if offset + shown >= total:
        return "" if shown or not offset else f"None from {offset} on, of {of}"
    if not shown:
        return f"None of {of} shown"
    return f"{offset + 1}–{offset + shown} of {of}; more with --offset {offset + shown}"


def nothing(context: Context, what: str, filtered: bool) -> str:
    """Why a listing is empty, as markup."""
    project = context.project
    if project and context.store.projects.find(project) is None:
        names = ", ".join(known.name for known in context.store.projects.list())
        return f"[muted]Nothing was recorded in project[/muted] {escape(project)}[muted]; there are: {escape(names)}[/muted]"
    return f"[muted]No {what} {'fit' if filtered or project else 'yet'}.[/muted]"


def narrowed(context: Context, search: Any, query: str, **options: Any) -> tuple[Node, bool]:
    """The query with what a command's options add to it, and the project that was chosen; see `views.narrowed`."""
    return views.narrowed(search, query, project=context.project, **options)


def event_page(
    context: Context, query: str, *, level: str | None = None, tags: Sequence[str] = (), extra: Sequence[str] = (),
    limit: int, offset: int, cursor: str | None,
) -> None:  # fmt: skip
    """Find events and print a page of them. A cursor names the last event that was seen, so that new ones change nothing."""
    from ..clock import now

    store = context.store
    with store.reading():
        search = store.search(now())
        node, _ = narrowed(context, search, query, level=level, tags=tags, extra=extra, open_by_default=False)
        asked = (query, level, *sorted(tags), *extra, context.project)
        page = views.event_page(store, search, node, asked, limit=limit, offset=offset, cursor=cursor)
        shapes = shown_events(store, page.ids)
    if context.json:
        emit(listing(shapes, page.total, page.next_cursor, total_exact=page.total_exact))
        return
    from ..console import console
    from ..output.events import print_events

    note = "" if cursor else page_note(len(shapes), offset, page.total, page.total_exact)
    if shapes:
        print_events(shapes, {item.name: item for item in store.levels.list()})
    elif not note and not cursor:
        console.print(nothing(context, "events", node != Everything()))
    if note:
        console.print(f"[muted]{note}[/muted]")
