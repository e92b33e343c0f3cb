from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crashvault.ingest.clean import Notes
from crashvault.ingest.frames import _thorough_frame, _usual_frame
from crashvault.ingest.limits import DEFAULT_LIMITS, Limits
from crashvault.ingest.normalize import NO_MESSAGE, new_event_id, normalize
from crashvault.models import LEVEL_RANKS

sys.path.insert(0, str(Path(__file__).parents[1]))
from nasty import NASTY
from shapes import UUID, assert_event_shape

NOW = 1_795_459_623_000_000  # 2026-11-23T18:47:03Z
LEVELS = {**LEVEL_RANKS, "Audit": 35}


def event_of(raw: Any, **options: Any) -> dict[str, Any]:
    event = normalize(copy.deepcopy(raw), received_at=NOW, levels=LEVELS, **options)
    assert_event_shape(event, levels=LEVELS, limits=options.get("limits", DEFAULT_LIMITS))
    return dict(event)


def reasons(event: dict[str, Any]) -> dict[str, str]:
    return {error["field"]: error["reason"] for error in event.get("errors", [])}


def frame_of(raw: Any) -> dict[str, Any]:
    return event_of({"message": "m", "frames": [raw]})["frames"][0]


def test_a_plain_message_gets_the_rest() -> None:
    event = event_of({"message": "boom"}, project="shop", new_id=lambda: "12345678-1234-4234-8234-123456789abc")
    assert event == {
        "event_id": "12345678-1234-4234-8234-123456789abc",
        "project": "shop",
        "timestamp": NOW,
        "received_at": NOW,
        "level": "error",
        "message": "boom",
    }


def test_new_event_ids_are_uuid4() -> None:
    ids = {new_event_id() for _ in range(200)}
    assert len(ids) == 200
    for event_id in ids:
        assert UUID.fullmatch(event_id) and event_id[14] == "4" and event_id[19] in "89ab"


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        ("9F1C2D3E4B5A46978899AABBCCDDEEFF", "9f1c2d3e-4b5a-4697-8899-aabbccddeeff"),
        ("9f1c2d3e-4b5a-4697-8899-aabbccddeeff", "9f1c2d3e-4b5a-4697-8899-aabbccddeeff"),
    ],
)
def test_event_ids_are_dashed(given_id: str, kept: str) -> None:
    assert event_of({"message": "m", "event_id": given_id})["event_id"] == kept


@pytest.mark.parametrize("wrong", ["x", "0" * 32, "9f" * 15, 7, [], "9f1c2d3e4b5a46978899aabbccddeef "])
def test_a_wrong_event_id_is_replaced_and_noted(wrong: Any) -> None:
    event = event_of({"message": "m", "event_id": wrong})
    assert event["event_id"] != wrong
    assert reasons(event) == {"event_id": "invalid"}


@pytest.mark.parametrize(
    ("given_time", "kept"),
    [
        ("2026-11-23T18:00:00Z", 1_795_456_800_000_000),
        ("2026-11-23T18:00:00.5+00:00", 1_795_456_800_500_000),
        ("2026-11-23T19:00:00.123456789+01:00", 1_795_456_800_123_456),
        ("2026-11-23 18:00:00", 1_795_456_800_000_000),
        ("2026-11-23t18:00:00z", 1_795_456_800_000_000),
        ("2026-11-23 18:00:00 UTC", 1_795_456_800_000_000),
        (1_795_456_800, 1_795_456_800_000_000),
        (1_795_456_800.25, 1_795_456_800_250_000),
        ("1795456800.25", 1_795_456_800_250_000),
        (1_795_456_800_250, 1_795_456_800_250_000),
        (1_795_456_800_250_001, 1_795_456_800_250_001),
        (1_795_456_800_250_001_999, 1_795_456_800_250_001),
        (None, NOW),
        ("", NOW),
    ],
)
def test_times_become_microseconds(given_time: Any, kept: int) -> None:
    event = event_of({"message": "m", "timestamp": given_time})
    assert (event["timestamp"], event.get("errors")) == (kept, None)


@pytest.mark.parametrize(
    "wrong",
    [
        0,
        -5,
        float("nan"),
        float("inf"),
        True,
        [],
        "soon",
        "0000-01-01",
        "1970-01-01T00:00:00Z",
        "9" * 400,
        10**400,
        {},
    ],
)
def test_nonsense_times_become_the_arrival(wrong: Any) -> None:
    event = event_of({"message": "m", "timestamp": wrong})
    assert event["timestamp"] == NOW
    assert reasons(event) == {"timestamp": "invalid_time"}


