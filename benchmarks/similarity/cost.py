"""What similarity costs: an event with a new key and with a known one, and `dedup` over many issues."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from random import Random
from typing import Any

from benchmarks import bugs, realistic
from crashvault import deduplication, pipeline
from crashvault.config import JOIN_THRESHOLD
from crashvault.grouping import group
from crashvault.ingest.normalize import normalize
from crashvault.joining import Joiner
from crashvault.models import Event, Grouping
from crashvault.storage.store import Store, open_sqlite

_BATCH = 250
_MEASURED = 200


def distinct(count: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """One event each of so many bugs, of forty services in three languages."""
    for number in range(first, first + count):
        body = realistic.native_body(bugs.build(0, number, 0).payload)
        for volatile in ("event_id", "timestamp", "request", "contexts", "modules", "extra", "breadcrumbs"):
            body.pop(volatile, None)
        yield body


def run(issues: int = 10_000, dedup: int | None = 20_000) -> dict[str, float]:
    """Milliseconds of processor time, and seconds for `dedup`."""
    with tempfile.TemporaryDirectory() as home, open_sqlite(home) as store:
        store.settings.set("grouping.join", False, 0)
        _fill(store, issues)
        store.settings.unset("grouping.join")
        found = _lookups(store, issues)
        if dedup:
            _fill_more(store, issues, dedup)
            found |= _dedup(store)
    return found


def _fill(store: Store, issues: int) -> None:
    for start in range(0, issues, _BATCH):
        pipeline.record_events(store, list(distinct(_BATCH, start)))


def _fill_more(store: Store, present: int, wanted: int) -> None:
    store.settings.set("grouping.join", False, 0)
    for start in range(present, wanted, _BATCH):
        pipeline.record_events(store, list(distinct(_BATCH, start)))


def _lookups(store: Store, issues: int) -> dict[str, float]:
    """Looking up one event at a time, as a request with one event does."""
    policy = pipeline.load_policy(store)
    new = list(distinct(_MEASURED, 10_000_000))
    known = list(distinct(_MEASURED, Random(1).randrange(max(1, issues - _MEASURED))))
    result = {"issues": float(store.statistics.totals().issues)}
    for name, raws in (("new key", new), ("known key", known)):
        times = []
        for raw in raws:
            event = normalize(raw, received_at=realistic.START, levels=policy.levels, project="default")
            grouping = group(event)
            started = time.process_time_ns()
            _look_up(store, policy, event, grouping)
            times.append((time.process_time_ns() - started) / 1e6)
        result[f"{name}, ms"] = statistics.median(times)
        result[f"{name}, ms at the 99th percentile"] = sorted(times)[len(times) * 99 // 100]
    return result


def _look_up(store: Store, policy: pipeline.Policy, event: Event, grouping: Grouping) -> None:
    """As the pipeline does it."""
    if not store.known.has(event["project"], grouping.hash):
        Joiner(store, policy.rules, policy.join, policy.threshold).look_up(event, grouping)


def _dedup(store: Store) -> dict[str, float]:
    started = time.process_time()
    found = deduplication.find(store, None, JOIN_THRESHOLD, exact=True)
    seconds = time.process_time() - started
    return {
        "dedup, issues": float(store.statistics.totals().issues),
        "dedup, s": seconds,
        "dedup, clusters": float(len(found)),
    }


def show(result: dict[str, float]) -> None:
    for name, value in result.items():
        print(f"{name:<44} {value:>10,.3f}")
