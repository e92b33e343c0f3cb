"""Retention: events go, what was counted of them stays, and so do those that tell most."""

from __future__ import annotations

import base64
import os
import sys
import uuid
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import databases
import vaults
from contents import contents
from crashvault import lifecycle
from crashvault.clock import DAY, HOUR, MINUTE, SECOND
from crashvault.errors import QueryError
from crashvault.storage import candidates, eviction, leftovers, retention
from crashvault.storage.sieve import informativeness
from crashvault.storage.store import Store, open_sqlite
from retaining import NOW, assert_well, at, ids, messages, policy, record

ROUNDS = int(os.environ.get("CRASHVAULT_FAULT_ROUNDS", "1"))
COUNTED = ("hashes", "issues", "hash_users", "hash_hours", "hash_minutes", "project_hours")
STORED = ("events", "order", "hash_words", "words", "stacks", "stack_words", "backgrounds", "attachments", "keys",
          "vocabulary")  # fmt: skip
# Parts of queries whose answer depends on what was counted, or on numbers of issues.
ABOUT_ISSUES = ("count", "users", "seen", "issue", "is:", "status", "assigned", "severity", "category", "has:")


# Any sequence of recording and evicting


Hash = tuple[str, str]  # project and digest


class Story:
    """Batches of events with the times at which they come; triage and policies in between."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.batches: list[tuple[int, str, list[dict[str, Any]]]] = []
        for number in range(30):
            now = NOW + number * 12 * HOUR
            raws = [vaults.raw_event(random, now) for _ in range(random.randint(1, 15))]
            for raw in raws:
                if random.random() < 0.8:  # few issues with many events
                    raw["fingerprint"] = [random.choice(vaults.WORDS[:5])]
                if random.random() < 0.1:
                    data = base64.b64encode(random.choice((b"one", b"two", b"three"))).decode()
                    raw["attachments"] = [{"name": "a.txt", "data": data}]
            self.batches.append((now, random.choice(vaults.PROJECTS), raws))
        self.end = self.batches[-1][0]
        self.closed: set[Hash] = set()
        self.merged: list[tuple[Hash, Hash]] = []

    def tell(self, store: Store, without: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        begin(store)
        for now, project, raws in self.batches:
            kept = [raw for raw in raws if raw["event_id"] not in without]
            if kept:
                record(store, *kept, now=now, project=project)

    def tell_both(self, store: Store, whole: Store) -> set[str]:
        """The same, with triage in both vaults and policies in the first; the ids of all events that were evicted."""
        for one in (store, whole):
            begin(one)
        for now, project, raws in self.batches:
            for one in (store, whole):
                record(one, *raws, now=now, project=project)
            if self.random.random() < 0.3:
                self.triage(store, whole, now)
            if self.random.random() < 0.3:
                self.apply(store, now)
        self.apply(store, self.end)
        return ids(whole) - ids(store)

    def triage(self, store: Store, whole: Store, now: int) -> None:
        issues = vaults.issue_ids(store)
        assert issues == vaults.issue_ids(whole)
        closed = self.random.sample(issues, min(3, len(issues)))
        target, other = self.random.sample(issues, 2) if len(issues) > 1 else (0, 0)
        same = target and store.issues.get(target).project == store.issues.get(other).project
        if same:
            self.merged.append((hashes_of(store, target)[0], hashes_of(store, other)[0]))
        for one in (store, whole):
            lifecycle.set_status(one, closed, "resolved", "ana", now)
            if same:
                lifecycle.merge(one, target, [other], "ana", now)

    def merge_again(self, store: Store) -> None:
        for pair in self.merged:
            target, other = (issue_of(store, one) for one in pair)
            if target != other:
                lifecycle.merge(store, target, [other], "ana", self.end)

    def apply(self, store: Store, now: int) -> None:
        closed = [issue for issue in vaults.issue_ids(store) if store.issues.get(issue).status != "open"]
        self.closed.update(hash_ for issue in closed for hash_ in hashes_of(store, issue))
        for one in store.retention.policies.list():
            store.retention.policies.unset(one.kind, one.scope, now)
        for _ in range(self.random.randint(1, 3)):
            kind, value = self.random.choice(
                (("max-age", "2d"), ("max-age", "12h"), ("max-events", "40"), ("max-events-per-issue", "3"),
                 ("max-events-per-issue", "1"), ("max-size", "450KiB"))
            )  # fmt: skip
            scope = self.random.choice(
                (
                    {},
                    {},
                    {"level": "<=warning"},
                    {"project": "shop"},
                    {"query": "-tag:db"},
                    {"query": "timeout OR is:open"},
                )
            )
            policy(store, kind, value, **scope)
        planned = store.retention.plan(now)
        done = store.retention.run(now)
        if any(one.policy.kind == "max-size" for one in planned.outcomes):  # its rounds measure what is free
            return
        if len(planned.outcomes) == 1:  # else it matters to the second which ones the first has left
            assert planned.evicted == done.evicted and planned.outcomes[0].kept == done.outcomes[0].kept
        assert store.retention.run(now).evicted == 0


def begin(store: Store) -> None:
    store.levels.add("audit", 35, None, None)
    for name in vaults.PROJECTS:
        with store.writing():  # so that they have the same numbers in every vault
            store.projects.ids([name], NOW)


def hashes_of(store: Store, issue: int) -> list[Hash]:
    return [(store.issues.get(issue).project, item.hash) for item in store.issues.hashes(issue)]


def issue_of(store: Store, hash_: Hash) -> int:
    sql = "SELECT h.issue_id FROM hashes h JOIN projects p ON p.id = h.project_id WHERE p.name = ? AND h.hash = ?"
    return int(store.db.value(sql, (hash_[0], bytes.fromhex(hash_[1]))))


@pytest.mark.parametrize("seed", range(4 * ROUNDS))
def test_counters_stay_true_and_nothing_else_stays(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in (
        (candidates, "PAGE", 7), (candidates, "_AT_ONCE", 11), (retention, "PAGE", 7), (leftovers, "_READ", 1 + seed % 3),
        (leftovers, "_HASHES_AT_ONCE", 5), (eviction, "_MOST_WORDS", 50 + seed % 2 * 10**6),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    story = Story(seed)
    with (
        open_sqlite(str(tmp_path / "evicted")) as store,
        open_sqlite(str(tmp_path / "whole")) as whole,
        open_sqlite(str(tmp_path / "never")) as never,
    ):
        gone = story.tell_both(store, whole)
        assert gone
        story.tell(never, without=gone)
        story.merge_again(never)
        whole.deletion.forget_old(story.end)
        for one in (store, never):
            one.deletion.collect(story.end)
            one.deletion.forget_old(story.end)
        found, counted, stored = contents(store), contents(whole), contents(never)
        for name in COUNTED:
            assert found[name] == counted[name], name
        for name in STORED:
            assert found[name] == stored[name], name
        assert store.statistics.totals() == whole.statistics.totals()
        assert_well(store)
        assert_kept(whole, gone, story.closed)
        assert_same_answers(story.random, store, never, story.end)
        record_again(story, store)
        assert contents(store)["keys"] == found["keys"] and contents(store)["hashes"] == found["hashes"]
        evictions = [drop for drop in store.ledger.list() if drop.reason == "evicted"]
        assert sum(drop.count for drop in evictions) == len(gone)


def record_again(story: Story, store: Store) -> None:
    for now, project, raws in story.batches:
        record(store, *raws, now=max(now, story.end), project=project)


def assert_kept(whole: Store, gone: set[str], closed: set[Hash]) -> None:
    """Of each hash the first, the latest, and one that tells as much as any that went; of closed ones the latest."""
    by_hash: dict[Hash, list[Any]] = {}
    for item in whole.events.load(list(whole.events.all_rows())):
        by_hash.setdefault((item.event["project"], item.fingerprint), []).append(item)
    for hash_, items in by_hash.items():
        items.sort(key=lambda item: (item.event["timestamp"], item.row))
        assert items[-1].event["event_id"] not in gone
        if hash_ in closed:
            continue
        assert items[0].event["event_id"] not in gone
        lost = [informativeness(item.event) for item in items if item.event["event_id"] in gone]
        left = [informativeness(item.event) for item in items if item.event["event_id"] not in gone]
        assert not lost or max(left) >= max(lost)


def assert_same_answers(random: Random, store: Store, other: Store, now: int) -> None:
    known = vaults.known_ids(other)
    for _ in range(40):
        text = vaults.query(random, known)
        if any(part in text for part in ABOUT_ISSUES):
            continue
        answers = []
        for one in (store, other):
            search = one.search(now)
            try:
                node = search.parse(text)
            except QueryError:
                break
            page = search.events(node, 500)
            issues = search.find_issues(node, limit=500)
            found = [item.event["event_id"] for item in one.events.load(page.ids)]
            answers.append((found, page.total, sorted(one.issues.fingerprints(issues.ids).values())))
        assert answers == [] or answers[0] == answers[-1], text


# What stays, and what goes


def rich(moment: int, message: str = "boom") -> dict[str, Any]:
    frames = [{"file": "a.py", "function": "f", "line": 1, "context_line": "f()", "vars": {"x": 1}}]
    exception = {"type": "E", "value": message, "frames": frames}
    return at(moment, message, fingerprint=["one"], exceptions=[exception], context={"a": 1}, user="ana", tags=["db"])


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with databases.opened_store(request.param, tmp_path / "vault") as opened:
        yield opened


def test_the_first_the_latest_and_the_most_informative_stay(store: Store) -> None:
    plain = [at(NOW - n * HOUR, f"plain {n}", fingerprint=["one"]) for n in range(20)]
    record(store, *plain, rich(NOW - 7 * HOUR, "rich"))
    policy(store, "max-events-per-issue", 1)
    plan = store.retention.plan(NOW)
    assert [(share.issue, share.evicted, share.stored) for share in plan.issues] == [(1, 18, 21)]
    assert plan.outcomes[0].why == "issues with more than 1 events" and plan.evicted == 18
    assert len(messages(store)) == 21  # a plan changes nothing
    done = store.retention.run(NOW)
    assert (done.evicted, done.issues) == (18, plan.issues)
    assert sorted(messages(store)) == ["plain 0", "plain 19", "rich"]
    issue = store.issues.get(1)
    assert (issue.count, issue.first_seen, issue.last_seen) == (21, NOW - 19 * HOUR, NOW)
    page = store.search(NOW).events(store.search(NOW).parse("issue:1"), 10)
    assert (len(page.ids), page.total, page.total_exact) == (3, 3, True)


def test_age_is_counted_from_the_arrival(store: Store) -> None:
    record(store, *(at(NOW - n * DAY, f"late {n}", fingerprint=["late"]) for n in range(50)), now=NOW)
    record(store, *(at(NOW - 90 * DAY - n, f"old {n}", fingerprint=["old"]) for n in range(5)), now=NOW - 90 * DAY)
    policy(store, "max-age", "30d")
    done = store.retention.run(NOW)
    assert done.evicted == 2 and len([text for text in messages(store) if text.startswith("late")]) == 50
    assert done.outcomes[0].kept == 3


@pytest.mark.parametrize(("status", "left"), [("open", 3), ("resolved", 1), ("ignored", 1)])
def test_a_closed_issue_that_is_silent_keeps_its_latest_event(store: Store, status: str, left: int) -> None:
    record(store, *(at(NOW - 90 * DAY + n, f"m {n}", fingerprint=["x"]) for n in range(9)), now=NOW - 89 * DAY)
    record(store, *(at(NOW - n, f"new {n}", fingerprint=["y"]) for n in range(9)), now=NOW)
    lifecycle.set_status(store, [1, 2], status, "ana", NOW)
    policy(store, "max-age", "30d")
    assert store.retention.run(NOW).evicted == 9 - left
    kept = [text for text in messages(store) if text.startswith("m")]
    assert len(kept) == left and kept[-1] == "m 8"
    assert store.issues.get(1).count == 9 and store.issues.get(1).status == status
    assert store.events.load(store.issues.latest_events(1))[0].event["message"] == "m 8"


def test_policies_limited_to_a_part(store: Store) -> None:
    for level in ("debug", "error"):
        for project in ("default", "shop"):
            raws = [at(NOW - n, f"{level} {n}", level=level, fingerprint=[level]) for n in range(10)]
            record(store, *raws, project=project)

    def left() -> dict[tuple[str, str], int]:
        rows = store.events.load(list(store.events.all_rows()))
        found: dict[tuple[str, str], int] = {}
        for item in rows:
            key = (item.event["level"], item.event["project"])
            found[key] = found.get(key, 0) + 1
        return found

    policy(store, "max-events-per-issue", 5, level="debug", project="shop")
    assert store.retention.run(NOW).evicted == 5
    assert left()["debug", "shop"] == 5 and sum(left().values()) == 35
    policy(store, "max-events", 12, query="level:>=error")
    assert store.retention.run(NOW).evicted == 8
    assert left()["error", "default"] + left()["error", "shop"] == 12
    policy(store, "max-age", "1s", project="default")
    store.retention.run(NOW + 2 * MINUTE)
    assert left()["debug", "default"] == 3 and left()["error", "default"] == 3 and left()["debug", "shop"] == 5
    assert store.statistics.totals().events == 40
    assert_well(store)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # a database keeps what it has of the disk
def test_a_vault_that_is_too_large_gets_smaller(store: Store) -> None:
    random = Random(3)
    for number in range(40):
        data = base64.b64encode(random.randbytes(30_000)).decode()
        raws = [at(NOW - n * SECOND, random.randbytes(400).hex(), fingerprint=["x"]) for n in range(50)]
        raws[0]["attachments"] = [{"name": "a", "data": data}]
        record(store, *raws, now=NOW - (40 - number) * HOUR)
    before = store.retention.sizes(NOW)
    assert before.files == 40 * 30_000
    policy(store, "max-size", "1MiB")
    planned = store.retention.plan(NOW)
    done = store.retention.run(NOW)
    after = store.retention.sizes(NOW)
    assert after.total <= 1 << 20 < before.total
    assert after.stored > 20 and planned.evicted <= done.evicted
    assert store.retention.run(NOW).evicted == 0  # there is some room until there is too much again
    assert done.freed > 0 and store.db.value("PRAGMA freelist_count") == 0
    gone = [path for path in Path(store.blobs.root).rglob("*") if path.is_file()]
    assert len(gone) == 40  # contents are spared for an hour
    last = max(int(os.stat(path).st_mtime * 1e6) for path in gone)
    store.retention.run(last + 2 * HOUR)
    assert len([path for path in Path(store.blobs.root).rglob("*") if path.is_file()]) * 30_000 == after.files


def test_what_was_evicted_does_not_come_back_for_thirty_days(store: Store) -> None:
    raws = [at(NOW - n, "m", event_id=str(uuid.uuid4())) for n in range(9)]
    record(store, *raws)
    policy(store, "max-events", 1)
    assert store.retention.run(NOW).evicted == 6
    assert {receipt.transition for receipt in record(store, *raws)} == {"duplicate"}
    assert store.issues.get(1).count == 9
    store.retention.run(NOW + 31 * DAY)
    assert "repeated" in {receipt.transition for receipt in record(store, *raws, now=NOW + 31 * DAY)}


def test_evictions_are_in_the_ledger_by_policy(store: Store) -> None:
    record(store, *(at(NOW - n, f"m {n % 2}", level="debug", fingerprint=[str(n % 2)]) for n in range(20)))
    policy(store, "max-events-per-issue", 4, level="debug")
    store.retention.run(NOW)
    drop = store.ledger.list()[0]
    assert (drop.reason, drop.source, drop.category, drop.count) == (
        "evicted", "max-events-per-issue 4 level:debug", "event", 12,
    )  # fmt: skip


# Erasing after evicting


def test_erasing_what_was_kept_takes_what_was_counted_along(store: Store) -> None:
    record(store, *(at(NOW - n * HOUR, "m", fingerprint=["x"], user="ana") for n in range(30)))
    record(store, at(NOW, "other"))
    policy(store, "max-events", 4)
    assert store.retention.run(NOW).evicted == 27
    search = store.search(NOW)
    store.deletion.events(list(search.every_event(search.parse("user:ana"))), NOW)
    assert [issue.id for issue in store.issues.by_ids([1, 2])] == [2]
    totals = store.statistics.totals()
    assert (totals.events, totals.issues) == (1, 1) and sum(store.statistics.hours(NOW - 2 * DAY, NOW)) == 1
    assert_well(store)


def test_after_erasing_the_first_event_the_evicted_ones_still_say_since_when(store: Store) -> None:
    record(store, *(at(NOW - n * HOUR, f"m {n}", fingerprint=["x"]) for n in range(30)))
    policy(store, "max-events", 1)
    store.retention.run(NOW)
    ends = store.db.row("SELECT min(timestamp), max(timestamp) FROM events")
    assert ends == (NOW - 29 * HOUR, NOW)
    first, last = (store.db.value("SELECT id FROM events WHERE timestamp = ?", (moment,)) for moment in ends)
    store.deletion.events([first, last], NOW)
    issue = store.issues.get(1)
    assert issue.count == 28 and len(messages(store)) == 1
    assert abs(issue.first_seen - (NOW - 28 * HOUR)) < HOUR and abs(issue.last_seen - (NOW - HOUR)) < HOUR
    assert_well(store)
