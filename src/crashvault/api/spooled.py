"""Requests with events as a node's spool keeps them: what of them decides how their body is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from .. import core
from ..accepted import Spooling
from ..errors import NotFoundError
from ..ingest.telemetry import Upload
from ..storage.spool import Spool, Spooled, spool_exists
from .doors import Request, find
from .node import Node

_HEADERS = (b"content-type", b"content-encoding", b"traceparent")


def pack(request: Request) -> bytes:
    """A line of JSON, and the body as it came."""
    headers = {name.decode(): request.header(name) for name in _HEADERS if name in request.headers}
    line = json.dumps({"path": request.path, "query": request.query, "headers": headers})
    return line.encode() + b"\n" + request.body


def reader_of(node: Node, kept: Spooled) -> Callable[[int], Upload]:
    """What reads a kept request, as its door did when it came."""
    line, _, body = kept.request.partition(b"\n")
    told = json.loads(line)
    found = find(told["path"])
    if found is None:
        raise NotFoundError(f"no events are taken at {told['path']} any more")
    headers = [(name.encode(), value.encode("latin-1")) for name, value in told["headers"].items()]
    request = Request({"path": told["path"], "query_string": told["query"].encode("latin-1"), "headers": headers}, node)
    request.body, request.project = body, kept.project
    return partial(found.door.read, request)


def spooling_of(node: Node) -> Spooling | None:
    """How a node keeps requests while the database is away; a vault in a file has nothing to be away from."""
    # What was spooled before the setting was taken back must still come into the vault.
    if core.shown_database(node.home) is None or not (node.settings.spool or spool_exists(node.home)):
        return None
    most = node.settings.spool_size if node.settings.spool else 0
    return Spooling(partial(Spool, node.home, most), partial(reader_of, node))
