"""Lines of our own exports are decoded by their type in one go; that must come to the same as the long way."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import nasty, realistic

from crashvault.exchange.preparing import EventReader, ReadyEvent
from crashvault.exchange.reading import Item
from crashvault.models import LEVEL_RANKS

from .vaults import NOW, exported, record, vault

_FRAME = {"file": "a.py", "line": 1, "in_app": True, "vars": {"x": "1", "vars": {"vars": [2, None]}}}


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
    "vars are none": line_of({"frames": [{"file": "a", "vars": {}}, {"file": "b", "vars": {"x": 1}}]}),
    "vars are a list": line_of({"frames": [{"file": "a", "vars": [1]}]}),
    "vars are deep": line_of({"frames": [{"file": "a", "vars": _nested(40)}]}),
    "frames are text": line_of({"exceptions": [{"type": "E", "frames": "none"}]}),
    "line is text": line_of({"frames": [{"file": "a", "line": "7"}]}),
    "exceptions and frames": line_of({"exceptions": [{"type": "E"}], "frames": [_FRAME]}),
    "blanks": json.dumps(json.loads(line_of({"frames": [_FRAME], "context": {"os": {"name": "x"}}}))).encode(),
    "context is deep": line_of({"context": _nested(40)}),
    "odd members": line_of({"colour": "blue", "frames": [{"file": "a", "colour": _nested(99)}]}),
    "tags are text": line_of({"tags": "db"}),
    "huge": line_of({"context": {f"k{number}": "x" * 9000 for number in range(200)}}),
    "wrong level": line_of({"level": "loud"}),
    "level without a name": line_of({"level": "level-35"}),
    "wrong id": line_of({"event_id": "7"}),
    "no message": line_of({"message": None}),
    "wrong time": line_of({"timestamp": "yesterday"}),
    "lone surrogate": line_of({"message": "MARK"}).replace(b"MARK", b"\\ud800"),
    "not a number": line_of({"context": {"n": 12345}}).replace(b"12345", b"NaN"),
    "large number": line_of({"context": {"n": 12345}}).replace(b"12345", b"1" * 40),
    "late files": line_of({}, files=[{"digest": "b" * 64, "name": "a.txt", "size": 1}]),
}


def _read(item: Item) -> ReadyEvent:
    return EventReader(dict(LEVEL_RANKS), None, NOW).read(item)


@pytest.mark.parametrize("line", ODD.values(), ids=ODD.keys())
def test_by_text_or_by_values_an_event_becomes_the_same(line: bytes) -> None:
    body, _ = Item("event", 2, None, line).decoded()
    assert _read(Item("event", 2, None, line)) == _read(Item("event", 2, body))


def test_what_we_export_is_read_in_one_go_with_its_stacks_as_they_are_stored(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        record(store, *copy.deepcopy([*nasty.NASTY.values(), *realistic.events(40, issues=20)]))
        stacks = {digest for (digest,) in store.db.rows("SELECT digest FROM stacks")}
        lines = [line for line in exported(store).splitlines() if line.startswith(b'{"kind":"event"')]
    reader = EventReader(dict(LEVEL_RANKS), None, NOW)
    found = [reader._as_written(line) for line in lines]
    assert all(one is not None for one in found)
    assert {one.prepared.stack_digest for one in found if one} - {None} == stacks
