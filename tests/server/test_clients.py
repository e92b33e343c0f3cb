"""Real clients against a real server; what they sent is read back through the HTTP interface."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

SDK = """
import sys, sentry_sdk
{setup}
sentry_sdk.init(dsn=sys.argv[1], release="shop@1.4", environment="staging", server_name="web-1", {options})
sentry_sdk.set_user({{"id": "u7"}})
sentry_sdk.set_tag("region", "eu")
class PaymentError(Exception): pass
def charge(card_number, amount):
    sentry_sdk.add_breadcrumb(message="cart opened", category="ui")  # here, since a web request begins without any
    attempts = [1, 2]
    raise PaymentError(f"{{amount}} was declined")
{body}
sentry_sdk.flush(10)
"""
CAUGHT = """
try:
    charge("4111", 12)
except PaymentError:
    sentry_sdk.capture_exception()
"""
PROGRAMS: dict[str, tuple[str, str, str]] = {
    "caught": ("", "", CAUGHT),
    "uncaught": ("", "", "import atexit\natexit.register(sentry_sdk.flush, 10)\ncharge('4111', 12)"),
    "logging": ("", "", "import logging\ntry:\n    charge('4111', 12)\nexcept PaymentError:\n    logging.exception('no payment')"),
    "thread": ("", "", "import threading\nt = threading.Thread(target=charge, args=('4111', 12))\nt.start()\nt.join()"),
    "asyncio": (
        "", "", "import asyncio\nasync def main():\n    try:\n        charge('4111', 12)\n    except PaymentError:\n"
        "        sentry_sdk.capture_exception()\nasyncio.run(main())",
    ),
    "flask": (
        "from flask import Flask", "",
        "app = Flask('shop')\n@app.get('/pay')\ndef pay():\n    charge('4111', 12)\n"
        "assert app.test_client().get('/pay').status_code == 500",
    ),
    "fastapi": (
        "from fastapi import FastAPI\nimport warnings\nwarnings.simplefilter('ignore')\nfrom starlette.testclient import TestClient", "",
        "app = FastAPI()\n@app.get('/pay')\ndef pay():\n    charge('4111', 12)\n"
        "assert TestClient(app, raise_server_exceptions=False).get('/pay').status_code == 500",
    ),
    "django": (
        "import django\nfrom django.conf import settings\n"
        "settings.configure(ROOT_URLCONF='__main__', SECRET_KEY='x', ALLOWED_HOSTS=['*'], DEBUG=False)", "",
        "from django.urls import path\ndef pay(request):\n    charge('4111', 12)\nurlpatterns = [path('pay', pay)]\ndjango.setup()\n"
        "from django.test import Client\nassert Client(raise_request_exception=False).get('/pay').status_code == 500",
    ),
}  # fmt: skip


def run(server: Any, program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program, server.dsn], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr


def the_event(server: Any, query: str = "") -> dict[str, Any]:
    found = server.get("/api/v1/events", params={"query": query}).json()["items"]
    assert len(found) == 1, found
    return dict(server.get(f"/api/v1/events/{found[0]['event_id']}").json())


@pytest.mark.parametrize("name", PROGRAMS)
def test_sentrys_python_sdk(server: Any, name: str) -> None:
    setup, options, body = PROGRAMS[name]
    run(server, SDK.format(setup=setup, options=options, body=body))
    event = the_event(server, "exception:PaymentError")
    assert event["exception"] == {"type": "PaymentError", "value": "12 was declined"}
    last = event["frames"][-1]
    assert (last["function"], last["in_app"]) == ("charge", True)
    assert last["vars"]["amount"] == "12" and last["vars"]["attempts"]
    assert "4111" not in json.dumps(last["vars"]["card_number"])
    assert (event["release"], event["environment"], event["host"]) == ("shop@1.4", "staging", "web-1")
    assert event["user"]["id"] == "u7" and "region=eu" in event["tags"]
    assert any(crumb.get("message") == "cart opened" for crumb in event["breadcrumbs"])
    assert event["platform"] == "python" and event["level"] in ("error", "critical")


def test_chained_exceptions_attachments_and_messages(server: Any) -> None:
    body = (
        "from sentry_sdk import Scope\nsentry_sdk.get_current_scope().add_attachment(bytes=b'cart: 3', filename='cart.txt')\n"
        "try:\n    try:\n        charge('1', 2)\n    except PaymentError as error:\n        raise RuntimeError('no order') from error\n"
        "except RuntimeError:\n    sentry_sdk.capture_exception()"
    )
    run(server, SDK.format(setup="", options="", body=body))
    event = the_event(server)
    assert [link["type"] for link in event["exceptions"]] == ["PaymentError", "RuntimeError"]
    (file,) = event["attachments"]
    assert file["name"] == "cart.txt"
    assert server.get(file["href"]).content == b"cart: 3"


OTEL = """
import sys, logging
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider(resource=Resource.create({"service.name": "billing", "service.version": "2.1",
    "deployment.environment.name": "staging", "host.name": "worker-3"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=sys.argv[1] + "/v1/traces")))
tracer = provider.get_tracer("billing.jobs")
def settle(amount):
    raise ValueError(f"{amount} cannot be settled")
try:
    with tracer.start_as_current_span("nightly"):
        with tracer.start_as_current_span("settle"):
            settle(7)
except ValueError:
    pass
