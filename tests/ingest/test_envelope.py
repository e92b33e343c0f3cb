"""Sentry's envelope: what was put together comes apart the same, and whatever else comes is an error with a name."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crashvault.ingest.envelope import LONGEST_HEADER, MOST_ITEMS, Item, read_envelope
from crashvault.ingest.native import BodyError

CODES = {"bad_envelope", "too_large", "too_many_items", "invalid_json", "invalid_utf8", "too_deep"}

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), _texts
)
_headers = st.dictionaries(_texts.filter(lambda key: key not in ("length", "type")), _values, max_size=5)
_items = st.lists(st.tuples(_texts, _headers, st.binary(max_size=60), st.booleans()), max_size=6)


def line(header: dict[str, Any]) -> bytes:
    return json.dumps(header).encode() + b"\n"


def code_of(body: bytes) -> str:
    with pytest.raises(BodyError) as caught:
        read_envelope(body)
    assert caught.value.message and caught.value.code in CODES
    return caught.value.code


@given(header=_headers, items=_items, newline_at_the_end=st.booleans())
def test_what_was_put_together_comes_apart_the_same(
    header: dict[str, Any], items: list[Any], newline_at_the_end: bool
) -> None:
    expected = []
    pieces = [json.dumps(header).encode()]
    for kind, own, payload, told in items:
        told = told or b"\n" in payload
        whole = {**own, "type": kind, **({"length": len(payload)} if told else {})}
        pieces += [json.dumps(whole).encode(), payload]
        expected.append(Item(kind, whole, payload))
    body = b"\n".join(pieces) + (b"\n" if newline_at_the_end else b"")
    found = read_envelope(body)
    assert found.header == header
    # An empty payload without a length at the very end is told from no payload at all by its newline only.
    assert found.items == expected


@given(st.binary(max_size=200))
@example(b"\n")
@example(b"{}")
@example(b"{}\n\n\n")
@example(b'{}\n{"length":-1}\n')
@example(b'{}\n{"length":true}\n')
@example(b'{}\n{"length":1e3}\n')
@example(b'{}\n{"length":99999999999999999999999999}\nx')
@example(b'{"a":' + b"[" * 5_000)
@example(b"\xff\xfe{\x00}\x00")
@settings(max_examples=400)
def test_any_bytes_raise_the_documented_errors_only(body: bytes) -> None:
    try:
        read_envelope(body)
    except BodyError as error:
        assert error.code in CODES


@given(st.data())
@settings(max_examples=200)
def test_damage_raises_the_documented_errors_only(data: st.DataObject) -> None:
    body = bytearray(
        line({"event_id": "a" * 32})
        + line({"type": "event", "length": 9})
        + b'{"a":"b"}\n'
        + line({"type": "x"})
        + b"y\n"
    )
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        read_envelope(bytes(body))
    except BodyError as error:
        assert error.code in CODES


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"{}", []),
        (b"{}\n", []),
        (b'{}\n{"type":"a"}', [b""]),
        (b'{}\n{"type":"a"}\n', [b""]),
        (b'{}\n{"type":"a","length":0}', [b""]),
        (b'{}\n{"type":"a","length":0}\n\n', [b""]),
        (b'{}\n{"type":"a"}\nx\r\n', [b"x\r"]),
        (b'{}\n{"type":"a","length":3}\nx\ny', [b"x\ny"]),
        (b'{}\n{"type":"a","length":1}\nx\n\n\n{"type":"b"}\ny', [b"x", b"y"]),
    ],
)
def test_edges_of_the_grammar(body: bytes, items: list[bytes]) -> None:
    assert [item.payload for item in read_envelope(body).items] == items


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_envelope"),
        (b"[]", "bad_envelope"),
        (b'"text"', "bad_envelope"),
        (b"{}\n[]\nx", "bad_envelope"),
        (b'{}\n{"length":5}\nx', "bad_envelope"),
        (b'{}\n{"length":1}\nxy', "bad_envelope"),
        (b'{}\n{"length":"1"}\nx', "bad_envelope"),
        (b"{", "invalid_json"),
        (b"{}\n{\n", "invalid_json"),
        (b'{"a":"\xff"}', "invalid_utf8"),
    ],
)
def test_what_is_malformed_is_named(body: bytes, code: str) -> None:
    assert code_of(body) == code


def test_limits() -> None:
    def with_header(size: int) -> bytes:
        return b'{"a":"' + b"x" * (size - 8) + b'"}'

    assert read_envelope(with_header(LONGEST_HEADER)).items == []
    assert (
        code_of(with_header(LONGEST_HEADER + 1))
        == code_of(b"{}\n" + with_header(LONGEST_HEADER + 1) + b"\nx")
        == "too_large"
    )
    many = b"{}\n" + b"{}\nx\n" * MOST_ITEMS
    assert len(read_envelope(many).items) == MOST_ITEMS
    assert code_of(many + b"{}\nx\n") == "too_many_items"


def test_large_bodies_are_read_in_one_go() -> None:
    payload = b"x" * (20 << 20)
    began = time.process_time()
    (item,) = read_envelope(line({}) + line({"type": "attachment", "length": len(payload)}) + payload).items
    assert len(item.payload) == len(payload)
    assert read_envelope(b"{}" + b"\n" * (2 << 20)).items == []
    assert time.process_time() - began < 3