def test_a_clock_may_be_a_minute_ahead() -> None:
    assert event_of({"message": "m", "timestamp": NOW + 60_000_000})["timestamp"] == NOW + 60_000_000
    event = event_of({"message": "m", "timestamp": NOW + 60_000_001})
    assert event["timestamp"] == NOW
    assert reasons(event) == {"timestamp": "future_time"}


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("error", "error"),
        ("ERROR", "error"),
        (" Warning ", "warning"),
        ("fatal", "critical"),
        ("warn", "warning"),
        ("err", "error"),
        ("audit", "Audit"),
        ("AUDIT", "Audit"),
        (30, "warning"),
        (50, "critical"),
        ("notice", "info"),
        ("trace", "debug"),
        (None, "error"),
        ("", "error"),
    ],
)
def test_levels(word: Any, level: str) -> None:
    event = event_of({"message": "m", "level": word})
    assert (event["level"], event.get("errors")) == (level, None)


@pytest.mark.parametrize("word", ["loud", 31, [], True, {"a": 1}, "\0"])
def test_unknown_levels_are_errors_and_noted(word: Any) -> None:
    event = event_of({"message": "m", "level": word})
    assert event["level"] == "error"
    assert reasons(event) == {"level": "unknown_level"}


@pytest.mark.parametrize(
    ("given_tags", "kept"),
    [
        (["db", "region=eu", "db"], ["db", "region=eu"]),
        (
            {"region": "eu", "n": 3, "on": True, "none": None, "empty": ""},
            ["region=eu", "n=3", "on=true", "none", "empty"],
        ),
        (
            [["region", "eu"], ("a", 1), {"key": "k", "value": "v"}, {"key": "w"}],
            ["region=eu", "a=1", "k=v", "w"],
        ),
        ("a, b=c,", ["a", "b=c"]),
        ([" k = v ", "k=", "=v", "x=a=b=="], ["k=v", "k", "v", "x=a=b=="]),
        ({"a=b": "c"}, ["a_b=c"]),
        ([7, 1.5, False], ["7", "1.5", "false"]),
    ],
)
def test_tags(given_tags: Any, kept: list[str]) -> None:
    event = event_of({"message": "m", "tags": given_tags})
    assert (event["tags"], event.get("errors")) == (kept, None)


def test_tags_are_limited() -> None:
    event = event_of({"message": "m", "tags": {f"{i:03}" + "k" * 300: "v" * 300 for i in range(150)}})
    assert len(event["tags"]) == 100
    assert event["tags"][0] == "000" + "k" * 196 + "…=" + "v" * 199 + "…"
    assert reasons(event)["tags"] == "too_many"
    assert reasons(event)["tags.0"] == "too_long"


def test_messages_are_derived_from_the_exception() -> None:
    assert event_of({"exception": {"type": "E", "value": "no"}})["message"] == "E: no"
    assert event_of({"exception": {"value": "no"}})["message"] == "no"
    assert event_of({"exception": ["A: cause", "B: end"], "message": "  "})["message"] == "B: end"
    assert "errors" not in event_of({"exception": {"type": "E"}})
    event = event_of({})
    assert event["message"] == NO_MESSAGE
    assert reasons(event) == {"message": "missing"}


def test_message_objects() -> None:
    assert event_of({"message": {"message": "a %s", "params": ["b"], "formatted": "a b"}})["message"] == "a b"
    assert event_of({"message": {"message": "a %s"}})["message"] == "a %s"
    assert event_of({"message": 404})["message"] == "404"


def test_bad_characters_are_replaced() -> None:
    event = event_of({"message": "a\0b\ud800c", "context": {"k\udfff": ["\0"], "é": "ü"}})
    assert event["message"] == "a\ufffdb\ufffdc"
    assert event["context"] == {"k\ufffd": ["\ufffd"], "é": "ü"}
    assert reasons(event)["message"] == "bad_characters"


def test_long_texts_are_cut() -> None:
    event = event_of(
        {"message": "m" * 9_000, "exception": {"type": "t" * 999, "value": "v" * 9_000}, "release": "r" * 999}
    )
    assert event["message"] == "m" * 8_191 + "…"
    assert len(event["exceptions"][0]["value"]) == 8_192
    assert len(event["exceptions"][0]["type"]) == len(event["release"]) == 250
    assert set(reasons(event).values()) == {"too_long"}


