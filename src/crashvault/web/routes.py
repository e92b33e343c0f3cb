"""All addresses of the dashboard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from ..api.node import Node
from ..errors import NotFoundError
from . import administration, assets, devices, events, issues, overview, panels, retention, signing_in
from .pages import Page, Reply, Visit, handler_of, route_of

# Fixed addresses stand before those with a place for an id.
PAGES: tuple[Page, ...] = (
    *issues.PAGES,
    *events.PAGES,
    *overview.PAGES,
    *administration.PAGES,
    *retention.PAGES,
    *devices.PAGES,
    *panels.PAGES,
    *signing_in.PAGES,
)


def unknown(node: Node) -> Callable[[Request], Awaitable[Response]]:
    """What a browser gets where no page is."""
    return handler_of(Page("GET", "", "", _nothing), node)


def _nothing(visit: Visit) -> Reply:
    raise NotFoundError("there is no such page")


def routes(node: Node) -> list[BaseRoute]:
    return [*assets.routes(), *(route_of(page, node) for page in PAGES)]
