"""Is the server alive, and can it do its work? Answers for people, load balancers and Prometheus."""

from __future__ import annotations

import os

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import __version__, clock
from ..errors import CrashvaultError
from .described import Address, Content
from .errors import JSON, json_bytes
from .node import Node

_STARTED = clock.now()

ADDRESSES = (
    Address("/api/health", "Health, version and uptime.", "server", {200: (answer := Content(schema="Health")), 503: answer}),
    Address("/api/health/live", "Whether the process lives.", "server", {200: Content(schema="Alive")}),
    Address("/api/health/ready", "Whether it can read and write its store.", "server", {200: (answer := Content(schema="Ready")), 503: answer}),
    Address("/metrics", "Prometheus' text format.", "server", {200: Content(("text/plain",))}, errors=(503,)),
)  # fmt: skip


def routes(node: Node) -> list[Route]:
    """The addresses that need no key."""

    async def health(request: Request) -> Response:
        found = await _reasons(node)
        return _answer(described(node, found), _status(node, found))

    async def live(request: Request) -> Response:
        return _answer({"status": "ok"}, 200)

    async def ready(request: Request) -> Response:
        found = await _reasons(node)
        return _answer(_state(node, found), _status(node, found))

    async def metrics(request: Request) -> Response:
        body = await node.run(node.metrics.text)
        return Response(body, media_type=node.metrics.content_type, headers={"Cache-Control": "no-store"})

    served = (health, live, ready, metrics)
    return [Route(address.path, serve) for address, serve in zip(ADDRESSES, served, strict=True)]


def described(node: Node, found: list[str]) -> dict[str, object]:
    """The health of a server that has these `reasons` to fail."""
    return {
        **_state(node, found),
        "version": __version__,
        "uptime_seconds": round((clock.now() - _STARTED) / clock.SECOND, 1),
        "queue": node.recorder.depth if node.recorder else 0,
    }


def _state(node: Node, found: list[str]) -> dict[str, object]:
    """How a server is, and what its spool holds, if it has one."""
    status = "ok" if not found else "spooling" if _spools(node) else "failing"
    spooled = node.recorder.spooled if node.recorder else None
    told: dict[str, object] = {"status": status, "reasons": found}
    if node.replica is not None:
        told["replica"] = node.replica.state().described()
    if spooled is None:
        return told
    age = round(spooled.age(clock.now()), 1)
    shown = {"requests": spooled.requests, "bytes": spooled.bytes, "oldest_seconds": age}
    return {**told, "spool": shown}


def _status(node: Node, found: list[str]) -> int:
    """A node that spools goes on taking events: a load balancer that took it out would leave them nowhere to go."""
    return 503 if found and not _spools(node) else 200


def _spools(node: Node) -> bool:
    """Whether the database is away, and this node keeps what comes."""
    if node.stopping or not node.settings.spool or not node.recorder or not node.recorder.away:
        return False
    return bool(node.recorder.spooled.bytes < node.settings.spool_size)


async def _reasons(node: Node) -> list[str]:
    try:
        return await node.run(reasons, node)
    except CrashvaultError as error:
        return [error.message]


def reasons(node: Node) -> list[str]:
    """Why the server cannot do its work just now."""
    if node.stopping:
        return ["the server is stopping"]
    if node.recorder and node.recorder.away:
        return ["the database is away"]
    try:
        _try_store(node)
    except CrashvaultError as error:
        return [error.message]
    return []


def _try_store(node: Node) -> None:
    """Read, and begin to write; where the last events could not be stored, write. Raises StoreError.

    Whoever sends nothing to a server that is not ready would wait for ever for the next event to tell.
    """
    with node.reading() as store:
        store.projects.list()
    with node.writing_store() as store, store.writing(alone=False):
        if node.recorder and node.recorder.failing:
            store.leases.seize("ready", str(os.getpid()), clock.now(), clock.MINUTE)


def _answer(body: dict[str, object], status: int) -> Response:
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": "5"} if status == 503 else {})
    return Response(json_bytes(body), status, headers, JSON)
