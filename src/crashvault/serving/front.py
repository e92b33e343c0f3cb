"""What every request meets first: its id, proxies, the guard, CORS, the headers of every answer, the access log."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, NamedTuple

from . import cors
from .access_log import AccessLog, shown, shown_path, shown_query
from .guard import FOREIGN_ORIGIN, Hosts, Refused, foreign_host, forwarded, same_origin
from .proxies import Proxies

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, bytes]  # status and body, JSON

_NO_SNIFF = (b"x-content-type-options", b"nosniff")
_EVERYWHERE = (
    _NO_SNIFF,
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Rules(NamedTuple):
    """What the settings say about requests at large."""

    hosts: Hosts
    proxies: Proxies
    cors: cors.Policy
    ingest_cors: cors.Policy
    needs_key: bool
    unix_socket: bool
    trusts_machine: bool  # no key is asked because only this machine reaches the server


class Seen(NamedTuple):
    """One answered request."""

    scope: Scope
    status: int
    seconds: float


class Front:
    """The outermost application of a listener.

    `is_ingest(path, method)` tells which addresses take events; `refusal(status, code, message, hint)` makes the
    body of a refusal and `failure(error, request_id)` that of an error that nobody has caught; `seen` is told of
    each answer.
    """

    def __init__(
        self,
        inner: App,
        rules: Rules,
        *,
        is_ingest: Callable[[str, str], bool],
        refusal: Callable[[Refused, str], bytes],
        failure: Callable[[Exception, str], bytes],
        seen: Callable[[Seen], None],
        log: AccessLog | None,
    ) -> None:
        self.inner = inner
        self.rules = rules
        self._is_ingest = is_ingest
        self._refusal = refusal
        self._failure = failure
        self._seen = seen
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = perf_counter()
        request_id = os.urandom(12).hex()
        scope.setdefault("state", {})["request_id"] = request_id
        headers: dict[bytes, bytes] = dict(scope["headers"])
        rules = self.rules
        if rules.proxies:
            rules.proxies.apply(scope, headers)  # type: ignore[arg-type]
        origin = headers.get(b"origin", b"")
        method = _asked_method(scope, headers) if origin else scope["method"]
        ingest = self._is_ingest(scope["path"], method)
        policy = rules.ingest_cors if ingest else rules.cors
        added = [(b"x-request-id", request_id.encode()), *((_NO_SNIFF,) if ingest else _EVERYWHERE)]
        if origin:
            added += cors.answer_headers(policy, origin)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _joined(message.get("headers", ()), added)}
            await send(message)

        refused = self._refused(scope, headers, origin, ingest)
        if refused is not None:
            await _answer(sending, refused.status, self._refusal(refused, request_id))
        elif origin and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await self._preflight(sending, policy, origin, headers, request_id)
        else:
            try:
                await self.inner(scope, receive, sending)
            except Exception as error:
                body = self._failure(error, request_id)
                if not status:
                    await _answer(sending, 500, body)
        self._note(scope, headers, status, perf_counter() - began)

    def _refused(self, scope: Scope, headers: dict[bytes, bytes], origin: bytes, ingest: bool) -> Refused | None:
        """Why a request may not even be looked at, where no key is asked."""
        rules = self.rules
        if rules.needs_key:
            return None
        host = headers.get(b"host", b"")
        refused = None if rules.unix_socket else foreign_host(rules.hosts, host)
        if refused is None and (rules.trusts_machine or not (rules.proxies or rules.unix_socket)):
            refused = forwarded(headers)
        if refused is not None:
            return refused
        foreign = origin and not ingest and not same_origin(origin, host) and not rules.cors.allows(origin)
        return FOREIGN_ORIGIN if foreign else None

    async def _preflight(
        self, send: Send, policy: cors.Policy, origin: bytes, headers: dict[bytes, bytes], request_id: str
    ) -> None:
        asked = headers.get(b"access-control-request-headers", b"")
        private = headers.get(b"access-control-request-private-network") == b"true"
        found = cors.preflight_headers(policy, origin, asked, private)
        if found is None:
            await _answer(send, 403, self._refusal(FOREIGN_ORIGIN, request_id))
            return
        await send({"type": "http.response.start", "status": 204, "headers": found})
        await send({"type": "http.response.body", "body": b""})

    def _note(self, scope: Scope, headers: dict[bytes, bytes], status: int, seconds: float) -> None:
        self._seen(Seen(scope, status, seconds))
        if self._log is None:
            return
        client = scope.get("client")
        fields = {
            "id": scope["state"]["request_id"],
            "client": client[0] if client else "unix",
            "key": shown(str(scope["state"].get("key", "-"))),
            "method": shown(scope["method"]),
            "path": shown_path(scope["path"]),
        }
        if scope.get("query_string"):
            fields["query"] = shown_query(scope["query_string"])
        fields |= {"status": str(status or 499), "ms": f"{seconds * 1e3:.1f}"}
        if agent := headers.get(b"user-agent"):
            fields["agent"] = shown(agent.decode("latin-1"))
        self._log.add(fields)


def _asked_method(scope: Scope, headers: dict[bytes, bytes]) -> str:
    """The method of a request, or the one that a browser asks leave for."""
    if scope["method"] == "OPTIONS":
        return headers.get(b"access-control-request-method", b"OPTIONS").decode("latin-1").upper()
    return str(scope["method"])


def _joined(own: Any, added: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """An answer's own headers, which count more, and those of every answer."""
    own = list(own)
    names = {name.lower() for name, _ in own} - {b"vary"}
    return [*own, *(pair for pair in added if pair[0] not in names)]


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
