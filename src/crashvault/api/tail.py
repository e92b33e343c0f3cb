"""New events as they arrive, as server-sent events (HTML standard, section 9.2), also those of other processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .. import clock
from ..errors import NotFoundError
from ..users import session_of
from ..views import narrowed, shown_events
from .access import DeniedError, admit, reader_of, token_of
from .described import Address, Content, Parameter
from .errors import OverloadedError, UnprocessableError, json_bytes
from .node import Node

ADDRESS = Address(
    "/api/v1/tail", "New events as they arrive, as server-sent events; Last-Event-ID goes on where it ended.", "events",
    {200: Content(("text/event-stream",))}, "read",
    parameters=(Parameter("query", "Which events, in the query language."), Parameter("project", "Only of this project.")),
    errors=(400, 401, 403, 404, 422, 429, 503),
)  # fmt: skip
_INTERVAL = 0.5  # seconds between looks
_HEARTBEAT = 15.0  # seconds without an event after which a comment keeps proxies from closing
_RETRY = 2_000  # milliseconds after which a browser comes again
_COME_AGAIN = "5"  # seconds after which there may be room for another tail
_AT_ONCE = 100  # events of one look
_MEDIA_TYPE = "text/event-stream"


class _Wanted(NamedTuple):
    """What one client wants to be told."""

    query: str
    project: str | None
    token: str  # its key, if it has one
    session: str  # of the dashboard, likewise


class _Look(NamedTuple):
    """What a look at the store has found."""

    allowed: bool  # the client's key is still good
    row: int  # the last one that was looked at
    found: list[tuple[int, dict[str, Any]]]
    all_seen: bool


class _Tail(StreamingResponse):
    """A stream that counts among those of its node while it is sent."""

    def __init__(self, node: Node, content: AsyncIterator[bytes], headers: dict[str, str]) -> None:
        super().__init__(content, headers=headers, media_type=_MEDIA_TYPE)
        self.node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.node.tails += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.node.tails -= 1


def route_of(node: Node) -> Route:
    known = {parameter.name for parameter in ADDRESS.parameters}

    async def tail(request: Request) -> Response:
        access, headers = admit(request, node, "read")
        wrong = [name for name in request.query_params if name not in known]
        if wrong:
            raise UnprocessableError("Some parameters are wrong", [{"field": wrong[0][:100], "message": "unknown"}])
        project = request.query_params.get("project")
        if access.project is not None and project not in (None, access.project):
            raise NotFoundError(f"there is no project {project!r}")
        wanted = _Wanted(request.query_params.get("query", ""), access.project or project, *_proofs(request, node))
        row = await node.run(_begin, node, wanted, request.headers.get("last-event-id", ""))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers}
        if request.method == "HEAD":
            return Response(headers=headers, media_type=_MEDIA_TYPE)
        if node.tails >= node.settings.tails:
            raise DeniedError(
                503, "too_many_tails", f"The server tells {node.tails} clients of new events already",
                "Come again later, or raise the setting server.tails", {"Retry-After": _COME_AGAIN},
            )  # fmt: skip
        request.scope["crashvault.endless"] = True
        return _Tail(node, _stream(node, wanted, row), headers)

    return Route(ADDRESS.path, tail, methods=["GET"])


def _proofs(request: Request, node: Node) -> tuple[str, str]:
    """The key and the session by which a client was let in."""
    token = token_of(request)
    session = None if token else reader_of(request, node)
    return token, session.token if session else ""


def _begin(node: Node, wanted: _Wanted, last: str) -> int:
    """The row after which events are told. Raises QueryError, NotFoundError, before the answer has begun."""
    with node.reading() as store:
        if wanted.project:
            store.projects.require(wanted.project)
        store.search(clock.now()).parse(wanted.query)
        return int(last) if last.isascii() and last.isdecimal() and len(last) < 19 else store.events.newest_row()


async def _stream(node: Node, wanted: _Wanted, row: int) -> AsyncIterator[bytes]:
    yield f"retry: {_RETRY}\n\n: events after {row}\n\n".encode()
    quiet = 0.0
    while not node.stopping:
        try:
            look = await node.run(_look, node, wanted, row)
        except OverloadedError:
            await asyncio.sleep(_INTERVAL)
            continue
        if not look.allowed:
            yield b": this key was revoked, or has expired\n\n"
            return
        row = look.row
        for number, shape in look.found:
            yield b"id: %d\nevent: event\ndata: %b\n\n" % (number, json_bytes(shape))
        quiet = 0.0 if look.found else quiet + _INTERVAL
        if quiet >= _HEARTBEAT:
            quiet = 0.0
            yield b": still here\nid: %d\n\n" % row  # whoever comes again need not look at all that did not match
        if look.all_seen:
            await asyncio.sleep(_INTERVAL)


def _look(node: Node, wanted: _Wanted, row: int) -> _Look:
    if wanted.token and node.keyring.find(wanted.token) is None:
        return _Look(False, row, [], True)
    with node.reading() as store, store.reading():
        if wanted.session and session_of(store, wanted.session, clock.now()) is None:
            return _Look(False, row, [], True)
        newest = store.events.newest_row()
        if newest <= row:
            return _Look(True, row, [], True)
        search = store.search(clock.now())
        condition, _ = narrowed(search, wanted.query, project=wanted.project, open_by_default=False)
        rows, looked = search.arrivals(condition, row, _AT_ONCE)
        return _Look(True, looked, list(zip(rows, shown_events(store, rows), strict=True)), looked >= newest)
