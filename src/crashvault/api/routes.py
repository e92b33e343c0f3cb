"""The application: all addresses beside those that take events, and what is answered where none of them fits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from . import administration, alerts, openapi, reading, retention, tail, triage, webhooks
from .doors import methods_of
from .endpoints import Endpoint, route_of
from .errors import EXCEPTION_HANDLERS, request_id, response_of
from .node import Node

# Fixed addresses stand before those with a place for an id.
ENDPOINTS: tuple[Endpoint, ...] = (
    *reading.ENDPOINTS,
    *triage.ENDPOINTS,
    *administration.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *alerts.ENDPOINTS,
    *retention.ENDPOINTS,
)


def routes(node: Node) -> list[BaseRoute]:
    return [tail.route_of(node), *openapi.routes(ENDPOINTS), *(route_of(endpoint, node) for endpoint in ENDPOINTS)]


def application(
    node: Node, more: Sequence[BaseRoute] = (), unknown: Callable[[Request], Awaitable[Response]] | None = None
) -> Starlette:
    """All of `routes`, and more of them, in one application. `unknown` is what a browser gets where nothing is."""
    every = [*more, *routes(node)]

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404 and unknown is not None and _is_browser(request):
            return await unknown(request)
        if error.status_code != 405:
            return response_of(error, request_id(request))
        allowed = {"Allow": ", ".join(allowed_methods(every, request.url.path))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allowed)
        return response_of(HTTPException(405, headers=allowed), request_id(request))

    return Starlette(routes=every, exception_handlers={**EXCEPTION_HANDLERS, HTTPException: refused})


def _is_browser(request: Request) -> bool:
    """Whether a person looks: for a page, and not for what programs ask."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(("/api/", "/v1/"))


def allowed_methods(known: Sequence[BaseRoute], path: str) -> list[str]:
    """Every method of an address, whoever answers it."""
    found = {"OPTIONS", *methods_of(path)}
    for route in known:
        if isinstance(route, Route) and route.path_regex.match(path):
            found.update(route.methods or ())
    return sorted(found)
