"""What many, large and slow clients cost a real server: its memory stays bounded, and others are served meanwhile."""

from __future__ import annotations

import contextlib
import io
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from crashvault import core
from crashvault.pipeline import record_events

EVENT = {"message": "boom"}
MIB = 1 << 20


def memory(server: Any) -> int:
    """Bytes that the server has in memory, apart from files that are mapped."""
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")) << 10


def settled_memory(server: Any) -> int:
    """The same of a server that has loaded all that it loads by itself in its first moments."""
    seen = [memory(server)]
    for _ in range(100):
        time.sleep(0.3)
        seen.append(memory(server))
        if len(set(seen[-5:])) == 1 and len(seen) >= 5:  # on a busy machine it may stand still for a moment
            break
    return seen[-1]


def connect(server: Any) -> socket.socket:
    found = urlsplit(server.url)
    return socket.create_connection((found.hostname, found.port), timeout=10)


def test_downloads_are_never_whole_in_memory(server: Any) -> None:
    size = 16 * MIB
    with core.open_vault(str(server.home)) as store:
        info = store.blobs.put(io.BytesIO(b"core" * (size // 4)), "core.dump")
        (receipt,) = record_events(store, [dict(EVENT)], attachments={0: [info]})
    href = server.get(f"/api/v1/events/{receipt.event_id}").json()["attachments"][0]["href"]
    before = settled_memory(server)
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


MANY = 10_000


@pytest.fixture
def many_files() -> Iterator[int]:
    """How many connections this process and a server may each have, with this process allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(MANY, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Crowd:
    """Connections that are there and do nothing. They leave without a farewell, so that no ports stay taken."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.sockets: list[socket.socket] = []

    def grow(self, count: int, *, first: bytes = b"") -> None:
        for _ in range(count):
            one = connect(self.server)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if first:
                one.sendall(first)
            self.sockets.append(one)

    def leave(self) -> None:
        for one in self.sockets:
            one.close()
        self.sockets.clear()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


LIVE = b"GET /api/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def works(server: Any) -> None:
    """Health is green, and events are taken and found."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.get("/api/health").json()["status"] == "ok"
        assert client.get("/api/health/ready").status_code == 200
        (event_id,) = [client.post("/api/v1/events", json=EVENT).json()["event_id"]]
        assert client.get(f"/api/v1/events/{event_id}").status_code == 200


@pytest.mark.slow
def test_ten_thousand_idle_connections(server: Any, many_files: int) -> None:
    works(server)
    before = settled_memory(server)
    grown = []
    for _ in range(2):
        with Crowd(server) as crowd:
            crowd.grow(many_files // 2)
            crowd.grow(many_files - many_files // 2, first=LIVE)
            works(server)
            grown.append(memory(server) - before)
            assert crowd.sockets[-1].recv(15) == b"HTTP/1.1 200 OK"
        works(server)
    assert max(grown) < many_files * 16_384, grown
    assert grown[1] < 1.2 * grown[0], "what the first have left is used again"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * MIB,
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n"
        + b"".join(b"X-%d: many\r\n" % number for number in range(MIB // 13)),
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n" + b"a" * MIB + b": x\r\n",
        b"POST /api/1/envelope/ HTTP/1.1\r\nHost: localhost\r\nX-Sentry-Auth: Sentry sentry_key=" + b"a" * MIB,
    ],
    ids=["one long header", "many headers", "a long name", "a long key"],
)
def test_headers_of_a_megabyte_are_refused(server: Any, head: bytes) -> None:
    works(server)
    before = settled_memory(server)
    with Crowd(server) as crowd:
        crowd.grow(40)
        for one in crowd.sockets:
            with contextlib.suppress(ConnectionError):  # it need not read all of it
                one.sendall(head + b"\r\n\r\n")
        for one in crowd.sockets:
            with contextlib.suppress(ConnectionError):
                assert one.recv(13) == b"HTTP/1.1 431 "
        works(server)
        assert memory(server) - before < 32 * MIB


def test_slow_bodies_end_and_others_do_not_wait(serve: Callable[..., Any]) -> None:
    server = serve(CRASHVAULT_SERVER_BODY_TIMEOUT="1")
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{"
    with Crowd(server) as crowd:
        for path in (b"/api/v1/events", b"/api/1/envelope/", b"/v1/logs", b"/api/v1/issues/batch"):
            crowd.grow(50, first=head % path)
        works(server)
        for one in crowd.sockets:
            answer = one.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 408 "), answer
        works(server)
    assert server.events()[0]["message"] == "boom"


@pytest.mark.slow
def test_slow_headers_end_and_others_do_not_wait(server: Any) -> None:
    with Crowd(server) as crowd:
        crowd.grow(100, first=b"GET /api/health HTTP/1.1\r\nHost: loc")
        for _ in range(10):
            for one in crowd.sockets:
                with contextlib.suppress(ConnectionError):
                    one.sendall(b"a")
            works(server)
        for one in crowd.sockets:
            one.settimeout(30)
            assert one.recv(13) == b"HTTP/1.1 408 "
        works(server)
