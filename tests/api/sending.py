"""A node that takes events, in this process, and envelopes to send to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from crashvault import core
from crashvault.api.doors import is_ingest
from crashvault.api.ingest import ingest
from crashvault.api.metrics import Metrics
from crashvault.api.node import Node, default_settings
from crashvault.auth import Keyring
from crashvault.ratelimit import RateLimiter
from crashvault.recorder import Recorder
from crashvault.storage.attachments import Attachment
from crashvault.storage.store import Store
from crashvault.units import parse_rate


def envelope(*items: tuple[dict[str, Any], Any], header: dict[str, Any] | None = None) -> bytes:
    """An envelope of items; a payload that is no bytes is sent as JSON."""
    pieces = [json.dumps(header or {}).encode()]
    for head, payload in items:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        pieces += [json.dumps({"length": len(data), **head}).encode(), data]
    return b"\n".join(pieces) + b"\n"


def _content(store: Store, file: Attachment) -> tuple[str, str, bytes]:
    with store.attachments.open(file) as content:
        return file.name, file.kind, content.read()


class Door:
    """A client of a running node, and what is in its vault."""

    def __init__(self, node: Node, client: httpx.AsyncClient) -> None:
        self.node = node
        self.client = client

    async def post(self, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, content=content, headers=named)

    async def send(self, *items: tuple[dict[str, Any], Any], **header: Any) -> httpx.Response:
        return await self.post("/api/1/envelope/", envelope(*items, header=header))

    def events(self) -> list[dict[str, Any]]:
        with core.open_vault(self.node.home) as store:
            return [dict(item.event) for item in store.events.load(list(store.events.all_rows()))]

    def files(self) -> list[list[tuple[str, str, bytes]]]:
        """Name, kind and content of the files of each event."""
        with core.open_vault(self.node.home) as store:
            return [
                [_content(store, one) for one in store.attachments.of_event(row)] for row in store.events.all_rows()
            ]

    async def drops(self) -> dict[tuple[str, str], int]:
        """The ledger after all is written, by reason and category; the node takes no more."""
        await self.node.recorder.stop()
        with core.open_vault(self.node.home) as store:
            return {(drop.reason, drop.category): drop.count for drop in store.ledger.list()}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with core.open_vault(self.node.home) as store:
            return list(store.db.rows(sql))

    @property
    def alive(self) -> bool:
        return bool(self.node.recorder._thread.is_alive())


@asynccontextmanager
async def door(home: Path, rate: str = "", capacity: int = 2_000, **settings: Any) -> AsyncIterator[Door]:
    """A node on the vault at `home` with all that takes part in storing an event."""
    node = Node(str(home), default_settings(rate_limit_ingest=rate, **settings))
    node.keyring = Keyring(node.open_store)
    node.metrics = Metrics(node)
    node.recorder = Recorder(node.open_store, capacity)
    if rate:
        node.limiter = RateLimiter(node.open_store, {"ingest": parse_rate(rate)})
    node.recorder.start()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert is_ingest(scope["path"], scope["method"]), scope["path"]
        await ingest({**scope, "state": {}}, receive, send, node)

    transport = httpx.ASGITransport(app=app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield Door(node, client)
    finally:
        await node.recorder.stop()
        node.keyring.close()
        if node.limiter is not None:
            node.limiter.close()
        node.close()


def run(home: Path, test: Callable[[Door], Awaitable[None]], **settings: Any) -> None:
    """A test with a node on the vault at `home`."""

    async def whole() -> None:
        async with door(home, **settings) as node:
            await test(node)

    asyncio.run(whole())
