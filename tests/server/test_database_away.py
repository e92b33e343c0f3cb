"""A server whose database goes away, and comes back."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import databases
from crashvault.config import DATABASE_VARIABLE

PASSWORD = "hush-hush"


class Relay:
    """The way to a database: it can be cut, and mended."""

    def __init__(self, url: str) -> None:
        self._to = _place(url)
        self._open = True
        self._joined: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    if not self._open:
                        near.close()
                        continue
                    far = _connect(self._to)
                    self._joined.append((near, far))
                threading.Thread(target=_pump, args=(near, far), daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._open = False
            for near, far in self._joined:
                for one in (near, far):
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
            self._joined.clear()

    def mend(self) -> None:
        with self._lock:
            self._open = True

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _place(url: str) -> Any:
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host", [""])[0]
    return f"{folder}/.s.PGSQL.{parts.port or 5432}" if folder.startswith("/") else (parts.hostname, parts.port or 5432)


def _connect(place: Any) -> socket.socket:
    if isinstance(place, tuple):
        return socket.create_connection(place)
    far = socket.socket(socket.AF_UNIX)
    far.connect(place)
    return far


def _pump(near: socket.socket, far: socket.socket) -> None:
    with near, far, selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
        selector.register(near, selectors.EVENT_READ, far)
        selector.register(far, selectors.EVENT_READ, near)
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    with databases.empty_vault() as url:
        found = Relay(url)
        parts = urlsplit(url)
        user = parts.username or "postgres"
        address = f"postgresql://{user}:{parts.password or PASSWORD}@127.0.0.1:{found.port}{parts.path}"
        monkeypatch.setenv(DATABASE_VARIABLE, address)
        yield found
        found.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_refuses_while_its_database_is_away_and_goes_on_when_it_is_back(
    relay: Relay, serve: Callable[..., Any]
) -> None:
    server = serve()
    acknowledged = [server.post("/api/v1/events", json={"message": "before"}).json()["event_id"]]
    assert server.get("/api/health/ready").status_code == 200
    relay.cut()
    for _ in range(3):
        refused = server.post("/api/v1/events", json={"message": "while it is away"})
        assert refused.status_code == 503 and int(refused.headers["Retry-After"]) >= 1
        assert "store_unavailable" in refused.text
        assert PASSWORD not in refused.text
    ready = server.get("/api/health/ready")
    assert ready.status_code == 503 and ready.json()["reasons"] and PASSWORD not in ready.text
    assert server.get("/api/health/live").status_code == 200
    assert "crashvault_store_up 0.0" in server.get("/metrics").text
    assert server.get("/api/v1/issues").status_code == 503
    relay.mend()
    until(lambda: bool(server.get("/api/health/ready").status_code == 200))
    assert "crashvault_store_up 1.0" in server.get("/metrics").text
    acknowledged.append(server.post("/api/v1/events", json={"message": "after"}).json()["event_id"])
    assert [event["event_id"] for event in server.events()] == acknowledged


def test_nothing_acknowledged_is_lost_when_the_way_is_cut_under_load(relay: Relay, serve: Callable[..., Any]) -> None:
    server = serve()
    acknowledged: set[str] = set()
    stop = threading.Event()

    def send() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while not stop.is_set():
                answer = client.post("/api/v1/events", json={"message": "under load"})
                if answer.status_code == 201:
                    acknowledged.add(answer.json()["event_id"])

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for number in range(1, 4):
        until(lambda: len(acknowledged) > 20 * number)  # noqa: B023  (called at once)
        relay.cut()
        assert server.get("/api/health/ready").status_code == 503
        relay.mend()
    until(lambda: len(acknowledged) > 80)
    stop.set()
    for sender in senders:
        sender.join()
    stored = [event["event_id"] for event in server.events()]
    assert len(stored) == len(set(stored)) and set(stored) >= acknowledged
