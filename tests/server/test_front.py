"""What every request meets: errors in one shape, the guard, CORS, keys, rate limits, logs and metrics."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest


def raw(server: Any, data: bytes, seconds: float = 10) -> bytes:
    """What comes back until the server closes."""
    found = urlsplit(server.url)
    with socket.create_connection((found.hostname, found.port), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        while True:
            try:
                piece = connection.recv(65_536)
            except ConnectionResetError:
                return received
            if not piece:
                return received
            received += piece


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n", 413),
    ],
)
def test_what_the_http_layer_refuses_has_the_same_shape(server: Any, request_bytes: bytes, status: int) -> None:
    head, _, body = raw(server, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"x-request-id:" in head.lower()
    error = json.loads(body)["error"]
    assert (error["code"] and error["message"] and error["details"] == []) or error["details"]
    assert server.get("/api/health").json()["status"] == "ok"


def test_errors_of_the_router(server: Any) -> None:
    missing = server.get("/nowhere")
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "not_found"
    assert missing.headers["x-request-id"]
    wrong = httpx.delete(f"{server.url}/api/health")
    assert wrong.status_code == 405 and wrong.json()["error"]["code"] == "method_not_allowed"


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def test_an_address_tells_all_its_methods(serve: Callable[..., Any]) -> None:
    server = serve(config={"server.auth": "required"})
    described = server.get("/api/openapi.json").json()["paths"]
    with httpx.Client(base_url=server.url) as client:
        for path, operations in described.items():
            hexadecimal = ("event", "event_id", *(["key"] if "/cron/" in path else []))
            address = re.sub(r"\{(\w+)\}", lambda found, long=hexadecimal: "ab" * 16 if found[1] in long else "1", path)
            methods = {method.upper() for method in operations}
            taken = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods and "/cron/" not in path else set())
            options = client.options(address)
            assert options.status_code == 204 and set(options.headers["allow"].split(", ")) == taken, path
            for method in METHODS:
                answer = client.request(method, address)
                if method in taken:
                    assert answer.status_code != 405, (method, path)
                    continue
                assert answer.status_code == 405, (method, path, answer.text)
                assert answer.headers["allow"] == options.headers["allow"]
                assert bool(answer.content) == (method != "HEAD")


def test_asking_for_the_headers_of_a_stream_ends(server: Any) -> None:
    answer = httpx.head(f"{server.url}/api/v1/tail", timeout=5)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", ""])
def test_a_foreign_name_is_refused_where_no_key_is_asked(server: Any, host: str) -> None:
    answer = raw(server, f"GET /api/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 ")


def test_a_foreign_page_may_send_events_and_nothing_else(server: Any) -> None:
    foreign = {"Origin": "https://shop.example"}
    assert server.post("/api/v1/events", json={"message": "of a page"}, headers=foreign).status_code == 201
    refused = server.get("/api/health", headers=foreign)
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "foreign_origin"
    assert "access-control-allow-origin" not in refused.headers
    asked = {**foreign, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-sentry-auth"}
    preflight = httpx.options(f"{server.url}/api/1/envelope/", headers=asked)
    assert preflight.status_code == 204 and preflight.headers["access-control-allow-origin"] == "*"
    assert "x-sentry-auth" in preflight.headers["access-control-allow-headers"]


def test_settings_for_all_servers_count_within_seconds(serve: Callable[..., Any]) -> None:
    server = serve(config={"server.cors.origins": "https://tools.example"})
    answer = server.get("/api/health", headers={"Origin": "https://tools.example"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://tools.example"


def test_keys_are_needed_where_the_settings_ask_for_them(serve: Callable[..., Any]) -> None:
    server = serve("--auth", "required")
    assert server.told["needs_key"]
    nobody = server.post("/api/v1/events", json={"message": "no"})
    assert nobody.status_code == 401 and nobody.headers["www-authenticate"] == "Bearer"
    key, reader = server.key("ingest"), server.key("read")
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
        assert server.post("/api/v1/events", json={"message": "yes"}, headers=headers).status_code == 201
    assert server.post("/api/v1/events", json={"message": "no"}, headers={"X-API-Key": reader}).status_code == 403
    assert server.post("/api/v1/events", json={"message": "no"}, headers={"X-API-Key": f"{key}x"}).status_code == 401
    item = ({"type": "event"}, b'{"message":"by dsn"}')
    assert server.envelope(item).status_code == 200
    refused = server.post("/api/1/envelope/", content=b'{}\n{"type":"event"}\n{"message":"no"}\n')
    assert refused.status_code == 403 and refused.json()["detail"] and refused.headers["x-sentry-error"]
    by_header = json.dumps({"dsn": server.dsn}).encode() + b'\n{"type":"event"}\n{"message":"by the envelope"}\n'
    assert server.post("/api/1/envelope/", content=by_header).status_code == 200
    assert len(server.events()) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_rate_limits_hold_for_all_workers_together(serve: Callable[..., Any], workers: int) -> None:
    server = serve("--workers", str(workers), config={"server.rate_limit.ingest": "10/hour"})
    answers = [server.post("/api/v1/events", json={"message": "again"}) for _ in range(25)]
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) == 10 and statuses.count(429) == 15
    last = answers[-1]
    assert 0 < int(last.headers["retry-after"]) <= 7_200
    assert (last.headers["ratelimit-limit"], last.headers["ratelimit-remaining"]) == ("10", "0")
    assert last.json()["error"]["code"] == "rate_limited"
    by_sdk = server.envelope(({"type": "event"}, b'{"message":"by dsn"}'))
    assert by_sdk.status_code == 200  # a key has a limit of its own
    assert server.stop() == 0
    assert server.drops()["rate_limited", "api", "request"] == 15


def test_no_secret_in_any_log(serve: Callable[..., Any]) -> None:
    server = serve("--auth", "required")
    key = server.key("ingest")
    server.post("/api/v1/events?api_key=swordfish", json={"message": "m"}, headers={"X-API-Key": key})
    server.envelope(({"type": "event"}, b'{"message":"m"}'))
    server.get(
        "/api/health?password=swordfish", headers={"Cookie": "session=swordfish", "Authorization": "Basic swordfish"}
    )
    assert server.stop() == 0
    logs = "".join(path.read_text() for path in (server.home / "logs").iterdir() if path.suffix == ".log")
    assert "path=/api/v1/events" in logs and "key=ingest" in logs
    assert key not in logs and server.public_key not in logs and "swordfish" not in logs


@pytest.mark.parametrize("workers", [1, 2])
def test_metrics_of_all_workers(serve: Callable[..., Any], workers: int) -> None:
    server = serve("--workers", str(workers))
    for number in range(12):
        assert server.post("/api/v1/events", json={"message": f"m{number % 3}"}).status_code == 201
    server.post("/api/v1/events", content=b"{")
    page = server.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    lines = dict(line.rsplit(" ", 1) for line in page.text.splitlines() if not line.startswith("#"))
    assert float(lines['crashvault_requests_total{method="POST",route="/api/v1/events",status="201"}']) == 12
    found = sum(float(value) for name, value in lines.items() if name.startswith("crashvault_ingest_events_total"))
    assert found == 12
    assert float(lines["crashvault_stored_events"]) == 12 and float(lines["crashvault_store_up"]) == 1
    assert float(lines["crashvault_commit_seconds_count"]) >= 1
    assert 'reason="invalid_json"' in page.text or "crashvault_ingest_refused_total" in page.text


def test_idle_connections_cost_nobody_anything(server: Any) -> None:
    found = urlsplit(server.url)
    idle = [socket.create_connection((found.hostname, found.port)) for _ in range(500)]
    try:
        assert server.post("/api/v1/events", json={"message": "beside them"}).status_code == 201
    finally:
        for one in idle:
            one.close()
