"""The addresses that take events: what each of them reads, answers and says of itself. All others know them from here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from ..accepted import Outcome
from ..auth import Access
from ..errors import CrashvaultError
from ..ingest import telemetry, uploads
from ..ingest.compression import decompress
from ..ingest.native import BodyError, parse_batch, parse_event
from ..ingest.telemetry import Upload, UploadedEvent
from ..models import DEFAULT_PROJECT
from ..pipeline import Receipt
from .described import Address, Content, Parameter
from .errors import JSON, json_bytes
from .node import Node

Scope = MutableMapping[str, Any]

# Ids of zeros only are none.
_TRACEPARENT = re.compile(
    "(?P<version>(?!ff)[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)
_SAYS_SOMETHING = ("message", "exception", "exceptions", "stacktrace", "stack", "frames")
_WITHOUT_CODING = ("", "identity")

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


class Request:
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
        found = find(self.path)
        self.named = found.named if found else {}  # what the address says
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


class Door(NamedTuple):
    """One way in."""

    source: str  # in the ledger
    style: str  # of errors: native, sentry or otlp
    read: Callable[[Request, int], Upload]  # in the recorder's thread
    answer: Callable[[Request, Outcome], tuple[int, str, bytes]]  # status, content type, body
    methods: tuple[str, ...] = ("POST",)


# Reading, in the recorder's thread


def _read_event(request: Request, now: int) -> Upload:
    body = request.unpacked()
    return Upload([_told_by_header(request, parse_event(body))], size=len(body))


def _read_batch(request: Request, now: int) -> Upload:
    body = request.unpacked()
    return Upload([_told_by_header(request, item) for item in parse_batch(body)], size=len(body))


def _told_by_header(request: Request, raw: dict[str, Any] | BodyError) -> UploadedEvent:
    if isinstance(raw, dict):
        if not any(raw.get(key) for key in _SAYS_SOMETHING):
            raw = BodyError("missing_message", "The event says nothing", 'Give it a "message" or an "exception"')
        elif trace := _trace_of(request.header(b"traceparent")):
            raw.setdefault("trace_id", trace[0])
            raw.setdefault("span_id", trace[1])
    return UploadedEvent(raw, False, {}, ())


def _trace_of(header: str) -> tuple[str, str] | None:
    """The trace and the span of a `traceparent` (W3C Trace Context); version 00 ends with its fourth part."""
    found = _TRACEPARENT.fullmatch(header)
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    return found["trace"], found["span"]


def _read_envelope(request: Request, now: int) -> Upload:
    return telemetry.upload_of_envelope(request.unpacked(), now)


def _read_store(request: Request, now: int) -> Upload:
    return telemetry.upload_of_store(request.unpacked(), now)


def _read_security(request: Request, now: int) -> Upload:
    release, environment = request.parameter("sentry_release"), request.parameter("sentry_environment")
    return telemetry.upload_of_security(request.unpacked(), request.header(b"content-type"), release, environment, now)


def _read_logs(request: Request, now: int) -> Upload:
    return telemetry.upload_of_logs(request.unpacked(), request.header(b"content-type"), now)


def _read_traces(request: Request, now: int) -> Upload:
    return telemetry.upload_of_traces(request.unpacked(), request.header(b"content-type"), now)


def _read_minidump(request: Request, now: int) -> Upload:
    return uploads.upload_of_minidump(request.unpacked(), request.header(b"content-type"))


def _read_attachments(request: Request, now: int) -> Upload:
    return uploads.upload_of_attachments(request.unpacked(), request.header(b"content-type"), request.named["event_id"])


def _read_check_in(request: Request, now: int) -> Upload:
    given = {name: request.parameter(name) for name in _CHECK_IN_QUERY}
    told = {name: value for name, value in given.items() if value}
    return uploads.upload_of_check_in(request.unpacked(), request.named["monitor"], told, now)


_CHECK_IN_QUERY = ("status", "check_in_id", "duration", "environment", "release")


# Answers


def _event_answer(request: Request, outcome: Outcome) -> tuple[int, str, bytes]:
    return _stored(outcome), JSON, _encode(_result(_sound(outcome.receipts[0])))


def _batch_answer(request: Request, outcome: Outcome) -> tuple[int, str, bytes]:
    results = [_result(receipt) for receipt in outcome.receipts]
    processed = sum(not receipt.code for receipt in outcome.receipts)
    return _stored(outcome), JSON, json_bytes({"processed": processed, "results": results})


def _stored(outcome: Outcome) -> int:
    """The status of what is in the vault, or on its way there."""
    return 202 if outcome.spooled else 201


def _result(receipt: Receipt) -> dict[str, Any]:
    if receipt.code:
        return {"error": {"code": receipt.code, "message": receipt.error, "details": []}}
    return {"event_id": receipt.event_id, "issue_id": receipt.issue_id, "issue_created": receipt.issue_created}


def _sentry_answer(request: Request, outcome: Outcome) -> tuple[int, str, bytes]:
    for receipt in outcome.receipts:
        _sound(receipt)
    event_id = outcome.event_id or next((one.event_id.replace("-", "") for one in outcome.receipts), None)
    return 200, JSON, _encode({"id": event_id} if event_id else {})


def _accepted_answer(status: int, request: Request, outcome: Outcome) -> tuple[int, str, bytes]:
    return status, *_sentry_answer(request, outcome)[1:]


def _minidump_answer(request: Request, outcome: Outcome) -> tuple[int, str, bytes]:
    """Crashpad keeps the text as the report's id."""
    return 200, "text/plain; charset=utf-8", _sound(outcome.receipts[0]).event_id.encode()


