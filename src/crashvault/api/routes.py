"""All addresses of the API beside those that take events and those that tell how the server is."""

from __future__ import annotations

from starlette.routing import BaseRoute

from . import administration, openapi, reading, retention, tail, triage
from .endpoints import Endpoint, route_of
from .node import Node

# Fixed addresses stand before those with a place for an id.
ENDPOINTS: tuple[Endpoint, ...] = (
    *reading.ENDPOINTS,
    *triage.ENDPOINTS,
    *administration.ENDPOINTS,
    *retention.ENDPOINTS,
)


def routes(node: Node) -> list[BaseRoute]:
    return [tail.route_of(node), *openapi.routes(ENDPOINTS), *(route_of(endpoint, node) for endpoint in ENDPOINTS)]
