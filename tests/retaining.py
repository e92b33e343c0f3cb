"""What tests of retention share: events at given times, policies, and what is left."""

from __future__ import annotations

import uuid
from copy import deepcopy
from typing import Any

import vaults
from contents import assert_sound
from crashvault import core, pipeline
from crashvault.clock import SECOND
from crashvault.storage.policies import Scope
from crashvault.storage.store import Store

NOW = vaults.NOW


def at(moment: int, message: str = "boom", **more: Any) -> dict[str, Any]:
    return {"message": message, "timestamp": moment / SECOND, **more}


def record(store: Store, *raws: dict[str, Any], now: int = NOW, project: str = "default") -> list[pipeline.Receipt]:
    return pipeline.record_events(store, [deepcopy(raw) for raw in raws], project=project, received_at=now)


def policy(store: Store, kind: str, value: str | int, **scope: str) -> None:
    store.retention.policies.set(kind, str(value), Scope(**scope), NOW)


def ids(store: Store) -> set[str]:
    return {str(uuid.UUID(bytes=key)) for (key,) in store.db.rows("SELECT event_id FROM events")}


def messages(store: Store) -> list[str]:
    return [item.event["message"] for item in store.events.load(list(store.events.all_rows()))]


def assert_well(store: Store) -> None:
    assert_sound(store)
    found = [
        finding for name, findings in core.examine(store, deep=True) for finding in findings if name != "permissions"
    ]
    assert found == []
