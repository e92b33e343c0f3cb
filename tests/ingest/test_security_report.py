"""Reports of browsers about security policies: every shape becomes an event, anything else is an error with a name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.ingest.native import BodyError
from crashvault.ingest.normalize import normalize
from crashvault.ingest.security_report import MOST_REPORTS, read_reports
from crashvault.models import LEVEL_RANKS

NOW = 1_790_000_000_000_000

CSP = {
    "document-uri": "https://shop.example/cart?id=1", "blocked-uri": "https://evil.example/x.js",
    "violated-directive": "script-src 'self'", "effective-directive": "script-src-elem", "source-file": "https://shop.example/app.js",
    "line-number": 7, "column-number": 12, "referrer": "https://shop.example/", "disposition": "enforce", "status-code": 200,
}  # fmt: skip
REPORTING = {
    "type": "csp-violation", "url": "https://shop.example/cart", "age": 3, "user_agent": "x",
    "body": {"blockedURL": "inline", "effectiveDirective": "style-src-attr", "sourceFile": "https://shop.example/app.js",
             "lineNumber": 7, "columnNumber": 12, "documentURL": "https://shop.example/cart", "sample": "color:red"},
}  # fmt: skip

# What is sent, and the messages of the events that come of it.
SHAPES: dict[str, tuple[Any, list[str]]] = {
    "level 2": ({"csp-report": CSP}, ["Blocked 'evil.example' by the Content-Security-Policy (script-src-elem)"]),
    "only the violated directive": (
        {"csp-report": {"violated-directive": "img-src 'self'", "blocked-uri": "data"}},
        ["Blocked 'data' by the Content-Security-Policy (img-src)"],
    ),
    "its own origin": (
        {"csp-report": {**CSP, "blocked-uri": "https://shop.example/y.js"}},
        ["Blocked 'self' by the Content-Security-Policy (script-src-elem)"],
    ),
    "nothing known": ({"csp-report": {}}, ["Blocked 'self' by the Content-Security-Policy (unknown directive)"]),
    "the Reporting API": (
        [REPORTING, {"type": "deprecation", "body": {}}, REPORTING],
        ["Blocked 'inline' by the Content-Security-Policy (style-src-attr)"] * 2,
    ),
    "Expect-CT": ({"expect-ct-report": {"hostname": "shop.example", "port": 443}}, ["Expect-CT failed for shop.example"]),
    "Expect-Staple": ({"expect-staple-report": {"hostname": "shop.example"}}, ["Expect-Staple failed for shop.example"]),
    "HPKP": (
        {"hostname": "shop.example", "port": 443, "known-pins": ["pin"]},
        ["Public key pinning validation failed for shop.example"],
    ),
    "braces in a host": ({"expect-ct-report": {"hostname": "{0}{x}"}}, ["Expect-CT failed for {0}{x}"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_an_event(name: str) -> None:
    body, messages = SHAPES[name]
    events = [normalize(raw, received_at=NOW, levels=LEVEL_RANKS) for raw in read_reports(body)]
    assert [event["message"] for event in events] == messages
    assert {event["level"] for event in events} == {"warning"}


def test_what_an_event_of_a_report_has() -> None:
    (raw,) = read_reports({"csp-report": CSP})
    event = normalize(raw, received_at=NOW, levels=LEVEL_RANKS)
    assert event["logger"] == "csp" and event["platform"] == "javascript"
    assert "effective-directive=script-src-elem" in event["tags"]
    assert event["request"]["url"] == CSP["document-uri"]
    assert event["fingerprint"] == ["csp", "script-src-elem", "'evil.example'"]
    (frame,) = event["frames"] if event.get("frames") else [None]
    assert frame is None or frame["line"] == 7


@pytest.mark.parametrize(
    "body",
    [
        None,
        1,
        "text",
        [],
        {},
        {"a": 1},
        {"csp-report": None},
        {"csp-report": []},
        [[]],
        {"type": "csp-violation"},
        {"type": "csp-violation", "body": 3},
    ],
)
def test_what_is_no_report_is_an_error(body: Any) -> None:
    with pytest.raises(BodyError) as caught:
        read_reports(body)
    assert caught.value.code == "no_report" and "csp-report" in caught.value.hint


def test_no_more_than_so_many_reports_at_once() -> None:
    assert len(read_reports([REPORTING] * (MOST_REPORTS + 50))) == MOST_REPORTS


_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.sampled_from(["https://[::1", "http://a:b@c:99999999/", "://", "data:", "x" * 5_000, "\ud800", "\0", "https://é.example"]),
)  # fmt: skip
_keys = st.sampled_from([*CSP, *REPORTING["body"], "csp-report", "expect-ct-report", "expect-staple-report", "known-pins", "hostname",
                         "port", "type", "body", "url"])  # fmt: skip
_json = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=6), max_leaves=20
)


@given(
    st.one_of(
        _json,
        _json.map(lambda value: {"csp-report": value}),
        _json.map(lambda value: [{"type": "csp-violation", "body": value}]),
    )
)
@settings(max_examples=400)
def test_any_value_is_events_or_the_documented_error(body: Any) -> None:
    try:
        raws = read_reports(body)
    except BodyError as error:
        assert error.code == "no_report"
        return
    for raw in raws:
        assert normalize(raw, received_at=NOW, levels=LEVEL_RANKS)["message"]
