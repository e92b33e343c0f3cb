"""What can be read: issues, events, traces, totals, the ledger of drops, levels."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ..clock import to_iso
from ..errors import InvalidError, NotFoundError
from ..output.shapes import listing
from ..storage.loading import StoredEvent
from ..views import issue_details, narrowed, shown_events, shown_issues, shown_totals
from .endpoints import Answer, Call, Endpoint, Parameter

_SORTS = ("last_seen", "id", "title", "status", "created_at", "events", "users", "priority")
_QUERY = Parameter("query", "What to find, in the query language.")
_LIMIT = Parameter("limit", "How many at most.", "integer", 50, 1, 1_000)
_CURSOR = Parameter("cursor", "Where to go on: `next_cursor` of the answer before.")
_PROJECT = Parameter("project", "Only of this project.")
_FIELDS = Parameter("fields", "Only these fields of each item, with commas between.")
_MOST_OF_TRACE = 1_000


def stats(call: Call) -> dict[str, Any]:
    return shown_totals(call.store, call.project)


def issues(call: Call) -> dict[str, Any]:
    """Issues in the order asked for. A cursor of this list counts places: what moves up meanwhile is seen again."""
    query = call.query
    search = call.store.search(call.now)
    node, _ = narrowed(search, query["query"] or "", project=call.project, status=query["status"] or "all")
    (offset,) = _decoded(query["cursor"], 1) or (0,)
    limit = query["limit"]
    descending = query["order"] == "desc" if query["order"] else query["sort"] not in ("id", "title", "status")
    page = search.find_issues(node, query["sort"], descending, limit + 1, offset)
    shown = shown_issues(call.store, page.ids[:limit], call.now)
    after = _encoded(offset + limit) if len(page.ids) > limit else None
    return listing(_selected(shown, query["fields"]), page.total, after, total_exact=page.total_exact)


def issue(call: Call) -> dict[str, Any]:
    return _one(issue_details(call.store, known_issue(call), call.now), call.query["fields"])


def issue_events(call: Call) -> dict[str, Any]:
    return _event_page(call, [f"issue:{known_issue(call)}"])


def events(call: Call) -> dict[str, Any]:
    return _event_page(call, [])


def event(call: Call) -> dict[str, Any]:
    item = known_event(call)
    older, newer = call.store.events.neighbours(item)
    near = call.store.events.load([row for row in (older, newer) if row is not None])
    ids = {one.row: one.event["event_id"] for one in near}
    found = shown_events(call.store, [item.row])[0]
    files = [
        {**file.info(), "href": f"/api/v1/events/{item.event['event_id']}/attachments/{file.id}"}
        for file in call.store.attachments.of_event(item.row)
    ]
    more = {"attachments": files, "previous": ids.get(older or 0), "next": ids.get(newer or 0)}
    return _one(found | more, call.query["fields"])


def attachment(call: Call) -> Answer:
    item = known_event(call)
    for file in call.store.attachments.of_event(item.row):
        if file.id == call.path["attachment"]:
            with call.store.attachments.open(file) as content:
                data = content.read()
            # Never shown by a browser as part of this server: what is in it came from outside.
            name = "".join(char if char.isalnum() or char in "._-" else "_" for char in file.name if char.isascii())
            headers = {
                "Content-Disposition": f'attachment; filename="{name or "attachment"}"',
                "Content-Security-Policy": "sandbox; default-src 'none'",
            }
            return Answer(data, 200, headers, "application/octet-stream")
    raise NotFoundError(f"there is no attachment {call.path['attachment']} of this event")


def trace(call: Call) -> dict[str, Any]:
    trace_id = call.path["trace"].replace("-", "").lower()
    if len(trace_id) != 32 or not all(char in "0123456789abcdef" for char in trace_id):
        raise InvalidError(f"{call.path['trace'][:100]!r} is not a trace id", "It has 32 hexadecimal digits")
    search = call.store.search(call.now)
    node, _ = narrowed(search, f"trace:{trace_id}", project=call.project, open_by_default=False)
    rows = search.events(node, _MOST_OF_TRACE).ids
    spans = [
        span
        for span in call.store.telemetry.trace(trace_id)
        if call.project in (None, span.get("project", call.project))
    ]
    if not rows and not spans:
        raise NotFoundError(f"there is no trace {trace_id}")
    return {"trace_id": trace_id, "events": shown_events(call.store, rows[::-1]), "spans": spans}


def levels(call: Call) -> dict[str, Any]:
    found = [level._asdict() for level in call.store.levels.list()]
    return listing(found, len(found), None)


def dropped(call: Call) -> dict[str, Any]:
    found = [
        {**drop._asdict(), "first": to_iso(drop.first), "last": to_iso(drop.last)} for drop in call.store.ledger.list()
    ]
    return listing(found, len(found), None)


# What several of them do


def known_issue(call: Call) -> int:
    """The issue of the address, if whoever asks may see it. Raises NotFoundError."""
    found = call.store.issues.get(call.path["issue"])
    if call.access.project not in (None, found.project):
        raise NotFoundError(f"there is no issue {call.path['issue']}")
    return int(found.id)


def known_event(call: Call) -> StoredEvent:
    return call.store.events.get(call.path["event"], call.access.project)


def _event_page(call: Call, extra: list[str]) -> dict[str, Any]:
    """Events, latest first. A cursor names the last event that was seen, so that new ones change nothing."""
    query = call.query
    search = call.store.search(call.now)
    node, _ = narrowed(search, query["query"] or "", project=call.project, extra=extra, open_by_default=False)
    before = _decoded(query["cursor"], 2)
    limit = query["limit"]
    page = search.events(node, limit + 1, 0, before)  # type: ignore[arg-type]
    rows = page.ids[:limit]
    after = None
    if len(page.ids) > limit:
        (last,) = call.store.events.load(rows[-1:])
        after = _encoded(last.event["timestamp"], last.row)
    shown = _selected(shown_events(call.store, rows), query["fields"])
    return listing(shown, page.total, after, total_exact=page.total_exact)


def _encoded(*numbers: int) -> str:
    return base64.urlsafe_b64encode(".".join(map(str, numbers)).encode()).decode().rstrip("=")


def _decoded(cursor: str | None, count: int) -> tuple[int, ...] | None:
    if not cursor:
        return None
    try:
        text = base64.urlsafe_b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}").decode()
        found = tuple(int(part) for part in text.split("."))
    except (binascii.Error, ValueError):
        found = ()
    if len(found) != count or any(not 0 <= part < 2**62 for part in found):
        raise InvalidError("this cursor is none of ours", "Take next_cursor of the answer before, unchanged")
    return found


def _selected(items: list[dict[str, Any]], fields: str | None) -> list[dict[str, Any]]:
    return [_one(item, fields) for item in items]


def _one(item: dict[str, Any], fields: str | None) -> dict[str, Any]:
    """Only the fields asked for. Raises InvalidError that names those there are."""
    if not fields:
        return item
    names = [name.strip() for name in fields.split(",") if name.strip()]
    unknown = [name for name in names if name not in item]
    if unknown:
        raise InvalidError(f"there is no field {unknown[0][:100]!r}", f"There are: {', '.join(item)}")
    return {name: item[name] for name in names}


_EVENT_LIST = (_QUERY, _LIMIT, _CURSOR, _PROJECT, _FIELDS)
ENDPOINTS = (
    Endpoint("GET", "/api/v1/stats", "read", stats, "Totals by status, level and project.", "Stats", (_PROJECT,), tag="stats"),
    Endpoint(
        "GET", "/api/v1/issues", "read", issues, "List issues; without a status all of them.", "Issues",
        (_QUERY, Parameter("status", "Only these.", choices=("open", "resolved", "ignored", "all")),
         Parameter("sort", "By what.", default="last_seen", choices=_SORTS),
         Parameter("order", "Which way.", choices=("asc", "desc")), _LIMIT, _CURSOR, _PROJECT, _FIELDS),
    ),
    Endpoint("GET", "/api/v1/issues/{issue:id}", "read", issue, "One issue with its latest event, history and activity.", "Issue", (_FIELDS,)),
    Endpoint("GET", "/api/v1/issues/{issue:id}/events", "read", issue_events, "Events of an issue, latest first.", "Events", (_QUERY, _LIMIT, _CURSOR, _FIELDS)),
    Endpoint("GET", "/api/v1/events", "read", events, "Find events, latest first.", "Events", _EVENT_LIST, tag="events"),
    Endpoint("GET", "/api/v1/events/{event}", "read", event, "One event whole; a unique beginning of its id is enough.", "Event", (_FIELDS,), tag="events"),
    Endpoint("GET", "/api/v1/events/{event}/attachments/{attachment:id}", "read", attachment, "The content of an attachment.", "", tag="events"),
    Endpoint("GET", "/api/v1/traces/{trace}", "read", trace, "Every event and span of a trace.", "Trace", (_PROJECT,), tag="events"),
    Endpoint("GET", "/api/v1/levels", "read", levels, "Levels of events, by rank.", "Items", tag="stats"),
    Endpoint("GET", "/api/v1/dropped", "read", dropped, "What was refused, limited, cut or lost, with reason and count.", "Items", tag="stats"),
)  # fmt: skip
