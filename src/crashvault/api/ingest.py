"""Where crashes come in: Sentry's protocol, OTLP, and the native body. Bare ASGI, since this is the hot way.

A request costs the event loop its key, its limits and the bytes of its body; decompression, parsing and all
that follows is the recorder's. Refused requests are counted in the ledger, and cost no more than their answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec
from starlette.responses import Response

from ..auth import Access, allows
from ..errors import CrashvaultError, NotFoundError
from ..ingest import telemetry, uploads
from ..ingest.compression import decompress
from ..ingest.native import BodyError, parse_batch, parse_event
from ..ingest.telemetry import Upload, UploadedEvent
from ..models import DEFAULT_PROJECT
from ..pipeline import Receipt
from ..recorder import Job, Outcome
from .errors import JSON, error_response, json_bytes, response_of, status_of
from .node import Node

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PROJECT_PATH = re.compile(
    r"/api/(?P<project>[^/]{1,100})/(?:(?P<door>envelope|store|security|csp-report|minidump"
    r"|(?:integration/)?otlp/v1/(?:logs|traces))"
    r"|(?P<cron>cron)/(?P<monitor>[^/]{1,100})(?:/(?P<key>[0-9a-f]{32}))?"
    r"|events/(?P<event>[0-9a-fA-F-]{32,36})/(?P<attachments>attachments))/?"
)
_READ_PATH = "/api/v1/events/"  # not of a project that is called v1
_SENTRY_KEY = re.compile(r"(?:^|[\s,&?])sentry_key=([^\s,&]{1,200})")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_SAYS_SOMETHING = ("message", "exception", "exceptions", "stacktrace", "stack", "frames")
_WITHOUT_CODING = ("", "identity")
_MOST_FIRST_LINE = 65_536  # bytes of an envelope's header that are searched for a DSN

_encode = msgspec.json.Encoder().encode


class RefusedError(CrashvaultError):
    """A request that is not even read."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        super().__init__(message, hint)


class _Request:
    """What of a request decides where its body goes."""

    __slots__ = ("access", "body", "handed", "headers", "named", "node", "path", "project", "query", "scope")

    def __init__(self, scope: Scope, node: Node) -> None:
        self.scope = scope
        self.node = node
        self.path: str = scope["path"]
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.project = DEFAULT_PROJECT
        self.access: Access | None = None
        self.body = b""
        self.named = _named(self.path)  # what the address says
        self.handed = False  # to the recorder, which counts what it refuses

    @property
    def needs_key(self) -> bool:
        """Whether it must say who it is; what an SDK shows to Spotlight comes from this machine."""
        return self.node.needs_key and "crashvault.spotlight" not in self.scope

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def parameter(self, name: str) -> str:
        return parse_qs(self.query).get(name, [""])[0] if name in self.query else ""

    def unpacked(self) -> bytes:
        """The body without its compression. Raises BodyError."""
        coding = self.header(b"content-encoding").strip().lower()
        if coding in _WITHOUT_CODING:
            return self.body
        return decompress(self.body, coding, self.node.settings.max_unpacked)


class _Door(NamedTuple):
    """One kind of endpoint."""

    source: str  # in the ledger
    style: str  # of errors: native, sentry or otlp
    read: Callable[[_Request, int], Upload]  # in the recorder's thread
    answer: Callable[[_Request, Outcome], tuple[int, str, bytes]]  # status, content type, body
    methods: tuple[str, ...] = ("POST",)


# Reading, in the recorder's thread


def _read_event(request: _Request, now: int) -> Upload:
    body = request.unpacked()
    return Upload([_native(request, parse_event(body))], size=len(body))


def _read_batch(request: _Request, now: int) -> Upload:
    body = request.unpacked()
    return Upload([_native(request, item) for item in parse_batch(body)], size=len(body))


def _native(request: _Request, raw: dict[str, Any] | BodyError) -> UploadedEvent:
    if isinstance(raw, dict):
        if not any(raw.get(key) for key in _SAYS_SOMETHING):
            raw = BodyError("missing_message", "The event says nothing", 'Give it a "message" or an "exception"')
        elif trace := _TRACEPARENT.fullmatch(request.header(b"traceparent")):
            raw.setdefault("trace_id", trace[1])
            raw.setdefault("span_id", trace[2])
    return UploadedEvent(raw, False, {}, ())


def _read_envelope(request: _Request, now: int) -> Upload:
    return telemetry.upload_of_envelope(request.unpacked(), now)


def _read_store(request: _Request, now: int) -> Upload:
    return telemetry.upload_of_store(request.unpacked(), now)


def _read_security(request: _Request, now: int) -> Upload:
    release, environment = request.parameter("sentry_release"), request.parameter("sentry_environment")
    return telemetry.upload_of_security(request.unpacked(), request.header(b"content-type"), release, environment, now)


def _read_logs(request: _Request, now: int) -> Upload:
    return telemetry.upload_of_logs(request.unpacked(), request.header(b"content-type"), now)


def _read_traces(request: _Request, now: int) -> Upload:
    return telemetry.upload_of_traces(request.unpacked(), request.header(b"content-type"), now)


