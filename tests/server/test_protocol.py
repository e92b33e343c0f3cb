"""Sentry's protocol, case by case: codings, keys, shapes that SDKs send, limits, and what is no event."""

from __future__ import annotations

import base64
import gzip
import json
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import httpx
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EVENT = b'{"message":"it broke","level":"error"}'
ENVELOPE = b'{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc"}\n{"type":"event","length":38}\n' + EVENT + b"\n"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from .conftest import Server

    server = Server(tmp_path_factory.mktemp("protocol") / "vault", (), {})
    yield server
    assert server.stop() == 0


def send(server: Any, content: Any, path: str = "/api/1/envelope/", **headers: str) -> httpx.Response:
    return server.post(
        path, content=content, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def fresh(event: bytes = EVENT, **header: Any) -> tuple[str, bytes]:
    """An envelope with a new event id, and that id."""
    event_id = uuid.uuid4().hex
    head = json.dumps({"event_id": event_id, **header}).encode()
    return event_id, head + b'\n{"type":"event"}\n' + event + b"\n"


def stored(server: Any, event_id: str) -> dict[str, Any]:
    answer = server.get(f"/api/v1/events/{event_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def drops(server: Any) -> dict[tuple[str, str], int]:
    return {(one["reason"], one["category"]): one["count"] for one in server.get("/api/v1/dropped").json()["items"]}


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate), ("br", brotli.compress),
     ("zstd", zstandard.compress), ("identity", bytes), ("", bytes), ("GZIP", gzip.compress)],
)  # fmt: skip
def test_codings(running: Any, coding: str, pack: Callable[[bytes], bytes]) -> None:
    event_id, body = fresh()
    answer = send(running, pack(body), content_encoding=coding)
    assert (answer.status_code, answer.json()) == (200, {"id": event_id})
    assert stored(running, event_id)["message"] == "it broke"


@pytest.mark.parametrize(
    ("content", "coding", "status"),
    [
        (gzip.compress(ENVELOPE)[:-9], "gzip", 400), (b"not gzip", "gzip", 400), (zlib.compress(ENVELOPE)[:-5], "deflate", 400),
        (brotli.compress(ENVELOPE)[:-2], "br", 400), (zstandard.compress(ENVELOPE)[:-3], "zstd", 400),
        (ENVELOPE, "compress", 415), (ENVELOPE, "sdch", 415),
        (gzip.compress(bytes(120 << 20), 9), "gzip", 413), (zstandard.compress(bytes(120 << 20)), "zstd", 413),
        (brotli.compress(bytes(120 << 20), quality=5), "br", 413),
    ],
)  # fmt: skip
def test_broken_and_bursting_bodies(running: Any, content: bytes, coding: str, status: int) -> None:
    answer = send(running, content, content_encoding=coding)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"detail", "causes"} and answer.headers["x-sentry-error"]
    assert running.get("/api/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-sentry-envelope",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_content_types_mean_the_same(running: Any, kind: str) -> None:
    event_id, body = fresh()
    assert send(running, body, content_type=kind).status_code == 200
    assert stored(running, event_id)


def test_chunks_and_addresses_without_a_slash(running: Any) -> None:
    event_id, body = fresh()
    pieces = iter([body[:20], body[20:]])
    assert send(running, pieces, "/api/1/envelope").json() == {"id": event_id}
    assert send(running, body, "/api/nowhere/envelope/").status_code == 404


@pytest.mark.parametrize(
    ("payload", "check"),
    [
        ({"exception": {"type": "E", "value": "v"}}, lambda e: e["exception"] == {"type": "E", "value": "v"}),
        ({"exception": [{"type": "A"}, {"type": "B"}]}, lambda e: [x["type"] for x in e["exceptions"]] == ["A", "B"]),
        ({"exception": {"values": [{"type": "A"}]}, "breadcrumbs": [{"message": "b"}]}, lambda e: e["breadcrumbs"][0]["message"] == "b"),
        ({"message": {"message": "%s of %s", "params": ["one", 2]}}, lambda e: e["message"] == "one of 2"),
        ({"logentry": {"formatted": "done"}}, lambda e: e["message"] == "done"),
        ({"message": "m", "tags": [["region", "eu"], ["n", 1]]}, lambda e: set(e["tags"]) == {"region=eu", "n=1"}),
        ({"message": "m", "tags": {"region": "eu"}}, lambda e: e["tags"] == ["region=eu"]),
        ({"message": "m", "user": {"id": 7, "ip_address": "{{auto}}"}}, lambda e: "ip_address" not in e["user"]),
        ({"message": "m", "level": "fatal"}, lambda e: e["level"] == "critical"),
        ({"message": "m", "level": "odd"}, lambda e: e["level"] == "error" and e["errors"]),
        ({"message": "m", "timestamp": "2026-01-02T03:04:05Z"}, lambda e: e["timestamp"].startswith("2026-01-02T03:04:05")),
        ({"message": "m", "timestamp": 1767323045.5}, lambda e: e["timestamp"].startswith("2026-01-02T03:04:05.5")),
        ({"message": "m", "fingerprint": ["{{ default }}", 1]}, lambda e: e["client_fingerprint"] == ["{{ default }}", "1"]),
        ({"message": "m", "exception": 7, "tags": 9, "user": []}, lambda e: e["message"] == "m" and e["errors"]),
        ({"message": "m", "contexts": {"trace": {"trace_id": "ab" * 16, "span_id": "cd" * 8}}}, lambda e: e["trace_id"] == "ab" * 16),
        ({"message": "m", "request": {"headers": [["Host", "x"], ["Cookie", "a=b"]]}}, lambda e: e["request"]["headers"]["Cookie"] == "[Filtered]"),
        ({"message": "m\x00\ud800"}, lambda e: "\x00" not in e["message"]),
    ],
)  # fmt: skip
def test_shapes_that_sdks_send(running: Any, payload: dict[str, Any], check: Callable[[dict[str, Any]], bool]) -> None:
    event_id, body = fresh(json.dumps(payload).encode())
    assert send(running, body).status_code == 200
    event = stored(running, event_id)
    assert check(event), event


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]\n", 400), (b"{}", 200), (b"{}\n", 200), (b"\xff\xfe\n", 400),
        (b'{}\n{"type":"event","length":99}\n{}\n', 400),
        (b'{}\n{"type":"event","length":-1}\n{}\n', 400),
        (b'{}\n{"type":"unheard_of","length":2}\nxx\n', 200),
        (b'{}\n{"type":"profile"}\n{}\n{"type":"replay_event"}\n{}\n{"type":"statsd"}\nx\n', 200),
        (b'{"event_id":"nonsense"}\n{"type":"event"}\n{"message":"m"}\n', 200),
        (b'{}\n{"type":"event"}\nnot json\n', 400),
        (b'{}\n{"type":"event"}\n[1]\n', 400),
        (b'{}\n{"type":"event"}\n' + b"[" * 100_000 + b"\n", 400),
        (b'{"x":"' + b"a" * 70_000 + b'"}\n{"type":"event"}\n{"message":"m"}\n', None),
    ],
)  # fmt: skip
def test_envelopes_at_the_edge(running: Any, body: bytes, status: int | None) -> None:
    answer = send(running, body)
    assert answer.status_code == status or (status is None and answer.status_code in (200, 400, 413)), answer.text