def test_nesting_and_width_are_limited() -> None:
    deep: Any = "x"
    for _ in range(9):
        deep = {"a": deep}
    event = event_of({"message": "m", "context": deep | {"wide": list(range(300)), "none": None, "empty": {}}})
    assert event["context"]["a"]["a"]["a"]["a"]["a"]["a"]["a"] == {"a": "{…}"}
    assert event["context"]["wide"] == list(range(256))
    assert event["context"]["none"] is None and event["context"]["empty"] == {}
    assert reasons(event) == {"context.a.a.a.a.a.a.a.a": "too_deep", "context.wide": "too_many"}


def test_values_that_json_cannot_hold() -> None:
    class Thing:
        pass

    values = {"nan": float("nan"), "big": 2**70, "b": b"\xffab", "t": (1, 2), "o": Thing(), 5: 1, None: 2}
    event = event_of({"message": "m", "context": values})
    assert event["context"] == {
        "nan": "nan",
        "big": str(2**70),
        "b": "\ufffdab",
        "t": [1, 2],
        "o": "<Thing>",
        "5": 1,
        "<NoneType>": 2,
    }


def test_cycles_end() -> None:
    ring: dict[str, Any] = {"name": "ring"}
    ring["self"] = [ring, ring]
    event = normalize({"message": "m", "context": ring}, received_at=NOW, levels=LEVELS)
    assert_event_shape(event)
    doubled: Any = "x"
    for _ in range(40):
        doubled = [doubled] * 200
    assert_event_shape(normalize({"message": "m", "context": {"a": doubled}}, received_at=NOW, levels=LEVELS))


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ({"filename": "a.py", "lineno": 3, "function": "f"}, {"file": "a.py", "line": 3, "function": "f"}),
        ({"file": "a.py", "line": "3", "name": "f"}, {"file": "a.py", "line": 3, "function": "f"}),
        (
            {"abs_path": "/x/a.py", "line_number": 3.0, "method": "f"},
            {"file": "/x/a.py", "line": 3, "function": "f"},
        ),
        ({"filename": "a.py", "abs_path": "/x/a.py", "colno": 0}, {"file": "a.py", "abs_path": "/x/a.py"}),
        ({"filename": "a.py", "abs_path": "a.py", "lineno": 0}, {"file": "a.py"}),
        (
            {"path": "a.py", "code": "x = 1", "pre_context": "a\nb"},
            {"file": "a.py", "context_line": "x = 1", "pre_context": ["a", "b"]},
        ),
        ({"instruction_addr": 4096, "package": "libc"}, {"instruction_addr": "0x1000", "package": "libc"}),
        (
            {"function": "f", "locals": {"a": [1]}, "post_context": ["x", None, 3]},
            {"function": "f", "vars": {"a": [1]}, "post_context": ["x", "", "3"]},
        ),
        ("main", {"function": "main"}),
    ],
)
def test_frame_dialects(raw: Any, kept: dict[str, Any]) -> None:
    frame = frame_of(raw)
    assert frame.pop("in_app") in (True, False)
    assert frame == kept


def test_frames_belong_to_the_last_exception() -> None:
    event = event_of({"exception": [{"type": "A"}, {"type": "B"}], "frames": [{"file": "a.py", "line": 1}]})
    assert "frames" not in event
    assert event["exceptions"][-1]["frames"][0]["file"] == "a.py"
    assert "frames" not in event["exceptions"][0]


def test_many_frames_keep_both_ends() -> None:
    frames = [{"file": "a.py", "line": i + 1, "function": "f", "in_app": True} for i in range(400)]
    event = event_of({"message": "m", "frames": frames})
    assert [frame["line"] for frame in event["frames"]] == [*range(1, 51), *range(201, 401)]
    assert reasons(event) == {"frames": "too_many"}


@pytest.mark.parametrize(
    ("file", "platform"),
    [
        ("a.py", "python"),
        ("a.mjs", "javascript"),
        ("A.kt", "java"),
        ("m.go", "go"),
        ("l.rs", "rust"),
        ("x.rb", "ruby"),
        ("i.php", "php"),
        ("P.cs", "csharp"),
        ("m.cpp", "native"),
        ("m.exs", "elixir"),
        ("https://x/app.js?v=2", "javascript"),
    ],
)
def test_platform_is_guessed_from_files(file: str, platform: str) -> None:
    assert event_of({"message": "m", "frames": [{"file": file, "line": 1}]})["platform"] == platform


@pytest.mark.parametrize(
    ("given_name", "platform"),
    [("node", "javascript"), ("Cocoa", "native"), ("C#", "csharp"), ("other", "other")],
)
def test_platform_names(given_name: str, platform: str) -> None:
    event = event_of({"message": "m", "platform": given_name})
    assert (event["platform"], event.get("errors")) == (platform, None)
    event = event_of({"message": "m", "platform": "abacus"})
    assert (event["platform"], reasons(event)) == ("other", {"platform": "unknown_platform"})


