from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.ingest.normalize import normalize
from crashvault.ingest.sentry_event import to_raw
from crashvault.models import LEVEL_RANKS

sys.path.insert(0, str(Path(__file__).parents[1]))
from nasty import NASTY
from shapes import assert_event_shape

NOW = 1_795_459_683_000_000
DJANGO = json.loads((Path(__file__).parents[1] / "data" / "django_event.json").read_text(encoding="utf-8"))


def event_of(payload: Any, header: Any = None) -> dict[str, Any]:
    raw = to_raw(copy.deepcopy(payload), envelope_header=header)
    event = normalize(raw, received_at=NOW, levels=LEVEL_RANKS)
    assert_event_shape(event)
    return dict(event)


def test_a_whole_event_of_the_python_sdk() -> None:
    event = event_of(DJANGO)
    assert "errors" not in event
    assert event["event_id"] == "9f1c2d3e-4b5a-4697-8899-aabbccddeeff"
    assert event["message"] == "PaymentError: card declined: insufficient funds (order 4711)"
    assert (event["host"], event["release"], event["platform"]) == ("web-3", "shop@2.14.1", "python")
    assert event["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736" and event["span_id"] == "00f067aa0ba902b7"
    assert event["context"]["trace"] == {"op": "http.server", "status": "internal_error"}
    assert event["context"]["runtime"]["name"] == "CPython"
    assert event["context"]["sys.argv"] == ["manage.py", "runserver"]
    assert event["tags"] == ["region=eu", "db=primary"]
    (exception,) = event["exceptions"]
    assert len(exception["frames"]) == 15
    assert exception["frames"][-1].keys() >= {"file", "abs_path", "line", "context_line", "vars", "in_app"}
    assert exception["mechanism"] == {"type": "django", "handled": False}
    assert len(event["modules"]) == 30 and len(event["breadcrumbs"]) == 4
    assert all(type(crumb["timestamp"]) is int for crumb in event["breadcrumbs"])


@pytest.mark.parametrize(
    ("given_message", "text"),
    [
        ({"message": "plain"}, "plain"),
        ({"message": {"formatted": "a b", "message": "a %s"}}, "a b"),
        ({"logentry": {"message": "a %s is %d%%", "params": ["b", 5]}}, "a b is 5%"),
        ({"logentry": {"message": "%(who)s did %(what)s", "params": {"who": "ada"}}}, "ada did %(what)s"),
        ({"logentry": {"message": "%s %s", "params": ["a"]}}, "a %s"),
        ({"logentry": {"message": "%999d %s", "params": [None, {"x": 1}]}}, "None <dict>"),
        ({"logentry": {"message": "log"}, "message": "other"}, "log"),
        ({"logentry": None, "message": "other"}, "other"),
        ({"logentry": "text"}, "text"),
    ],
)
def test_messages(given_message: dict[str, Any], text: str) -> None:
    assert event_of(given_message)["message"] == text


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("node", "javascript"),
        ("cocoa", "native"),
        ("objc", "native"),
        ("c", "native"),
        ("kotlin", "java"),
        ("perl", "other"),
        ("as3", "other"),
    ],
)
def test_platforms_keep_their_name_in_the_sdk(name: str, platform: str) -> None:
    event = event_of({"message": "m", "platform": name, "sdk": {"name": "x"}})
    assert (event["platform"], event["sdk"]) == (platform, {"name": "x", "platform": name})
    assert "errors" not in event


FRAMES = {"frames": [{"filename": "a.swift", "lineno": 1, "function": "f"}]}


def test_the_stack_of_the_thread_that_crashed() -> None:
    threads = {
        "values": [
            {"id": 1, "current": True, "stacktrace": FRAMES},
            {"id": 2, "name": "worker", "stacktrace": FRAMES},
        ]
    }
    event = event_of({"message": "m", "threads": threads})
    assert event["frames"][0]["file"] == "a.swift"
    assert "frames" not in event["threads"][0] and "frames" in event["threads"][1]
    event = event_of({"exception": [{"type": "EXC_BAD_ACCESS", "value": "v", "thread_id": 2}], "threads": threads})
    assert event["exceptions"][0]["frames"][0]["file"] == "a.swift"
    assert "frames" in event["threads"][0] and "frames" not in event["threads"][1]
    event = event_of({"exception": {"type": "E", "stacktrace": FRAMES}, "threads": threads})
    assert all("frames" in thread for thread in event["threads"])


def test_requests_in_odd_shapes() -> None:
    pairs = [["Host", "h"], ["Via", "a"], ["Via", "b"]]
    assert event_of({"request": {"headers": pairs}})["request"] == {"headers": {"Host": "h", "Via": "a, b"}}
    assert event_of({"request": {"headers": ["x"], "cookies": []}})["request"] == {
        "headers": ["x"],
        "cookies": {},
    }
    assert event_of({"request": "https://h/"})["request"] == {"url": "https://h/"}
    assert "request" not in event_of({"request": []})


def test_small_things() -> None:
    event = event_of(
        {
            "tags": [["a", "b"], ["c", None]],
            "fingerprint": ["{{ default }}", 5],
            "errors": [{"type": "invalid_data", "name": "user", "value": 5}, "x"],
            "_meta": {"request": {"": {"len": 5}}},
            "extra": [],
            "contexts": [],
            "user": {"id": 1, "ip_address": "{{auto}}"},
            "culprit": "views.index",
            "breadcrumbs": [{"message": "x", "timestamp": 1_795_459_000.5}],
        }
    )
    assert event["tags"] == ["a=b", "c"]
    assert event["fingerprint"] == ["{{ default }}", "5"]
    assert event["context"] == {"_meta": {"request": {"": {"len": 5}}}}
    assert event["user"] == {"id": 1}
    assert event["transaction"] == "views.index"
    assert event["breadcrumbs"][0]["timestamp"] == 1_795_459_000_500_000
    assert {"field": "user", "reason": "reported", "detail": "invalid_data: 5"} in event["errors"]


def test_the_header_of_the_envelope() -> None:
    header = {
        "event_id": "1" * 32,
        "sdk": {"name": "s"},
        "trace": {"trace_id": "a" * 32, "release": "r2", "environment": "prod"},
    }
    event = event_of({"message": "m", "event_id": "2" * 32, "release": "r1"}, header)
    assert event["event_id"].replace("-", "") == "1" * 32
    assert (event["trace_id"], event["release"], event["environment"]) == ("a" * 32, "r1", "prod")
    assert event["sdk"] == {"name": "s"}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_events(name: str) -> None:
    event_of(NASTY[name], NASTY[name])


KEYS = st.sampled_from(
    [
        "message",
        "logentry",
        "params",
        "formatted",
        "exception",
        "values",
        "threads",
        "stacktrace",
        "frames",
        "contexts",
        "trace",
    ]
    + [
        "trace_id",
        "extra",
        "request",
        "headers",
        "cookies",
        "platform",
        "sdk",
        "errors",
        "_meta",
        "user",
        "ip_address",
        "checksum",
    ]
    + [
        "crashed",
        "thread_id",
        "id",
        "breadcrumbs",
        "server_name",
        "tags",
        "name",
        "type",
        "value",
        "event_id",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["%s", "{{auto}}", "node"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, JSON, max_size=8), JSON)
def test_any_payload_becomes_an_event(payload: dict[str, Any], header: Any) -> None:
    event_of(payload, header)
