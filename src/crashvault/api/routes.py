"""All addresses of the API beside those that take events and those that tell how the server is."""

from __future__ import annotations

from starlette.routing import BaseRoute

from .node import Node


def routes(node: Node) -> list[BaseRoute]:
    return []
