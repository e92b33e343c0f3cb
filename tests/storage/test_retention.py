"""Retention: events go, what was counted of them stays, and so do those that tell most."""

from __future__ import annotations

import base64
import os
import sys
import uuid
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import vaults
from contents import assert_sound, contents
from crashvault import core, lifecycle, pipeline
from crashvault.clock import HOUR, SECOND
from crashvault.errors import QueryError
from crashvault.storage import candidates, eviction, leftovers, retention
from crashvault.storage.policies import Scope
from crashvault.storage.sieve import informativeness
from crashvault.storage.store import Store, open_sqlite

NOW = vaults.NOW
ROUNDS = int(os.environ.get("CRASHVAULT_FAULT_ROUNDS", "1"))
COUNTED = ("hashes", "issues", "hash_users", "hash_hours", "hash_minutes", "project_hours")
STORED = ("events", "order", "hash_words", "words", "stacks", "stack_words", "backgrounds", "attachments", "keys",
          "vocabulary")  # fmt: skip
# Parts of queries whose answer depends on what was counted, or on numbers of issues.
ABOUT_ISSUES = ("count", "users", "seen", "issue", "is:", "status", "assigned", "severity", "category", "has:")


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
                 ("max-events-per-issue", "1"), ("max-size", "300KiB"))
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
