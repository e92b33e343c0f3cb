"""Small vaults for the tests of exports and imports, and what they hold, in a form that can be compared."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from crashvault import core, lifecycle, pipeline
from crashvault.exchange import Imported, export_vault, import_vault
from crashvault.storage.store import Store

NOW = 1_790_000_000_000_000  # 2026-09-21
SECOND = 1_000_000


def vault(folder: Path, name: str = "vault") -> Store:
    return core.open_vault(str(folder / name))


def record(store: Store, *raws: dict[str, Any], at: int = NOW) -> list[int]:
    """Record events; the ids of their issues."""
    found = pipeline.record_events(store, [dict(raw) for raw in raws], received_at=at)
    return [receipt.issue_id for receipt in found if receipt.issue_id is not None]


def exported(store: Store, query: str = "", format: str = "jsonl", now: int = NOW) -> bytes:
    out = io.BytesIO()
    export_vault(store, out, format=format, node=store.search(now).parse(query), query=query, now=now)
    return out.getvalue()


def imported(store: Store, data: bytes, **options: Any) -> Imported:
    return import_vault(store, io.BytesIO(data), now=NOW, **options)


def lines(data: bytes, kind: str | None = None) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in data.splitlines()]
    return found if kind is None else [line for line in found if line.get("kind") == kind]


def contents(store: Store) -> dict[str, Any]:
    """What a vault holds, whatever the numbers of its issues, the order of arrival, and what there was before merges."""
    data = exported(store)
    issues = {}
    for issue in lines(data, "issue"):
        for part in ("hashes", "activity", "attachments"):
            for entry in issue[part]:
                entry.pop("home", None)
        issue.pop("merged", None)
        issue.pop("own_tags", None)
        key = (issue["project"], *sorted(entry["hash"] for entry in issue["hashes"]))
        issue["hashes"].sort(key=lambda entry: entry["hash"])
        issue["activity"].sort(key=lambda entry: json.dumps(entry, sort_keys=True))
        del issue["id"]
        issues[key] = issue
    events = {(line["event"]["project"], line["event"]["event_id"]): line for line in lines(data, "event")}
    return {"issues": issues, "events": events}


def with_triage(store: Store) -> None:
    """Some of everything that people do to issues."""
    first, second, third = record(
        store,
        {"message": "one", "tags": ["db", "region=eu"], "release": "1.0", "user": "7"},
        {"message": "two", "level": "warning", "context": {"k": [1, {"deep": "é\u2028"}]}},
        {"exception": {"type": "KeyError", "value": "'x'"}, "frames": [{"file": "a.py", "line": 3, "function": "f"}]},
    )
    lifecycle.set_status(store, [first], "resolved", "ann", NOW + SECOND)
    lifecycle.set_title(store, second, "Two, renamed", "ben", NOW + 2 * SECOND)
    lifecycle.assign(store, [second], "ben", "ann", NOW + 3 * SECOND)
    lifecycle.comment(store, second, "look\nhere <b>=1+1</b>", "ben", NOW + 4 * SECOND)
    lifecycle.set_severity(store, [third], "high", "ann", NOW + 5 * SECOND)


def names_of_events(store: Store) -> set[str]:
    return {line["event"]["event_id"] for line in lines(exported(store), "event")}
