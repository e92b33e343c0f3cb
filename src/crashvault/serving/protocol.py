"""HTTP/1.1 on one connection: uvicorn's protocol with limits, deadlines and errors in our shape.

What never reaches an application is answered here: lines that are no HTTP, headers too large, clients too
slow, connections too many. A refusal closes the connection, but not before the client had a moment to read it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# Of one connection, in order. `new`: nothing came yet. `idle`: between requests. `lingering`: refused, to be closed.
NEW, HEADERS, BODY, WORKING, IDLE, LINGERING = "new", "headers", "body", "working", "idle", "lingering"

_LINGER = 2.0  # seconds in which a refused client may go on sending until it reads the answer
_CLOSING = 15.0  # seconds in which the last of an answer must have been taken
_MOST_HEADERS = 1_000
_MOST_AFTER_ANSWER = 256 << 20  # bytes of a body that is not wanted any more

Observer = Callable[[int, str, str], None]  # status, code, address of the client


class Limits(NamedTuple):
    """What one connection may cost. Sizes in bytes, times in seconds."""

    connections: int = 20_000
    headers: int = 64 << 10  # of all headers of a request together
    target: int = 16 << 10  # of the path with its query
    header_seconds: float = 15.0  # until a request's headers are there
    body_seconds: float = 30.0  # until its body is there, and one more for each `body_rate` bytes of it
    body_rate: int = 500
    write_seconds: float = 60.0  # that a client may take nothing of an answer


class _Refusal(NamedTuple):
    status: int
    code: str
    message: str


class RefusedError(Exception):
    """Raised inside the parser's callbacks, to make it stop."""


_NOT_HTTP = _Refusal(400, "bad_request", "This is not a valid HTTP request")
_HEADERS_TOO_LARGE = _Refusal(431, "headers_too_large", "The headers of this request are too large")
_TARGET_TOO_LONG = _Refusal(414, "uri_too_long", "The address of this request is too long")
_SLOW_HEADERS = _Refusal(408, "request_timeout", "The headers of this request did not arrive in time")
_SLOW_BODY = _Refusal(408, "request_timeout", "The body of this request did not arrive in time")
_TOO_MANY = _Refusal(503, "too_many_connections", "The server has too many connections just now")


