"""What clients send, sorted: every item has its place or is counted, and none of them costs another anything."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crashvault.ingest.limits import DEFAULT_LIMITS
from crashvault.ingest.native import LARGEST_ATTACHMENT, MOST_ATTACHMENTS, BodyError
from crashvault.ingest.telemetry import MOST_SESSIONS, MOST_SPANS, Upload, hex_id, upload_of_envelope, upload_of_store

NOW = 1_790_000_000_000_000
ID = "9ec79c33ec9942ab8353589fcb2e04dc"
TRACE, SPAN = "ab" * 16, "cd" * 8
TIMES = {"start_timestamp": 1_760_000_000.0, "timestamp": 1_760_000_001.5}
RELEASE = {"attrs": {"release": "shop@1", "environment": "prod"}}


def sent(*items: tuple[str, Any], **header: Any) -> Upload:
    """What an envelope of items (type, payload) comes to; a payload that is no bytes is sent as JSON."""
    pieces = [json.dumps(header).encode()]
    for kind, payload in items:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        pieces += [json.dumps({"type": kind, "length": len(data)}).encode(), data]
    return upload_of_envelope(b"\n".join(pieces), NOW)


def kept(upload: Upload) -> dict[str, int]:
    """How much there is of each kind."""
    kinds = ("events", "spans", "sessions", "check_ins", "feedback", "late_attachments")
    return {kind: len(getattr(upload, kind)) for kind in kinds if getattr(upload, kind)}


TRANSACTION = {"transaction": "/pay", **TIMES, "contexts": {"trace": {"trace_id": TRACE, "span_id": SPAN, "op": "http.server"}},
               "spans": [{"span_id": "ef" * 8, "parent_span_id": SPAN, "op": "db", "description": "SELECT", **TIMES}]}  # fmt: skip
SPAN_V2 = {"trace_id": TRACE, "span_id": SPAN, "name": "pay", "start_timestamp": 1_760_000_000.0, "end_timestamp": 1_760_000_001.0,
           "attributes": {"sentry.op": {"value": "db", "type": "string"}}}  # fmt: skip
CHECK_IN = {"check_in_id": ID, "monitor_slug": "nightly", "status": "ok", "duration": 3}

# One item, what is kept of it, and what is counted.
ITEMS: dict[str, tuple[str, Any, dict[str, int], list[tuple[str, str, int]]]] = {
    "event": ("event", {"message": "a"}, {"events": 1}, []),
    "transaction": ("transaction", TRANSACTION, {"spans": 2}, []),
    "transaction without times": ("transaction", {**TRANSACTION, "start_timestamp": None}, {"spans": 1}, [("invalid", "span", 1)]),
    "span": ("span", {"items": [SPAN_V2, SPAN_V2, 3, {}]}, {"spans": 2}, [("invalid", "span", 1)]),
    "one span": ("otel_span", SPAN_V2, {"spans": 1}, []),
    "session": ("session", {"sid": "a", "init": True, "status": "ok", **RELEASE}, {"sessions": 1}, []),
    "sessions": ("sessions", {"aggregates": [{"started": "2026-01-02T03:04:00Z", "exited": 8}, 4], **RELEASE}, {"sessions": 1}, []),
    "check-in": ("check_in", CHECK_IN, {"check_ins": 1}, []),
    "check-in without a status": ("check_in", {**CHECK_IN, "status": "fine"}, {}, [("invalid", "check_in", 1)]),
    "feedback": ("feedback", {"contexts": {"feedback": {"message": "It broke", "associated_event_id": ID}}}, {"feedback": 1}, []),
    "feedback of nothing": ("feedback", {"contexts": {"feedback": {"name": "Ana"}}}, {}, [("invalid", "feedback", 1)]),
    "user report": ("user_report", {"event_id": ID, "comments": "It broke", "email": "a@example.com"}, {"feedback": 1}, []),
    "client report": (
        "client_report", {"discarded_events": [{"reason": "Sample Rate!", "category": "error", "quantity": 5}],
                          "rate_limited_events": [{"reason": "x", "category": "span", "quantity": True}]},
        {}, [("client_sample_rate", "error", 5)],
    ),
    "security": ("security", {"csp-report": {"blocked-uri": "inline"}}, {"events": 1}, []),
    "security without a report": ("security", {"a": 1}, {}, [("no_report", "security", 1)]),
    "log": ("log", {"items": [{"body": "a"}, {"body": "b"}]}, {}, [("not_an_error", "log", 2)]),
    "trace_metric": ("trace_metric", {"items": []}, {}, [("not_an_error", "trace_metric", 0)]),
    "profile": ("profile", {}, {}, [("unsupported", "profile", 1)]),
    "replay": ("replay_event", b"\x00\xff", {}, [("unsupported", "replay_event", 1)]),
    "no type": ("", {}, {}, [("unsupported", "unknown", 1)]),
    "an odd type": ("Ünïcode \x1b[31m", {}, {}, [("unsupported", "n_code_31m", 1)]),
    "file of nothing": ("attachment", b"x", {}, [("no_event", "attachment", 1)]),
}  # fmt: skip


@pytest.mark.parametrize("name", ITEMS)
def test_every_item_is_kept_or_counted(name: str) -> None:
    kind, payload, expected, drops = ITEMS[name]
    upload = sent((kind, payload))
    assert kept(upload) == expected
    assert upload.drops == drops


@pytest.mark.parametrize("name", [name for name, (kind, *_) in ITEMS.items() if kind not in ("event", "attachment")])
def test_no_item_costs_the_event_beside_it_anything(name: str) -> None:
    kind, payload, expected, drops = ITEMS[name]
    upload = sent((kind, payload), ("event", {"message": "a"}), (kind, b"\xff{"))
    assert len(upload.events) == expected.get("events", 0) + 1
    assert upload.drops[: len(drops)] == drops and len(upload.drops) > len(drops)


@pytest.mark.parametrize(
    ("items", "header", "given", "late", "drops"),
    [
        ([("event", {}), ("attachment", b"x")], {}, 1, 0, []),
        ([("attachment", b"x"), ("event", {})], {}, 1, 0, []),
        ([("attachment", b"x")], {"event_id": ID}, 0, 1, []),
        ([("attachment", b"x")], {"event_id": "0" * 32}, 0, 0, [("no_event", "attachment", 1)]),
        (
            [("attachment", b"x"), ("transaction", TRANSACTION)],
            {"event_id": ID},
            0,
            0,
            [("of_transaction", "attachment", 1)],
        ),
        (
            [("event", {})] + [("attachment", b"x")] * (MOST_ATTACHMENTS + 3),
            {},
            MOST_ATTACHMENTS,
            0,
            [("too_many", "attachment", 3)],
        ),
        ([("event", {}), ("attachment", bytes(LARGEST_ATTACHMENT + 1))], {}, 0, 0, [("too_large", "attachment", 1)]),
    ],
)
def test_files_belong_to_their_event_or_are_counted(
    items: list[Any], header: dict[str, Any], given: int, late: int, drops: list[Any]
) -> None:
    upload = sent(*items, **header)
    assert sum(len(event.attachments) for event in upload.events) == given
    assert len(upload.late_attachments) == late and upload.drops == drops


def test_limits() -> None:
    upload = sent(("event", b'"' + b"x" * DEFAULT_LIMITS.event + b'"'), ("event", {"message": "a"}))
    first, second = upload.events
    assert isinstance(first.raw, BodyError) and first.raw.code == "too_large" and second.raw == b'{"message": "a"}'
    upload = sent(("span", {"items": [SPAN_V2] * (MOST_SPANS + 2)}))
    assert len(upload.spans) == MOST_SPANS and upload.drops == [("too_many", "span", 1)] * 2
    upload = sent(("sessions", {"aggregates": [{"exited": 1}] * (MOST_SESSIONS + 7), **RELEASE}))
    assert len(upload.sessions) == MOST_SESSIONS
    assert upload.drops == [("too_many", "session", 7)]


def test_clocks_that_differ_are_corrected() -> None:
    assert sent(("event", {}), sent_at="2026-09-21T14:13:20Z").events[0].drift == 0
    late = sent(("event", {}), sent_at="2026-09-21T13:13:20Z").events[0]
    assert late.drift == 3_600_000_000
    assert sent(("event", {}), sent_at={"a": 1}).events[0].drift == 0


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        zlib.compress,
        lambda data: base64.b64encode(zlib.compress(data)),
        lambda data: b"\n " + data,
    ],
)
def test_a_stored_event_comes_in_every_dress(pack: Any) -> None:
    (event,) = upload_of_store(pack(b'{"message":"a"}'), NOW).events
    assert json.loads(bytes(event.raw)) == {"message": "a"}  # type: ignore[arg-type]


def test_a_stored_bomb_stops_at_the_limit() -> None:
    with pytest.raises(BodyError) as caught:
        upload_of_store(base64.b64encode(zlib.compress(bytes(32 << 20))), NOW)
    assert caught.value.code == "too_large"


@given(st.text("0123456789abcdefABCDEF-", max_size=80), st.sampled_from([16, 32]))
def test_ids_are_hexadecimal_or_nothing(text: str, digits: int) -> None:
    found = hex_id(text, digits)
    assert found is None or (len(found) == digits and found == text.replace("-", "").lower() and int(found, 16))


_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=10),
    st.sampled_from([ID, TRACE, SPAN, "0" * 32, "2026-01-02T03:04:05Z", "crashed", "ok", "\ud800", "\0", "1e999", 1e308]),
)  # fmt: skip
_keys = st.sampled_from([
    "event_id", "sent_at", "dsn", "trace", "contexts", "trace_id", "span_id", "parent_span_id", "start_timestamp", "timestamp", "end_timestamp",
    "spans", "data", "tags", "items", "attributes", "value", "name", "aggregates", "attrs", "release", "started", "exited", "sid", "seq", "init",
    "status", "did", "errors", "monitor_slug", "check_in_id", "duration", "monitor_config", "feedback", "message", "associated_event_id",
    "comments", "discarded_events", "reason", "category", "quantity", "csp-report", "blocked-uri", "filename", "content_type", "item_count",
])  # fmt: skip
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=7), max_leaves=25
)
_kinds = st.sampled_from(sorted({kind for kind, *_ in ITEMS.values()} | {"attachment", "otel_log"}))


@given(
    st.lists(st.tuples(_kinds, st.one_of(_values, st.binary(max_size=40))), max_size=6),
    st.dictionaries(_keys, _leaves, max_size=5),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_items_are_sorted_without_an_error(items: list[Any], header: dict[str, Any]) -> None:
    upload = sent(*items, **header)
    for reason, category, count in upload.drops:
        assert reason and category and reason.isascii() and category.isascii() and 0 <= count <= 10**9
    for span in upload.spans:
        assert span["start"] <= span["end"] and len(span["trace_id"]) == 32 and len(span["span_id"]) == 16
    for session in upload.sessions:
        assert all(
            0 <= session[name] <= 10**13 for name in ("started_count", "exited", "errored", "crashed", "abnormal")
        )
    if not items:
        assert not kept(upload) and not upload.drops
    handed = kept(upload)
    assert sum(handed.values()) + len(upload.drops) + sum(len(event.attachments) for event in upload.events) >= int(
        any(kind not in ("sessions", "client_report") for kind, _ in items)
    )


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_are_a_stored_event_or_the_documented_error(body: bytes) -> None:
    try:
        (event,) = upload_of_store(body, NOW).events
    except BodyError as error:
        assert error.code in ("too_large", "invalid_json", "invalid_utf8", "too_deep")
    else:
        assert isinstance(event.raw, bytes | dict)