def _otlp_answer(signal: str, request: Request, outcome: Outcome) -> tuple[int, str, bytes]:
    from ..ingest.otlp import export_response

    content_type = otlp_type(request)
    failed = [receipt.error for receipt in outcome.receipts if receipt.code]
    rejected = outcome.rejected + len(failed)
    return 200, content_type, export_response(signal, content_type, rejected, outcome.message or "; ".join(failed[:3]))


def otlp_type(request: Request) -> str:
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

_EVENT = Door("api", "native", _read_event, _event_answer)
_BATCH = Door("api", "native", _read_batch, _batch_answer)
_ENVELOPE = Door("sentry", "sentry", _read_envelope, _sentry_answer)
_STORE = Door("sentry", "sentry", _read_store, _sentry_answer)
_SECURITY = Door("security", "sentry", _read_security, _sentry_answer)
_MINIDUMP = Door("sentry", "sentry", _read_minidump, _minidump_answer)
_ATTACHMENTS = Door("sentry", "sentry", _read_attachments, partial(_accepted_answer, 201))
_CHECK_IN = Door("sentry", "sentry", _read_check_in, partial(_accepted_answer, 202), ("GET", "POST"))
_SPOTLIGHT = Door("spotlight", "sentry", _read_envelope, _sentry_answer)
_LOGS = Door("otlp", "otlp", _read_logs, partial(_otlp_answer, "logs"))
_TRACES = Door("otlp", "otlp", _read_traces, partial(_otlp_answer, "traces"))

_FORM = "multipart/form-data"
_OTLP = ("application/x-protobuf", JSON)
_ENVELOPES = ("application/x-sentry-envelope", "text/plain", _FORM, "application/x-www-form-urlencoded")
_WRONG = (400, 401, 403, 404, 408, 413, 415, 429, 500, 503)
_STORED = Content(schema="SentryReceipt")


def _native(path: str, about: str, takes: str, answer: str) -> Address:
    answers = {201: Content(schema=answer), 202: Content(schema=answer)}
    return Address(path, about, "ingest", answers, "ingest", ("POST",), Content(schema=takes), (_PROJECT,), _WRONG)


def _sentry(
    path: str, about: str, types: tuple[str, ...], *, status: int = 200, answer: Content = _STORED,
    methods: tuple[str, ...] = ("POST",), parameters: tuple[Parameter, ...] = (), prefix: str = "/api/{project_id}",
) -> Address:  # fmt: skip
    parameters = (Parameter("sentry_key", "The public key of the DSN, where no header names it."), *parameters)
    return Address(
        f"{prefix}{path}", about, "ingest", {status: answer}, "ingest", methods, Content(types), parameters, _WRONG,
        Content(schema="SentryError"),
    )  # fmt: skip


def _otlp(path: str, about: str) -> Address:
    types = Content(_OTLP)
    parameters = () if "{" in path else (_PROJECT,)
    return Address(path, about, "ingest", {200: types}, "ingest", ("POST",), types, parameters, _WRONG, types)


_PROJECT = Parameter("project", "The project of the events, if the key is not of one.")
_BROWSER = (
    Parameter("sentry_release", "The release of the page."),
    Parameter("sentry_environment", "Its environment."),
)
_RUN = tuple(
    Parameter(name, about)
    for name, about in zip(
        _CHECK_IN_QUERY,
        ("in_progress, ok or error.", "The run that this belongs to.", "Seconds that it took.", "Its environment.", "Its release."),
        strict=True,
    )
)  # fmt: skip
_A_RUN = "Report a run of a scheduled job; the answer's id joins its end to its beginning."
_ABOUT_LOGS = "OTLP logs: exceptions and errors become events."
_ABOUT_TRACES = "OTLP traces: spans are kept, their exceptions become events."

