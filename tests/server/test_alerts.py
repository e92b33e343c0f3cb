"""Alerts of a running server: looked at beside its work, delivered to a real receiver."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Receiver:
    """Takes webhooks, and keeps when they came."""

    def __init__(self) -> None:
        self.came: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.came.put((time.monotonic(), json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_a_crossing_is_told_within_two_seconds(serve: Callable[..., Any], receiver: Receiver) -> None:
    server = serve(config={"webhook.allow_private": "true"})
    hook = {"type": "http", "url": receiver.url, "name": "chat", "on": ["alert"]}
    assert server.post("/api/v1/webhooks", json=hook).status_code == 201
    rule = {"name": "many", "condition": "count > 20 in 1m", "by": "tag.job", "notify": ["chat"]}
    assert server.post("/api/v1/alerts", json=rule).status_code == 201
    for number in range(20):  # a server with something to do
        server.post("/api/v1/events", json={"message": f"noise {number}", "tags": ["job=a"]})
    assert receiver.came.empty()
    crossed = time.monotonic()
    server.post("/api/v1/events", json={"message": "the last one", "tags": ["job=a"]})
    came, body = receiver.came.get(timeout=10)
    assert body["type"] == "crashvault.alert"
    alert = body["data"]["alert"]
    assert (alert["name"], alert["state"], alert["group"], alert["value"]) == ("many", "firing", "a", "21 events in 1m")
    assert came - crossed < 2
    assert 'crashvault_alerts_total{alert="many",state="firing"} 1.0' in server.get("/metrics").text
