"""A real receiver of webhooks on this machine, which answers as it is told to."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

PATIENCE = 20.0  # seconds


class Arrived(NamedTuple):
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def title(self) -> str:
        return str(self.json["data"]["issue"]["title"])


class Receiver:
    """Answers 200, or what was said by `answer`, one answer for each request.

    An answer is a status, or a status with headers, or `drop`, `garbage`, `slow` (it waits until `let_go` is set),
    `drip` (a byte now and then, for ever) or `huge`.
    """

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.let_go = threading.Event()
        self.answers: deque[Any] = deque()
        self.always: Any = 200
        self._came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver._answer(self, Arrived(self.path, headers, body))

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:  # who sends goes away in many of these tests
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, *answers: Any) -> None:
        self.answers.extend(answers)

    def wait(self, count: int) -> list[Arrived]:
        """The requests, once so many have arrived."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.arrived) >= count, PATIENCE), self.arrived
            return list(self.arrived)

    def _answer(self, handler: BaseHTTPRequestHandler, arrived: Arrived) -> None:
        with self._came:
            self.arrived.append(arrived)
            wanted = self.answers.popleft() if self.answers else self.always
            self._came.notify_all()
        if wanted == "slow":
            self.let_go.wait(PATIENCE)
            wanted = 200
        if wanted == "drop":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif wanted == "garbage":
            handler.close_connection = True
            handler.wfile.write(b"\x00\xffSMTP ready\r\n\r\n")
        elif wanted == "drip":
            handler.close_connection = True
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.let_go.wait(0.05):
                handler.wfile.write(b"x")
        elif wanted == "huge":
            handler.send_response(200)
            handler.send_header("Content-Length", str(50 << 20))
            handler.end_headers()
            handler.close_connection = True
            for _ in range(50 << 4):
                handler.wfile.write(bytes(1 << 16))
        else:
            status, headers = wanted if isinstance(wanted, tuple) else (wanted, {})
            handler.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
