"""OTLP over HTTP: exceptions and errors of logs, exceptions of spans, and the spans themselves.

Both encodings are read as one: protobuf as the dictionaries that its JSON mapping gives. Ids are hexadecimal in
OTLP's JSON, unlike that mapping's. See the OpenTelemetry protocol specification, and the semantic conventions for
exceptions. An exception is reported on its span, on a log record, or on both (`logs/dup`): its event id is made of
trace, span, type and message, so that both are one event.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from crashvault.ingest.native import BodyError, parse_json
from crashvault.ingest.telemetry import MOST_SPANS, Upload, UploadedEvent, span

JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/x-protobuf"
MOST_RECORDS = 10_000  # of one request

_ERROR = 17  # the lowest SeverityNumber of an error
_FATAL = 21
_LEVELS = ((_FATAL, "critical"), (_ERROR, "error"), (13, "warning"), (9, "info"), (1, "debug"))
_SEVERITIES = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "WARNING": 13, "ERROR": 17, "FATAL": 21, "CRITICAL": 21}
_KINDS = ("", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("", "ok", "error")
_MOST_DEPTH = 20
_LANGUAGES = {"nodejs": "javascript", "webjs": "javascript", "cpp": "native", "dotnet": "csharp", "swift": "native"}
_TOLD = ("exception.type", "exception.message", "exception.stacktrace")

Fields = dict[str, Any]


def read_logs(body: bytes, content_type: str, received_at: int) -> Upload:
    """What of an ExportLogsServiceRequest becomes events. Raises BodyError."""
    upload = Upload(size=len(body))
    passed = 0
    for resource, scope, record in _records(
        _request("logs", body, content_type), "resourceLogs", "scopeLogs", "logRecords"
    ):
        if len(upload.events) >= MOST_RECORDS:
            upload.rejected += 1
            upload.message = f"more than {MOST_RECORDS} records"
        elif event := _log_event(resource, scope, record, received_at):
            upload.events.append(UploadedEvent(event))
        else:
            passed += 1
    if passed:
        upload.drops.append(("below_error", "log", passed))
    if upload.rejected:
        upload.drops.append(("too_many", "log", upload.rejected))
    return upload


def read_traces(body: bytes, content_type: str, received_at: int) -> Upload:
    """Spans of an ExportTraceServiceRequest, and their exceptions as events. Raises BodyError."""
    upload = Upload(size=len(body))
    for resource, scope, item in _records(
        _request("traces", body, content_type), "resourceSpans", "scopeSpans", "spans"
    ):
        found = _span(resource, item)
        if found is None or len(upload.spans) >= MOST_SPANS:
            upload.rejected += 1
            upload.message = f"more than {MOST_SPANS} spans" if found else "a span without trace_id, span_id or time"
            continue
        upload.spans.append(found)
        upload.events += [
            UploadedEvent(event) for event in _span_events(resource, scope, item, received_at)
        ][: MOST_RECORDS - len(upload.events)]  # fmt: skip
    if upload.rejected:
        upload.drops.append(("invalid", "span", upload.rejected))
    return upload


def export_response(signal: str, content_type: str, rejected: int, message: str) -> bytes:
    """The answer to `logs` or `traces` in the encoding of the request; what was rejected is told as partial success."""
    field = {"logs": "rejectedLogRecords", "traces": "rejectedSpans"}[signal]
    partial = {field: rejected, "errorMessage": message} if rejected or message else None
    if content_type.startswith(JSON_TYPE):
        # 64-bit numbers are texts in protobuf's JSON
        return json.dumps({"partialSuccess": {**partial, field: str(rejected)}} if partial else {}).encode()
    response = _messages(signal)[1]()
    if partial:
        told = response.partial_success
        setattr(told, {"logs": "rejected_log_records", "traces": "rejected_spans"}[signal], rejected)
        told.error_message = message
    return bytes(response.SerializeToString())


def status_response(content_type: str, code: int, message: str) -> bytes:
    """What is wrong with a request, as a google.rpc.Status in the encoding of the request."""
    if content_type.startswith(JSON_TYPE):
        return json.dumps({"code": code, "message": message}).encode()
    text = message.encode("utf-8", "replace")
    # Two fields, a number and a text, are not worth an import of tens of milliseconds.
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


# Requests


def _messages(signal: str) -> tuple[Any, Any]:
    """Request and response of a service; their import is costly."""
    if signal == "logs":
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs

        return logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

    return traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse


def _request(signal: str, body: bytes, content_type: str) -> Fields:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON_TYPE:
        found = parse_json(body)
        if type(found) is not dict:
            raise BodyError("not_an_object", "The request is no JSON object", f"Send an export request for {signal}")
        return found
    if kind not in (PROTOBUF_TYPE, "application/protobuf", ""):
        raise BodyError(
            "unsupported_media_type", f"OTLP is not sent as {kind[:100]!r}", f"Use {PROTOBUF_TYPE} or {JSON_TYPE}"
        )
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError

    try:
        return dict(MessageToDict(_messages(signal)[0].FromString(body)))
    except (DecodeError, ValueError, RecursionError) as error:
        raise BodyError("invalid_protobuf", "The body is no such protobuf message", "Send OTLP over HTTP") from error


def _records(request: Fields, *names: str) -> Iterator[tuple[Fields, str, Fields]]:
    """Each record with the attributes of its resource and the name of its scope."""
    outer, middle, inner = names
    for group in _list(request, outer):
        resource = _attributes(_get(group, "resource"))
        for part in _list(group, middle):
            scope = _get(part, "scope")
            name = _get(scope, "name") if isinstance(scope, dict) else None
            for record in _list(part, inner):
                yield resource, name if isinstance(name, str) else "", record


def _get(found: Any, name: str) -> Any:
    """A field under its name in lowerCamelCase, or in snake_case as some exporters write it."""
    if not isinstance(found, dict):
        return None
    if name in found:
        return found[name]
    return found.get("".join(f"_{char.lower()}" if char.isupper() else char for char in name))


def _list(found: Any, name: str) -> list[Fields]:
    value = _get(found, name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _attributes(holder: Any) -> Fields:
    """Attributes as a mapping, each value as plain JSON."""
    found: Fields = {}
    for item in _list(holder, "attributes"):
        key = item.get("key")
        if isinstance(key, str) and key:
            found[key] = _value(item.get("value"), 0)
    return found


def _value(value: Any, depth: int) -> Any:
    """What an AnyValue holds."""
    if not isinstance(value, dict) or depth > _MOST_DEPTH:
        return None
    for name in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        if (found := _get(value, name)) is not None:
            return found
    if (number := _get(value, "intValue")) is not None:
        return _whole(number)
    if (array := _get(value, "arrayValue")) is not None:
        items = _get(array, "values")
        return [_value(item, depth + 1) for item in items] if isinstance(items, list) else []
    members = _list(_get(value, "kvlistValue"), "values")
    return {str(item.get("key")): _value(item.get("value"), depth + 1) for item in members} if members else None


def _whole(value: Any) -> int | None:
    """An integer, which JSON may hold as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value) if isinstance(value, str | float) else ""
    try:
        return int(float(text)) if "." in text or "e" in text.lower() else int(text[:25])
    except (ValueError, OverflowError):
        return None


