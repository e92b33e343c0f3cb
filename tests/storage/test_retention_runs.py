"""Applying retention policies: which there are, one run at a time, others recording beside it, an early end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from crashvault.clock import DAY, HOUR, MINUTE, SECOND
from crashvault.errors import ConflictError, InvalidError, NotFoundError
from crashvault.storage import leftovers, retention
from crashvault.storage.document import counted_words
from crashvault.storage.policies import KINDS, Scope
from crashvault.storage.store import Store, open_sqlite
from retaining import NOW, assert_well, at, messages, policy, record


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_sqlite(str(tmp_path / "vault")) as opened:
        yield opened


# Policies


def test_policies_are_set_once_and_unset(store: Store) -> None:
    policies = store.retention.policies
    policy(store, "max-age", "90d")
    policy(store, "max-age", "30d")
    policy(store, "max-age", "7d", level="<=info")
    policy(store, "max-size", "10GiB")
    policy(store, "max-events", "1,000,000", query="tag:db")
    assert [str(one) for one in policies.list()] == [
        "max-age 30d", "max-age 7d level:<=info", "max-events 1,000,000 tag:db", "max-size 10GiB",
    ]  # fmt: skip
    assert [one.amount for one in policies.list()] == [30 * DAY, 7 * DAY, 1_000_000, 10 << 30]
    policies.unset("max-age", Scope(), NOW)
    with pytest.raises(NotFoundError, match="no policy max-age"):
        policies.unset("max-age", Scope(query="tag:db"), NOW)
    assert len(policies.list()) == 3


@pytest.mark.parametrize(
    ("kind", "value", "scope"),
    [("max-age", "soon", {}), ("max-events", "-1", {}), ("max-events", "0", {}), ("max-size", "many", {}),
     ("max-fun", "1", {}), ("max-age", "1d", {"query": "levl:x"}), ("max-age", "1d", {"level": "loud"}),
     ("max-age", "1d", {"project": "nowhere"}), ("max-age", "1d", {"level": "debug OR tag:x"})],
)  # fmt: skip
def test_a_wrong_policy_is_refused(store: Store, kind: str, value: str, scope: dict[str, str]) -> None:
    with pytest.raises((InvalidError, NotFoundError)):
        policy(store, kind, value, **scope)
    assert store.retention.policies.list() == []


def test_a_policy_that_cannot_be_applied_stops_no_other(store: Store) -> None:
    store.levels.add("audit", 35, None, None)
    record(store, *(at(NOW - n, "m") for n in range(9)))
    policy(store, "max-age", "1h", level="audit")
    policy(store, "max-events", 5)
    store.levels.remove("audit")
    done = store.retention.run(NOW)
    assert done.evicted == 4 and "audit" in done.outcomes[0].error and not done.outcomes[1].error


def test_it_is_due_every_hour_and_when_asked(store: Store) -> None:
    from crashvault.clock import now

    assert not store.retention.due(now())
    policy(store, "max-age", "1d")
    assert store.retention.due(now())
    store.retention.run(now())
    assert not store.retention.due(now()) and store.retention.due(now() + HOUR)
    store.retention.ask(now())
    assert store.retention.due(now())


# Several at once, and an early end


def test_only_one_runs_at_a_time(store: Store) -> None:
    from crashvault.clock import now

    holder = f"{socket.gethostname()}:{os.getppid()}:1"
    store.leases.take(retention.LEASE, holder, now(), MINUTE)
    with pytest.raises(ConflictError, match="runs already"):
        store.retention.run(NOW)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    store.leases.seize(retention.LEASE, f"{socket.gethostname()}:{ended.pid}:1", now(), MINUTE)
    store.retention.run(NOW)
    assert store.leases.live(retention.LEASE, now()) is None


def test_it_stops_when_asked_to_and_another_run_goes_on(store: Store) -> None:
    record(store, *(at(NOW - n, f"word{n}", fingerprint=["x"]) for n in range(900)))
    policy(store, "max-events", 10)
    stop = threading.Event()
    done = store.retention.run(NOW, stop=stop, tell=lambda what, count: stop.set())
    assert done.stopped and done.evicted == 0 and 0 < store.db.value("SELECT sum(evicted) FROM hashes") < 890
    assert store.retention.last_run() is None
    again = store.retention.run(NOW)
    assert not again.stopped and len(messages(store)) == 10
    assert store.issues.get(1).count == 900
    assert_well(store)


def test_recording_beside_it_loses_nothing(tmp_path: Path) -> None:
    with open_sqlite(str(tmp_path)) as store:
        for number in range(10):
            record(
                store,
                *(at(NOW - n, f"w{number} {n}", fingerprint=[str(n % 7)], tags=[f"t{n % 40}"]) for n in range(200)),
            )
        policy(store, "max-events", 100)
        recorded: list[int] = []

        def more() -> None:
            with open_sqlite(str(tmp_path)) as other:
                for number in range(40):
                    raws = [
                        at(NOW + number, f"n{number} {n}", fingerprint=[str(n % 7)], tags=[f"t{n}"]) for n in range(20)
                    ]
                    recorded.extend(1 for one in record(other, *raws) if one.issue_id)

        thread = threading.Thread(target=more)
        thread.start()
        store.retention.run(NOW)
        thread.join()
        assert len(recorded) == 800
        store.retention.run(NOW)
        totals = store.statistics.totals()
        assert (totals.events, len(messages(store))) == (2800, 100)
        known = {(field, value) for field, value in store.db.rows("SELECT field, value FROM words WHERE field = 'tag'")}
        tags = {("tag", tag) for item in store.events.load(list(store.events.all_rows())) for tag in item.event["tags"]}
        assert tags <= known
        for tag in sorted(tags):
            search = store.search(NOW)
            assert search.find_issues(search.parse(f"tag:{tag[1]}")).total > 0
        store.deletion.collect(NOW)
        assert_well(store)


_RUN = """
import sys
from crashvault.storage.store import open_sqlite
with open_sqlite(sys.argv[1]) as store:
    store.retention.run(int(sys.argv[2]), tell=lambda what, count: print(what, count, flush=True))