# All addresses that take events. A slash at the end may be there or not.
ADDRESSES: tuple[tuple[Address, Door], ...] = (
    (_native("/api/v1/events", "Store one event.", "NativeEvent", "Receipt"), _EVENT),
    (_native("/api/v1/batch", "Store up to 1,000 events, a result for each.", "NativeBatch", "BatchReceipt"), _BATCH),
    (_sentry("/envelope/", "Sentry's envelopes.", _ENVELOPES), _ENVELOPE),
    (_sentry("/store/", "Sentry's older way of sending one event.", (JSON,)), _STORE),
    (_sentry("/security/", "Reports of browsers about security policies.", ("application/csp-report", JSON), parameters=_BROWSER), _SECURITY),
    (_sentry("/csp-report/", "The same by its older name.", ("application/csp-report", JSON), parameters=_BROWSER), _SECURITY),
    (_sentry("/minidump/", "A minidump of Breakpad or Crashpad, as a form or by itself.", (_FORM, "application/octet-stream"), answer=Content(("text/plain",))), _MINIDUMP),
    (_sentry("/events/{event_id}/attachments/", "Files of an event that came earlier.", (_FORM,), status=201), _ATTACHMENTS),
    (_sentry("/cron/{monitor}/", _A_RUN, (JSON,), status=202, methods=_CHECK_IN.methods, parameters=_RUN), _CHECK_IN),
    (_sentry("/cron/{monitor}/{key}/", f"{_A_RUN} The key is the DSN's.", (JSON,), status=202, methods=_CHECK_IN.methods, parameters=_RUN), _CHECK_IN),
    (_otlp("/v1/logs", _ABOUT_LOGS), _LOGS),
    (_otlp("/v1/traces", _ABOUT_TRACES), _TRACES),
    *((_otlp(f"/api/{{project_id}}/{prefix}otlp/v1/logs", _ABOUT_LOGS), _LOGS) for prefix in ("", "integration/")),
    *((_otlp(f"/api/{{project_id}}/{prefix}otlp/v1/traces", _ABOUT_TRACES), _TRACES) for prefix in ("", "integration/")),
    (_sentry("/stream", "What SDKs show to Spotlight.", _ENVELOPES, prefix=""), _SPOTLIGHT),
)  # fmt: skip


# Which door an address is

_READ_PATH = "/api/v1/events/"  # not of a project that is called v1
_ALSO_READ = ("/api/v1/events",)  # reading events has the address of sending them
PLACES = {
    "project_id": "[^/]{1,100}",
    "monitor": "[^/]{1,100}",
    "key": "[0-9a-f]{32}",
    "event_id": "[0-9a-fA-F-]{32,36}",
}  # in addresses, as regular expressions


def _pattern(path: str) -> re.Pattern[str]:
    """What fits an address with its places for ids."""
    place = lambda found: f"(?P<{found[1]}>{PLACES[found[1]]})"
    return re.compile(re.sub(r"\{(\w+)\}", place, path.removesuffix("/")) + "/?")


_BY_PATH = {address.path: (address, door) for address, door in ADDRESSES if "{" not in address.path}
_PATTERNS = [(_pattern(address.path), address, door) for address, door in ADDRESSES if "{" in address.path]


class Found(NamedTuple):
    """The door of an address, and what stands in its places."""

    address: Address
    door: Door
    named: Mapping[str, str] = {}


@lru_cache(maxsize=1_024)
def find(path: str) -> Found | None:
    """The door at an address; None where no events are taken."""
    fixed = _BY_PATH.get(path.removesuffix("/"))
    if fixed is not None:
        return Found(*fixed)
    if not path.startswith("/api/") or path.startswith(_READ_PATH):
        return None
    for pattern, address, door in _PATTERNS:
        if found := pattern.fullmatch(path):
            return Found(address, door, found.groupdict())
    return None


def is_ingest(path: str, method: str = "POST") -> bool:
    """Whether a request is for a door; of an address that is read as well, only what is sent to it."""
    return find(path) is not None and (method == "POST" or path.removesuffix("/") not in _ALSO_READ)


def methods_of(path: str) -> tuple[str, ...]:
    """The methods that a door takes; none for another address."""
    found = find(path)
    return () if found is None else (*found.door.methods, "OPTIONS")


def route_name(path: str) -> str:
    """An address that `is_ingest` is true of, without what differs between projects."""
    found = find(path)
    return path if found is None else found.address.path
