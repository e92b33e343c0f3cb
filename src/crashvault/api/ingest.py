"""Where crashes come in: Sentry's protocol, OTLP, and the native body. Bare ASGI, since this is the hot way.

A request costs the event loop its key, its limits and the bytes of its body; decompression, parsing and all
that follows is the recorder's. Refused requests are counted in the ledger, and cost no more than their answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from ..accepted import Job
from ..auth import allows
from ..errors import CrashvaultError, NotFoundError
from ..models import DEFAULT_PROJECT
from ..storage.store import Store
from . import spooled
from .doors import Door, RefusedError, Request, Scope, find, methods_of, otlp_type
from .errors import error_response, json_bytes, response_of, status_of
from .node import Node

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_SENTRY_KEY = re.compile(r"(?:^|[\s,&?])sentry_key=([^\s,&]{1,200})")
_MOST_FIRST_LINE = 65_536  # bytes of an envelope's header that are searched for a DSN


async def ingest(scope: Scope, receive: Receive, send: Send, node: Node) -> None:
    """Answer one request that `is_ingest` is true of."""
    found = find(scope["path"])
    assert found is not None
    door = found.door
    if scope["method"] == "OPTIONS":
        await Response(status_code=204, headers={"Allow": ", ".join(methods_of(scope["path"]))})(scope, receive, send)
        return
    request = Request(scope, node)
    try:
        status, content_type, body = await _answered(request, door, request.named.get("project_id"), receive)
    except _GoneError:
        return
    except Exception as error:
        _count(request, door, error)
        response = _refusal(request, door, error)
        await response(scope, receive, send)
        return
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answered(request: Request, door: Door, named: str | None, receive: Receive) -> tuple[int, str, bytes]:
    if request.scope["method"] not in door.methods:
        allowed = ", ".join(methods_of(request.path))
        raise RefusedError(
            405, "method_not_allowed", f"This address takes {' and '.join(door.methods)}", headers={"Allow": allowed}
        )
    _admit(request, door, named)
    if request.access is not None:
        request.scope["state"]["key"] = request.access.name
    _check_rate(request)
    request.body = await _body(request, receive)
    if request.access is None and request.needs_key:  # perhaps the envelope itself names its key
        await _admit_by_envelope(request, named)
    pack = partial(spooled.pack, request)
    job = Job(partial(door.read, request), len(request.body), request.project, door.source, pack)
    request.handed = True
    outcome = await request.node.recorder.submit(job)
    request.node.wrote(_who(request))
    request.node.metrics.outcome(door.source, outcome)
    return door.answer(request, outcome)


class _GoneError(Exception):
    """The client has left."""


# Who may


def _admit(request: Request, door: Door, named: str | None) -> None:
    """Find out whose request it is, and which project it is for. Raises RefusedError."""
    keys, token = request.node.keyring, _token(request)
    if token:
        request.access = keys.find(token) or keys.dsn(token)
        if request.access is None and request.needs_key:
            raise RefusedError(
                403 if door.style == "sentry" else 401, "bad_key", "This key is not known, or was revoked"
            )
    if request.access is None and request.needs_key:
        if door.source == "sentry" and named:
            return
        raise _no_key(door.style)
    _choose_project(request, named)


def _no_key(style: str) -> RefusedError:
    hint = "Send Authorization: Bearer KEY; make one with: crashvault api-key create NAME --scope ingest"
    if style == "sentry":
        return RefusedError(403, "no_key", "The request has no key", "Use the project's DSN: crashvault project show")
    return RefusedError(401, "no_key", "The request has no key", hint, {"WWW-Authenticate": "Bearer"})


def _token(request: Request) -> str:
    """The key, from wherever the client has put it."""
    headers = request.headers
    if given := headers.get(b"x-sentry-auth"):
        found = _SENTRY_KEY.search(given.decode("latin-1"))
        if found:
            return found[1]
    if given := headers.get(b"authorization"):
        scheme, _, rest = given.decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            return rest.strip()
        if scheme.lower() == "sentry" and (found := _SENTRY_KEY.search(rest)):
            return found[1]
    if given := headers.get(b"x-api-key"):
        return given.decode("latin-1").strip()
    found = _SENTRY_KEY.search(request.query) if "sentry_key=" in request.query else None
    return found[1] if found else request.named.get("key", "")


async def _admit_by_envelope(request: Request, named: str | None) -> None:
    """The key of the DSN in an envelope's header, as tunnels send it."""
    # Whoever has not said who it is must not keep the event loop busy with unpacking.
    request.body, request.headers = (
        await request.node.run(request.unpacked),
        {**request.headers, b"content-encoding": b""},
    )
    first = request.body[:_MOST_FIRST_LINE].partition(b"\n")[0]
    try:
        header = msgspec.json.decode(first)
        key = str(header["dsn"]).partition("://")[2].partition("@")[0].partition(":")[0]
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
        key = ""
    request.access = request.node.keyring.dsn(key) if key else None
    if request.access is None:
        raise _no_key("sentry")
    _choose_project(request, named)