def _read_minidump(request: _Request, now: int) -> Upload:
    return uploads.upload_of_minidump(request.unpacked(), request.header(b"content-type"))


def _read_attachments(request: _Request, now: int) -> Upload:
    return uploads.upload_of_attachments(request.unpacked(), request.header(b"content-type"), request.named["event"])


def _read_check_in(request: _Request, now: int) -> Upload:
    given = {name: request.parameter(name) for name in _CHECK_IN_QUERY}
    told = {name: value for name, value in given.items() if value}
    return uploads.upload_of_check_in(request.unpacked(), request.named["monitor"], told, now)


_CHECK_IN_QUERY = ("status", "check_in_id", "duration", "environment", "release")


# Answers


def _event_answer(request: _Request, outcome: Outcome) -> tuple[int, str, bytes]:
    return 201, JSON, _encode(_result(_sound(outcome.receipts[0])))


def _batch_answer(request: _Request, outcome: Outcome) -> tuple[int, str, bytes]:
    results = [_result(receipt) for receipt in outcome.receipts]
    processed = sum(not receipt.code for receipt in outcome.receipts)
    return 201, JSON, json_bytes({"processed": processed, "results": results})


def _result(receipt: Receipt) -> dict[str, Any]:
    if receipt.code:
        return {"error": {"code": receipt.code, "message": receipt.error, "details": []}}
    return {"event_id": receipt.event_id, "issue_id": receipt.issue_id, "issue_created": receipt.issue_created}


def _sentry_answer(request: _Request, outcome: Outcome) -> tuple[int, str, bytes]:
    for receipt in outcome.receipts:
        _sound(receipt)
    event_id = outcome.event_id or next((one.event_id.replace("-", "") for one in outcome.receipts), None)
    return 200, JSON, _encode({"id": event_id} if event_id else {})


def _accepted_answer(status: int, request: _Request, outcome: Outcome) -> tuple[int, str, bytes]:
    return status, *_sentry_answer(request, outcome)[1:]


def _minidump_answer(request: _Request, outcome: Outcome) -> tuple[int, str, bytes]:
    """Crashpad keeps the text as the report's id."""
    return 200, "text/plain; charset=utf-8", _sound(outcome.receipts[0]).event_id.encode()


def _otlp_answer(signal: str, request: _Request, outcome: Outcome) -> tuple[int, str, bytes]:
    from ..ingest.otlp import export_response

    content_type = _otlp_type(request)
    failed = [receipt.error for receipt in outcome.receipts if receipt.code]
    rejected = outcome.rejected + len(failed)
    return 200, content_type, export_response(signal, content_type, rejected, outcome.message or "; ".join(failed[:3]))


def _otlp_type(request: _Request) -> str:
    return request.header(b"content-type").partition(";")[0].strip().lower() or "application/x-protobuf"


def _sound(receipt: Receipt) -> Receipt:
    """A receipt of an event that was stored. Raises BodyError for one that cannot be."""
    if receipt.code == "internal_error":
        raise RefusedError(
            500, receipt.code, "The event could not be stored", "It is counted; see crashvault stats --dropped"
        )
    if receipt.code:
        raise BodyError(receipt.code, receipt.error)
    return receipt


# Doors

_SENTRY = {
    "envelope": _Door("sentry", "sentry", _read_envelope, _sentry_answer),
    "store": _Door("sentry", "sentry", _read_store, _sentry_answer),
    "security": _Door("security", "sentry", _read_security, _sentry_answer),
}
_LOGS = _Door("otlp", "otlp", _read_logs, partial(_otlp_answer, "logs"))
_TRACES = _Door("otlp", "otlp", _read_traces, partial(_otlp_answer, "traces"))
_BY_NAME = {
    **_SENTRY,
    "csp-report": _SENTRY["security"],
    "minidump": _Door("sentry", "sentry", _read_minidump, _minidump_answer),
    "attachments": _Door("sentry", "sentry", _read_attachments, partial(_accepted_answer, 201)),
    "cron": _Door("sentry", "sentry", _read_check_in, partial(_accepted_answer, 202), ("GET", "POST")),
    **{f"{prefix}otlp/v1/logs": _LOGS for prefix in ("", "integration/")},
    **{f"{prefix}otlp/v1/traces": _TRACES for prefix in ("", "integration/")},
}
_BY_PATH = {
    "/api/v1/events": _Door("api", "native", _read_event, _event_answer),
    "/api/v1/batch": _Door("api", "native", _read_batch, _batch_answer),
    "/v1/logs": _LOGS,
    "/v1/traces": _TRACES,
    "/stream": _Door("spotlight", "sentry", _read_envelope, _sentry_answer),
}
# Reading events has the address of sending them.
_ALSO_READ = ("/api/v1/events",)


def is_ingest(path: str, method: str = "POST") -> bool:
    """Whether a request is for this module; of an address that is read as well, only what is sent to it."""
    plain = path.removesuffix("/")
    if plain in _BY_PATH:
        return method == "POST" or plain not in _ALSO_READ
    return bool(_named(path))


