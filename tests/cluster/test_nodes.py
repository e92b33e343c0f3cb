"""Three nodes on one database: they are killed under load, and nothing that was acknowledged is lost or told twice.

CRASHVAULT_FAULT_ROUNDS=17 makes it fifty kills.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from children import ROUNDS, crashvault
from load import Load
from receiver import Receiver

import clusters
import crashvault as package
from conftest import Start, events_in, opened, wait_for
from crashvault.config import DATABASE_VARIABLE

NAMES = ("a", "b", "c")
PRIVATE = {"CRASHVAULT_WEBHOOK_ALLOW_PRIVATE": "true"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def run(tmp_path: Path, url: str, *arguments: str) -> str:
    done = crashvault(tmp_path / "desk", *arguments, env={DATABASE_VARIABLE: url, **PRIVATE})
    assert done.returncode == 0, done.stderr
    return done.stdout


def ids(events: list[dict[str, object]]) -> Counter[str]:
    return Counter(str(event["event_id"]).replace("-", "") for event in events)


@pytest.mark.timeout(240 * ROUNDS)
def test_nodes_are_killed_under_load(
    primary: clusters.Database, node: Start, receiver: Receiver, tmp_path: Path
) -> None:
    run(tmp_path, primary.url, "webhook", "add", "http", "--url", receiver.url, "--name", "all", "--on", "event")
    run(
        tmp_path,
        primary.url,
        "alert",
        "add",
        "flood",
        "--when",
        "count > 5 in 1h",
        "--by",
        "project",
        "--cooldown",
        "1d",
    )
    living = {name: node(name, primary.url, **PRIVATE) for name in NAMES}
    random = Random(8)
    load = Load(lambda: [server.url for server in list(living.values())], threads=3, most=100_000, pause=0.02)
    for _ in range(3 * ROUNDS):
        load.wait(15)
        name = random.choice(NAMES)
        living[name].stop(signal.SIGKILL)
        living[name] = node(name, primary.url, **PRIVATE)
    load.stop()
    acknowledged = Counter(load.acknowledged)
    assert ids(events_in(tmp_path, primary.url)) == acknowledged

    # Each event is told of once, perhaps by several attempts; an attempt that a kill has cut is made again.
    def deliveries() -> dict[str, int]:
        with opened(tmp_path, primary.url) as store:
            found: Counter[str] = Counter()
            for counts in store.outbox.counts().values():
                found.update(counts)
            return {state: count for state, count in found.items() if count}

    total = len(acknowledged)
    wait_for(lambda: set(deliveries()) == {"delivered"} and deliveries()["delivered"] >= total, "not all delivered")
    told = {one.json["data"]["event"]["event_id"].replace("-", "") for one in receiver.arrived if is_event(one)}
    assert told == set(acknowledged)

    # Whoever holds the lease evaluates: the line was crossed once, and told of once.
    # A lease of a node that was killed holds the next one up until it ends.
    def history() -> list[tuple[str, str]]:
        found = json.loads(run(tmp_path, primary.url, "alert", "history", "flood", "--json"))
        return [(one["alert"], one["what"]) for one in found["items"]]

    assert wait_for(history, "the alert never fired") == [("flood", "fired")]


def is_event(one: object) -> bool:
    return one.json["type"] == "crashvault.event" and one.json["data"].get("event") is not None  # type: ignore[attr-defined]


def test_the_primary_fails_over(node: Start, tmp_path: Path) -> None:
    with clusters.running() as primary:
        with opened(tmp_path, primary.url):
            pass
        standby = primary.copy_to("standby")
        primary.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.run("SELECT pg_reload_conf()")
        primary.wait("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
        url = clusters.url_of(primary, standby, target_session_attrs="read-write")
        nodes = [node(name, url) for name in NAMES]
        load = Load(lambda: [server.url for server in nodes], threads=3, most=100_000, pause=0.01)
        load.wait(30)
        primary.end(signal.SIGQUIT)
        standby.promote()
        promoted = time.monotonic()
        load.wait(60)
        load.stop()
        recovered = next(moment for moment in load.answered_at if moment > promoted) - promoted
        sys.stdout.write(f"recovered {recovered:.1f} s after the promotion\n")
        for server in nodes:
            wait_for(lambda server=server: server.get("/api/health/ready").status_code == 200)
        assert ids(events_in(tmp_path, standby.url)) == Counter(load.acknowledged)


def test_a_tail_shows_events_of_other_nodes(primary: clusters.Database, node: Start) -> None:
    one, other = node("a", primary.url), node("b", primary.url)
    with httpx.stream("GET", f"{one.url}/api/v1/tail", timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        assert other.post("/api/v1/events", json={"message": "from the other"}).status_code == 201
        data = next(line for line in lines if line.startswith("data:"))
    assert json.loads(data.partition(":")[2])["message"] == "from the other"


# A rolling upgrade


def newer(tmp_path: Path, min_reader: int) -> str:
    """A program of the next version, with a schema step that adds something; where it can be imported from."""
    root = tmp_path / f"newer-{min_reader}"
    shutil.copytree(Path(package.__file__).parent, root / "crashvault", ignore=shutil.ignore_patterns("__pycache__"))
    migrations = root / "crashvault" / "storage" / "migrations"
    text = (migrations / "__init__.py").read_text()
    from crashvault.storage.migrations import MIN_READER, VERSION

    following = VERSION + 1
    text = text.replace(f"\nVERSION = {VERSION}\n", f"\nVERSION = {following}\n")
    text = text.replace(f"\nMIN_READER = {MIN_READER}\n", f"\nMIN_READER = {min_reader or following}\n")
    (migrations / "__init__.py").write_text(text)
    for engine in ("sqlite", "postgres"):
        step = "ALTER TABLE projects ADD COLUMN colour TEXT;\nCREATE TABLE teams (id BIGINT PRIMARY KEY);\n"
        (migrations / engine / f"{following:04}.sql").write_text(step)
    return str(root)


def test_old_and_new_side_by_side(primary: clusters.Database, node: Start, tmp_path: Path) -> None:
    from crashvault.storage.migrations import MIN_READER, VERSION

    old = node("a", primary.url)
    serving = [old]
    load = Load(lambda: [server.url for server in serving], threads=2, most=100_000, pause=0.01)
    load.wait(5)
    new = node("b", primary.url, PYTHONPATH=newer(tmp_path, MIN_READER))
    serving.append(new)
    assert primary.run("SELECT count(*) FROM teams") == [(0,)]
    load.wait(20)
    # An old node that starts again finds a vault that it can still read.
    again = node("c", primary.url)
    serving.append(again)
    load.wait(20)
    load.stop()
    for server in serving:
        assert len(server.get("/api/v1/events?limit=5").json()["items"]) == 5
        assert server.get("/api/health/ready").status_code == 200
    assert ids(events_in(tmp_path, primary.url)) == Counter(load.acknowledged)

    # A step that old programs would misread keeps them away.
    for server in (old, again, new):
        assert server.stop() == 0
    following = newer(tmp_path, 0)
    primary.run("UPDATE meta SET value = (value::int - 1)::text WHERE key = 'schema_version'")
    primary.run("DROP TABLE teams")
    primary.run("ALTER TABLE projects DROP COLUMN colour")
    node("b", primary.url, PYTHONPATH=following)
    assert primary.run("SELECT value FROM meta WHERE key = 'min_reader'") == [(str(VERSION + 1),)]
    with pytest.raises(RuntimeError, match="needs a newer Crashvault"):
        node("a", primary.url)


def test_nodes_start_at_once_on_an_empty_database(primary: clusters.Database, node: Start, tmp_path: Path) -> None:
    started: list[object] = []
    threads = [threading.Thread(target=lambda name=name: started.append(node(name, primary.url))) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(started) == len(NAMES)
    assert primary.run("SELECT count(*) FROM projects") == [(1,)]
