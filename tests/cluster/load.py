"""Load on several nodes at once, by clients that try again until somebody has taken their event."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence

import httpx


class Load:
    """Threads that send events, each with its id, one after another, to nodes in turn."""

    def __init__(self, urls: Callable[[], Sequence[str]], *, threads: int, most: int, pause: float = 0.0) -> None:
        self.acknowledged: list[str] = []
        self.answered_at: list[float] = []  # monotonic
        self._urls = urls
        self._most = most  # events of each thread
        self._pause = pause
        self._stopping = threading.Event()
        self._client = httpx.Client(timeout=10)
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every thread end with its present event acknowledged."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "an event could not be sent within a minute"
        self._client.close()

    def wait(self, count: int, seconds: float = 60) -> None:
        """Wait until so many more events are acknowledged."""
        target, until = len(self.acknowledged) + count, time.monotonic() + seconds
        while len(self.acknowledged) < target:
            assert time.monotonic() < until, f"{len(self.acknowledged)} of {target} events were taken"
            time.sleep(0.02)

    def _send(self, number: int) -> None:
        for place in range(self._most):
            self._send_one(f"{number}-{place}", number + place)
            if self._stopping.wait(self._pause):
                return

    def _send_one(self, name: str, turn: int) -> None:
        event_id = uuid.uuid4().hex
        body = {"event_id": event_id, "message": "The order failed", "fingerprint": [name], "tags": [f"name={name}"]}
        while True:
            urls = self._urls()
            turn += 1
            try:
                answer = self._client.post(f"{urls[turn % len(urls)]}/api/v1/events", json=body)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code == 503:
                time.sleep(0.05)
                continue
            assert answer.status_code == 201, answer.text
            self.acknowledged.append(event_id)
            self.answered_at.append(time.monotonic())
            return