def _time(record: Fields, *names: str) -> int | None:
    """Microseconds of the first of these times that is set; OTLP counts nanoseconds."""
    for name in names:
        nanoseconds = _whole(_get(record, name))
        if nanoseconds is not None and 0 < nanoseconds < 2**63:
            return nanoseconds // 1_000
    return None


def _id(value: Any, digits: int) -> str | None:
    """An id in hexadecimal, from that or from base64; all zeros mean none."""
    if not isinstance(value, str):
        return None
    text = value.lower()
    if len(text) != digits:
        try:
            text = base64.b64decode(value, validate=True).hex()
        except (binascii.Error, ValueError):
            return None
    known = len(text) == digits and all(char in "0123456789abcdef" for char in text) and text.strip("0")
    return text if known else None


# Events


def _log_event(resource: Fields, scope: str, record: Fields, received_at: int) -> Fields | None:
    """The event of a log record that tells of an exception or an error; None for others."""
    attributes = _attributes(record)
    severity = _severity(record)
    told = any(attributes.get(name) for name in _TOLD)
    if severity < _ERROR and not told:
        return None
    body = _value(_get(record, "body"), 0)
    event = _event(
        resource, scope, attributes, _time(record, "timeUnixNano", "observedTimeUnixNano") or received_at,
        _id(_get(record, "traceId"), 32), _id(_get(record, "spanId"), 16),
    )  # fmt: skip
    if body is not None and body != "":
        event["message"] = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    elif not told:
        event["message"] = str(_get(record, "severityText") or "error")
    event["level"] = next((name for lowest, name in _LEVELS if severity >= lowest), "error")
    return event


