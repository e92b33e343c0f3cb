"""OTLP's logs and traces in both encodings, and the answers to them."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from crashvault.ingest.native import BodyError
from crashvault.ingest.otlp import export_response, read_logs, read_traces, status_response
from crashvault.ingest.telemetry import Upload

NOW = 1_790_000_000_000_000
AT = 1_780_000_000_000_000_000  # nanoseconds
TRACE, SPAN, PARENT = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b173"
JSON, PROTOBUF = "application/json", "application/x-protobuf"
STACK = 'Traceback (most recent call last):\n  File "shop.py", line 7, in pay\n    charge()\nValueError: declined\n'


def attributes(**values: Any) -> list[dict[str, Any]]:
    """Attributes; `_` in a name stands for a dot."""
    found = []
    for name, value in values.items():
        kinds = {bool: "boolValue", int: "intValue", float: "doubleValue"}
        shown = str(value) if type(value) is int else value
        found.append({"key": name.replace("_", "."), "value": {kinds.get(type(value), "stringValue"): shown}})
    return found


EXCEPTION = attributes(exception_type="ValueError", exception_message="declined", exception_stacktrace=STACK)
RESOURCE = {
    "attributes": attributes(
        service_name="shop", service_version="1.4", deployment_environment_name="prod", host_name="web-1", process_pid=7,
        telemetry_sdk_language="python",
    )
}  # fmt: skip


def logs(*records: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceLogs": [
            {"resource": RESOURCE, "scopeLogs": [{"scope": {"name": "shop.pay"}, "logRecords": list(records)}]}
        ]
    }


def spans(*items: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"scope": {"name": "shop.pay"}, "spans": list(items)}]}]
    }


def record(**more: Any) -> dict[str, Any]:
    return {
        "timeUnixNano": str(AT),
        "severityNumber": 17,
        "traceId": TRACE,
        "spanId": SPAN,
        "attributes": EXCEPTION,
        **more,
    }


def item(**more: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE, "spanId": SPAN, "parentSpanId": PARENT, "name": "GET /pay", "kind": 2, "startTimeUnixNano": str(AT),
        "endTimeUnixNano": str(AT + 5_000_000), "status": {"code": 2}, **more,
    }  # fmt: skip


def _with_binary_ids(value: Any) -> Any:
    """Ids in base64, as protobuf's own JSON has them."""
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(inner)).decode() if key.endswith("Id") else _with_binary_ids(inner)
            for key, inner in value.items()
        }
    return [_with_binary_ids(inner) for inner in value] if isinstance(value, list) else value


def _snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            "".join(f"_{c.lower()}" if c.isupper() else c for c in key): _snake(inner) for key, inner in value.items()
        }
    return [_snake(inner) for inner in value] if isinstance(value, list) else value


def read(request: dict[str, Any], encoding: str = "json") -> Upload:
    is_logs = "resourceLogs" in request
    reader = read_logs if is_logs else read_traces
    if encoding == "protobuf":
        message = (ExportLogsServiceRequest if is_logs else ExportTraceServiceRequest)()
        return reader(ParseDict(_with_binary_ids(request), message).SerializeToString(), PROTOBUF, NOW)
    if encoding == "snake":
        request = _snake(request)
    return reader(json.dumps(request).encode(), f"{JSON}; charset=utf-8", NOW)


ENCODINGS = ("json", "snake", "protobuf")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_log_record_with_an_exception_is_an_event(encoding: str) -> None:
    upload = read(logs(record(body={"stringValue": "no payment"})), encoding)
    (event,) = (found.raw for found in upload.events)
    assert isinstance(event, dict)
    assert len(event.pop("event_id")) == 32
    assert event == {
        "timestamp": AT // 1000, "source": "otlp", "level": "error", "message": "no payment", "logger": "shop.pay",
        "exception": {"type": "ValueError", "value": "declined"}, "stacktrace": STACK, "trace_id": TRACE, "span_id": SPAN,
        "tags": ["service=shop"], "release": "shop@1.4", "environment": "prod", "host": "web-1", "pid": 7, "platform": "python",
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_span_is_kept_and_its_exception_is_an_event(encoding: str) -> None:
    noted = {"name": "exception", "timeUnixNano": str(AT + 1_000), "attributes": EXCEPTION}
    upload = read(spans(item(events=[noted, {"name": "retry"}], attributes=attributes(http_status=500))), encoding)
    (span,) = upload.spans
    assert span == {
        "trace_id": TRACE, "span_id": SPAN, "parent_span_id": PARENT, "name": "GET /pay", "op": "", "kind": "server", "status": "error",
        "start": AT // 1000, "end": AT // 1000 + 5_000, "service": "shop", "release": "shop@1.4", "environment": "prod",
        "attributes": {"http.status": 500}, "origin": "otlp",
    }  # fmt: skip
    (event,) = (found.raw for found in upload.events)
    assert isinstance(event, dict)
    assert (event["timestamp"], event["transaction"], event["stacktrace"]) == (AT // 1000 + 1, "GET /pay", STACK)


def test_an_exception_on_span_and_log_has_one_id() -> None:
    of_span = read(spans(item(events=[{"name": "exception", "attributes": EXCEPTION}]))).events[0].raw
    of_log = read(logs(record())).events[0].raw
    other = read(logs(record(attributes=attributes(exception_type="KeyError")))).events[0].raw
    elsewhere = read(logs(record(spanId=PARENT))).events[0].raw
    assert (
        isinstance(of_span, dict)
        and isinstance(of_log, dict)
        and isinstance(other, dict)
        and isinstance(elsewhere, dict)
    )
    assert of_span["event_id"] == of_log["event_id"]
    assert len({of_log["event_id"], other["event_id"], elsewhere["event_id"]}) == 3


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        ({"severityNumber": 17}, "error"), ({"severityNumber": "21"}, "critical"), ({"severityNumber": "SEVERITY_NUMBER_ERROR2"}, "error"),
        ({"severityNumber": "SEVERITY_NUMBER_FATAL"}, "critical"), ({"severityNumber": 0, "severityText": "Error"}, "error"),
        ({"severityNumber": 16}, None), ({"severityNumber": "SEVERITY_NUMBER_INFO"}, None), ({"severityNumber": 0}, None),
        ({"severityNumber": None, "severityText": 7}, None),
    ],
)  # fmt: skip
def test_errors_are_events_and_the_rest_is_counted(severity: dict[str, Any], level: str | None) -> None:
    upload = read(logs(record(**{"attributes": [], "body": {"stringValue": "disk full"}, **severity})))
    if level is None:
        assert (upload.events, upload.drops) == ([], [("below_error", "log", 1)])
        return
    event = upload.events[0].raw
    assert isinstance(event, dict) and (event["message"], event["level"]) == ("disk full", level)


