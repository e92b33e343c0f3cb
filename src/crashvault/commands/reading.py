"""What reading commands share: options joined with the query, rows turned into documented shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import QueryError
from ..output.shapes import event_shape, issue_shape, listing
from ..query.tree import Everything, Node, Pattern, Term, all_of, fields_used
from .context import Context, emit

_TAGS_FROM = 5  # events of an issue whose tags are shown


def text_or_input(given: str, limit: int = 1 << 20) -> str:
    """A text argument, where `-` stands for standard input (at most `limit` bytes of it)."""
    if given != "-":
        return given
    import sys

    return sys.stdin.buffer.read(limit).decode("utf-8", "replace").rstrip("\n")


def narrowed(
    context: Context,
    search: Any,
    query: str,
    *,
    status: str | None = None,
    level: str | None = None,
    tags: Sequence[str] = (),
    extra: Sequence[str] = (),
    open_by_default: bool = True,
) -> tuple[Node, bool]:
    """The query with what the options add to it, and whether only open issues were meant for lack of a status."""
    parts: list[Node] = [search.parse(query)]
    parts += [_option(search, "tag", tag) for tag in tags]
    if level:
        parts.append(_option(search, "level", level))
    if context.project:
        parts.append(Term("project", None, "any", (Pattern((context.project.casefold(),)),)))
    parts += [search.parse(text) for text in extra]
    open_only = open_by_default and status is None and not fields_used(parts[0]) & {"status", "is", "issue"}
    if open_only:
        status = "open"
    if status and status != "all":
        parts.append(Term("status", None, "any", (status,)))
    return all_of(part for part in parts if not isinstance(part, Everything)), open_only


def _option(search: Any, field: str, value: str) -> Node:
    """An option's value as a term; an operator such as `>=error` works as in a query."""
    bare = value if field == "level" else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    try:
        return search.parse(f"{field}:{bare}")
    except QueryError as error:
        raise QueryError(error.message, f"{field}:{bare}", error.position, error.hint) from None


def shown_issues(store: Any, ids: Sequence[int], now: int, *, with_tags: bool = True) -> list[dict[str, Any]]:
    """Issues in their documented shape."""
    fingerprints = store.issues.fingerprints(ids)
    levels = store.levels.names()
    tags = issue_tags(store, ids) if with_tags else {}
    return [
        issue_shape(
            issue,
            levels.get(issue.level, f"level-{issue.level}"),
            fingerprints.get(issue.id, ""),
            tags.get(issue.id, ()),
            now,
        )
        for issue in store.issues.by_ids(ids)
    ]


def issue_tags(store: Any, ids: Sequence[int]) -> dict[int, list[str]]:
    """The tags of issues: those that people gave them, then those of their latest events."""
    found = {issue: dict.fromkeys(tags) for issue, tags in store.issues.tags(ids).items()}
    rows = [row for issue in ids for row in store.issues.latest_events(issue, _TAGS_FROM)]
    for item in store.events.load(rows):
        found.setdefault(item.issue_id, {}).update(dict.fromkeys(item.event.get("tags", ())))
    return {issue: list(tags) for issue, tags in found.items()}


def shown_events(store: Any, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Events in their documented shape."""
    return [event_shape(item.event, item.issue_id, item.fingerprint) for item in store.events.load(rows)]


def event_page(
    context: Context, query: str, *, level: str | None = None, tags: Sequence[str] = (), extra: Sequence[str] = (),
    limit: int, offset: int,
) -> None:  # fmt: skip
    """Find events and print a page of them."""
    from ..clock import now

    store = context.store
    with store.reading():
        search = store.search(now())
        node, _ = narrowed(context, search, query, level=level, tags=tags, extra=extra, open_by_default=False)
        page = search.events(node, limit, offset)
        shapes = shown_events(store, page.ids)
    if context.json:
        emit(listing(shapes, page.total, None, total_exact=page.total_exact))
        return
    from ..console import console
    from ..output.events import print_events

    if not shapes:
        console.print("[muted]No events fit.[/muted]" if node != Everything() else "[muted]No events yet.[/muted]")
        return
    print_events(shapes, {item.name: item for item in store.levels.list()})
    if offset + len(shapes) < page.total:
        plus = "" if page.total_exact else " at least"
        console.print(
            f"[muted]{offset + 1}–{offset + len(shapes)} of{plus} {page.total}; more with --offset {offset + len(shapes)}[/muted]"
        )