def _severity(record: Fields) -> int:
    number = _get(record, "severityNumber")
    if isinstance(number, str) and not number.isdecimal():  # the name of the enum, or a text
        number = number.removeprefix("SEVERITY_NUMBER_").rstrip("234")
        return _SEVERITIES.get(number, 0)
    text = _get(record, "severityText")
    return _whole(number) or _SEVERITIES.get(text.upper() if isinstance(text, str) else "", 0)


def _span_events(resource: Fields, scope: str, item: Fields, received_at: int) -> Iterator[Fields]:
    """The exceptions that a span has noted."""
    for noted in _list(item, "events"):
        attributes = _attributes(noted)
        if _get(noted, "name") != "exception" or not any(attributes.get(name) for name in _TOLD):
            continue
        at = _time(noted, "timeUnixNano") or _time(item, "endTimeUnixNano", "startTimeUnixNano") or received_at
        event = _event(resource, scope, attributes, at, _id(_get(item, "traceId"), 32), _id(_get(item, "spanId"), 16))
        event["level"] = "error"
        if isinstance(name := _get(item, "name"), str):
            event["transaction"] = name
        yield event


def _event(
    resource: Fields, scope: str, attributes: Fields, timestamp: int, trace: str | None, span_id: str | None
) -> Fields:
    """A raw event with all but message and level."""
    kind, value, stack = (_text(attributes.get(name)) for name in _TOLD)
    event: Fields = {"timestamp": timestamp, "source": "otlp"}
    if kind or value:
        event["exception"] = {name: part for name, part in (("type", kind), ("value", value)) if part}
    if stack:
        event["stacktrace"] = stack
    if trace:
        event["trace_id"] = trace
        if span_id:
            event["span_id"] = span_id
            if kind or value:
                event["event_id"] = _event_id(trace, span_id, kind, value)
    if scope:
        event["logger"] = scope
    _take_resource(event, resource, attributes)
    context = {name: part for name, part in attributes.items() if name not in _TOLD}
    if context:
        event["context"] = context
    return event


def _take_resource(event: Fields, resource: Fields, attributes: Fields) -> None:
    service = _text(resource.get("service.name"))
    if service:
        event["tags"] = [f"service={service}"]
    version = _text(resource.get("service.version"))
    if version:
        event["release"] = f"{service}@{version}" if service else version
    environment = resource.get("deployment.environment.name") or resource.get("deployment.environment")
    language = _text(resource.get("telemetry.sdk.language"))
    for key, value in (
        ("environment", _text(environment)),
        ("host", _text(resource.get("host.name"))),
        ("pid", resource.get("process.pid")),
        ("platform", _LANGUAGES.get(language, language)),
        ("user", _text(attributes.get("enduser.id") or attributes.get("user.id"))),
    ):
        if value:
            event[key] = value


def _event_id(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# Spans


def _span(resource: Fields, item: Fields) -> Fields | None:
    status = _get(item, "status")
    code = _get(status, "code")
    if isinstance(code, str) and not code.isdecimal():
        shown = code.removeprefix("STATUS_CODE_").lower().replace("unset", "")
    else:
        shown = _named(_STATUSES, code)
    kind = _get(item, "kind")
    version, service = _text(resource.get("service.version")), _text(resource.get("service.name"))
    environment = resource.get("deployment.environment.name") or resource.get("deployment.environment")
    return span(
        _id(_get(item, "traceId"), 32), _id(_get(item, "spanId"), 16), _id(_get(item, "parentSpanId"), 16),
        _text(_get(item, "name"))[:1_000], _time(item, "startTimeUnixNano"), _time(item, "endTimeUnixNano"),
        origin="otlp",
        kind=kind.removeprefix("SPAN_KIND_").lower() if isinstance(kind, str) and not kind.isdecimal() else _named(_KINDS, kind),
        status=shown, service=service[:250], release=(f"{service}@{version}" if service and version else version)[:250],
        environment=_text(environment)[:250], attributes=_attributes(item),
    )  # fmt: skip


def _named(names: tuple[str, ...], number: Any) -> str:
    found = _whole(number)
    return names[found] if found is not None and 0 <= found < len(names) else ""
