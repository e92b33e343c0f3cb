"""What reading commands share: options joined with the query, and pages of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import views
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


def narrowed(context: Context, search: Any, query: str, **options: Any) -> tuple[Node, bool]:
    """The query with what a command's options add to it, and the project that was chosen; see `views.narrowed`."""
    return views.narrowed(search, query, project=context.project, **options)


def event_page(
    context: Context, query: str, *, level: str | None = None, tags: Sequence[str] = (), extra: Sequence[str] = (),
    limit: int, offset: int, cursor: str | None = None,
) -> None:  # fmt: skip
    """Find events and print a page of them."""
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

    if not shapes:
        console.print("[muted]No events fit.[/muted]" if node != Everything() else "[muted]No events yet.[/muted]")
        return
    print_events(shapes, {item.name: item for item in store.levels.list()})
    if not cursor and offset + len(shapes) < page.total:
        plus = "" if page.total_exact else " at least"
        console.print(
            f"[muted]{offset + 1}–{offset + len(shapes)} of{plus} {page.total}; more with --offset {offset + len(shapes)}[/muted]"
        )