class Protocol(HttpToolsProtocol):
    """One connection of one listener."""

    def __init__(self, *, listener: str, limits: Limits, observe: Observer, **options: Any) -> None:
        super().__init__(**options)
        self.listener = listener
        self.limits = limits
        self.observe = observe
        self.phase = NEW
        self.since = 0.0
        self.received = 0  # bytes of the body
        self.refusal: _Refusal | None = None  # to be answered, now or after the answers that are under way
        self.write_blocked_since: float | None = None
        self._progress = False
        self._fed = 0  # bytes that came with the latest call
        self._overhead = 0  # bytes that neither ended the headers nor were part of a body
        self._unwanted = 0  # bytes of a body after its answer

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._enter(NEW)
        if len(self.connections) > self.limits.connections:
            self._refuse(_TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # Uvicorn lets the timer of a connection that was reset run on, and all that it has with it.
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self.phase is LINGERING:
            return
        self._progress = False
        self._fed = len(data)
        super().data_received(data)
        if len(self.headers) > _MOST_HEADERS and self.phase is HEADERS:
            self._refuse(_HEADERS_TOO_LARGE)  # short ones take many times their length in memory
            return
        if self._progress:
            self._overhead = 0
            return
        self._overhead += len(data)
        if self._overhead > self.limits.headers and self.phase is not LINGERING:
            self._refuse(_HEADERS_TOO_LARGE)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.write_blocked_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.write_blocked_since = None

    def shutdown(self) -> None:
        """Close, after the answer that is under way. One that would go on for ever ends now."""
        if self.cycle is not None and not self.cycle.response_complete and self.scope.get("crashvault.endless"):
            self.transport.close()
        else:
            super().shutdown()

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self._progress = True
        super().on_message_begin()
        self.scope["crashvault.listener"] = self.listener  # type: ignore[typeddict-unknown-key]
        if self.phase is not WORKING:
            self._enter(HEADERS)

    def on_headers_complete(self) -> None:
        self._progress = True
        if len(self.url) > self.limits.target:
            raise self._stop(_TARGET_TOO_LONG)
        if self._fed + self._overhead > self.limits.headers and self._headers_size() > self.limits.headers:
            raise self._stop(_HEADERS_TOO_LARGE)
        super().on_headers_complete()
        if self.parser.should_upgrade():  # to what we don't speak; what follows cannot be read as HTTP
            self.cycle.keep_alive = False
        self.headers = []  # trailers are not taken for headers
        self._enter(BODY)

    def on_body(self, body: bytes) -> None:
        self._progress = True
        self.received += len(body)
        if self.cycle.response_complete:
            self._unwanted += len(body)
            if self._unwanted > _MOST_AFTER_ANSWER:
                self.transport.abort()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress = True
        super().on_message_complete()
        self.headers = []
        self._enter(IDLE if self.cycle.response_complete else WORKING)

    def on_response_complete(self) -> None:
        last = not self.pipeline
        super().on_response_complete()
        if self.phase is WORKING:
            self._enter(IDLE)
        if self.refusal is not None and last and self.phase is not LINGERING:
            self._refuse(self.refusal)

    def send_400_response(self, msg: str) -> None:
        """What the parser does not understand; uvicorn calls this."""
        refusal = self.refusal or _NOT_HTTP
        if self.phase is LINGERING:
            return
        if self.pipeline or (self._answering() and not self._in_body()):
            self._drop_unfinished()
            self.refusal = refusal  # answered in its turn
            self.flow.pause_reading()
        else:
            self._refuse(refusal)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to warn of: the request is answered as if it had not asked for another protocol."""

    # Deadlines: one look a second at all connections costs less than a timer for each request

    def look(self, now: float) -> None:
        """End what takes too long."""
        limits, waited = self.limits, now - self.since
        if self.transport.is_closing():
            if self.phase is not LINGERING:
                self._enter(LINGERING)
            elif waited > _CLOSING:
                self.transport.abort()
        elif self.write_blocked_since is not None and now - self.write_blocked_since > limits.write_seconds:
            self.transport.abort()
        elif (self.phase is LINGERING and waited > _LINGER) or (self.phase is NEW and waited > limits.header_seconds):
            self.transport.close()
        elif self.phase is HEADERS and waited > limits.header_seconds:
            self._refuse(_SLOW_HEADERS)
        elif self.phase is BODY:
            self._look_at_body(waited)

    def _look_at_body(self, waited: float) -> None:
        if self.flow.read_paused:  # it is the application that does not read
            self.since += 1.0
        elif waited > self.limits.body_seconds + self.received / self.limits.body_rate:
            self._refuse(_SLOW_BODY)

    # Refusing

    def _enter(self, phase: str) -> None:
        self.phase = phase
        self.since = self.loop.time()
        if phase is BODY:
            self.received = 0

    def _stop(self, refusal: _Refusal) -> RefusedError:
        self.refusal = refusal
        return RefusedError(refusal.code)

    def _in_body(self) -> bool:
        """Whether it is the body of the last request that is broken."""
        return self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _headers_size(self) -> int:
        return sum(len(name) + len(value) for name, value in self.headers)

    def _drop_unfinished(self) -> None:
        """Forget requests of a pipeline whose body will never be whole."""
        while self.pipeline and self.pipeline[0][0].more_body:
            self.pipeline.popleft()

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer on the wire and close. A request whose application still reads is told that its client is gone."""
        started = False
        if self.cycle is not None and not self.cycle.response_complete:
            started = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.observe(refusal.status, refusal.code, self.client[0] if self.client else "")
        self._unset_keepalive_if_required()
        self.headers.clear()  # of the request that will never be; the client may take its time to leave
        self.refusal = None
        self._enter(LINGERING)
        if started or self.transport.is_closing():
            self.transport.close()
            return
        self.transport.write(answer_bytes(refusal, self.server_state.default_headers))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


def answer_bytes(refusal: _Refusal, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A refusal as the bytes of an HTTP answer."""
    error = {"code": refusal.code, "message": refusal.message, "details": []}
    body = json.dumps({"error": error}, separators=(",", ":")).encode()
    own: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", os.urandom(12).hex().encode()),
        (b"connection", b"close"),
    ]
    if refusal.status == 503:
        own.append((b"retry-after", b"5"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in (*headers, *own))
    return STATUS_LINE[refusal.status] + lines + b"\r\n" + body
