"""What can be read: issues, events, traces, totals, the ledger of drops, levels."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .. import cursors
from ..clock import DAY, to_iso
from ..errors import InvalidError, NotFoundError
from ..output.shapes import listing, span_shape
from ..query.values import parse_time
from ..storage.loading import StoredEvent
from ..storage.telemetry import END, START
from ..views import (
    Shown,
    event_page,
    figures,
    issue_details,
    issue_page,
    narrowed,
    series,
    shown_events,
    shown_issues,
    similar_issues,
)
from .access import DeniedError
from .described import Parameter
from .endpoints import Answer, Call, Endpoint, Streamed
from .errors import UnprocessableError

_SORTS = ("last_seen", "id", "title", "status", "created_at", "events", "users", "priority")
_QUERY = Parameter("query", "What to find, in the query language.")
_LIMIT = Parameter("limit", "How many at most.", "integer", 50, 1, 1_000)
_CURSOR = Parameter("cursor", "Where to go on: `next_cursor` of the answer before.")
_PROJECT = Parameter("project", "Only of this project.")
_FIELDS = Parameter("fields", "Only these fields of each item, with commas between.")
_TRACE_LIMIT = Parameter("limit", "How many events, and how many spans, at most.", "integer", 1_000, 1, 1_000)


def stats(call: Call) -> dict[str, Any]:
    query = call.query
    found = figures(call.store, call.now, call.project)
    if query["interval"] or query["since"] or query["until"]:
        since, until = _time(call, "since"), _time(call, "until")
        interval = query["interval"] or "hour"
        found["series"] = {"interval": interval, **series(call.store, call.now, interval, since, until, call.project)}
    return found


def _time(call: Call, name: str) -> int | None:
    """A parameter that is a time; a whole day given as `until` is part of what is asked for."""
    text = call.query[name]
    if not text:
        return None
    try:
        moment, whole_day = parse_time(text, call.now)
    except ValueError:
        wrong = {"field": name, "message": "not a time; write 2h, 7d or ISO 8601"}
        raise UnprocessableError("Some parameters are wrong", [wrong]) from None
    return moment + DAY if whole_day and name == "until" else moment


def issues(call: Call) -> dict[str, Any]:
    """Issues in the order asked for."""
    query = call.query
    search = call.store.search(call.now)
    node, _ = narrowed(search, query["query"] or "", project=call.project, status=query["status"] or "all")
    sort = query["sort"]
    descending = query["order"] == "desc" if query["order"] else sort not in ("id", "title", "status")
    asked = (query["query"], query["status"], call.project)
    page = issue_page(
        call.store, search, node, asked, sort=sort, descending=descending, limit=query["limit"], cursor=query["cursor"]
    )
    return _listed(page, _selected(shown_issues(call.store, page.ids, call.now), query["fields"]))


def issue(call: Call) -> dict[str, Any]:
    return _one(issue_details(call.store, known_issue(call), call.now), call.query["fields"])


def issue_events(call: Call) -> dict[str, Any]:
    return _event_page(call, [f"issue:{known_issue(call)}"])


def similar(call: Call) -> dict[str, Any]:
    found = similar_issues(call.store, known_issue(call), call.query["limit"], call.query["least"] / 100)
    return listing(found, len(found), None)


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
            content = Streamed(call.store.attachments.open(file), file.size)
            return Answer(content, 200, _download_headers(file.name), "application/octet-stream")
    raise NotFoundError(f"there is no attachment {call.path['attachment']} of this event")


def _download_headers(name: str) -> dict[str, str]:
    """What is in a file came from outside: a browser must keep it, and never show it as part of this server."""
    plain = "".join(char if char.isalnum() or char in "._-" else "_" for char in name if char.isascii())
    return {
        "Content-Disposition": f"attachment; filename=\"{plain or 'attachment'}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }


def trace(call: Call) -> dict[str, Any]:
    trace_id = call.path["trace"].replace("-", "").lower()
    if len(trace_id) != 32 or not all(char in "0123456789abcdef" for char in trace_id):
        raise InvalidError(f"{call.path['trace'][:100]!r} is not a trace id", "It has 32 hexadecimal digits")
    limit, cursor = call.query["limit"], call.query["cursor"]
    asked = ("trace", trace_id, call.project)
    row, *place = cursors.decode(cursor, asked, (int, int, int)) if cursor else (0, *START)
    search = call.store.search(call.now)
    node, _ = narrowed(search, f"trace:{trace_id}", project=call.project, open_by_default=False)
    rows, looked = search.arrivals(node, row, limit + 1)
    if len(rows) > limit:
        rows, looked = rows[:limit], rows[limit - 1]
    spans, last_span = call.store.telemetry.trace(trace_id, call.project, limit, (place[0], place[1]))
    if not rows and not spans and not cursor:
        raise NotFoundError(f"there is no trace {trace_id}")
    more = looked < call.store.events.newest_row() or last_span is not None
    following = cursors.encode(asked, [looked, *(last_span or END)]) if more else None
    events = sorted(shown_events(call.store, rows), key=lambda event: event["timestamp"])
    return {"trace_id": trace_id, "events": events, "spans": list(map(span_shape, spans)), "next_cursor": following}


def levels(call: Call) -> dict[str, Any]:
    found = [level._asdict() for level in call.store.levels.list()]
    return listing(found, len(found), None)


def dropped(call: Call) -> dict[str, Any]:
    """The ledger counts for the whole vault: what was refused often had no project yet."""
    if call.access.project is not None:
        raise DeniedError(
            403, "forbidden", "What was dropped is counted for the whole vault", "Use a key of all projects"
        )
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
    """Events, latest first."""
    query = call.query
    search = call.store.search(call.now)
    node, _ = narrowed(search, query["query"] or "", project=call.project, extra=extra, open_by_default=False)
    asked = (query["query"], call.project, *extra)
    page = event_page(call.store, search, node, asked, limit=query["limit"], cursor=query["cursor"])
    return _listed(page, _selected(shown_events(call.store, page.ids), query["fields"]))


def _listed(page: Shown, items: list[dict[str, Any]]) -> dict[str, Any]:
    return listing(items, page.total, page.next_cursor, total_exact=page.total_exact)


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


_LATEST_FIRST = Parameter("sort", "By what: the latest come first.", default="timestamp", choices=("timestamp",))
_EVENT_LIST = (_QUERY, _LATEST_FIRST, _LIMIT, _CURSOR, _PROJECT, _FIELDS)
ENDPOINTS = (
    Endpoint("GET", "/api/v1/stats", "read", stats, "Totals by status, level and project, events per hour and day, and the issues with most events; `series` where a time is asked for.", "Stats",
             (Parameter("since", "Where the series begins: 2h, 7d or ISO 8601."), Parameter("until", "Where it ends."),
              Parameter("interval", "Its steps; hours unless told.", choices=("hour", "day")), _PROJECT), tag="stats"),
    Endpoint(
        "GET", "/api/v1/issues", "read", issues, "List issues; without a status all of them.", "Issues",
        (_QUERY, Parameter("status", "Only these.", choices=("open", "resolved", "ignored", "all")),
         Parameter("sort", "By what.", default="last_seen", choices=_SORTS),
         Parameter("order", "Which way.", choices=("asc", "desc")), _LIMIT, _CURSOR, _PROJECT, _FIELDS),
    ),
    Endpoint("GET", "/api/v1/issues/{issue:id}", "read", issue, "One issue with its latest event, history and activity.", "Issue", (_FIELDS,)),
    Endpoint("GET", "/api/v1/issues/{issue:id}/events", "read", issue_events, "Events of an issue, latest first.", "Events", (_QUERY, _LATEST_FIRST, _LIMIT, _CURSOR, _FIELDS)),
    Endpoint("GET", "/api/v1/issues/{issue:id}/similar", "read", similar, "The issues most like this one, with how much and why.", "Items", (Parameter("limit", "How many at most.", "integer", 5, 1, 16), Parameter("least", "How alike at least, in per cent.", "integer", 30, 0, 100))),
    Endpoint("GET", "/api/v1/events", "read", events, "Find events, latest first.", "Events", _EVENT_LIST, tag="events"),
    Endpoint("GET", "/api/v1/events/{event}", "read", event, "One event whole; a unique beginning of its id is enough.", "Event", (_FIELDS,), tag="events"),
    Endpoint("GET", "/api/v1/events/{event}/attachments/{attachment:id}", "read", attachment, "The content of an attachment.", "", tag="events"),
    Endpoint("GET", "/api/v1/traces/{trace}", "read", trace, "Every event and span of a trace, in the order in which they happened; where there are many, page by page.", "Trace", (_TRACE_LIMIT, _CURSOR, _PROJECT), tag="events"),
    Endpoint("GET", "/api/v1/levels", "read", levels, "Levels of events, by rank.", "Items", tag="stats"),
    Endpoint("GET", "/api/v1/dropped", "read", dropped, "What was refused, limited, cut or lost, with reason and count; of the whole vault, so not for keys of one project.", "Items", tag="stats"),
)  # fmt: skip
