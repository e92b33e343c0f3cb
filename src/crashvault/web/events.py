"""Pages of events: a list, one whole, a trace, and those that arrive just now."""

from __future__ import annotations

from typing import Any

from ..api import reading
from ..clock import SECOND
from ..errors import QueryError
from ..views import event_page, narrowed, shown_events
from .issues import event_of
from .pages import Page, Reply, Shown, Visit
from .rendering import link

PAGE = 50
_SPANS = 1_000


def events(visit: Visit) -> Reply:
    query, project = visit.asked("query"), visit.asked("project")
    context: dict[str, Any] = {"query": query, "project": project, "error": None, "items": [], "total": 0, "next": ""}
    store, search = visit.store, visit.store.search(visit.now)
    try:
        node, _ = narrowed(search, query, project=project or None, open_by_default=False)
    except QueryError as error:
        return Shown("events.html", {**context, "error": error}, error.status)
    page = event_page(store, search, node, ("page", query, project), limit=PAGE, cursor=visit.asked("cursor") or None)
    following = link("/events", query=query, project=project, cursor=page.next_cursor) if page.next_cursor else ""
    found = {"items": shown_events(store, page.ids), "total": page.total, "next": following}
    return Shown("events.html", {**context, **found})


def event(visit: Visit) -> Reply:
    found = event_of(visit, visit.call.path["event"])
    feedback = visit.store.telemetry.feedback_of([found["event_id"]])
    return Shown("event.html", {"event": found, "feedback": feedback})


def live(visit: Visit) -> Reply:
    """The last events; the browser goes on by the live tail."""
    query = visit.asked("query")
    context: dict[str, Any] = {"query": query, "error": None, "items": []}
    search = visit.store.search(visit.now)
    try:
        node, _ = narrowed(search, query, open_by_default=False)
    except QueryError as error:
        return Shown("live.html", {**context, "error": error}, error.status)
    return Shown("live.html", {**context, "items": shown_events(visit.store, search.events(node, PAGE).ids)})


def trace(visit: Visit) -> Reply:
    query = {"limit": _SPANS, "cursor": visit.asked("cursor") or None, "project": None}
    found = reading.trace(visit.call._replace(query=query))
    times = [span[name] for span in found["spans"] for name in ("start", "end") if span[name]]
    begin, whole = (min(times), max(1, max(times) - min(times))) if times else (0, 1)
    rows = []
    for span in found["spans"]:
        start = span["start"]
        length = (span["end"] or start) - start
        rows.append({**span, "left": 100 * (start - begin) / whole, "width": max(0.4, 100 * length / whole),
                     "ms": length * 1_000 / SECOND})  # fmt: skip
    return Shown("trace.html", {"trace": found, "rows": rows})


PAGES = (
    Page("GET", "/events", "read", events),
    Page("GET", "/events/{event}", "read", event),
    Page("GET", "/live", "read", live),
    Page("GET", "/traces/{trace}", "read", trace),
)