def _choose_project(request: Request, named: str | None) -> None:
    """The project of the address, else of the key, else of the query. Raises RefusedError, NotFoundError."""
    access = request.access
    project = project_name(request.node, named) if named else request.parameter("project")
    if not project:
        project = access.project if access and access.project else DEFAULT_PROJECT
    if access is not None and not allows(access, "ingest", project) and request.needs_key:
        raise RefusedError(403, "forbidden", "This key may not send events to this project")
    request.project = project


def project_name(node: Node, named: str) -> str:
    """The project with that numeric id or name. Raises NotFoundError."""
    known: dict[str, str] = node.__dict__.setdefault("project_names", {})
    if named not in known:
        with node.reading() as store:
            remember_projects(node, store)
    if named not in known:
        raise NotFoundError(f"there is no project {named}", "See: crashvault project list")
    return known[named]


def _who(request: Request) -> str:
    access, client = request.access, request.scope.get("client")
    return f"key:{access.key_id or access.name}" if access else f"address:{client[0] if client else ''}"


def remember_projects(node: Node, store: Store) -> None:
    found = {str(project.id): project.name for project in store.projects.list()}
    node.__dict__.setdefault("project_names", {}).update({name: name for name in found.values()} | found)


def _check_rate(request: Request) -> None:
    limiter = request.node.limiter
    if limiter is None or not request.node.settings.rate_limit_ingest or request.node.recorder.away:
        return
    verdict = limiter.check("ingest", _who(request))
    if not verdict.allowed:
        wait = str(max(1, round(verdict.reset_seconds)))
        raise RefusedError(
            429, "rate_limited", "Too many events in this time", f"Try again in {wait} s",
            {**verdict.headers(), "X-Sentry-Rate-Limits": f"{wait}::key:rate_limited"},
        )  # fmt: skip


# The body


async def _body(request: Request, receive: Receive) -> bytes:
    """The bytes of the body as they come, within `server.max_body`."""
    most = request.node.settings.max_body
    length = request.headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _GoneError
    if not message.get("more_body"):
        return _within(message.get("body", b""), most)
    try:
        async with asyncio.timeout(request.node.settings.body_timeout):
            return await _rest(message.get("body", b""), receive, most)
    except TimeoutError:
        raise RefusedError(408, "timeout", "The body did not come in time", headers={"Connection": "close"}) from None


async def _rest(first: bytes, receive: Receive, most: int) -> bytes:
    pieces, size = [first], len(first)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        piece = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return b"".join(pieces)


def _within(body: bytes, most: int) -> bytes:
    if len(body) > most:
        raise _too_large(most)
    return body


def _too_large(most: int) -> RefusedError:
    # What is left of the body is not read: the connection ends with the answer.
    return RefusedError(
        413,
        "too_large",
        f"The body is larger than {most} bytes",
        "Send less at once, or compress it",
        {"Connection": "close"},
    )


# Refusals


def _refusal(request: Request, door: Door, error: Exception) -> Any:
    """The answer to a request that failed, in the words of its protocol."""
    if door.style == "native" or not isinstance(error, CrashvaultError):
        return response_of(error, str(request.scope.get("state", {}).get("request_id", "")))
    if door.style == "otlp":
        return _otlp_refusal(request, error)
    status = 429 if error.code == "overloaded" else status_of(error)
    headers = {"X-Sentry-Error": _header_text(str(error)), **getattr(error, "headers", {})}
    if status in (429, 503):
        wait = str(getattr(error, "retry_after", 1))
        headers.setdefault("Retry-After", wait)
        headers.setdefault("X-Sentry-Rate-Limits", f"{wait}::organization:{error.code}")
    response = error_response(status, error.code, error.message, (), headers)
    response.body = json_bytes({"detail": error.message, "causes": [error.hint] if error.hint else []})
    response.headers["content-length"] = str(len(response.body))
    return response


_STATUS_NUMBERS = {401: 16, 403: 7, 404: 5, 413: 8, 429: 8, 503: 14}  # google.rpc.Code; what is not here is 3
_INVALID_ARGUMENT = 3


def _otlp_refusal(request: Request, error: CrashvaultError) -> Any:
    """A google.rpc.Status as OTLP asks for it; in JSON it has our own shape beside."""
    from ..ingest.otlp import JSON_TYPE, PROTOBUF_TYPE, status_response

    response = response_of(error)
    number = _STATUS_NUMBERS.get(response.status_code, _INVALID_ARGUMENT)
    content_type = JSON_TYPE if otlp_type(request) == JSON_TYPE else PROTOBUF_TYPE
    body = status_response(content_type, number, error.message)
    if content_type == JSON_TYPE:
        body = json_bytes(msgspec.json.decode(body) | msgspec.json.decode(response.body))
    response.body = body
    response.headers["content-type"] = content_type
    response.headers["content-length"] = str(len(body))
    return response


def _header_text(text: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:500]


def _count(request: Request, door: Door, error: Exception) -> None:
    """Whatever is refused before the recorder has it is counted there too."""
    code = getattr(error, "code", "internal_error")
    request.node.metrics.refused(door.source, code)
    if not request.handed or code == "overloaded":
        request.node.recorder.count(code, door.source, "request")