PYTHON_TRACE = """Traceback (most recent call last):
  File "/srv/app/a.py", line 3, in main
    work()
  File "/srv/app/b.py", line 7, in work
    raise ValueError("no")
ValueError: no
"""


def test_a_stack_as_text_is_read_and_kept() -> None:
    event = event_of({"stack": PYTHON_TRACE})
    assert event["stacktrace"] == PYTHON_TRACE
    assert event["message"] == "ValueError: no"
    assert event["platform"] == "python"
    assert [frame["line"] for frame in event["exceptions"][-1]["frames"]] == [3, 7]


def test_a_stack_as_text_gives_frames_to_the_exception() -> None:
    event = event_of(
        {"message": "m", "exception": {"type": "Mine", "value": "v"}, "stacktrace": PYTHON_TRACE.splitlines()}
    )
    assert len(event["exceptions"]) == 1
    assert event["exceptions"][0]["type"] == "Mine"
    assert [frame["line"] for frame in event["exceptions"][0]["frames"]] == [3, 7]


def test_a_text_that_is_no_stack_is_kept() -> None:
    event = event_of({"message": "m", "stacktrace": "nothing to see"})
    assert event["stacktrace"] == "nothing to see"
    assert "exceptions" not in event and "frames" not in event


def test_source_and_line_make_a_frame() -> None:
    event = event_of({"message": "m", "url": "app/main.js", "lineno": 4, "colno": 2})
    assert (event["source"], event["line"], event["column"]) == ("app/main.js", 4, 2)
    (frame,) = event["frames"]
    assert (frame["file"], frame["line"], frame["column"]) == ("app/main.js", 4, 2)
    assert "frames" not in event_of({"message": "m", "source": "app/main.js"})


def test_exceptions_in_all_shapes() -> None:
    for shape in (
        {"values": [{"type": "E", "value": "v"}]},
        [{"type": "E", "value": "v"}],
        {"type": "E", "value": "v"},
        "E: v",
    ):
        assert event_of({"exception": shape})["exceptions"] == [{"type": "E", "value": "v"}]
    assert event_of({"exception": {"type": "E", "value": {"a": 1}}})["exceptions"][0]["value"] == '{"a": 1}'
    raw = {
        "type": "E",
        "thread_id": 7,
        "mechanism": {"handled": False},
        "module": "m",
        "stacktrace": PYTHON_TRACE,
    }
    exception = event_of({"exception": raw})["exceptions"][0]
    assert (exception["thread"], exception["mechanism"], exception["module"]) == (
        "7",
        {"handled": False},
        "m",
    )
    assert len(exception["frames"]) == 2


def test_breadcrumbs_keep_the_last() -> None:
    crumbs = [{"message": str(i), "timestamp": 1_795_456_800 + i} for i in range(120)]
    event = event_of(
        {
            "message": "m",
            "breadcrumbs": {"values": [*crumbs, "text", 5, {"message": "x", "timestamp": "never"}]},
        }
    )
    assert len(event["breadcrumbs"]) == 99
    assert event["breadcrumbs"][0] == {"message": "23", "timestamp": 1_795_456_823_000_000}
    assert event["breadcrumbs"][-2:] == [{"message": "text"}, {"message": "x"}]


def test_users_stay_what_they_are() -> None:
    assert event_of({"message": "m", "user": "ada"})["user"] == "ada"
    assert event_of({"message": "m", "user": {"id": 5}})["user"] == {"id": 5}
    assert event_of({"message": "m", "user": 5})["user"] == "5"


def test_fingerprints_are_texts() -> None:
    assert event_of({"message": "m", "fingerprint": ["{{ default }}", 5, None, True]})["fingerprint"] == [
        "{{ default }}",
        "5",
        "true",
    ]
    assert event_of({"message": "m", "fingerprint": "mine"})["fingerprint"] == ["mine"]


def test_attachments_are_described_not_kept() -> None:
    given_ones = [{"name": "a.txt", "content_type": "text/plain", "data": "aGk=", "size": 2, "digest": "AB" * 32}]
    event = event_of({"message": "m", "attachments": given_ones * 25})
    assert len(event["attachments"]) == 20
    assert event["attachments"][0] == {
        "name": "a.txt",
        "content_type": "text/plain",
        "size": 2,
        "digest": "ab" * 32,
    }


