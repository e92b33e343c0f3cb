"""Events of our own exports are stored by their text; that must come to the same as taking them apart."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import nasty, realistic
from tests.storage.test_splicing import SHAPES

from crashvault.exchange.cutting import Cutter
from crashvault.exchange.preparing import EventReader, ReadyEvent
from crashvault.exchange.reading import Item
from crashvault.models import LEVEL_RANKS
from crashvault.storage import codec
from crashvault.storage.document import event_document, issue_words, own_words
from crashvault.storage.splicing import Splicer, members

from .vaults import NOW, record, vault

EVENTS = [*SHAPES, *nasty.NASTY.values(), *realistic.events(40, issues=20)]


def test_parts_and_index_are_those_of_the_event_itself(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        record(store, *copy.deepcopy(EVENTS))
        rows = list(store.events.all_rows())
        stacks = {digest for (digest,) in store.db.rows("SELECT digest FROM stacks")}
        backgrounds = {digest for (digest,) in store.db.rows("SELECT digest FROM backgrounds")}
        texts = [event.text for part in Splicer(store.db).stream(rows) for event in part]
        loaded = [item.event for item in store.events.load(rows)]
    cutter, cut = Cutter(), 0
    for text, event in zip(texts, loaded, strict=True):
        try:
            parts, seen = cutter.cut(members(text))
        except ValueError:
            continue
        cut += 1
        wanted = codec.split(event, codec.fast_encoder())
        assert json.loads(parts.payload) == json.loads(wanted.payload)
        assert (parts.stack_digest in stacks) == (parts.stack is not None)
        assert (parts.background_digest in backgrounds) == (parts.background is not None)
        assert codec.join(parts.payload, parts.stack, parts.background) == codec.join(*_bodies(wanted))
        assert issue_words(seen, 40) == issue_words(event, 40)  # type: ignore[arg-type]
        assert sorted(own_words(seen)) == sorted(own_words(event))  # type: ignore[arg-type]
        assert event_document(seen, []) == event_document(event, [])  # type: ignore[arg-type]
    assert cut > 0.9 * len(texts)


def _bodies(parts: codec.Parts) -> tuple[bytes, bytes | None, bytes | None]:
    return parts.payload, parts.stack, parts.background


# Files that are not quite as we write them

_FRAME = {
    "file": "a.py",
    "line": 1,
    "in_app": True,
    "context_line": '"vars":{',
    "vars": {"x": "1", "vars": {"vars": "2"}},
}


def line_of(event: dict[str, Any], **other: Any) -> bytes:
    whole = {"message": "m", "level": "error", "project": "default", "timestamp": "2026-09-21T10:13:20Z"}
    whole |= {"received_at": "2026-09-21T10:13:20Z", "event_id": "3f6f8f0c-0000-4000-8000-000000000001", **event}
    return msgspec.json.encode({"kind": "event", "hash": "a" * 40, "event": whole, **other})


def _nested(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = {"a": value}
    return value


ODD = {
    "as written": line_of({"exceptions": [{"type": "E", "frames": [_FRAME, {"line": 2}], "value": "v"}]}),
    "vars first": line_of({"frames": [{"vars": {"x": 1}, "line": 3}]}),
    "vars in the middle": line_of({"frames": [{"file": "a", "vars": {"x": 1}, "line": 3}]}),
    "vars are none": line_of({"frames": [{"file": "a", "vars": {}}, {"file": "b", "vars": {"x": 1}}]}),
    "vars are a list": line_of({"frames": [{"file": "a", "vars": [1]}]}),
    "vars are deep": line_of({"frames": [{"file": "a", "vars": _nested(40)}]}),
    "vars inside a member that is none": line_of({"frames": [{"file": "a", "odd": {"b": 1, "vars": {"x": 1}}}]}),
    "frame of no members": line_of({"frames": [{}]}),
    "no frames": line_of({"frames": []}),
    "no exceptions": line_of({"exceptions": []}),
    "frames are text": line_of({"exceptions": [{"type": "E", "frames": "none"}]}),
    "line is text": line_of({"frames": [{"file": "a", "line": "7"}]}),
    "odd members": line_of({"colour": "blue", "_loose": [["a", None, None]]}),
    "odd members of an exception": line_of({"exceptions": [{"type": "E", "colour": "blue"}]}),
    "exceptions and frames": line_of({"exceptions": [{"type": "E"}], "frames": [_FRAME]}),
    "blanks": json.dumps(json.loads(line_of({"frames": [_FRAME], "context": {"os": {"name": "x"}}}))).encode(),
    "blanks behind our beginning": b'{"kind":"event",'
    + json.dumps(json.loads(line_of({"frames": [_FRAME, _FRAME], "context": {"contexts": {"os": 1}}}))).encode()[1:],
    "context is a list": line_of({"context": [1]}),
    "contexts are text": line_of({"context": {"contexts": "none", "os": {"name": "x"}}}),
    "context is deep": line_of({"context": _nested(40)}),
    "background is deep": line_of({"modules": {"a": "1"}, "sdk": _nested(40)}),
    "modules are numbers": line_of({"modules": {"a": 1}}),
    "tags are text": line_of({"tags": "db"}),
    "huge": line_of({"context": {f"k{number}": "x" * 9000 for number in range(200)}}),
    "wrong level": line_of({"level": "loud"}),
    "level without a name": line_of({"level": "level-35"}),
    "wrong id": line_of({"event_id": "7"}),
    "no message": line_of({"message": None}),
    "wrong time": line_of({"timestamp": "yesterday"}),
    "escapes": line_of({"message": "é\u2028😀"}).replace("é".encode(), b"\\u00e9"),
    "lone surrogate": line_of({"message": "MARK"}).replace(b"MARK", b"\\ud800"),
    "not a number": line_of({"context": {"n": 12345}}).replace(b"12345", b"NaN"),
    "large number": line_of({"context": {"n": 12345}}).replace(b"12345", b"1" * 40),
    "late files": line_of({}, files=[{"digest": "b" * 64, "name": "a.txt", "size": 1}]),
}


def _read(item: Item) -> ReadyEvent:
    return EventReader(dict(LEVEL_RANKS), None, NOW).read(item)


@pytest.mark.parametrize("line", ODD.values(), ids=ODD.keys())
def test_by_text_or_by_values_an_event_becomes_the_same(line: bytes) -> None:
    quick = _read(Item("event", 2, None, line))
    body, _ = Item("event", 2, None, line).decoded()
    slow = _read(Item("event", 2, body))  # as the items of a document come
    assert _comparable(slow) == _comparable(quick)


def _comparable(ready: ReadyEvent) -> Any:
    prepared = ready.prepared
    event = codec.join(codec.expand(prepared.payload), prepared.stack, prepared.background)
    plain = prepared._replace(payload=b"", stack=None, stack_digest=None, background=None, background_digest=None)
    return event, plain._replace(document=" ".join(sorted(prepared.document.split()))), ready.hash, ready.files
