"""How fast retention brings a vault down to a tenth of its events, and what recording keeps of its rate meanwhile.

The vault is made of a few thousand recorded events, stored again and again under new ids and times, which takes a
fraction of recording so many. A process records batches as fast as it can, all the time. For a while it is alone; then `crashvault retention run`
runs beside it; then it is alone again. Its rate beside retention is set
against the mean of before and after.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import measure, realistic

_BATCH = 100  # events of one commit of the recorder: what a server commits under load
_SOURCE = 5_000  # events that are recorded again and again, with new ids
_COPIED = 1_000  # events of one commit while the vault is made
_OVER = 30 * 86_400_000_000  # microseconds over which they lie
_PATIENCE = 60.0  # seconds until the recorder has begun


class Mark(NamedTuple):
    """The recorder after a commit."""

    at: float  # seconds, of the system's monotonic clock
    events: int  # recorded so far
    cpu: float  # seconds
    taken: float  # seconds of this batch


def run(events: int, issues: int, keep: int, alone: int, vault: str = "") -> dict[str, Any]:
    """A vault of `events` down to `keep`, with `alone` seconds of undisturbed recording before and after.

    `vault` is the folder of one that is there; it is copied.
    """
    source = Path(vault) if vault else copied_vault(events, issues)
    home = Path(tempfile.mkdtemp(prefix="crashvault-retention-", dir=measure.CACHE))
    try:
        shutil.copytree(source, home, dirs_exist_ok=True)
        return _measured(home, events, keep, alone) | {"issues": issues, "alone": alone}
    finally:
        shutil.rmtree(home, ignore_errors=True)


def copied_vault(events: int, issues: int) -> Path:
    """The folder of a vault of copies: built once per state of the schema, then kept."""
    first = measure.filled_vault(min(events, _SOURCE), issues)
    home = measure.CACHE / f"copied-{events}-{first.name}"
    if not home.exists():
        partial = home.with_name(f"{home.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(first, partial)
        _copy(partial, events)
        partial.rename(home)
    return home


def _copy(home: Path, events: int) -> None:
    """Store the events of a vault again until it has so many, spread over the days before now."""
    from crashvault import clock, core
    from crashvault.exchange.preparing import imported_grouping
    from crashvault.storage import codec
    from crashvault.storage.recording import prepare

    encode = codec.fast_encoder()
    with core.open_vault(str(home)) as vault:
        ranks = vault.levels.ranks()
        items = vault.events.load(list(vault.events.all_rows()))
        prepared = [
            prepare(
                item.event, codec.compressed(codec.split(item.event, encode)), imported_grouping(item.fingerprint),
                ranks[item.event["level"]],
            )
            for item in items
        ]  # fmt: skip
        now, stored = clock.now(), len(prepared)
        ids = vault.projects.ids({one.project for one in prepared}, now)
        source = cycle(prepared)
        while stored < events:
            count = min(_COPIED, events - stored)
            batch = []
            for number in range(stored, stored + count):
                key = os.urandom(16)
                when = now - _OVER * (events - number) // events
                batch.append(next(source)._replace(
                    event_id=str(uuid.UUID(bytes=key)), key=key, timestamp=when, received_at=when, files=(),
                ))  # fmt: skip
            with vault.writing():
                vault.recording.append(batch, ids, now)
            stored += count
            measure.progress(f"copying events: {stored:,} of {events:,}")
    measure.progress("")


def _measured(home: Path, events: int, keep: int, alone: int) -> dict[str, Any]:
    env = measure.environment(home)
    command = measure.crashvault_command()
    subprocess.run(
        [*command, "retention", "set", "max-events", str(keep)], env=env, check=True, stdout=subprocess.DEVNULL
    )
    before = measure.folder_bytes(home)
    told = home / "recorded.txt"
    with told.open("w") as file:
        recorder = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.retention", "--record", str(home)], env=_with_benchmarks(env), stdout=file
        )  # fmt: skip
    deadline = time.monotonic() + _PATIENCE
    while not told.stat().st_size and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(alone)
    started = time.monotonic()
    retention = subprocess.Popen([*command, "--json", "retention", "run"], env=env, stdout=subprocess.PIPE, text=True)
    assert retention.stdout is not None
    report = retention.stdout.read()
    _, status, usage = os.wait4(retention.pid, 0)
    retention.returncode = os.waitstatus_to_exitcode(status)
    ended = time.monotonic()
    time.sleep(alone)
    recorder.terminate()
    recorder.wait()
    lines = told.read_text().split("\n")[:-1]  # the last may be half a line
    marks = [Mark(*map(float, line.split())) for line in lines]  # type: ignore[arg-type]
    if retention.returncode:
        raise RuntimeError(f"retention failed: {report}")
    return _figures(events, keep, marks, started, ended) | {
        "evicted": _number(report, "evicted"), "seconds": ended - started,
        "evicted/s": _number(report, "evicted") / (ended - started),
        "CPU µs/evicted": 1e6 * (usage.ru_utime + usage.ru_stime) / max(1, _number(report, "evicted")),
        "bytes before": before, "bytes freed by it": _number(report, "freed_bytes"),
    }  # fmt: skip


def _figures(events: int, keep: int, marks: list[Mark], started: float, ended: float) -> dict[str, Any]:
    spans = {
        "alone before": [mark for mark in marks if mark.at < started],
        "beside retention": [mark for mark in marks if started <= mark.at < ended],
        "alone after": [mark for mark in marks if mark.at >= ended],
    }
    rows = [{"recording": name, **_rates(found)} for name, found in spans.items()]
    alone = statistics.mean(row["events/s"] for row in (rows[0], rows[2]))
    alone_cpu = statistics.mean(row["events/CPU s"] for row in (rows[0], rows[2]))
    return {
        "events": events, "keep": keep, "rows": rows,
        "ratio": rows[1]["events/s"] / alone, "ratio of CPU": rows[1]["events/CPU s"] / alone_cpu,
    }  # fmt: skip


def _rates(marks: list[Mark]) -> dict[str, float]:
    first, last = marks[0], marks[-1]
    count = last.events - first.events
    taken = sorted(mark.taken for mark in marks[1:])
    return {
        "events/s": count / (last.at - first.at),
        "events/CPU s": count / (last.cpu - first.cpu),
        "median commit ms": 1000 * statistics.median(taken),
        "p99 commit ms": 1000 * taken[len(taken) * 99 // 100],
        "slowest commit ms": 1000 * taken[-1],
    }


def _number(report: str, key: str) -> int:
    import json

    return int(json.loads(report)[key])


def _with_benchmarks(env: dict[str, str]) -> dict[str, str]:
    return env | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), env["PYTHONPATH"]])}


def record(home: str) -> None:
    """Record for as long as this process lives; a line after each commit."""
    import msgspec

    from crashvault import core
    from crashvault.pipeline import record_events

    source = [msgspec.json.decode(line) for line in realistic.read_jsonl(realistic.cached_jsonl(_SOURCE, seed=1))]
    now = time.time()
    total = 0
    with core.open_vault(home) as vault:
        for batch in cycle(list(measure.batches(source, _BATCH))):
            raws = [
                {**msgspec.json.decode(msgspec.json.encode(raw)), "event_id": str(uuid.uuid4()), "timestamp": now}
                for raw in batch
            ]
            began = time.perf_counter()
            record_events(vault, raws)
            total += len(raws)
            print(time.monotonic(), total, time.process_time(), time.perf_counter() - began, flush=True)


def show(figures: dict[str, Any]) -> None:
    title = (
        f"Recording while {figures['events']:,} events go down to {figures['keep']:,}, commits of {_BATCH}; "
        f"{figures['evicted']:,} evicted in {figures['seconds']:,.0f} s"
    )
    measure.table(title, figures["rows"])
    print(
        f"rate beside retention ÷ alone: {figures['ratio']:.2f} (of CPU time: {figures['ratio of CPU']:.2f}); "
        f"{figures['evicted/s']:,.0f} evicted/s, {figures['CPU µs/evicted']:,.0f} CPU µs each; "
        f"{figures['bytes before'] / 1e6:,.0f} MB before, {figures['bytes freed by it'] / 1e6:,.0f} MB freed"
    )


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments(
        "What retention costs those who record.", events=100_000, issues=2_000, keep=10_000, alone=20
    )
    parser.add_argument("--record", metavar="HOME", help="be the process that records")
    parser.add_argument("--home", metavar="DIR", default="", help="a vault of so many events that is there already")
    options = parser.parse_args(argv)
    if options.record:
        record(options.record)
        return
    figures = run(options.events, options.issues, options.keep, options.alone, options.home)
    show(figures)
    measure.finish("retention", figures, options.json)


if __name__ == "__main__":
    main()