def test_an_event_over_its_limit_is_refused_and_counted(running: Any) -> None:
    _, body = fresh(json.dumps({"message": "m", "extra": {"x": "a" * (1 << 20)}}).encode())
    assert send(running, body).status_code == 413
    big = base64.b64encode(bytes(20 << 20))
    assert send(running, big).status_code == 413
    assert any(reason == "too_large" for reason, _ in drops(running))


def test_a_repeat_is_one_event(running: Any) -> None:
    event_id, body = fresh()
    before = running.get("/api/v1/stats").json()["events"]
    assert [send(running, body).json() for _ in range(3)] == [{"id": event_id}] * 3
    assert running.get("/api/v1/stats").json()["events"] == before + 1


def test_attachments_with_their_event_and_later(running: Any) -> None:
    event_id, body = fresh()
    file = b'{"type":"attachment","length":5,"filename":"a.txt","content_type":"text/plain"}\nhello\n'
    assert send(running, body + file).status_code == 200
    late = b'{"event_id":"%b"}\n{"type":"attachment","length":5,"filename":"b.txt"}\nlater\n' % event_id.encode()
    assert send(running, late).status_code == 200
    files = stored(running, event_id)["attachments"]
    assert [file["name"] for file in files] == ["a.txt", "b.txt"]
    assert running.get(files[1]["href"]).content == b"later"
    lost = late.replace(event_id.encode(), uuid.uuid4().hex.encode())
    assert send(running, lost).status_code == 200
    assert drops(running)["unknown_event", "attachment"] == 1


def test_client_reports_sessions_check_ins_and_feedback(running: Any) -> None:
    report = {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 23}]}
    session = {
        "sid": str(uuid.uuid4()),
        "init": True,
        "status": "exited",
        "started": "2026-11-01T10:00:00Z",
        "attrs": {"release": "r@1"},
    }
    check_in = {"check_in_id": uuid.uuid4().hex, "monitor_slug": "nightly", "status": "ok", "duration": 3.5}
    event_id, body = fresh()
    feedback = {"event_id": event_id, "name": "Ana", "email": "ana@example.com", "comments": "It broke on me"}
    for kind, payload in (
        ("client_report", report),
        ("session", session),
        ("check_in", check_in),
        ("user_report", feedback),
    ):
        body += json.dumps({"type": kind}).encode() + b"\n" + json.dumps(payload).encode() + b"\n"
    assert send(running, body).status_code == 200
    assert send(running, body).status_code == 200  # a repeat changes nothing but the reports
    assert (
        sum(
            count
            for (reason, category), count in drops(running).items()
            if "queue_overflow" in reason and category == "error"
        )
        == 46
    )
    from crashvault import core

    with core.open_vault(str(running.home)) as store:
        assert [run["monitor"] for run in store.telemetry.check_ins()] == ["nightly"]
        assert [one["message"] for one in store.telemetry.feedback_of([event_id])] == ["It broke on me"]
        assert [(health.release, health.started) for health in store.telemetry.releases()][0][0] == "r@1"