"""


def words_of_hashes(store: Store) -> set[tuple[int, int]]:
    """The words that events have which are stored, with their hashes."""
    hot = {row: (hash_id, rank) for row, hash_id, rank in store.db.rows("SELECT id, hash_id, level FROM events")}
    items = store.events.load(list(hot))
    return {(word, hot[item.row][0]) for item in items for word in counted_words(item.event, hot[item.row][1])}


@pytest.mark.parametrize("steps", [1, 3, 6, 9])
def test_killed_in_the_middle_it_is_finished_by_the_next(tmp_path: Path, steps: int) -> None:
    with open_sqlite(str(tmp_path)) as store:
        for number in range(8):
            record(
                store,
                *(at(NOW - n, f"w{number} {n}", fingerprint=[str(n % 9)], tags=[f"t{number}.{n}"]) for n in range(200)),
            )
        policy(store, "max-events", 50)
    process = subprocess.Popen([sys.executable, "-c", _RUN, str(tmp_path), str(NOW)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(steps):
        process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    with open_sqlite(str(tmp_path)) as store:
        assert_well(store)
        evicted = store.db.value("SELECT sum(evicted) FROM hashes")
        assert evicted >= min(steps, 8) * 150
        assert sum(drop.count for drop in store.ledger.list()) == evicted
        done = store.retention.run(NOW)
        assert done.evicted == 1550 - evicted and len(messages(store)) == 50
        assert store.statistics.totals().events == 1600
        assert store.db.value("SELECT sum(unsettled) FROM hashes") == 0
        left = {tag for item in store.events.load(list(store.events.all_rows())) for tag in item.event["tags"]}
        assert set(store.db.rows("SELECT word, hash_id FROM hash_words")) == words_of_hashes(store)
        store.deletion.collect(NOW)
        assert {value for (value,) in store.db.rows("SELECT value FROM words WHERE field = 'tag'")} == left
        assert_well(store)


def test_kinds_are_those_of_the_command_line() -> None:
    from crashvault.commands import retention_cmd

    assert set(retention_cmd._KINDS) == set(KINDS)


@pytest.mark.parametrize("method", ["without_event", "_listed_values"])
def test_a_word_that_comes_again_while_it_is_looked_for_stays(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = getattr(leftovers.Leftovers, method)
    late = [at(NOW + SECOND, "late", fingerprint=["x"], tags=["rare"])]

    def and_then(self: Any, *args: Any) -> Any:
        found = before(self, *args)
        if late:
            with open_sqlite(str(tmp_path)) as other:
                record(other, late.pop())
        return found

    with open_sqlite(str(tmp_path)) as store:
        record(store, *(at(NOW - n, "m", fingerprint=["x"], tags=["rare" if n == 4 else "plain"]) for n in range(9)))
        policy(store, "max-events", 1)
        monkeypatch.setattr(leftovers.Leftovers, method, and_then)
        assert store.retention.run(NOW).evicted == 6 and not late
        assert set(store.db.rows("SELECT word, hash_id FROM hash_words")) == words_of_hashes(store)
        assert ("tag", "rare") in store.db.rows("SELECT field, value FROM words")


def test_afterwards_commits_are_on_disk_again(store: Store) -> None:
    before = store.db.value("PRAGMA synchronous")
    store.retention.run(NOW)
    assert store.db.value("PRAGMA synchronous") == before == 2
