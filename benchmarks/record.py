"""How fast one core records events durably, and how much disk they take.

Events go through the whole way (parse, normalize, scrub, group, store) in commits of 500 with fsync.
The floor beside it is a table that takes each event as JSON text in the same commits: what durable
writing costs when nothing is understood, grouped, indexed or compressed.
"""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import measure, realistic

Record = Callable[[list[Any]], Any]


def run(events: int, issues: int, rounds: int) -> dict[str, Any]:
    """Medians over `rounds` fresh vaults of `events` events each, for three ways to record."""
    source = realistic.cached_jsonl(events, issues=issues)
    raw_bytes = source.stat().st_size - events
    _one_core()
    ways = {
        "floor: JSON text into one table": _floor,
        "record decoded events": _decoded,
        "record JSON bytes": _bytes,
    }
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            samples[name].append(_measured(way, source, events, raw_bytes))
    rows = [{"way": name} | _median_row(found) for name, found in samples.items()]
    return {
        "events": events,
        "issues": issues,
        "rounds": rounds,
        "raw_bytes": raw_bytes,
        "rows": rows,
        "samples": samples,
    }


def _median_row(samples: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}


def _one_core() -> None:
    """Stay on the last of the cores this process may use; the first is often busy with interrupts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _measured(way: Callable[[Path], Any], source: Path, events: int, raw_bytes: int) -> dict[str, float]:
    home = Path(tempfile.mkdtemp(prefix="crashvault-record-", dir=measure.CACHE))
    try:
        wall, cpu, slowest, issues = way(home)(source)
        stored = measure.folder_bytes(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return {
        "events/s": events / wall,
        "CPU µs/event": 1e6 * cpu / events,
        "slowest commit ms": 1000 * slowest,
        "issues": issues,
        "disk B/event": stored / events,
        "disk ÷ raw": stored / raw_bytes,
    }


def _timed_batches(record: Record, batches: Any) -> tuple[float, float, float]:
    """(wall, CPU, slowest batch) seconds inside `record` alone; making the batches is not counted."""
    wall = cpu = slowest = 0.0
    gc.collect()
    for batch in batches:
        wall_before, cpu_before = time.perf_counter(), time.process_time()
        record(batch)
        taken = time.perf_counter() - wall_before
        cpu += time.process_time() - cpu_before
        wall += taken
        slowest = max(slowest, taken)
    return wall, cpu, slowest


def _decoded(home: Path) -> Any:
    from crashvault.pipeline import record_events

    return _recording(home, lambda vault, batch: record_events(vault, batch), msgspec.json.decode)


def _bytes(home: Path) -> Any:
    from crashvault.pipeline import record_events

    decode = msgspec.json.decode
    return _recording(
        home, lambda vault, batch: record_events(vault, [decode(line) for line in batch]), bytes
    )


def _recording(home: Path, record: Callable[[Any, list[Any]], Any], prepare: Callable[[bytes], Any]) -> Any:
    from crashvault import core

    def way(source: Path) -> tuple[float, float, float, int]:
        vault = core.open_vault(str(home))
        issues: set[int] = set()

        def record_batch(batch: list[Any]) -> None:
            issues.update(receipt.issue_id for receipt in record(vault, batch))

        batches = measure.batches(map(prepare, realistic.read_jsonl(source)))
        figures = _timed_batches(record_batch, batches)
        vault.close()
        _checkpoint(home)
        return *figures, len(issues)

    return way


def _floor(home: Path) -> Any:
    def way(source: Path) -> tuple[float, float, float, int]:
        store = sqlite3.connect(home / "floor.db", isolation_level=None)
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("PRAGMA synchronous = FULL")
        store.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT)")

        def record(batch: list[bytes]) -> None:
            store.execute("BEGIN IMMEDIATE")
            store.executemany("INSERT INTO events (body) VALUES (?)", [(line.decode(),) for line in batch])
            store.execute("COMMIT")

        figures = _timed_batches(record, measure.batches(realistic.read_jsonl(source)))
        store.close()
        _checkpoint(home)
        return *figures, 0

    return way


def _checkpoint(home: Path) -> None:
    """Bring what still stands in write-ahead logs into the databases, so that files show their real size."""
    for path in home.rglob("*.db"):
        store = sqlite3.connect(path)
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.close()


def show(figures: dict[str, Any]) -> None:
    size = figures["raw_bytes"] / figures["events"]
    title = f"Recording {figures['events']:,} events ({size:,.0f} B each) on one core, commits of {measure.BATCH} with fsync, medians of {figures['rounds']}"
    measure.table(title, figures["rows"])


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments("Events recorded per second and core.", events=20_000, issues=20_000, rounds=3)
    options = parser.parse_args(argv)
    figures = run(options.events, options.issues, options.rounds)
    show(figures)
    measure.finish("record", figures, options.json)


if __name__ == "__main__":
    main()
