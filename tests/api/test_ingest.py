"""Sentry's protocol against a node in this process: its shapes, its limits, and what becomes of what is refused."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.sending import Door, envelope, run

from crashvault import core

ID = "9ec79c33ec9942ab8353589fcb2e04dc"
DASHED = "9ec79c33-ec99-42ab-8353-589fcb2e04dc"
EVENT: tuple[dict[str, Any], Any] = ({"type": "event"}, {"message": "lost"})
ONE = envelope(EVENT, header={"event_id": ID})


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


# Addresses, codings, content types


@pytest.mark.parametrize(
    "path", ["/api/1/envelope/", "/api/1/envelope", "/api/default/envelope/", "/stream", "/stream/"]
)
@pytest.mark.parametrize(
    "content_type", ["application/x-sentry-envelope", "text/plain;charset=UTF-8", "multipart/form-data", "application/x-www-form-urlencoded", ""]
)  # fmt: skip
def test_every_address_and_content_type_means_the_same(tmp_path: Path, path: str, content_type: str) -> None:
    async def test(node: Door) -> None:
        headers = {"content_type": content_type} if content_type else {}
        answer = await node.post(path, ONE, **headers)
        assert (answer.status_code, answer.json()) == (200, {"id": ID})
        (event,) = node.events()
        assert (event["event_id"], event["message"]) == (DASHED, "lost")

    run(tmp_path, test)


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip, capital": ("GZIP", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "brotli": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "identity": ("identity", bytes),
    "two": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
}


@pytest.mark.parametrize("name", PACKERS)
def test_codings(tmp_path: Path, name: str) -> None:
    coding, pack = PACKERS[name]

    async def test(node: Door) -> None:
        packed = pack(ONE)
        assert (await node.post("/api/1/envelope/", packed, content_encoding=coding)).status_code == 200
        assert len(node.events()) == 1
        if coding == "identity":
            return
        cut = await node.post("/api/1/envelope/", packed[: len(packed) // 2], content_encoding=coding)
        assert cut.status_code == 400 and cut.headers["x-sentry-error"]
        bomb = await node.post("/api/1/envelope/", pack(b"{}\n" + b" " * 3_000_000), content_encoding=coding)
        assert bomb.status_code == 413
        assert await node.drops() == {("bad_compression", "request"): 1, ("too_large", "request"): 1}

    run(tmp_path, test, max_unpacked=1_000_000)


def test_a_body_that_comes_in_pieces(tmp_path: Path) -> None:
    async def test(node: Door) -> None:
        async def pieces() -> Any:
            for start in range(0, len(ONE), 7):
                yield ONE[start : start + 7]

        assert (await node.client.post("/api/1/envelope/", content=pieces())).status_code == 200
        assert len(node.events()) == 1

    run(tmp_path, test)


# What is refused: body, headers, status, reason in the ledger

BIG = b"x" * 1_048_577
REFUSED: dict[str, tuple[bytes, dict[str, str], int, tuple[str, str]]] = {
    "nothing": (b"", {}, 400, ("bad_envelope", "request")),
    "no JSON": (b"hello\n", {}, 400, ("invalid_json", "request")),
    "a header that is a list": (b"[]\n", {}, 400, ("bad_envelope", "request")),
    "the end inside an item": (b'{}\n{"type":"event","length":99}\n{}', {}, 400, ("bad_envelope", "request")),
    "a length that is too short": (b'{}\n{"type":"event","length":1}\n{}\n', {}, 400, ("bad_envelope", "request")),
    "a length that is no number": (b'{}\n{"type":"event","length":"2"}\n{}\n', {}, 400, ("bad_envelope", "request")),
    "a negative length": (b'{}\n{"type":"event","length":-2}\n{}\n', {}, 400, ("bad_envelope", "request")),
    "no UTF-8": (b'{"dsn":"\xff"}\n', {}, 400, ("invalid_utf8", "request")),
    "deep nesting": (b"[" * 200_000, {}, 413, ("too_large", "request")),
    "a long line of headers": (b'{"x":"' + b"a" * 8_192 + b'"}\n', {}, 413, ("too_large", "request")),
    "too many items": (b"{}\n" + b'{"type":"x","length":0}\n\n' * 1_001, {}, 400, ("too_many_items", "request")),
    "an unknown coding": (ONE, {"content_encoding": "rot13"}, 415, ("unsupported_encoding", "request")),
    "no gzip": (ONE, {"content_encoding": "gzip"}, 400, ("bad_compression", "request")),
    "an event over its limit": (envelope(({"type": "event"}, b'{"message":"' + BIG + b'"}')), {}, 413, ("too_large", "event")),
    "an event that is a list": (envelope(({"type": "event"}, [])), {}, 400, ("not_an_object", "event")),
    "an event that is cut": (envelope(({"type": "event"}, b'{"message":')), {}, 400, ("invalid_json", "event")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why_and_is_counted(tmp_path: Path, name: str) -> None:
    body, headers, status, entry = REFUSED[name]

    async def test(node: Door) -> None:
        answer = await node.post("/api/1/envelope/", body, **headers)
        assert answer.status_code == status, answer.text
        assert answer.json().keys() == {"detail", "causes"} and answer.headers["x-sentry-error"]
        assert (await node.send(EVENT)).status_code == 200
        assert (await node.drops()) == {entry: 1}

    run(tmp_path, test)


def test_an_unknown_project_a_wrong_method_and_a_large_body_are_counted(tmp_path: Path) -> None:
    async def test(node: Door) -> None:
        assert (await node.post("/api/77/envelope/", ONE)).status_code == 404
        wrong = await node.client.get("/api/1/store/")
        assert wrong.status_code == 405 and wrong.headers["allow"] == "POST, OPTIONS"
        assert (await node.post("/api/1/envelope/", b"x" * 2_000)).status_code == 413
        assert await node.drops() == {
            ("not_found", "request"): 1, ("method_not_allowed", "request"): 1, ("too_large", "request"): 1,
        }  # fmt: skip

    run(tmp_path, test, max_body=1_000)


TRANSACTION = (
    {"type": "transaction"},
    {"transaction": "/pay", "start_timestamp": 1_760_000_000.0, "timestamp": 1_760_000_001.5, "contexts": {"trace": {"trace_id": "ab" * 16, "span_id": "cd" * 8}}},
)  # fmt: skip

# What is accepted: items, messages of the events that come of it, entries of the ledger

ACCEPTED: dict[str, tuple[bytes, list[str], dict[tuple[str, str], int]]] = {
    "an envelope without items": (b"{}", [], {}),
    "an item without a length": (b'{}\n{"type":"event"}\n{"message":"a"}', ["a"], {}),
    "a carriage return is payload": (b'{}\n{"type":"event"}\n{"message":"a"}\r\n', ["a"], {}),
    "an empty item": (envelope(({"type": "attachment"}, b""), EVENT), ["lost"], {}),
    "empty lines between items": (b'{}\n\n{"type":"event"}\n{"message":"a"}\n\n', ["a"], {}),
    "two events": (envelope(EVENT, ({"type": "event"}, {"message": "b"}), header={"event_id": ID}), ["lost", "b"], {}),
    "a bad header value": (envelope(EVENT, header={"event_id": 7, "sent_at": {}, "trace": [], "sdk": 1}), ["lost"], {}),
    "an unknown item": (envelope(({"type": "hologram"}, b"\x00"), EVENT), ["lost"], {("unsupported", "hologram"): 1}),
    "items of types that are not kept": (
        envelope(*(({"type": kind}, b"{}") for kind in ("profile", "profile_chunk", "replay_event", "replay_recording", "statsd"))),
        [], {("unsupported", kind): 1 for kind in ("profile", "profile_chunk", "replay_event", "replay_recording", "statsd")},
    ),
    "a type that is no text": (envelope(({"type": 3}, b"{}")), [], {("unsupported", "unknown"): 1}),
    "logs": (envelope(({"type": "log", "item_count": 3}, {"items": [1, 2, 3]})), [], {("not_an_error", "log"): 3}),
    "logs that count themselves wrongly": (
        envelope(({"type": "log", "item_count": 10**30}, {"items": [1]}), ({"type": "log"}, b"{"), ({"type": "otel_log"}, {"body": "x"})),
        [], {("not_an_error", "log"): 1, ("invalid", "log"): 1, ("not_an_error", "otel_log"): 1},
    ),
    "files of a transaction": (
        envelope(TRANSACTION, ({"type": "attachment"}, b"x"), ({"type": "attachment"}, b"y"), header={"event_id": ID}),
        [], {("of_transaction", "attachment"): 2},
    ),
    "what the client lost": (
        envelope(({"type": "client_report"}, {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 5}, 7]})),
        [], {("client_queue_overflow", "error"): 5},
    ),
    "a session without a release": (envelope(({"type": "session"}, {"sid": "x"})), [], {("no_release", "session"): 1}),
    "items that are no JSON": (
        envelope(({"type": "check_in"}, b"{"), ({"type": "transaction"}, b"[]"), ({"type": "feedback"}, b"")),
        [], {("invalid", "check_in"): 2, ("invalid", "transaction"): 1, ("invalid", "feedback"): 2, ("invalid", "span"): 1},
    ),
    "files of no event": (envelope(({"type": "attachment"}, b"x")), [], {("no_event", "attachment"): 1}),
    "files of an unknown event": (
        envelope(({"type": "attachment"}, b"x"), header={"event_id": ID}), [], {("unknown_event", "attachment"): 1},
    ),
    "more files than an event has": (
        envelope(EVENT, *(({"type": "attachment", "filename": f"{n}"}, b"x%d" % n) for n in range(23))),
        ["lost"], {("too_many", "attachment"): 3},
    ),
    "a bare list of exceptions": (
        envelope(({"type": "event"}, {"exception": [{"type": "A", "value": "b"}]})), ["A: b"], {},
    ),
    "one exception as an object": (envelope(({"type": "event"}, {"exception": {"type": "A", "value": "b"}})), ["A: b"], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_shapes_are_taken(tmp_path: Path, name: str) -> None:
    body, messages, drops = ACCEPTED[name]

    async def test(node: Door) -> None:
        answer = await node.post("/api/1/envelope/", body)
        assert answer.status_code == 200, answer.text
        assert [event["message"] for event in node.events()] == messages
        assert await node.drops() == drops

    run(tmp_path, test)


def test_nobodys_address_is_noted(tmp_path: Path) -> None:
    async def test(node: Door) -> None:
        user = {"id": "7", "ip_address": "{{auto}}"}
        await node.send(({"type": "event"}, {"message": "x", "user": user}))
        assert node.events()[0]["user"] == {"id": "7"}

    run(tmp_path, test)


def test_a_bad_id_in_the_header_leaves_the_payloads(tmp_path: Path) -> None:
    async def test(node: Door) -> None:
        await node.send(({"type": "event"}, {"message": "x", "event_id": ID}), event_id="nonsense")
        assert node.events()[0]["event_id"] == DASHED

    run(tmp_path, test)


# Once, however often it is sent


def test_what_is_sent_again_is_stored_once(tmp_path: Path) -> None:
    span = {"trace_id": "a" * 32, "span_id": "b" * 16, "start_timestamp": 1_760_000_000.0, "timestamp": 1_760_000_001.0}
    items = (
        EVENT, ({"type": "attachment", "filename": "a.txt"}, b"content"), ({"type": "span"}, span),
        ({"type": "check_in"}, {"check_in_id": "c" * 32, "monitor_slug": "nightly", "status": "ok", "duration": 2}),
        ({"type": "user_report"}, {"event_id": ID, "name": "Ana", "comments": "it broke"}),
    )  # fmt: skip

    async def test(node: Door) -> None:
        answers = await asyncio.gather(*(node.send(*items, event_id=ID) for _ in range(5)))
        assert {answer.json()["id"] for answer in answers} == {ID}
        assert len(node.events()) == 1
        assert node.files() == [[("a.txt", "event.attachment", b"content")]]
        assert node.rows("SELECT count(*) FROM spans") == [(1,)]
        assert node.rows("SELECT monitor, status, duration FROM check_ins") == [("nightly", "ok", 2.0)]
        assert node.rows("SELECT name, message FROM feedback") == [("Ana", "it broke")]

    run(tmp_path, test)


def test_late_files_reach_only_the_event_of_their_project(tmp_path: Path) -> None:
    with core.open_vault(str(tmp_path)) as store:
        store.projects.add("other", 1)
    form = (
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="log \\"1\\".txt"\r\nContent-Type: text/plain\r\n\r\nsome\r\n--lines\r\n'
        b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nno file\r\n--b--\r\n'
    )

    async def test(node: Door) -> None:
        await node.post("/api/1/envelope/", ONE)
        late = envelope(({"type": "attachment", "filename": "b.txt"}, b"late"), header={"event_id": ID})
        assert (await node.post("/api/other/envelope/", late)).status_code == 200
        assert node.files() == [[]]
        assert (await node.post("/api/1/envelope/", late)).status_code == 200
        kind = "multipart/form-data; boundary=b"
        answer = await node.post(f"/api/1/events/{ID}/attachments/", form, content_type=kind)
        assert answer.status_code == 201, answer.text
        (files,) = node.files()
        assert [(name, data) for name, _, data in files] == [
            ("b.txt", b"late"),
            ('log \\"1\\".txt', b"some\r\n--lines"),
        ]
        for broken in (form[:60], form[:-8], b""):
            assert (await node.post(f"/api/1/events/{ID}/attachments", broken, content_type=kind)).status_code == 400
        assert (await node.drops())["unknown_event", "attachment"] == 1

    run(tmp_path, test)


# Minidumps, check-ins


def test_a_minidump_is_an_event_with_a_file(tmp_path: Path) -> None:
    def field(name: str, value: bytes, file: str = "") -> bytes:
        more = f'; filename="{file}"' if file else ""
        return f'--X\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"

    form = b"".join((
        field("sentry[release]", b"app@2"), field("sentry[tags][gpu]", b"none"), field("prod", b"App"),
        field("upload_file_minidump", b"MDMP\x93\xa7\x00\r\n--Y", "crash.dmp"), field("log", b"line", "app.log"), b"--X--\r\n",
    ))  # fmt: skip

    async def test(node: Door) -> None:
        answer = await node.post("/api/1/minidump/", form, content_type='multipart/form-data; boundary="X"')
        assert answer.status_code == 200, answer.text
        (event,) = node.events()
        assert answer.text == event["event_id"]
        assert (event["message"], event["level"], event["platform"]) == ("Minidump received", "critical", "native")
        assert (event["release"], event["tags"], event["context"]["prod"]) == ("app@2", ["gpu=none"], "App")
        assert node.files() == [
            [
                ("crash.dmp", "event.minidump", b"MDMP\x93\xa7\x00\r\n--Y"),
                ("app.log", "event.attachment", b"line"),
            ]
        ]
        assert (await node.post("/api/1/minidump", b"MDMP raw", content_type="application/x-dmp")).status_code == 200
        other = await node.post(
            "/api/1/minidump", form.replace(b"MDMP", b"ELF?"), content_type="multipart/form-data; boundary=X"
        )
        assert other.status_code == 400 and "minidump" in other.json()["detail"]

    run(tmp_path, test)


def test_check_ins_by_address(tmp_path: Path) -> None:
    with core.open_vault(str(tmp_path)) as store:
        key = store.projects.require("default").public_key

    async def test(node: Door) -> None:
        begun = await node.client.get(f"/api/1/cron/nightly/{key}/?status=in_progress&environment=prod")
        assert begun.status_code == 202, begun.text
        own = begun.json()["id"]
        done = await node.client.post(f"/api/1/cron/nightly/{key}?check_in_id={own}&status=ok&duration=1.5")
        assert (done.status_code, done.json()) == (202, {"id": own})
        assert node.rows("SELECT monitor, status, duration FROM check_ins") == [("nightly", "ok", 1.5)]
        assert (await node.client.get(f"/api/1/cron/nightly/{key}")).status_code == 400
        assert (await node.client.get("/api/1/cron/nightly?status=ok")).status_code == 403

    run(tmp_path, test, auth="required")


# Keys


def test_every_place_of_a_key(tmp_path: Path) -> None:
    with core.open_vault(str(tmp_path)) as store:
        key = store.projects.require("default").public_key

    async def test(node: Door) -> None:
        url = "/api/1/envelope/"
        auth = f"Sentry sentry_version=7, sentry_client=x/1, sentry_key={key}, sentry_secret=s"
        for headers in (
            {"x_sentry_auth": auth},
            {"authorization": auth},
            {"authorization": f"Bearer {key}"},
            {"x_api_key": key},
        ):
            assert (await node.post(url, ONE, **headers)).status_code == 200
        assert (await node.post(f"{url}?sentry_version=7&sentry_key={key}", ONE)).status_code == 200
        by_dsn = envelope(EVENT, header={"dsn": f"https://{key}@example.org/1"})
        assert (await node.post(url, by_dsn)).status_code == 200
        assert (await node.post(url, gzip.compress(by_dsn), content_encoding="gzip")).status_code == 200
        assert (await node.post(url, ONE)).status_code == 403
        wrong = key.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
        assert (await node.post(url, ONE, x_sentry_auth=auth.replace(key, wrong))).status_code == 403
        assert (await node.post(url, envelope(EVENT, header={"dsn": f"https://{wrong}@x/1"}))).status_code == 403
        assert (await node.drops()) == {("no_key", "request"): 2, ("bad_key", "request"): 1}

    run(tmp_path, test, auth="required")


# Limits of rate and room


def test_rate_limits_name_the_time_to_come_back(tmp_path: Path) -> None:
    async def test(node: Door) -> None:
        statuses = [(await node.post("/api/1/envelope/", ONE)).status_code for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        answer = await node.post("/api/1/envelope/", ONE)
        wait = int(answer.headers["retry-after"])
        assert 1 <= wait <= 120  # the window slides
        assert answer.headers["x-sentry-rate-limits"] == f"{wait}::key:rate_limited"
        assert (await node.drops())["rate_limited", "request"] == 3

    run(tmp_path, test, rate="2/minute")


def test_a_full_queue_and_a_stopping_server_say_so(tmp_path: Path) -> None:
    async def test(node: Door) -> None:
        answers = await asyncio.gather(*(node.post("/api/1/envelope/", envelope(EVENT)) for _ in range(200)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {200, 429}
        assert len(node.events()) == statuses.count(200)
        refused = answers[statuses.index(429)].headers
        assert refused["retry-after"] and refused["x-sentry-rate-limits"].endswith("::organization:overloaded")
        await node.node.recorder.stop()
        late = await node.post("/v1/logs", b"{}", content_type="application/json")
        assert late.status_code == 503 and late.headers["retry-after"] and late.json()["code"] == 14

    run(tmp_path, test, capacity=1)


# Events as old clients send them

RAVEN = {
    "event_id": ID, "project": "1", "platform": "python", "culprit": "shop.pay", "server_name": "web-9", "level": 40,
    "timestamp": "2026-01-02T03:04:05", "message": "PaymentError: declined", "release": "1.2",
    "sentry.interfaces.Exception": {"values": [{"type": "PaymentError", "value": "declined", "stacktrace": {"frames": [
        {"filename": "a.py", "lineno": 1, "function": "outer"}, {"filename": "b.py", "lineno": 2, "function": "inner"},
    ]}}]},
    "sentry.interfaces.Http": {"url": "http://shop/pay", "method": "POST"},
    "sentry.interfaces.User": {"id": "u1"}, "tags": [["region", "eu"]], "extra": {"sys.argv": ["x"]},
}  # fmt: skip


@pytest.mark.parametrize("packing", ["json", "zlib", "base64"])
def test_payloads_of_ravens_time(tmp_path: Path, packing: str) -> None:
    body = json.dumps(RAVEN).encode()
    packed = {"json": body, "zlib": zlib.compress(body), "base64": base64.b64encode(zlib.compress(body))}[packing]

    async def test(node: Door) -> None:
        answer = await node.post("/api/1/store/", packed, content_type="application/octet-stream")
        assert (answer.status_code, answer.json()) == (200, {"id": ID})
        (event,) = node.events()
        (link,) = event["exceptions"]
        assert (link["type"], [frame["function"] for frame in link["frames"]]) == ("PaymentError", ["outer", "inner"])
        assert (event["host"], event["release"], event["tags"]) == ("web-9", "1.2", ["region=eu"])
        assert event["request"]["url"] == "http://shop/pay" and event["user"] == {"id": "u1"}
        bomb = base64.b64encode(zlib.compress(b'{"message":"' + BIG + b'"}'))
        assert (await node.post("/api/1/store", bomb)).status_code == 413
        made = await node.post("/api/1/store/", b'{"message": "without an id"}')
        assert len(made.json()["id"]) == 32

    run(tmp_path, test)


def test_security_reports(tmp_path: Path) -> None:
    csp = {
        "csp-report": {
            "document-uri": "https://shop/x",
            "violated-directive": "img-src 'self'",
            "blocked-uri": "https://evil/a",
        }
    }

    async def test(node: Door) -> None:
        for path in ("security/", "security", "csp-report/"):
            answer = await node.post(
                f"/api/1/{path}?sentry_release=r1&sentry_environment=e1",
                json.dumps(csp).encode(),
                content_type="application/csp-report",
            )
            assert answer.status_code == 200, answer.text
        assert {(event["release"], event["environment"], event["logger"]) for event in node.events()} == {
            ("r1", "e1", "csp")
        }
        assert (await node.post("/api/1/security/", b'{"a": 1}')).status_code == 400

    run(tmp_path, test)


# Whatever comes

_WORDS = st.sampled_from(["event", "transaction", "span", "session", "sessions", "check_in", "feedback", "user_report", "attachment",
                          "client_report", "log", "security", "otel_span", "x", ""])  # fmt: skip
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([2**63, 2**64, -(2**70), 1e308, 1e400, 0.1, 10**400]), st.text(max_size=8),
    st.sampled_from(["\ud800", "\x00", "{{auto}}", "a" * 32, "b" * 16, "2026-01-02T03:04:05Z", "9" * 40]),
)  # fmt: skip
_KEYS = st.sampled_from([
    "event_id", "timestamp", "start_timestamp", "end_timestamp", "message", "exception", "values", "stacktrace", "frames", "contexts", "trace",
    "trace_id", "span_id", "status", "attrs", "release", "started", "errors", "aggregates", "exited", "items", "attributes", "name", "data",
    "spans", "check_in_id", "monitor_slug", "duration", "monitor_config", "feedback", "comments", "associated_event_id", "discarded_events",
    "quantity", "reason", "csp-report", "tags", "user", "breadcrumbs", "threads", "level", "resourceSpans", "scopeSpans", "resourceLogs",
    "scopeLogs", "logRecords", "severityNumber", "startTimeUnixNano", "traceId", "spanId", "body", "stringValue", "key", "value", "init",
])  # fmt: skip
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6), max_leaves=25
)
_PATHS = st.sampled_from([
    "/api/1/envelope/", "/api/1/store/", "/api/1/security/", "/api/1/minidump/", "/v1/logs", "/v1/traces", "/api/v1/events", "/api/v1/batch",
    f"/api/1/events/{ID}/attachments/", "/api/1/cron/x/?status=ok",
])  # fmt: skip
_TYPES = st.sampled_from(["application/json", "application/x-protobuf", "multipart/form-data; boundary=b", "", "é"])
_CODINGS = st.sampled_from(["", "", "", "gzip", "deflate", "br", "zstd"])


@st.composite
def _bodies(draw: Any) -> bytes:
    """An envelope or a JSON value, perhaps damaged."""
    if draw(st.booleans()):
        items = [({"type": draw(_WORDS)}, draw(_VALUES)) for _ in range(draw(st.integers(0, 4)))]
        body = envelope(*items, header=draw(st.dictionaries(_KEYS, _LEAVES, max_size=4)))
    else:
        body = json.dumps(draw(_VALUES)).encode()
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(body)))
        body = body[:place] + draw(st.binary(max_size=4)) + body[place + draw(st.integers(0, 6)) :]
    return body


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(requests=st.lists(st.tuples(_PATHS, _TYPES, _CODINGS, _bodies()), min_size=5, max_size=15))
def test_nothing_that_is_sent_breaks_the_server(tmp_path: Path, requests: list[tuple[str, str, str, bytes]]) -> None:
    async def test(node: Door) -> None:
        packers = {
            "": bytes,
            "gzip": gzip.compress,
            "deflate": zlib.compress,
            "br": brotli.compress,
            "zstd": zstandard.compress,
        }
        sent = [
            node.client.post(
                path,
                content=packers[coding](body),
                headers={"content-type": kind.encode("latin-1"), "content-encoding": coding},
            )
            for path, kind, coding, body in requests
        ]
        for (path, *_), answer in zip(requests, await asyncio.gather(*sent), strict=True):
            assert answer.status_code < 500, (path, answer.text)
        assert node.alive and not node.node.recorder.failing
        assert (await node.send(EVENT)).status_code == 200

    run(tmp_path, test)


# The trace of a request

IN_TRACE = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
TRACEPARENTS: dict[str, tuple[str, str] | None] = {
    "00-{}-{}-01": IN_TRACE,
    "01-{}-{}-01-more": IN_TRACE,
    "cc-{}-{}-00": IN_TRACE,
    "00-{}-{}-01-more": None,
    "ff-{}-{}-01": None,
    "00-{}-0000000000000000-01": None,
    "00-00000000000000000000000000000000-{1}-01": None,
    "00-{0}-{1}": None,
    "": None,
}


@pytest.mark.parametrize("header", TRACEPARENTS)
def test_the_trace_of_a_request_is_its_events(tmp_path: Path, header: str) -> None:
    async def test(node: Door) -> None:
        answer = await node.post("/api/v1/events", b'{"message": "a"}', traceparent=header.format(*IN_TRACE))
        assert answer.status_code == 201
        (event,) = node.events()
        assert (event.get("trace_id"), event.get("span_id")) == (TRACEPARENTS[header] or (None, None))

    run(tmp_path, test)


# OTLP's answers


@pytest.mark.parametrize(
    "path", ["/v1/logs", "/v1/traces/", "/api/1/otlp/v1/traces/", "/api/1/integration/otlp/v1/logs"]
)
def test_otlps_answers_and_errors(tmp_path: Path, path: str) -> None:
    async def test(node: Door) -> None:
        for kind, body in (("application/json", b"{}"), ("application/x-protobuf", b"")):
            answer = await node.post(path, body, content_type=kind)
            assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, kind, body)
        packed = await node.post(path, gzip.compress(b"{}"), content_type="application/json", content_encoding="gzip")
        assert packed.status_code == 200
        wrong = await node.post(path, b"{", content_type="application/json")
        assert wrong.status_code == 400
        told = wrong.json()
        assert told["code"] == 3 and told["message"] and told["error"]["code"] == "invalid_json"
        broken = await node.post(path, b"\xff\xff", content_type="application/x-protobuf")
        assert (broken.status_code, broken.headers["content-type"]) == (400, "application/x-protobuf")
        status = Status.FromString(broken.content)
        assert status.code == 3 and "protobuf" in status.message
        assert (await node.post(path, b"{}", content_type="text/html")).status_code == 415

    run(tmp_path, test)
