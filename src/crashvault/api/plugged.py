"""Addresses of plugins: each below its plugin's own, with the keys, limits and errors of the rest of the API.

What they answer never acts as a page of the dashboard, whatever it is: browsers are told to run nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Route as Mounted

from .. import clock
from ..auth import EVERYBODY, SCOPES, Access
from ..errors import CrashvaultError
from ..plugins.parts import routes as known_routes
from ..plugins.types import Reply, Request, Route
from .access import admit, counted
from .endpoints import MOST_BODY, TooLargeError
from .errors import JSON, json_bytes
from .node import Node

PREFIX = "/api/v1/plugins"
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class PluginError(CrashvaultError):
    """A plugin's address did not answer."""

    code = "plugin_failed"
    status = 500


def routes(node: Node) -> list[Mounted]:
    """What the plugins of this process give; an address that cannot be is named, and left out."""
    return list(_mounted(node))


def _mounted(node: Node) -> Iterator[Mounted]:
    from ..plugins.calling import complain

    for plugin, route in known_routes():
        wrong = _wrong(route)
        if wrong:
            complain(plugin, f"its address {route.path!r} is left out: {wrong}")
            continue
        try:
            yield Mounted(f"{PREFIX}/{plugin}{route.path}", _endpoint(node, plugin, route), methods=list(route.methods))
        except (AssertionError, ValueError, TypeError) as error:
            complain(plugin, f"its address {route.path!r} is left out: {error}")


def _wrong(route: Route) -> str:
    """What keeps an address from being served."""
    if not isinstance(route.path, str) or not route.path.startswith("/"):
        return "a path begins with /"
    if not set(route.methods) <= _METHODS or isinstance(route.methods, str):
        return f"its methods are not among {', '.join(sorted(_METHODS))}"
    if route.scope and route.scope not in SCOPES:
        return f"its scope is not among {', '.join(SCOPES)}"
    # Browsers send cookies along with a GET that another page makes.
    return "what is read by GET must not need more than read" if _changes_by_get(route) else ""


def _changes_by_get(route: Route) -> bool:
    return "GET" in route.methods and route.scope not in ("", "read")


def _endpoint(node: Node, plugin: str, route: Route) -> Any:
    async def serve(request: HTTPRequest) -> Response:
        if route.scope:
            access, headers = admit(request, node, route.scope)
        else:
            access, headers = EVERYBODY._replace(scopes=frozenset()), counted(request, node, EVERYBODY)
        body = await _body(request)
        reply = await node.run(_run, node, plugin, route, request, access, body)
        return _response(reply, headers)

    return serve


async def _body(request: HTTPRequest) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            raise TooLargeError(f"the body is larger than {MOST_BODY} bytes", "Send less at once")
    return body


def _run(node: Node, plugin: str, route: Route, request: HTTPRequest, access: Access, body: bytes) -> Reply:
    from ..plugins.calling import Failure, call, complain

    writes = route.scope in ("write", "admin")
    with node.writing_store() if writes else node.reading() as store:
        asked = Request(
            request.method, dict(request.path_params), dict(request.query_params), body, access.name, access.project,
            store, clock.now(),
        )  # fmt: skip
        answer = call(_answered, route, asked)
    if isinstance(answer, CrashvaultError):
        raise answer
    if isinstance(answer, Failure):
        complain(plugin, f"its address {route.path} failed ({answer.reason})")
        raise PluginError(f"the plugin {plugin} failed")
    return answer if isinstance(answer, Reply) else Reply(answer)


def _answered(route: Route, asked: Request) -> Any:
    """What a plugin answers; our own errors are answers too."""
    try:
        return route.run(asked)
    except CrashvaultError as error:
        return error


def _response(reply: Reply, headers: dict[str, str]) -> Response:
    content, kind = reply.content, reply.content_type
    if isinstance(content, str):
        content, kind = content.encode("utf-8", "replace"), kind or "text/plain; charset=utf-8"
    elif not isinstance(content, bytes):
        try:
            content, kind = json_bytes(content), kind or JSON
        except TypeError as error:
            raise PluginError("the plugin answered with what is no JSON") from error
    kind = kind or "application/octet-stream"
    return Response(content, reply.status, {**headers, **_HEADERS}, kind if kind.isprintable() else None)