def test_values_of_every_kind() -> None:
    value = {"kvlistValue": {"values": [
        {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "9007199254740993"}, {"boolValue": False}, {"doubleValue": 0.5}]}}},
        {"key": "bytes", "value": {"bytesValue": "AAE="}}, {"key": "none", "value": {}}, {"key": "empty", "value": {"arrayValue": {}}},
    ]}}  # fmt: skip
    given = logs(
        record(attributes=[{"key": "all", "value": value}, {"key": 7}, {"value": value}], unknownField={"a": [1]})
    )
    for encoding in ("json", "protobuf"):
        request = copy.deepcopy(given)
        if encoding == "protobuf":
            del request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["unknownField"]
            request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"][1:] = []
        event = read(request, encoding).events[0].raw
        assert isinstance(event, dict)
        assert event["context"] == {
            "all": {"list": [9007199254740993, False, 0.5], "bytes": "AAE=", "none": None, "empty": []}
        }


def test_times_and_ids_that_are_none() -> None:
    event = (
        read(logs(record(timeUnixNano="0", observedTimeUnixNano=str(AT), traceId="0" * 32, spanId=""))).events[0].raw
    )
    assert isinstance(event, dict)
    assert event["timestamp"] == AT // 1000 and not event.keys() & {"trace_id", "span_id", "event_id"}
    never = read(logs(record(timeUnixNano="soon"))).events[0].raw
    assert isinstance(never, dict) and never["timestamp"] == NOW


def test_what_is_rejected_is_told() -> None:
    upload = read(spans(item(), item(traceId="0" * 32), item(startTimeUnixNano="0")))
    assert (len(upload.spans), upload.rejected) == (1, 2) and upload.message
    assert upload.drops == [("invalid", "span", 2)]
    told = ExportTraceServiceResponse.FromString(export_response("traces", PROTOBUF, 2, upload.message)).partial_success
    assert (told.rejected_spans, told.error_message) == (2, upload.message)
    answer = json.loads(export_response("logs", JSON, 3, "too many"))
    assert answer == {"partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "too many"}}
    assert export_response("logs", JSON, 0, "") == b"{}"
    assert not ExportLogsServiceResponse.FromString(export_response("logs", PROTOBUF, 0, "")).HasField(
        "partial_success"
    )


@pytest.mark.parametrize("message", ["", "wrong", "é" * 300])
def test_errors_in_both_encodings(message: str) -> None:
    packed = Status.FromString(status_response(PROTOBUF, 14, message))
    assert (packed.code, packed.message) == (14, message)
    assert json.loads(status_response(JSON, 3, message)) == {"code": 3, "message": message}


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"\xff\xff", PROTOBUF, "invalid_protobuf"), (b"{", JSON, "invalid_json"), (b"[]", JSON, "not_an_object"),
        (b"{}", "text/xml", "unsupported_media_type"), (b"[" * 100_000, JSON, "too_deep"),
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_read(body: bytes, content_type: str, code: str) -> None:
    for reader in (read_logs, read_traces):
        with pytest.raises(BodyError) as raised:
            reader(body, content_type, NOW)
        assert raised.value.code == code


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 2_000), cut=st.integers(0, 8), put=st.binary(max_size=6))
def test_damaged_protobuf_is_read_or_refused(place: int, cut: int, put: bytes) -> None:
    body = ParseDict(
        _with_binary_ids(logs(record(), record(body={"stringValue": "x"}))), ExportLogsServiceRequest()
    ).SerializeToString()
    place %= len(body)
    try:
        read_logs(body[:place] + put + body[place + cut :], PROTOBUF, NOW)
    except BodyError as error:
        assert error.code == "invalid_protobuf"