def methods_of(path: str) -> tuple[str, ...]:
    """The methods that an address of this module takes; none for another address."""
    door = _door_of(path)
    return () if door is None else (*door.methods, "OPTIONS")


def _door_of(path: str) -> _Door | None:
    named = _named(path)
    return _BY_NAME[_door_name(named)] if named else _BY_PATH.get(path.removesuffix("/"))


def route_name(path: str) -> str:
    """An address that `is_ingest` is true of, without what differs between projects."""
    named = _named(path)
    if not named:
        return path.removesuffix("/")
    return f"/api/{{project}}/{_door_name(named)}/"


@lru_cache(maxsize=1_024)
def _named(path: str) -> Mapping[str, str]:
    """What the address of a project says; nothing for another address."""
    if not path.startswith("/api/") or path.startswith(_READ_PATH) or path.removesuffix("/") in _BY_PATH:
        return {}
    found = _PROJECT_PATH.fullmatch(path)
    return {key: value for key, value in found.groupdict().items() if value} if found else {}


def _door_name(named: Mapping[str, str]) -> str:
    return named.get("door") or named.get("cron") or named["attachments"]


async def ingest(scope: Scope, receive: Receive, send: Send, node: Node) -> None:
    """Answer one request that `is_ingest` is true of."""
    request = _Request(scope, node)
    door = _door_of(request.path)
    assert door is not None
    if scope["method"] == "OPTIONS":
        await Response(status_code=204, headers={"Allow": ", ".join(methods_of(request.path))})(scope, receive, send)
        return
    try:
        status, content_type, body = await _answered(request, door, request.named.get("project"), receive)
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


async def _answered(request: _Request, door: _Door, named: str | None, receive: Receive) -> tuple[int, str, bytes]:
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
    job = Job(partial(door.read, request), len(request.body), request.project, door.source)
    request.handed = True
    outcome = await request.node.recorder.submit(job)
    request.node.metrics.outcome(door.source, outcome)
    return door.answer(request, outcome)


class _GoneError(Exception):
    """The client has left."""


# Who may


def _admit(request: _Request, door: _Door, named: str | None) -> None:
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
        raise _no_key(door)
    _choose_project(request, named)


def _no_key(door: _Door) -> RefusedError:
    hint = "Send Authorization: Bearer KEY; make one with: crashvault api-key create NAME --scope ingest"
    if door.style == "sentry":
        return RefusedError(403, "no_key", "The request has no key", "Use the project's DSN: crashvault project show")
    return RefusedError(401, "no_key", "The request has no key", hint, {"WWW-Authenticate": "Bearer"})


def _token(request: _Request) -> str:
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


async def _admit_by_envelope(request: _Request, named: str | None) -> None:
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
        raise _no_key(_SENTRY["envelope"])
    _choose_project(request, named)


def _choose_project(request: _Request, named: str | None) -> None:
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
            found = {str(project.id): project.name for project in store.projects.list()}
        known.update({name: name for name in found.values()} | found)
    if named not in known:
        raise NotFoundError(f"there is no project {named}", "See: crashvault project list")
    return known[named]


def _check_rate(request: _Request) -> None:
    limiter = request.node.limiter
    if limiter is None or not request.node.settings.rate_limit_ingest:
        return
    access, client = request.access, request.scope.get("client")
    who = f"key:{access.key_id or access.name}" if access else f"address:{client[0] if client else ''}"
    verdict = limiter.check("ingest", who)
    if not verdict.allowed:
        wait = str(max(1, round(verdict.reset_seconds)))
        raise RefusedError(
            429, "rate_limited", "Too many events in this time", f"Try again in {wait} s",
            {**verdict.headers(), "X-Sentry-Rate-Limits": f"{wait}::key:rate_limited"},
        )  # fmt: skip


# The body


async def _body(request: _Request, receive: Receive) -> bytes:
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


def _refusal(request: _Request, door: _Door, error: Exception) -> Any:
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


def _otlp_refusal(request: _Request, error: CrashvaultError) -> Any:
    """A google.rpc.Status as OTLP asks for it; in JSON it has our own shape beside."""
    from ..ingest.otlp import JSON_TYPE, PROTOBUF_TYPE, status_response

    response = response_of(error)
    number = _STATUS_NUMBERS.get(response.status_code, _INVALID_ARGUMENT)
    content_type = JSON_TYPE if _otlp_type(request) == JSON_TYPE else PROTOBUF_TYPE
    body = status_response(content_type, number, error.message)
    if content_type == JSON_TYPE:
        body = json_bytes(msgspec.json.decode(body) | msgspec.json.decode(response.body))
    response.body = body
    response.headers["content-type"] = content_type
    response.headers["content-length"] = str(len(body))
    return response


def _header_text(text: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:500]


def _count(request: _Request, door: _Door, error: Exception) -> None:
    """Whatever is refused before the recorder has it is counted there too."""
    code = getattr(error, "code", "internal_error")
    request.node.metrics.refused(door.source, code)
    if not request.handed or code == "overloaded":
        request.node.recorder.count(code, door.source, "request")
