"""Sentry's events as raw events of ours: nothing gets lost on the way, and nothing in them is trusted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.ingest.normalize import normalize
from crashvault.ingest.sentry_event import SAME, to_raw
from crashvault.models import LEVEL_RANKS

NOW = 1_795_000_000_000_000
DATA = Path(__file__).parent.parent / "data"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from([*SAME, "message", "logentry", "server_name", "extra", "contexts", "errors", "_meta", "spans"])


@given(st.dictionaries(keys | st.text(max_size=5), values, max_size=8) | values)
@settings(max_examples=300, deadline=None)
def test_any_value_becomes_an_event(event: Any) -> None:
    normalized = normalize(to_raw(event), received_at=NOW, levels=LEVEL_RANKS)
    assert normalized["message"]
    json.dumps(normalized)


def test_event_of_django_keeps_everything() -> None:
    given_event = json.loads((DATA / "django_event.json").read_text())
    event = normalize(to_raw(copy.deepcopy(given_event)), received_at=NOW, levels=LEVEL_RANKS)
    chain = given_event["exception"]["values"]
    assert [link["type"] for link in event["exceptions"]] == [link["type"] for link in chain]
    frames = chain[-1]["stacktrace"]["frames"]
    assert [frame["line"] for frame in event["exceptions"][-1]["frames"]] == [frame["lineno"] for frame in frames]
    assert event["host"] == given_event["server_name"]
    assert event["trace_id"] == given_event["contexts"]["trace"]["trace_id"]
    assert event["event_id"].replace("-", "") == given_event["event_id"]
    assert not [error for error in event.get("errors", ()) if error["reason"] == "unknown_field"]


@pytest.mark.parametrize(
    ("given_message", "expected"),
    [
        ("plain", "plain"),
        ({"message": "order %s is lost", "params": [17]}, "order 17 is lost"),
        ({"message": "order {} of {}", "params": ["a", "b"]}, "order a of b"),
        ({"message": "%s and %s", "params": ["only one"]}, "%s and %s"),
        ({"message": "100%", "params": []}, "100%"),
        ({"message": "%s", "params": [["no", "scalar"]]}, "%s"),
        ({"message": "%s", "formatted": "seen", "params": ["x"]}, "seen"),
        ({"message": "%(a)s", "params": {"a": 1}}, "%(a)s"),
    ],
)
def test_messages(given_message: Any, expected: str) -> None:
    assert to_raw({"logentry": given_message})["message"] == expected
    assert to_raw({"message": given_message})["message"] == expected


def test_contexts_and_extra_are_one_context() -> None:
    raw = to_raw({
        "extra": {"order": 17, "os": "mine"},
        "contexts": {
            "os": {"name": "Linux"}, "runtime": {"name": "CPython"}, "device": {},
            "trace": {"trace_id": "a" * 32, "span_id": "b" * 16, "op": "http.server", "parent_span_id": None},
        },
    })  # fmt: skip
    assert raw["context"] == {
        "order": 17, "os": "mine", "contexts.os": {"name": "Linux"}, "runtime": {"name": "CPython"},
        "trace": {"op": "http.server"},
    }  # fmt: skip
    assert (raw["trace_id"], raw["span_id"]) == ("a" * 32, "b" * 16)


def test_what_the_client_cut_is_told() -> None:
    meta = {
        "extra": {
            "key": {"": {"rem": [["!config", "s"]]}},
            "text": {"": {"len": 9000, "rem": [["!limit", "x", 0, 8192]]}},
        }
    }
    event = {"_meta": meta, "errors": [{"type": "clock_drift", "name": "timestamp"}, "nonsense"]}
    assert [(error["field"], error["reason"]) for error in to_raw(event)["errors"]] == [
        ("timestamp", "clock_drift"), ("extra.key", "scrubbed"), ("extra.text", "too_long"),
    ]  # fmt: skip


def test_hostile_remarks_take_no_time() -> None:
    deep: dict[str, Any] = {}
    node = deep
    for _ in range(50_000):
        node["a"] = node = {}
    wide = {str(number): {"": {"rem": [["!x", "x"]]}} for number in range(50_000)}
    assert to_raw({"_meta": deep, "message": "x"}) == {"message": "x"}
    assert len(to_raw({"_meta": wide})["errors"]) == 100


def test_request_gives_the_source_and_auto_address_goes() -> None:
    raw = to_raw({
        "request": {"url": "https://shop.example/pay?card=1"},
        "user": {"id": 3, "ip_address": "{{auto}}"},
    })  # fmt: skip
    assert raw["source"] == "https://shop.example/pay"
    assert raw["user"] == {"id": 3}
