"""Requests with events as a node's spool keeps them: what of them decides how their body is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from ..errors import NotFoundError
from ..ingest.telemetry import Upload
from ..storage.spool import Spooled
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
