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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks import measure, realistic

Record = Callable[[list[Any]], int]  # records a batch; how many issues it opened


class Size(NamedTuple):
    events: int  # measured
    warm_up: int  # events before them
    raw_bytes: int  # of all their JSON


class Timing(NamedTuple):
    wall: float  # seconds
    cpu: float  # seconds
    slowest: float  # seconds of one commit
    opened: int  # issues


Way = Callable[[Path, Size], Timing]  # reads the events from a file


def run(events: int, warm_up: int, issues: int, rounds: int) -> dict[str, Any]:
    """Medians over `rounds` vaults, for three ways to record `events` events after `warm_up` unmeasured ones.

    In an empty vault nearly every event opens an issue, which costs several times as much as a known one.
    """
    source = realistic.cached_jsonl(warm_up + events, issues=issues)
    size = Size(events, warm_up, source.stat().st_size - warm_up - events)
    _one_core()
    ways = {
        "floor: JSON text into one table": _floor,
        "record decoded events": _decoded,
        "record JSON bytes": _bytes,
    }
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            samples[name].append(_measured(way, source, size))
    rows = [{"way": name} | _median_row(found) for name, found in samples.items()]
    return {**size._asdict(), "issues": issues, "rounds": rounds, "rows": rows, "samples": samples}


def _median_row(samples: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}


def _one_core() -> None:
    """Stay on the last of the cores this process may use; the first is often busy with interrupts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _measured(way: Callable[[Path], Way], source: Path, size: Size) -> dict[str, float]:
    home = Path(tempfile.mkdtemp(prefix="crashvault-record-", dir=measure.CACHE))
    try:
        timing = way(home)(source, size)
        _checkpoint(home)
        stored = measure.folder_bytes(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return {
        "events/s": size.events / timing.wall,
        "CPU µs/event": 1e6 * timing.cpu / size.events,
        "slowest commit ms": 1000 * timing.slowest,
        "new issues %": 100 * timing.opened / size.events,
        "disk B/event": stored / (size.events + size.warm_up),
        "disk ÷ raw": stored / size.raw_bytes,
    }


def _timed(record: Record, batches: Iterator[list[Any]], size: Size) -> Timing:
    """Time spent inside `record` alone, after the warm-up; making the batches is not counted."""
    wall = cpu = slowest = 0.0
    opened = 0
    for _ in range(-(-size.warm_up // measure.BATCH)):
        record(next(batches))
    gc.collect()
    for batch in batches:
        wall_before, cpu_before = time.perf_counter(), time.process_time()
        opened += record(batch)
        taken = time.perf_counter() - wall_before
        cpu += time.process_time() - cpu_before
        wall += taken
        slowest = max(slowest, taken)
    return Timing(wall, cpu, slowest, opened)


def _decoded(home: Path) -> Way:
    return _recording(home, before=msgspec.json.decode, inside=None)


def _bytes(home: Path) -> Way:
    return _recording(home, before=bytes, inside=msgspec.json.decode)


def _recording(home: Path, before: Callable[[bytes], Any], inside: Callable[[bytes], Any] | None) -> Way:
    """Record what `before` makes of each line; `inside`, if any, is part of what is measured."""
    from crashvault import core
    from crashvault.pipeline import record_events

    def way(source: Path, size: Size) -> Timing:
        def record(batch: list[Any]) -> int:
            raws = batch if inside is None else [inside(line) for line in batch]
            receipts = record_events(vault, raws)
            if any(receipt.issue_id is None for receipt in receipts):
                raise RuntimeError("an event was not stored")
            return sum(receipt.issue_created for receipt in receipts)

        vault = core.open_vault(str(home))
        timing = _timed(record, measure.batches(map(before, realistic.read_jsonl(source))), size)
        vault.close()
        return timing

    return way


def _floor(home: Path) -> Way:
    def way(source: Path, size: Size) -> Timing:
        def record(batch: list[bytes]) -> int:
            store.execute("BEGIN IMMEDIATE")
            store.executemany("INSERT INTO events (body) VALUES (?)", [(line.decode(),) for line in batch])
            store.execute("COMMIT")
            return 0

        store = sqlite3.connect(home / "floor.db", isolation_level=None)
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("PRAGMA synchronous = FULL")
        store.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT)")
        timing = _timed(record, measure.batches(realistic.read_jsonl(source)), size)
        store.close()
        return timing

    return way


def _checkpoint(home: Path) -> None:
    """Bring what still stands in write-ahead logs into the databases, so that files show their real size."""
    for path in home.rglob("*.db"):
        store = sqlite3.connect(path)
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.close()


def show(figures: dict[str, Any]) -> None:
    events, warm_up = figures["events"], figures["warm_up"]
    title = (
        f"Recording {events:,} events of {figures['raw_bytes'] / (events + warm_up):,.0f} B "
        f"after {warm_up:,} others on one core, commits of {measure.BATCH} with fsync, medians of {figures['rounds']}"
    )
    measure.table(title, figures["rows"])


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments(
        "Events recorded per second and core.", events=20_000, warm_up=20_000, issues=20_000, rounds=3
    )
    options = parser.parse_args(argv)
    figures = run(options.events, options.warm_up, options.issues, options.rounds)
    show(figures)
    measure.finish("record", figures, options.json)


if __name__ == "__main__":
    main()
