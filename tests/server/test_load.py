"""What many, large and slow clients cost a real server: its memory stays bounded, and others are served meanwhile."""

from __future__ import annotations

import io
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crashvault import core
from crashvault.pipeline import record_events

EVENT = {"message": "boom"}
MIB = 1 << 20


def memory(server: Any) -> int:
    """Bytes that the server has in memory, apart from files that are mapped."""
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")) << 10


def connect(server: Any) -> socket.socket:
    found = urlsplit(server.url)
    return socket.create_connection((found.hostname, found.port), timeout=10)


def test_downloads_are_never_whole_in_memory(server: Any) -> None:
    size = 16 * MIB
    with core.open_vault(str(server.home)) as store:
        info = store.blobs.put(io.BytesIO(b"core" * (size // 4)), "core.dump")
        (receipt,) = record_events(store, [dict(EVENT)], attachments={0: [info]})
    href = server.get(f"/api/v1/events/{receipt.event_id}").json()["attachments"][0]["href"]
    before = memory(server)
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(8)]
        for client in slow:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.sendall(f"GET {href} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        assert server.post("/api/v1/events", json=EVENT).status_code == 201
        assert memory(server) - before < 24 * MIB
        received = 0
        while piece := slow[0].recv(MIB):
            received += len(piece)
        assert received > size
    assert server.get(href).content == b"core" * (size // 4)
