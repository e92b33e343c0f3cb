"""All addresses of the dashboard."""

from __future__ import annotations

from starlette.routing import BaseRoute

from ..api.node import Node
from . import administration, assets, events, issues, overview, retention, signing_in
from .pages import Page, route_of

# Fixed addresses stand before those with a place for an id.
PAGES: tuple[Page, ...] = (
    *issues.PAGES,
    *events.PAGES,
    *overview.PAGES,
    *administration.PAGES,
    *retention.PAGES,
    *signing_in.PAGES,
)


def routes(node: Node) -> list[BaseRoute]:
    return [*assets.routes(), *(route_of(page, node) for page in PAGES)]
