"""New events as they arrive, as server-sent events (HTML standard, section 9.2), also those of other processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .. import clock
from ..views import narrowed, shown_events
from .access import admit
from .errors import UnprocessableError, json_bytes
from .node import Node

PATH = "/api/v1/tail"
_INTERVAL = 0.5  # seconds between looks
_HEARTBEAT = 15.0  # seconds without an event after which a comment keeps proxies from closing
_RETRY = 2_000  # milliseconds after which a browser comes again
_AT_ONCE = 500  # events of one look
_PARAMETERS = ("query", "project")
_MEDIA_TYPE = "text/event-stream"


def route_of(node: Node) -> Route:
    async def tail(request: Request) -> Response:
        access, headers = admit(request, node, "read")
        wrong = [name for name in request.query_params if name not in _PARAMETERS]
        if wrong:
            raise UnprocessableError("Some parameters are wrong", [{"field": wrong[0][:100], "message": "unknown"}])
        query = request.query_params.get("query", "")
        project = access.project or request.query_params.get("project")
        row = await node.run(_begin, node, query, project, request.headers.get("last-event-id", ""))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers}
        if request.method == "HEAD":
            return Response(headers=headers, media_type=_MEDIA_TYPE)
        request.scope["crashvault.endless"] = True
        return StreamingResponse(_stream(node, query, project, row), headers=headers, media_type=_MEDIA_TYPE)

    return Route(PATH, tail, methods=["GET"])


def _begin(node: Node, query: str, project: str | None, last: str) -> int:
    """The row after which events are told. Raises QueryError, NotFoundError, before the answer has begun."""
    with node.reading() as store:
        if project:
            store.projects.require(project)
        store.search(clock.now()).parse(query)
        return int(last) if last.isascii() and last.isdecimal() and len(last) < 19 else store.events.newest_row()


async def _stream(node: Node, query: str, project: str | None, row: int) -> AsyncIterator[bytes]:
    yield f"retry: {_RETRY}\n\n: events after {row}\n\n".encode()
    quiet = 0.0
    while not node.stopping:
        row, found = await node.run(_look, node, query, project, row)
        for number, shape in found:
            yield b"id: %d\nevent: event\ndata: %b\n\n" % (number, json_bytes(shape))
        quiet = 0.0 if found else quiet + _INTERVAL
        if quiet >= _HEARTBEAT:
            quiet = 0.0
            yield b": still here\n\n"
        if len(found) < _AT_ONCE:
            await asyncio.sleep(_INTERVAL)


def _look(node: Node, query: str, project: str | None, row: int) -> tuple[int, list[tuple[int, dict[str, Any]]]]:
    """The last row that was looked at, and what of the new events is to be told."""
    with node.reading() as store, store.reading():
        rows = store.events.rows_after(row, _AT_ONCE)
        if not rows:
            return row, []
        search = store.search(clock.now())
        condition, _ = narrowed(search, query, project=project, open_by_default=False)
        kept = search.filter(condition, rows)
        return rows[-1], list(zip(kept, shown_events(store, kept), strict=True))