def test_unknown_and_wrong_fields_are_noted() -> None:
    event = event_of(
        {
            "message": "m",
            "colour": "red",
            "context": [1],
            "pid": "x",
            "trace_id": "z",
            "host": {},
            "modules": [],
        }
    )
    assert reasons(event) == {
        "colour": "unknown_field",
        "context": "wrong_type",
        "pid": "invalid",
        "trace_id": "invalid",
        "host": "wrong_type",
        "modules": "wrong_type",
    }


def test_errors_of_the_client_are_kept_and_limited() -> None:
    event = event_of(
        {
            "message": "m",
            "errors": [{"field": "a", "reason": "too_long"}, {"field": "b", "reason": "js_no_source"}],
        }
    )
    assert event["errors"] == [
        {"field": "a", "reason": "too_long"},
        {"field": "b", "reason": "reported", "detail": "js_no_source"},
    ]
    event = event_of({"message": "m", **{f"x{i}": 1 for i in range(500)}})
    assert len(event["errors"]) == 101
    assert event["errors"][-1] == {"field": "errors", "reason": "too_many", "detail": "400 more"}


def test_an_event_that_is_too_large_loses_its_largest_parts() -> None:
    raw = {
        "message": "m",
        "release": "1",
        "context": {"small": 1, **{f"k{i}": ["y" * 8_000] * 20 for i in range(20)}},
        "tags": ["a"],
    }
    event = event_of(raw)
    assert event["context"] == {"small": 1}
    assert (event["release"], event["tags"]) == ("1", ["a"])
    assert reasons(event) == {"context": "too_large"}


def test_limits_can_be_chosen() -> None:
    limits = DEFAULT_LIMITS._replace(message=10, line=20, tags=1, event=40_000)
    raw = {
        "message": "m" * 50,
        "tags": ["a", "b"],
        "frames": [{"file": "f" * 50, "line": 1, "function": "g"}],
        "context": {"a": "x" * 7_000, "b": "x" * 8_000, "c": "x" * 8_000},
    }
    event = event_of(raw, limits=limits)
    assert len(event["message"]) == 10 and len(event["frames"][0]["file"]) == 20 and event["tags"] == ["a"]


@pytest.mark.parametrize("name", NASTY)
def test_nasty_events(name: str) -> None:
    event = event_of(NASTY[name])
    again = event_of(event)
    assert without_errors(again) == without_errors(event)


@pytest.mark.parametrize("raw", [None, [], "text", 5])
def test_what_is_no_mapping_is_an_event_too(raw: Any) -> None:
    assert reasons(event_of(raw))["event"] == "wrong_type"


def without_errors(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("errors", "received_at")}


TEXTS = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(
    ["\0", "\ud800", "a=b", "E: v", PYTHON_TRACE, "2026-11-23T18:00:00Z", "12", "a.py", "=", " ", "x" * 300]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
NAMES = st.sampled_from(
    [
        "values",
        "frames",
        "type",
        "value",
        "key",
        "filename",
        "file",
        "lineno",
        "line",
        "function",
        "vars",
        "in_app",
    ]
    + [
        "pre_context",
        "context_line",
        "stacktrace",
        "stack",
        "timestamp",
        "message",
        "data",
        "images",
        "name",
        "field",
        "reason",
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=5),
    max_leaves=15,
)
FIELDS = st.sampled_from(sorted(NASTY["nulls"]))
LINES = st.lists(TEXTS, max_size=4)
FRAMES = st.fixed_dictionaries(
    {"filename": TEXTS, "lineno": st.integers(0, 2**32), "function": TEXTS},
    optional={
        "module": TEXTS,
        "abs_path": TEXTS,
        "in_app": st.booleans() | st.none(),
        "pre_context": LINES | st.none(),
        "context_line": TEXTS,
        "post_context": LINES,
        "colno": st.integers(-1, 5),
        "vars": st.dictionaries(TEXTS, JSON, max_size=3),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS | TEXTS, JSON | st.lists(FRAMES, max_size=3), max_size=8))
def test_anything_becomes_an_event_and_stays_it(raw: dict[str, Any]) -> None:
    event = event_of(raw)
    json.dumps(event, ensure_ascii=False).encode()
    assert without_errors(event_of(event)) == without_errors(event)


@settings(max_examples=300, deadline=None)
@given(FRAMES)
def test_the_short_way_for_frames_gives_what_the_thorough_one_does(raw: dict[str, Any]) -> None:
    usual = _usual_frame(copy.deepcopy(raw), [], Notes(Limits()))
    if usual is not None and "vars" not in usual:
        notes = Notes(Limits())
        assert usual == _thorough_frame(raw, "f", notes)
        assert not notes.errors