provider.shutdown()
"""


def test_opentelemetrys_exporter(server: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OTEL, server.url], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = server.get("/api/v1/events", params={"query": "exception:ValueError"}).json()["items"]
    assert len(found) == 2  # each span notes the exception that went through it
    event = server.get(f"/api/v1/events/{found[-1]['event_id']}").json()
    assert event["exception"] == {"type": "ValueError", "value": "7 cannot be settled"}
    assert event["frames"][-1]["function"] == "settle"
    assert (event["release"], event["environment"], event["host"]) == ("billing@2.1", "staging", "worker-3")
    assert "service=billing" in event["tags"] and event["logger"] == "billing.jobs"
    trace = server.get(f"/api/v1/traces/{event['trace_id']}").json()
    assert sorted(span["name"] for span in trace["spans"]) == ["nightly", "settle"]
    assert len(trace["events"]) == 2


def _log_request(trace: str = "", **record: Any) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "api"}}]}
    body = {"timeUnixNano": "1760000000000000000", "severityNumber": 17, "traceId": trace, **record}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [body]}]}]}


def test_otlp_logs_in_json_and_protobuf(server: Any) -> None:
    attributes = [
        {"key": "exception.type", "value": {"stringValue": "java.io.IOException"}},
        {"key": "exception.message", "value": {"stringValue": "disk full"}},
        {"key": "exception.stacktrace", "value": {"stringValue": "java.io.IOException: disk full\n\tat shop.Disk.write(Disk.java:9)\n"}},
    ]  # fmt: skip
    request = _log_request(attributes=attributes, body={"stringValue": "could not save"})
    answer = server.post("/v1/logs", json=request)
    assert (answer.status_code, answer.json()) == (200, {})
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
    )

    del request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["traceId"]
    packed = ParseDict(request, ExportLogsServiceRequest()).SerializeToString()
    answer = server.post("/v1/logs", content=packed, headers={"Content-Type": "application/x-protobuf"})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/x-protobuf"
    assert not ExportLogsServiceResponse.FromString(answer.content).HasField("partial_success")
    found = server.get("/api/v1/events").json()["items"]
    assert len(found) == 2
    for event in found:
        assert (
            event["exception"] == {"type": "java.io.IOException", "value": "disk full"}
            or event["exception"]["value"] == "disk full"
        )
        assert event["frames"][-1]["function"] == "write" and event["message"] == "could not save"


def test_an_exception_on_span_and_log_is_one_event(server: Any) -> None:
    told = [
        {"key": "exception.type", "value": {"stringValue": "E"}},
        {"key": "exception.message", "value": {"stringValue": "twice"}},
    ]
    trace, span = "ab" * 16, "cd" * 8
    server.post("/v1/logs", json=_log_request(trace, spanId=span, attributes=told))
    spans = [{"traceId": trace, "spanId": span, "name": "s", "startTimeUnixNano": "1760000000000000000",
              "endTimeUnixNano": 1760000001000000000, "kind": 2, "events": [{"name": "exception", "attributes": told}]}]  # fmt: skip
    assert server.post("/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).status_code == 200
    assert len(server.get("/api/v1/events").json()["items"]) == 1


def test_lesser_logs_are_counted_and_wrong_spans_are_told(server: Any) -> None:
    assert server.post("/v1/logs", json=_log_request(severityNumber=9, body={"stringValue": "fine"})).json() == {}
    broken = server.post("/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "without ids"}]}]}]})
    assert broken.status_code == 200 and broken.json()["partialSuccess"]["rejectedSpans"] == "1"
    for content, kind in ((b"\xff\xff", "application/x-protobuf"), (b"{", "application/json")):
        assert server.post("/v1/logs", content=content, headers={"Content-Type": kind}).status_code == 400
    assert server.post("/v1/logs", content=b"x", headers={"Content-Type": "text/xml"}).status_code == 415
    assert server.events() == []
    assert server.drops()["below_error", "otlp", "log"] == 1


def test_curl(server: Any) -> None:
    command = [
        "curl",
        "-s",
        "-X",
        "POST",
        f"{server.url}/api/v1/events",
        "-d",
        '{"message": "from curl", "tags": ["shell"]}',
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout)["issue_created"] is True
    assert the_event(server, "tag:shell")["message"] == "from curl"


def test_tail_tells_what_arrives_from_anywhere(server: Any) -> None:
    arrived: list[dict[str, Any]] = []
    ids: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{server.url}/api/v1/tail", params={"query": "level:error"}, timeout=30) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                listening.set()
                if line.startswith("id: "):
                    ids.append(line[4:])
                if line.startswith("data: "):
                    arrived.append(json.loads(line[6:]))
                    if len(arrived) == 2:
                        return

    listener = threading.Thread(target=listen)
    listener.start()
    assert listening.wait(10)
    server.post("/api/v1/events", json={"message": "over http", "level": "error"})
    server.post("/api/v1/events", json={"message": "too quiet", "level": "info"})
    subprocess.run(
        [sys.executable, "-m", "crashvault", "--home", str(server.home), "add", "by hand"],
        check=True,
        capture_output=True,
        timeout=30,
    )
    listener.join(20)
    assert [event["message"] for event in arrived] == ["over http", "by hand"]
    with httpx.stream("GET", f"{server.url}/api/v1/tail", headers={"Last-Event-ID": ids[0]}, timeout=30) as answer:
        again = next(line for line in answer.iter_lines() if line.startswith("data: "))
    assert json.loads(again[6:])["message"] == "too quiet"


def test_a_server_with_listeners_still_stops(serve: Callable[..., Any]) -> None:
    server = serve()
    with httpx.stream("GET", f"{server.url}/api/v1/tail", timeout=30) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert server.stop() == 0