def test_transactions_become_spans(running: Any) -> None:
    trace = uuid.uuid4().hex
    payload = {
        "type": "transaction", "transaction": "GET /cart", "start_timestamp": 1767323045.0, "timestamp": 1767323046.0,
        "contexts": {"trace": {"trace_id": trace, "span_id": "ab" * 8, "op": "http.server"}},
        "spans": [{"trace_id": trace, "span_id": "cd" * 8, "parent_span_id": "ab" * 8, "op": "db", "description": "SELECT 1",
                   "start_timestamp": 1767323045.1, "timestamp": 1767323045.2}],
    }  # fmt: skip
    body = b'{}\n{"type":"transaction"}\n' + json.dumps(payload).encode() + b"\n"
    assert send(running, body).status_code == 200
    spans = running.get(f"/api/v1/traces/{trace}").json()["spans"]
    assert [(span["name"], span["parent_span_id"]) for span in spans] == [("GET /cart", None), ("SELECT 1", "ab" * 8)]


def test_store_payloads_of_old_clients(running: Any) -> None:
    payload = {"message": "of raven", "sentry.interfaces.User": {"id": "u1"}, "event_id": uuid.uuid4().hex}
    packed = base64.b64encode(zlib.compress(json.dumps(payload).encode()))
    answer = send(running, packed, "/api/1/store/")
    assert answer.json() == {"id": payload["event_id"]}
    assert stored(running, payload["event_id"])["user"]["id"] == "u1"
    plain = send(running, EVENT, "/api/1/store")
    assert len(plain.json()["id"]) == 32


def test_security_reports(running: Any) -> None:
    report = {
        "csp-report": {
            "document-uri": "https://shop.example/",
            "violated-directive": "script-src",
            "blocked-uri": "https://evil.example/x.js",
        }
    }
    answer = send(
        running,
        json.dumps(report).encode(),
        "/api/1/security/?sentry_release=r@2",
        content_type="application/csp-report",
    )
    assert answer.status_code == 200
    found = running.get("/api/v1/events", params={"query": "release:r@2"}).json()["items"]
    assert len(found) == 1 and "evil.example" in json.dumps(found[0])


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_envelopes_never_cost_more_than_their_answer(running: Any, data: st.DataObject) -> None:
    body = bytearray(ENVELOPE + b'{"type":"attachment","length":3}\nabc\n{"type":"session"}\n{"init":true}\n')
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(body) - 1))
        change = data.draw(st.sampled_from(("flip", "cut", "insert")))
        if change == "flip":
            body[at] = data.draw(st.integers(0, 255))
        elif change == "cut" and len(body) > 20:
            del body[at : at + data.draw(st.integers(1, 10))]
        else:
            body[at:at] = data.draw(st.binary(max_size=12))
    answer = send(running, bytes(body))
    assert answer.status_code < 500, (bytes(body), answer.text)
    assert running.get("/api/health/ready").status_code == 200


def test_minidumps_are_files_of_an_event(running: Any) -> None:
    dump = b"MDMP" + bytes(1000)
    answer = httpx.post(
        f"{running.url}/api/1/minidump/", timeout=30,
        files={"upload_file_minidump": ("crash.dmp", dump)}, data={"sentry[release]": "game@3", "guid": "g1"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    event = stored(running, answer.text)
    assert (event["release"], event["level"], event["context"]["guid"]) == ("game@3", "critical", "g1")
    assert running.get(event["attachments"][0]["href"]).content == dump
    for content in (b"no dump", b""):
        assert send(running, content, "/api/1/minidump/").status_code == 400


def test_files_of_an_event_by_its_address(running: Any) -> None:
    event_id, body = fresh()
    send(running, body)
    answer = httpx.post(
        f"{running.url}/api/1/events/{event_id}/attachments/", files={"log": ("a.log", b"lines")}, timeout=30
    )
    assert answer.status_code == 201, answer.text
    assert [file["name"] for file in stored(running, event_id)["attachments"]] == ["a.log"]


def test_check_ins_by_address(running: Any) -> None:
    begun = running.get("/api/1/cron/backup/", params={"status": "in_progress"})
    assert begun.status_code == 202
    same = {"check_in_id": begun.json()["id"], "status": "ok", "duration": "2.5"}
    assert running.post("/api/1/cron/backup", params=same).status_code == 202
    assert running.get("/api/1/cron/backup/").status_code == 400
    from crashvault import core

    with core.open_vault(str(running.home)) as store:
        (run,) = store.telemetry.check_ins("backup")
        assert (run["status"], run["duration"]) == ("ok", 2.5)
