"""Events to bytes and back: nothing is lost, and the index gets the same document again when an event is deleted."""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

import vaults
from crashvault.ingest.normalize import normalize
from crashvault.models import LEVEL_RANKS
from crashvault.storage import codec
from crashvault.storage.document import INDEX_VERSION, event_document, event_words, stack_document, stack_words
from nasty import NASTY

NOW = vaults.NOW
COLUMNS = ("event_id", "project", "timestamp", "received_at", "level")

# What the index documents of version INDEX_VERSION are, for FIXED_EVENTS. Another digest means that
# documents of stored events cannot be made again, so deleting them would damage the index: raise INDEX_VERSION, and
# add a migration that builds the index anew.
DOCUMENTS = (1, "989e1db8789f7e8b8383bca0f8c066f0936976de01fe17884a5e979a22c0e9f3")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
frames = st.fixed_dictionaries({}, optional={
    "file": st.text(max_size=20), "function": st.text(max_size=20), "module": st.text(max_size=20),
    "line": st.integers(-1, 2**40), "vars": st.dictionaries(st.text(max_size=8), values, max_size=3),
    "context_line": st.text(max_size=30), "in_app": st.booleans(),
})  # fmt: skip
exceptions = st.fixed_dictionaries({}, optional={
    "type": st.text(max_size=20), "value": st.text(max_size=40), "module": st.text(max_size=10),
    "frames": st.lists(frames, max_size=3), "mechanism": st.dictionaries(st.text(max_size=8), scalars, max_size=2),
})  # fmt: skip
raws = st.fixed_dictionaries({}, optional={
    "message": st.text(max_size=60), "exceptions": st.lists(exceptions, max_size=3), "frames": st.lists(frames, max_size=3),
    "stacktrace": st.text(max_size=60), "tags": st.lists(st.text(max_size=12), max_size=4), "user": values,
    "context": st.dictionaries(st.sampled_from(["os", "runtime", "contexts", "trace", "modules", "job", "sdk"]), values, max_size=4),
    "modules": st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2), "sdk": values, "request": values,
    "breadcrumbs": st.lists(values, max_size=2), "threads": st.lists(values, max_size=2), "debug_meta": values,
    "release": st.text(max_size=300), "level": st.sampled_from(["debug", "fatal", "x"]),
})  # fmt: skip


def normal(raw: dict[str, Any]) -> Any:
    return normalize(copy.deepcopy(raw), received_at=NOW, levels=LEVEL_RANKS)


def assert_round_trip(event: Any, encode: codec.Encoder, decode: codec.Decoder) -> None:
    before = copy.deepcopy(event)
    parts = codec.split(event, encode)
    assert event == before, "splitting changed the event"
    bodies = [
        body if body is None else codec.expand(codec.shrink(body, kind))
        for body, kind in ((parts.payload, codec.PAYLOAD), (parts.stack, codec.STACK), (parts.background, codec.STACK))
    ]
    assert bodies == [parts.payload, parts.stack, parts.background]
    back: Any = codec.join(bodies[0] or b"", bodies[1], bodies[2], decode)
    assert back == {key: value for key, value in event.items() if key not in COLUMNS}
    words, again = event_words(event, 40), event_words(back, 40)
    assert sorted(words) == sorted(again)
    assert sorted(event_document(event, words).split()) == sorted(event_document(back, again).split())
    assert stack_document(event) == stack_document(back)
    if bodies[1] is not None:  # as a stack is taken out of the index again
        alone = codec.join(b"{}", bodies[1])
        assert stack_document(alone) == stack_document(event)
        assert sorted(stack_words(alone)) == sorted(stack_words(event))


CODERS = [
    (codec.encode_light, json.loads),
    (codec.fast_encoder(), codec.fast_decoder()),
    (codec.fast_encoder(), json.loads),
]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(raws)
def test_any_event_comes_back(raw: dict[str, Any]) -> None:
    event = normal(raw)
    for encode, decode in CODERS:
        assert_round_trip(event, encode, decode)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_events_come_back(name: str) -> None:
    for encode, decode in CODERS:
        assert_round_trip(normal(NASTY[name]), encode, decode)


def test_both_encoders_address_the_same_stack_alike() -> None:
    for seed in range(50):
        event = normal(vaults.raw_event(Random(seed)))
        light, fast = codec.split(event), codec.split(event, codec.fast_encoder())
        assert (light.stack_digest, light.background_digest) == (fast.stack_digest, fast.background_digest)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([codec.PAYLOAD, codec.STACK]))
def test_any_bytes_come_back(body: bytes, kind: int) -> None:
    assert codec.expand(codec.shrink(body, kind)) == body


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=100))
def test_damaged_bodies_are_value_errors(body: bytes) -> None:
    try:
        codec.expand(body)
    except ValueError:
        pass


# As normalization left them in a vault; independent of what it does today.
FIXED_EVENTS: list[Any] = [
    {"message": "plain"},
    {"message": "Straße: ÉCOLE_2 'x'\t日本語 \u202e ﬁle İ", "tags": ["db", "region=EU west", "a=b=c", "k="], "user": "Ana"},
    {
        "message": "m", "user": {"id": 7, "email": "A@x.org", "username": "", "ip_address": "::1", "plan": "gold"},
        "release": "Shop@1.0", "environment": "Prod", "host": "WEB-1", "platform": "python", "source": "http://x/y?z=1",
        "logger": "a.b", "transaction": "GET /", "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
        "pid": 3, "context": {"a": 1}, "request": {"url": "u"}, "breadcrumbs": [{"message": "b"}], "errors": [{"field": "x"}],
        "fingerprint": ["f"], "attachments": [{"name": "n"}],
    },
    {
        "message": "chain", "stacktrace": "text",
        "exceptions": [
            {"type": "KeyError", "value": "'id 5'", "frames": [
                {"file": "C:\\App\\Orders.py", "line": 3, "function": "Foo::bar<T>(int)", "module": "app.orders", "in_app": True,
                 "context_line": "  x = d['id']", "vars": {"d": {"k": [1, 2.5, None, True, "s" * 1200]}, "n": 10**19, "e": 1e300}},
            ]},
            {"type": "Socket.Timeout", "module": "socket", "value": None, "frames": [{"file": "/a/b.js"}, {"function": "λ"}]},
        ],
    },
    {"message": "only frames", "frames": [{"file": "x/y.go", "function": "main", "package": "p"}], "user": {"plan": "gold"}},
]  # fmt: skip


def test_index_documents_are_what_they_were() -> None:
    digest = hashlib.sha256()
    for event in FIXED_EVENTS:
        words = event_words(event, 40)
        for part in (event_document(event, words), stack_document(event), *map(str, sorted(stack_words(event)))):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\n")
    assert (INDEX_VERSION, digest.hexdigest()) == DOCUMENTS


def test_threads_do_not_share_what_is_not_theirs() -> None:
    bodies = [
        f'{{"message": "event {number}", "words": "{"word " * (number % 90)}"}}'.encode() for number in range(300)
    ]
    stored = [codec.shrink(body, codec.PAYLOAD) for body in bodies]

    def round_trip(_: int) -> bool:
        again = [codec.expand(codec.shrink(body, codec.PAYLOAD)) for body in bodies]
        return again == bodies and [codec.expand(body) for body in stored] == bodies

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(round_trip, range(40)))
