from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.errors import InvalidError
from crashvault.ingest.native import BodyError, parse_batch, parse_event, split_attachments
from crashvault.ingest.normalize import normalize
from crashvault.models import LEVEL_RANKS

WRONG = [
    (b"", "invalid_json"),
    (b"{", "invalid_json"),
    (b'{"a": }', "invalid_json"),
    (b"{} x", "invalid_json"),
    (b'{"a": "\n"}', "invalid_json"),
    (b'{"a": NaN}', "invalid_json"),
    (b'{"a": [-Infinity]}', "invalid_json"),
    (b'{"a": ' + b"1" * 9_000 + b"}", "invalid_json"),
    (b'{"a": "\xff"}', "invalid_utf8"),
    (b'{"a": "\xed\xa0\x80"}', "invalid_utf8"),
    ('{"a": 1}'.encode("utf-16"), "invalid_utf8"),
    (b"[" * 200_000, "too_deep"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
    (b"[]", "not_an_object"),
    (b'"text"', "not_an_object"),
    (b"null", "not_an_object"),
]


@pytest.fixture(params=["msgspec", "json"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers with msgspec and without it."""
    if request.param == "json":
        monkeypatch.setitem(sys.modules, "msgspec", None)


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize(("body", "code"), WRONG)
def test_wrong_bodies_say_what_is_wrong(body: bytes, code: str) -> None:
    with pytest.raises(BodyError) as caught:
        parse_event(body)
    assert caught.value.code == code
    assert caught.value.status == 400 and isinstance(caught.value, InvalidError)
    assert len(str(caught.value)) < 200


@pytest.mark.usefixtures("decoder")
def test_right_bodies() -> None:
    assert parse_event(b' {"message": "\xc3\xa4\\ud83d\\ude00", "n": [1, 2.5, null]} ') == {
        "message": "ä😀",
        "n": [1, 2.5, None],
    }
    assert parse_event(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert parse_event(b'{"a": 1, "a": 2}') == {"a": 2}
    assert parse_event(b'{"cut emoji": "\\ud83d"}') == {"cut emoji": "\ud83d"}


@pytest.mark.usefixtures("decoder")
def test_batches() -> None:
    assert parse_batch(b'{"events": [{"message": "a"}]}') == [{"message": "a"}]
    first, second, third = parse_batch(b'[{"message": "a"}, 5, {}]')
    assert (first, third) == ({"message": "a"}, {})
    assert isinstance(second, BodyError) and second.code == "not_an_object" and "Entry 1" in str(second)
    assert len(parse_batch(json.dumps([{}] * 1_000).encode())) == 1_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", "not_a_batch"),
        (b'{"events": {}}', "not_a_batch"),
        (b"5", "not_a_batch"),
        (b"[" + b"{}," * 1_000 + b"{}]", "too_many_events"),
    ],
)
def test_wrong_batches(body: bytes, code: str) -> None:
    with pytest.raises(BodyError) as caught:
        parse_batch(body)
    assert caught.value.code == code


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0dD8ea1.-+NI ', max_size=40).map(str.encode))
def test_any_bytes_are_an_event_or_a_body_error(body: bytes) -> None:
    try:
        assert type(parse_event(body)) is dict
    except BodyError:
        pass


def test_attachments_are_taken_out() -> None:
    raw: dict[str, Any] = {
        "message": "m",
        "attachments": [
            {"name": "a.txt", "content_type": "text/plain", "data": base64.b64encode(b"hello").decode()},
            {"data": "data:image/png;base64," + base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode()},
            {"name": "bad", "data": "%%%a"},
            {"name": "worse", "data": 5},
            {"name": "known", "size": 5},
        ],
    }
    taken = split_attachments(raw)
    assert [content for _, content in taken] == [b"hello", b"\xff\xfe\xfd"]
    digest = hashlib.sha256(b"hello").hexdigest()
    assert taken[0][0] == {"name": "a.txt", "content_type": "text/plain", "size": 5, "digest": digest}
    event = normalize(raw, received_at=1_795_459_683_000_000, levels=LEVEL_RANKS)
    assert [attachment["name"] for attachment in event["attachments"]] == ["a.txt", "attachment-2", "known"]
    assert [error["field"] for error in event["errors"]] == ["attachments.2.data", "attachments.3.data"]


@pytest.mark.parametrize("wrong", [None, 5, "x", {}, [None, 5, []]])
def test_wrong_attachments_are_left_to_normalizing(wrong: Any) -> None:
    raw = {"message": "m", "attachments": wrong}
    assert split_attachments(raw) == []
    normalize(raw, received_at=1_795_459_683_000_000, levels=LEVEL_RANKS)
