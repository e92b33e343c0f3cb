"""What exports say of an event is what the vault holds of it, whichever way it is read."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from tests import nasty, realistic

from crashvault import core, pipeline
from crashvault.clock import to_iso
from crashvault.errors import StoreError
from crashvault.storage.splicing import Splicer
from crashvault.storage.store import Store

NOW = 1_790_000_000_000_000
SHAPES: list[dict[str, Any]] = [
    {"message": "bare"},
    {
        "message": "frames without an exception",
        "frames": [{"file": "a.py", "line": 1, "vars": {"x": "1"}}, {"line": 2}],
    },
    {"message": "nothing but variables", "frames": [{"vars": {"vars": {"vars": 1}}}]},
    {"exceptions": [{"type": "A"}, {"value": "only a value"}, {"type": "B", "mechanism": {"handled": True}}]},
    {
        "message": "shared and own parts of one context",
        "modules": {"flask": "3"},
        "sdk": {"name": "s"},
        "context": {"os": {"name": "linux"}, "k": "v", "contexts": {"runtime": {"name": "py"}, "trace": {"op": "x"}}},
    },
    {"message": "only shared parts", "context": {"runtime": {"name": "py"}}},
]


def recorded(tmp_path: Path, raws: list[dict[str, Any]]) -> Store:
    store = core.open_vault(str(tmp_path / "vault"))
    pipeline.record_events(store, [copy.deepcopy(raw) for raw in raws], received_at=NOW)
    return store


@pytest.mark.parametrize(
    "raws",
    [SHAPES, list(nasty.NASTY.values()), list(realistic.events(60, issues=25))],
    ids=["shapes", "nasty", "real"],
)
def test_json_text_and_values_are_the_same_event(tmp_path: Path, raws: list[dict[str, Any]]) -> None:
    with recorded(tmp_path, raws) as store:
        rows = list(store.events.all_rows())
        (spliced,) = Splicer(store.db).stream(rows)
        loaded = store.events.load(rows)
        assert [item.row for item in spliced] == rows == [item.row for item in loaded]
        for found, wanted in zip(spliced, loaded, strict=True):
            event = dict(wanted.event)
            event["timestamp"], event["received_at"] = to_iso(event["timestamp"]), to_iso(event["received_at"])
            assert json.loads(found.text) == event
            assert found.fingerprint == wanted.fingerprint


def test_rows_that_are_gone_are_left_out(tmp_path: Path) -> None:
    with recorded(tmp_path, SHAPES) as store:
        assert [item.row for part in Splicer(store.db).stream([3, 99, 1]) for item in part] == [3, 1]


@pytest.mark.parametrize("table", ["payloads", "stacks"])
def test_a_damaged_event_is_named(tmp_path: Path, table: str) -> None:
    with recorded(tmp_path, SHAPES[1:2]) as store:
        store.db.execute(f"UPDATE {table} SET body = x'0123'")
        with pytest.raises(StoreError, match=r"event [0-9a-f-]{36} cannot be read"):
            list(Splicer(store.db).stream([1]))
