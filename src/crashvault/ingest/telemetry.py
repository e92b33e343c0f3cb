"""What clients send, sorted: events, spans, sessions, check-ins, feedback, and what is not kept.

Every item of an envelope has a reader in `_READERS`; an item that nobody reads is counted, never an error.
An event's JSON stays undecoded here, since decoding is better done when its turn has come.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from crashvault.digests import blake2b
from crashvault.ingest.envelope import Item, read_envelope
from crashvault.ingest.fields import dashed, microseconds
from crashvault.ingest.limits import DEFAULT_LIMITS
from crashvault.ingest.native import LARGEST_ATTACHMENT, MOST_ATTACHMENTS, BodyError, parse_json

MOST_SPANS = 10_000  # of one upload
MOST_SESSIONS = 1_000
SMALL_DRIFT = 60_000_000  # microseconds by which clocks may differ before times are corrected

Drop = tuple[str, str, int]  # reason, category, count
Fields = dict[str, Any]


class Attachment(NamedTuple):
    """A file that came with an event."""

    name: str
    content_type: str
    kind: str  # Sentry's attachment_type
    data: bytes


class UploadedEvent(NamedTuple):
    """An event as it came."""

    raw: bytes | Fields | BodyError  # JSON, a decoded body, or why there is none
    sentry: bool = False  # a payload of Sentry's, else the native body
    header: Fields = {}  # of the envelope
    attachments: tuple[Attachment, ...] = ()
    drift: int = 0  # microseconds by which the client's clock is late


@dataclass(slots=True)
class Upload:
    """All that one request brought. Times are microseconds since the epoch."""

    events: list[UploadedEvent] = field(default_factory=list)
    spans: list[Fields] = field(default_factory=list)
    sessions: list[Fields] = field(default_factory=list)
    check_ins: list[Fields] = field(default_factory=list)
    feedback: list[Fields] = field(default_factory=list)
    late_attachments: list[tuple[str, Attachment]] = field(default_factory=list)  # with the event's id
    drops: list[Drop] = field(default_factory=list)
    event_id: str | None = None  # what the answer names, 32 hex digits
    size: int = 0  # bytes of the unpacked body
    rejected: int = 0  # records that were wrong
    message: str = ""  # why


@dataclass(slots=True)
class _Reading:
    """An envelope of which some items have been read."""

    upload: Upload
    header: Fields  # of the envelope
    now: int
    files: list[Attachment] = field(default_factory=list)
    traced: bool = False  # whether there was a transaction


# Whole bodies


def upload_of_envelope(body: bytes, received_at: int) -> Upload:
    """What is in an envelope. Raises BodyError."""
    header, items = read_envelope(body)
    upload = Upload(size=len(body), event_id=hex_id(header.get("event_id"), 32))
    if upload.event_id is None:
        header.pop("event_id", None)  # a wrong one would count more than the payload's own
    reading = _Reading(upload, header, received_at)
    for item in items:
        _READERS.get(item.type, _read_other)(reading, item)
    _give_files(reading)
    return upload


def _give_files(reading: _Reading) -> None:
    """Attachments belong to the event they came with, else to the one that the envelope names. Traces have no files."""
    upload, files = reading.upload, reading.files
    if len(files) > MOST_ATTACHMENTS:
        upload.drops.append(("too_many", "attachment", len(files) - MOST_ATTACHMENTS))
        del files[MOST_ATTACHMENTS:]
    if not files:
        return
    if upload.events:
        upload.events[0] = upload.events[0]._replace(attachments=tuple(files))
    elif reading.traced:
        upload.drops.append(("of_transaction", "attachment", len(files)))
    elif upload.event_id:
        upload.late_attachments += [(dashed(upload.event_id), file) for file in files]
    else:
        upload.drops.append(("no_event", "attachment", len(files)))


def upload_of_store(body: bytes, received_at: int) -> Upload:
    """One event as old clients post it: JSON, perhaps packed by zlib, perhaps that in base64. Raises BodyError."""
    body = _unpacked(body)
    size = len(body)
    if size > DEFAULT_LIMITS.event:
        raise BodyError("too_large", f"The event is larger than {DEFAULT_LIMITS.event} bytes", "Send less of it")
    raw: bytes | Fields = body
    if b'"sentry.interfaces.' in body:
        raw = _without_interfaces(parse_json(body))
    return Upload([UploadedEvent(raw, True)], size=size)


def _unpacked(body: bytes) -> bytes:
    if not body or body[:1] in b"{[ \t\r\n":
        return body
    try:
        packed = body if body[:1] == b"\x78" else base64.b64decode(body, validate=True)
        stream = zlib.decompressobj()
        return stream.decompress(packed, DEFAULT_LIMITS.event + 1)
    except (zlib.error, binascii.Error, ValueError):
        return body


def _without_interfaces(payload: Any) -> Any:
    """`sentry.interfaces.Exception` and the like by the names that came after them."""
    if type(payload) is not dict:
        return payload
    found: Fields = {}
    for key, value in payload.items():
        short = key.removeprefix("sentry.interfaces.")
        found[_INTERFACES.get(short, short.lower()) if short != key else key] = value
    return found


_INTERFACES = {"Message": "logentry", "Http": "request"}


def upload_of_security(body: bytes, content_type: str, release: str, environment: str, received_at: int) -> Upload:
    """Reports of browsers about broken security policies. Raises BodyError."""
    from crashvault.ingest.security_report import read_reports

    events = [UploadedEvent(_with(raw, release, environment)) for raw in read_reports(parse_json(body))]
    return Upload(list(events), size=len(body))


def _with(raw: Fields, release: str, environment: str) -> Fields:
    known = {"release": release, "environment": environment}
    return raw | {key: value for key, value in known.items() if value}


def upload_of_logs(body: bytes, content_type: str, received_at: int) -> Upload:
    """OTLP logs. Raises BodyError."""
    from crashvault.ingest.otlp import read_logs

    return read_logs(body, content_type, received_at)


def upload_of_traces(body: bytes, content_type: str, received_at: int) -> Upload:
    """OTLP spans. Raises BodyError."""
    from crashvault.ingest.otlp import read_traces

    return read_traces(body, content_type, received_at)


# Items


def _read_event(reading: _Reading, item: Item) -> None:
    upload, header = reading.upload, reading.header
    raw: bytes | BodyError = item.payload
    if len(item.payload) > DEFAULT_LIMITS.event:
        raw = BodyError("too_large", f"The event is larger than {DEFAULT_LIMITS.event} bytes", "Send less of it")
    # A header's id names one event; of more than one, the others have their own.
    given = header if not upload.events else {key: value for key, value in header.items() if key != "event_id"}
    upload.events.append(UploadedEvent(raw, True, given, (), _drift(header, reading.now)))


def _drift(header: Mapping[str, Any], now: int) -> int:
    """How much later it is here than the client thought when it sent. Sentry: "sent_at" corrects clock drift."""
    sent_at = header.get("sent_at")
    moment = microseconds(sent_at) if sent_at else None
    drift = 0 if moment is None else now - moment
    return drift if abs(drift) > SMALL_DRIFT else 0


def _read_attachment(reading: _Reading, item: Item) -> None:
    if len(item.payload) > LARGEST_ATTACHMENT:
        reading.upload.drops.append(("too_large", "attachment", 1))
        return
    header = item.header
    reading.files.append(
        attachment(header.get("filename"), header.get("content_type"), header.get("attachment_type"), item.payload)
    )


def attachment(name: Any, content_type: Any, kind: Any, data: bytes) -> Attachment:
    """A file with what the client says about it, as far as that is fit to be kept."""
    return Attachment(
        _text(name, 250) or "attachment", _text(content_type, 200) or "application/octet-stream",
        _text(kind, 100) or "event.attachment", data,
    )  # fmt: skip


def _read_transaction(reading: _Reading, item: Item) -> None:
    payload = _object(reading, item)
    reading.traced = True
    contexts = _mapping(payload.get("contexts"))
    trace = _mapping(contexts.get("trace"))
    common = {
        "service": _text(payload.get("server_name"), 250),
        "release": _text(payload.get("release"), 250),
        "environment": _text(payload.get("environment"), 250),
    }
    root = {**trace, **{key: payload.get(key) for key in ("start_timestamp", "timestamp")}}
    root["description"] = payload.get("transaction")
    root["data"] = _mapping(trace.get("data")) | _mapping(payload.get("tags"))
    children = payload.get("spans")
    for raw in (root, *(children if isinstance(children, list) else ())):
        if isinstance(raw, dict):
            _add_span(reading.upload, _sentry_span({"trace_id": trace.get("trace_id"), **raw}, common))
    reading.upload.event_id = reading.upload.event_id or hex_id(payload.get("event_id"), 32)


def _sentry_span(raw: Fields, common: Fields) -> Fields | None:
    attributes = _mapping(raw.get("data")) | _mapping(raw.get("tags"))
    name = _text(raw.get("description"), 1_000) or _text(raw.get("op"), 250) or "span"
    return span(
        raw.get("trace_id"), raw.get("span_id"), raw.get("parent_span_id"), name,
        microseconds(raw.get("start_timestamp")), microseconds(raw.get("timestamp")), origin="sentry",
        op=_text(raw.get("op"), 250), kind="", status=_text(raw.get("status"), 100), attributes=attributes, **common,
    )  # fmt: skip


def _read_spans(reading: _Reading, item: Item) -> None:
    """The container of spans (v2), or one span of the older form."""
    payload = _object(reading, item)
    items = payload.get("items")
    for raw in items if isinstance(items, list) else (payload,):
        if isinstance(raw, dict):
            _add_span(reading.upload, _span_v2(raw) if "attributes" in raw or "name" in raw else _sentry_span(raw, {}))


def _span_v2(raw: Fields) -> Fields | None:
    attributes = {key: _attribute(value) for key, value in _mapping(raw.get("attributes")).items()}
    return span(
        raw.get("trace_id"), raw.get("span_id"), raw.get("parent_span_id"), _text(raw.get("name"), 1_000) or "span",
        microseconds(raw.get("start_timestamp")), microseconds(raw.get("end_timestamp")), origin="sentry",
        op=_text(attributes.get("sentry.op"), 250), kind=_text(raw.get("kind"), 50),
        status=_text(raw.get("status"), 100), attributes=attributes,
        service=_text(attributes.get("server.address"), 250), release=_text(attributes.get("sentry.release"), 250),
        environment=_text(attributes.get("sentry.environment"), 250),
    )  # fmt: skip


def _attribute(value: Any) -> Any:
    return value.get("value") if isinstance(value, dict) and "value" in value else value


def span(
    trace_id: Any, span_id: Any, parent: Any, name: str, start: int | None, end: int | None, *,
    origin: str, op: str = "", kind: str = "", status: str = "", service: str = "", release: str = "",
    environment: str = "", attributes: Fields | None = None,
) -> Fields | None:  # fmt: skip
    """A span of the shape that the store keeps; None without its ids and times."""
    trace, own = hex_id(trace_id, 32), hex_id(span_id, 16)
    if not trace or not own or start is None:
        return None
    return {
        "trace_id": trace, "span_id": own, "parent_span_id": hex_id(parent, 16), "name": name, "op": op, "kind": kind,
        "status": status, "start": start, "end": max(start, end or start), "service": service, "release": release,
        "environment": environment, "attributes": attributes or {}, "origin": origin,
    }  # fmt: skip


def _add_span(upload: Upload, found: Fields | None) -> None:
    if found is None:
        upload.drops.append(("invalid", "span", 1))
    elif len(upload.spans) >= MOST_SPANS:
        upload.drops.append(("too_many", "span", 1))
    else:
        upload.spans.append(found)


def _read_session(reading: _Reading, item: Item) -> None:
    """One update of a session. It is counted as begun by its first update, and by how it ended by its last."""
    payload = _object(reading, item)
    status, errors = payload.get("status"), payload.get("errors")
    counts = {name: int(status == name) for name in ("crashed", "abnormal")}
    counts["exited"] = int(status == "exited")
    counts["errored"] = int(isinstance(errors, int) and errors > 0 and status in ("exited", "errored"))
    _add_session(reading, payload, payload, int(payload.get("init") is True), counts, _update_key(payload))


def _update_key(payload: Fields) -> str | None:
    """What tells an update from all others, also when it is sent again; None where nothing does."""
    which = payload.get("seq") if type(payload.get("seq")) is int else payload.get("timestamp")
    sid = _text(payload.get("sid"), 100)
    return (
        f"{sid} {_text(which, 100)} {payload.get('init') is True} {_text(payload.get('status'), 50)}" if sid else None
    )


def _read_sessions(reading: _Reading, item: Item) -> None:
    """Counts of sessions that servers make, by the minute in which they began."""
    payload = _object(reading, item)
    given = payload.get("aggregates")
    groups = given if isinstance(given, list) else []
    if len(groups) > MOST_SESSIONS:
        reading.upload.drops.append(("too_many", "session", len(groups) - MOST_SESSIONS))
    # Other processes may send the same counts; only an envelope that names itself can be told from them.
    envelope = reading.upload.event_id or _text(reading.header.get("sent_at"), 100)
    content = blake2b(item.payload, digest_size=12).hexdigest()
    for group in groups[:MOST_SESSIONS]:
        if isinstance(group, dict):
            counts = {name: _count(group.get(name)) for name in ("exited", "errored", "crashed", "abnormal")}
            key = f"{envelope} {content} {len(reading.upload.sessions)}" if envelope else None
            _add_session(reading, payload, group, sum(counts.values()), counts, key)


def _add_session(
    reading: _Reading, payload: Fields, times: Fields, began: int, counts: dict[str, int], key: str | None
) -> None:
    attributes = _mapping(payload.get("attrs"))
    release = _text(attributes.get("release"), 250)
    if not release:
        reading.upload.drops.append(("no_release", "session", 1))
        return
    reading.upload.sessions.append({
        "release": release, "environment": _text(attributes.get("environment"), 250) or "",
        "started": microseconds(times.get("started")) or reading.now, "started_count": began,
        "user": _text(times.get("did"), 250) or None, "key": key, **counts,
    })  # fmt: skip


def _read_check_in(reading: _Reading, item: Item) -> None:
    if not add_check_in(reading.upload, _object(reading, item), reading.now):
        reading.upload.drops.append(("invalid", "check_in", 1))


def add_check_in(upload: Upload, payload: Fields, now: int) -> bool:
    """Note a run of a scheduled job; False where it lacks its job, its id or its status."""
    monitor, status = _text(payload.get("monitor_slug"), 100), payload.get("status")
    check_in = hex_id(payload.get("check_in_id"), 32)
    if not monitor or status not in _RUN_STATUSES or not check_in:
        return False
    duration, config = payload.get("duration"), payload.get("monitor_config")
    known = type(duration) in (int, float) and 0 <= duration <= _LONGEST_RUN  # type: ignore[operator]
    upload.check_ins.append({
        "check_in_id": check_in, "monitor": monitor, "status": status, "at": now,
        "duration": float(duration) if known else None,  # type: ignore[arg-type]
        "release": _text(payload.get("release"), 250), "environment": _text(payload.get("environment"), 250),
        "config": config if isinstance(config, dict) else None,
    })  # fmt: skip
    return True


_RUN_STATUSES = ("ok", "error", "in_progress", "missed", "timeout")
_LONGEST_RUN = 10**9  # seconds


def _read_feedback(reading: _Reading, item: Item) -> None:
    payload = _object(reading, item)
    told = _mapping(_mapping(payload.get("contexts")).get("feedback"))
    own = hex_id(payload.get("event_id"), 32)
    reading.upload.event_id = reading.upload.event_id or own
    _add_feedback(
        reading, told.get("associated_event_id"), own, told.get("name"), told.get("contact_email"),
        told.get("message"), told.get("url"),
    )  # fmt: skip


def _read_user_report(reading: _Reading, item: Item) -> None:
    told = _object(reading, item)
    about = told.get("event_id") or reading.header.get("event_id")
    _add_feedback(reading, about, None, told.get("name"), told.get("email"), told.get("comments"), None)


def _add_feedback(
    reading: _Reading, about: Any, own: str | None, name: Any, email: Any, message: Any, url: Any
) -> None:  # fmt: skip
    event_id = hex_id(about, 32)
    text = _text(message, DEFAULT_LIMITS.message)
    if not text:
        reading.upload.drops.append(("invalid", "feedback", 1))
        return
    reading.upload.feedback.append({
        "event_id": dashed(event_id) if event_id else None, "feedback_id": own, "name": _text(name, 250),
        "email": _text(email, 250), "message": text, "url": _text(url, 2_000), "at": reading.now,
    })  # fmt: skip


def _read_client_report(reading: _Reading, item: Item) -> None:
    """What the SDK itself has dropped: its reasons are told from ours by their beginning."""
    payload = _object(reading, item)
    for key, prefix in _REPORTS.items():
        entries = payload.get(key)
        for entry in entries[:100] if isinstance(entries, list) else ():
            if isinstance(entry, dict) and (count := _count(entry.get("quantity"))):
                reason, category = _word(entry.get("reason")), _word(entry.get("category"))
                reading.upload.drops.append((f"{prefix}_{reason}", category, count))


_REPORTS = {
    "discarded_events": "client", "rate_limited_events": "client_rate_limited",
    "filtered_events": "client_filtered", "filtered_sampling_events": "client_sampled",
}  # fmt: skip


def _read_container(reading: _Reading, item: Item) -> None:
    """Logs and the like: many in one item, none of them an error. An SDK sends an error that it logs as an event too."""
    payload = _object(reading, item)
    items = payload.get("items")
    count = len(items) if isinstance(items, list) else int(bool(payload))
    reading.upload.drops.append(("not_an_error", _word(item.type), count))


def _read_security(reading: _Reading, item: Item) -> None:
    from crashvault.ingest.security_report import read_reports

    before = len(reading.upload.drops)
    payload = _object(reading, item)
    if len(reading.upload.drops) == before:  # an empty object is one, though there is no report in it
        try:
            reading.upload.events += [UploadedEvent(raw) for raw in read_reports(payload)]
        except BodyError as error:
            reading.upload.drops.append((error.code, "security", 1))


def _read_other(reading: _Reading, item: Item) -> None:
    reading.upload.drops.append(("unsupported", _word(item.type), 1))


_READERS: dict[str, Callable[[_Reading, Item], None]] = {
    "event": _read_event,
    "attachment": _read_attachment,
    "transaction": _read_transaction,
    "span": _read_spans,
    "otel_span": _read_spans,
    "session": _read_session,
    "sessions": _read_sessions,
    "check_in": _read_check_in,
    "feedback": _read_feedback,
    "user_report": _read_user_report,
    "client_report": _read_client_report,
    "log": _read_container,
    "otel_log": _read_container,
    "trace_metric": _read_container,
    "security": _read_security,
}


# Values


def _object(reading: _Reading, item: Item) -> Fields:
    """The payload as an object; an item that has none costs the envelope nothing else."""
    try:
        found = parse_json(item.payload)
    except BodyError:
        found = None
    if type(found) is dict:
        return found
    reading.upload.drops.append(("invalid", _word(item.type), 1))
    return {}


def hex_id(value: Any, digits: int) -> str | None:
    """So many hexadecimal digits in lower case, without dashes; None for anything else, and for zeros only."""
    if not isinstance(value, str) or len(value) > 2 * digits:
        return None
    text = value.replace("-", "").lower()
    return text if len(text) == digits and _HEX(text) and text.strip("0") else None


_HEX = re.compile("[0-9a-f]+").fullmatch


def _mapping(value: Any) -> Fields:
    if isinstance(value, list):  # pairs
        return dict(_pairs(value))
    return value if isinstance(value, dict) else {}


def _pairs(items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for item in items:
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str):
            yield item[0], item[1]


def _text(value: Any, limit: int) -> str:
    text = value if isinstance(value, str) else str(value) if type(value) in (int, float) else ""
    return "".join(char if char.isprintable() or char in "\n\t" else " " for char in text[:limit])


def _word(value: Any) -> str:
    """A name of a client's as one word for the ledger."""
    return (
        re.sub(r"[^a-z0-9_]+", "_", value[:60].lower()).strip("_") or "unknown" if isinstance(value, str) else "unknown"
    )


def _count(value: Any) -> int:
    return min(value, 10**9) if type(value) is int and value > 0 else 0
