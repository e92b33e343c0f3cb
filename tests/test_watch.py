"""Alert rules over a real vault: counted where events are recorded, looked at when due, told once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crashvault import core, lifecycle, pipeline, watch
from crashvault.alerts.condition import parse
from crashvault.alerts.counters import Counters, series_of
from crashvault.alerts.evaluate import evaluate
from crashvault.alerts.replay import Past, add_past
from crashvault.clock import HOUR, MINUTE, SECOND, now, to_iso
from crashvault.errors import InvalidError, NotFoundError, QueryError
from crashvault.notify import manage
from crashvault.storage.alerts import Rule
from crashvault.storage.store import Store
from crashvault.watch import Watch
from crashvault.webhooks import samples

START = (now() // HOUR - 2) * HOUR


class Vault:
    """A vault with a watch, at times that the test chooses."""

    def __init__(self, home: Path) -> None:
        self.home = str(home)
        self.store: Store = core.open_vault(self.home)
        self.watch = Watch(self.store)
        self.told: list[tuple[str, str, str | None]] = []

    def rule(self, name: str, condition: str, at: int = START, **given: Any) -> Rule:
        fields = watch.checked_rule(self.store, name, at, condition=condition, **given)
        return watch.add_rule(self.store, fields, at)

    def record(self, second: float, *bodies: dict[str, Any], project: str = "default") -> list[Any]:
        at = START + round(second * SECOND)
        raws = [{"message": "boom", "timestamp": to_iso(at), **body} for body in bodies or ({},)]
        return pipeline.record_events(self.store, raws, received_at=at, project=project)

    def look(self, second: float) -> list[tuple[str, str, str | None]]:
        """What people are told at a time: (rule, state, group)."""
        found = self.watch.look(START + round(second * SECOND))
        told = [(one.rule.name, one.alert["state"], one.alert["group"]) for one in found]
        self.told += told
        return told

    def webhook(self, name: str = "hook", *kinds: str) -> None:
        manage.add(
            self.store,
            "http",
            {"name": name, "url": "http://127.0.0.1:9/x", "on": kinds or ("alert",)},
            allow_private=True,
        )

    def deliveries(self) -> list[dict[str, Any]]:
        rows = self.store.db.rows("SELECT alert FROM outbox WHERE kind = 'alert' ORDER BY id")
        return [json.loads(text) for (text,) in rows]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    found = Vault(tmp_path / "vault")
    yield found
    found.store.close()


def test_it_fires_when_the_line_is_crossed_and_says_when_it_is_over(vault: Vault) -> None:
    vault.rule("many", "count > 3 in 1m")
    for second in range(3):
        vault.record(second)
        assert vault.look(second + 0.5) == []
    vault.record(3)
    assert vault.look(3.5) == [("many", "firing", None)]
    vault.record(4)
    assert vault.look(4.5) == []
    assert [told for second in range(60, 200) for told in vault.look(second)] == [("many", "resolved", None)]
    [(_, last), (_, first)] = vault.store.alerts.history(None, 10)
    assert (first.what, first.numbers, first.reason) == ("fired", {"count": 4}, "4 events in 1m")
    assert last.what == "resolved"


def test_only_what_the_query_finds_is_counted(vault: Vault) -> None:
    vault.rule("eu", "count >= 2 in 1m", query="level:>=error tag.region:eu")
    vault.record(0, {"tags": ["region=us"]}, {"tags": ["region=eu"], "level": "info"}, {"tags": ["region=eu"]})
    assert vault.look(1) == []
    vault.record(2, {"tags": ["region=eu"], "level": "critical"})
    assert vault.look(3) == [("eu", "firing", None)]


def test_a_query_may_ask_about_the_issue(vault: Vault) -> None:
    vault.rule("assigned", "count >= 1 in 1m", query="assigned:ana", by="issue")
    [receipt] = vault.record(0)
    assert vault.look(1) == []
    lifecycle.assign(vault.store, [receipt.issue_id], "ana", "me", START)
    vault.record(2)
    assert vault.look(3) == [("assigned", "firing", str(receipt.issue_id))]


def test_tags_that_people_gave_an_issue_count(vault: Vault) -> None:
    vault.rule("payment", "count >= 1 in 1m", query="tag:pay*", by="issue")
    vault.rule("other", "count >= 1 in 1m", query="-tag:payment level:error", by="issue")
    vault.rule("host", "hosts >= 1 in 1m", query="tag:payment OR tag.region:us", by="issue")
    [receipt] = vault.record(0, {"tags": ["region=eu"], "host": "web"})
    issue = str(receipt.issue_id)
    assert vault.look(1) == [("other", "firing", issue)]
    lifecycle.change_issues(vault.store, [receipt.issue_id], {}, "me", START, tags=["Payment"])
    vault.look(200)
    vault.record(210, {"host": "web"})
    assert sorted(vault.look(211)) == [("host", "firing", issue), ("payment", "firing", issue)]


def test_groups(vault: Vault) -> None:
    vault.rule("by-issue", "count >= 2 in 1m", by="issue")
    vault.rule("by-project", "count >= 3 in 1m", by="project")
    vault.rule("by-tag", "count >= 2 in 1m", by="tag.region")
    vault.record(0, {"message": "a", "tags": ["region=eu"]}, {"message": "b", "tags": ["region=eu"]}, {"message": "a"})
    vault.record(0, {"message": "a"}, {"message": "c"}, project="shop")
    assert sorted(vault.look(1), key=str) == [
        ("by-issue", "firing", "1"), ("by-project", "firing", "default"), ("by-tag", "firing", "eu"),
    ]  # fmt: skip


def test_people_and_hosts_are_counted_once(vault: Vault) -> None:
    vault.rule("people", "users >= 3 in 1h")
    vault.rule("hosts", "hosts >= 2 in 1h")
    vault.record(0, {"user": "ana", "host": "web-1"}, {"user": {"id": "bob"}, "host": "web-1"}, {"user": "ana"})
    assert vault.look(1) == []
    vault.record(2, {"user": "cleo", "host": "WEB-2"})
    assert sorted(vault.look(3)) == [("hosts", "firing", None), ("people", "firing", None)]


def test_new_issues_regressions_and_those_in_a_new_release(vault: Vault) -> None:
    vault.rule("fresh", "new issue")
    vault.rule("back", "regression")
    vault.rule("release", "reappears in release")
    [receipt] = vault.record(0, {"release": "shop@1.0"})
    assert vault.look(1) == [("fresh", "firing", "1")]
    lifecycle.set_status(vault.store, [receipt.issue_id], "resolved", "me", START + 2 * SECOND)
    vault.record(3, {"release": "shop@1.0"})
    assert vault.look(4) == [("back", "firing", "1")]
    lifecycle.set_status(vault.store, [receipt.issue_id], "resolved", "me", START + 700 * SECOND)
    vault.record(701, {"release": "shop@1.1"})
    assert sorted(vault.look(702)) == [
        ("back", "firing", "1"),
        ("release", "firing", "1"),
    ]  # though nobody looked between
    assert not any(state == "resolved" for _, state, _ in vault.told)  # a moment has no end that were news


def test_an_older_release_does_not_reopen_what_is_mended_in_a_later_one(vault: Vault) -> None:
    vault.rule("back", "regression")
    vault.record(0, {"release": "shop@1.3.0"})
    lifecycle.resolve_in(vault.store, [1], "shop@1.4.0", "me", START + SECOND)
    vault.record(2, {"release": "shop@1.3.9"})
    assert (vault.look(3), vault.store.issues.get(1).status) == ([], "resolved")
    vault.record(4, {"release": "shop@1.4.0"})
    assert vault.look(5) == [("back", "firing", "1")]
    assert vault.store.issues.get(1).status == "open"
    lifecycle.resolve_in(vault.store, [1], lifecycle.NEXT, "me", START + 6 * SECOND)
    vault.record(7, {"release": "shop@1.4.0"})
    assert vault.store.issues.get(1).status == "resolved"
    vault.record(8, {"release": "shop@1.10.0"})
    assert vault.store.issues.get(1).status == "open"


def test_silence_is_noticed_by_itself(vault: Vault) -> None:
    vault.rule("dead", "silence > 1m", query="source:cron")
    assert [told for second in range(0, 70, 2) for told in vault.look(second)] == [("dead", "firing", None)]
    vault.record(80, {"source": "cron"})
    assert [told for second in range(81, 141, 2) for told in vault.look(second)] == [("dead", "resolved", None)]


def test_a_cooldown_is_kept_for_each_group(vault: Vault) -> None:
    vault.rule("new", "new issue", by="project", cooldown=10 * MINUTE)
    vault.record(0, {"message": "a"})
    assert vault.look(1) == [("new", "firing", "default")]
    for second in range(60, 200):
        vault.look(second)
    vault.record(200, {"message": "something else"})
    vault.record(200, {"message": "c"}, project="shop")
    assert vault.look(201) == [("new", "firing", "shop")]
    assert "cooldown" in [entry.told for _, entry in vault.store.alerts.history(None, 10)]


def test_muting_a_rule_and_a_part_of_what_it_counts(vault: Vault) -> None:
    rule = vault.rule("many", "count >= 1 in 1m", cooldown=0)
    vault.store.alerts.mute(rule.id, "environment:staging", None, START)
    vault.record(0, {"environment": "staging"})
    assert vault.look(1) == []
    vault.store.alerts.mute(rule.id, "", START + 30 * SECOND, START)
    vault.record(2)
    assert vault.look(3) == []
    assert [entry.told for _, entry in vault.store.alerts.history(None, 10)] == ["muted"]
    assert vault.look(31) == [("many", "firing", None)]
    vault.store.alerts.unmute(rule.id)
    assert vault.store.alerts.mutes(START) == []


def test_webhooks_hear_of_it_in_the_same_transaction(vault: Vault) -> None:
    vault.webhook("chat")
    vault.webhook("pager")
    vault.webhook("deaf", "new-issue")
    vault.rule("all", "count >= 1 in 1m", severity="high")
    vault.rule("one", "count >= 1 in 1m", notify=["pager"])
    vault.record(0)
    vault.look(1)
    found = vault.deliveries()
    assert sorted(one["name"] for one in found) == ["all", "all", "one"]
    alert = next(one for one in found if one["name"] == "all")
    assert alert.keys() == samples.alert().keys(), "what templates are tried on is what they get"
    assert (alert["state"], alert["severity"], alert["value"], alert["issue_id"]) == (
        "firing",
        "high",
        "1 events in 1m",
        1,
    )


def test_what_is_wrong_with_a_rule_is_said(vault: Vault) -> None:
    for given, part in [
        ({"condition": "count >"}, "a number"), ({"condition": "new issue", "query": "levle:error"}, "levle"),
        ({"condition": "new issue", "by": "colour"}, "colour"), ({"condition": "new issue", "severity": "huge"}, "huge"),
        ({"condition": "new issue", "notify": ["nobody"]}, "nobody"),
        ({"condition": "new issue", "project": "nowhere"}, "nowhere"),
    ]:  # fmt: skip
        with pytest.raises((InvalidError, QueryError, NotFoundError), match=part):
            vault.rule("x", **given)
    vault.rule("x", "new issue")
    with pytest.raises(Exception, match="already"):
        vault.rule("x", "regression")
    assert len(vault.store.alerts.rules()) == 1


@pytest.mark.parametrize("seed", range(6))
def test_counting_as_it_comes_equals_a_recount(vault: Vault, seed: int) -> None:
    """Whatever arrives in whatever batches, a rule sees what counting all of it again would."""
    random = Random(seed)
    texts = ["count > 4 in 1m", "users >= 3 in 1m", "count > 2x previous in 1m", "new issue and count > 1 in 1m"]
    rules = [vault.rule(f"r{number}", text, by="", cooldown=0) for number, text in enumerate(texts)]
    past: list[Past] = []
    for _ in range(25):
        second = random.randrange(300) if random.random() < 0.2 else len(past) * 3
        bodies = [
            {
                "message": f"word{random.randrange(4)} failed".replace("0", "zero").replace("1", "one"),
                "user": random.choice("abcd"),
            }
            for _ in range(random.randint(1, 4))
        ]
        receipts = vault.record(second, *bodies)
        for body, receipt in zip(bodies, receipts, strict=True):
            what = frozenset({"count", "new issue"} if receipt.issue_created else {"count"})
            past.append(Past(START + second * SECOND, "", receipt.issue_id, what, user=ord(body["user"])))
        at = max(event.at for event in past)
        for rule in rules:
            condition = parse(rule.condition)
            alert = vault.store.alerts.alerts(rule.id)[0]
            stored = vault.store.alerts.counters(rule.id, [alert], series_of(condition), at)[""]
            recount = Counters(alert.counted_since)
            for event in past:
                add_past(recount, series_of(condition), event)
            assert evaluate(condition, stored, at).holds == evaluate(condition, recount, at).holds, rule.condition


def test_replaying_gives_what_happened(vault: Vault) -> None:
    rule = vault.rule("many", "count > 3 in 1m", by="issue")
    back = vault.rule("back", "regression")
    for second in range(8):
        vault.record(second)
        vault.look(second + 0.99)
    lifecycle.set_status(vault.store, [1], "resolved", "me", START + 20 * SECOND)
    vault.record(30)
    for second in range(30, 300):
        vault.look(second + 0.99)
    end = START + 300 * SECOND
    for which in (rule, back):
        lived = [(entry.what, entry.group) for _, entry in reversed(vault.store.alerts.history(which.id, 100))]
        tried = [(one.what, one.group) for one in watch.try_rule(vault.store, which._asdict(), START, end)]
        assert tried == lived


def test_a_spike_is_measured_against_what_was_usual(vault: Vault) -> None:
    random = Random(3)
    for hour in range(-60, 0):
        for _ in range(random.randint(8, 12)):
            vault.record(hour * 3600 + random.randrange(3600))
    rule = vault.rule("busy", "spike in 1h")
    assert rule.by == ""
    vault.record(60, *({} for _ in range(4)))
    assert vault.look(61) == []
    vault.record(120, *({} for _ in range(30)))
    assert vault.look(121) == [("busy", "firing", None)]


def test_two_processes_that_look_at_once_tell_once(vault: Vault) -> None:
    vault.webhook()
    vault.rule("many", "count >= 1 in 1m")
    vault.record(0)
    barrier = threading.Barrier(4)
    told: list[Any] = []

    def look() -> None:
        with core.open_vault(vault.home) as store:
            barrier.wait()
            told.extend(Watch(store).look(START + SECOND))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
    assert len(vault.deliveries()) == 1


_RECORD_AND_DIE = """
import os, signal, sys
from crashvault import core, pipeline
store = core.open_vault(sys.argv[1])
pipeline.record_events(store, [{"message": "boom"}])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_who_records_and_dies_is_still_heard(vault: Vault) -> None:
    vault.webhook()
    vault.rule("many", "count >= 1 in 1m", now())
    done = subprocess.run(
        [sys.executable, "-c", _RECORD_AND_DIE, vault.home], env=os.environ.copy(), check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert [one.rule.name for one in Watch(vault.store).look(now())] == ["many"]
    assert len(vault.deliveries()) == 1


def test_removing_a_rule_leaves_nothing_of_it(vault: Vault) -> None:
    rule = vault.rule("many", "users >= 1 in 1m")
    vault.record(0, {"user": "ana"})
    vault.look(1)
    vault.store.alerts.remove(rule.id)
    vault.record(2)
    assert vault.look(3) == []
    for table in ("alerts", "alert_counts", "alert_members", "alert_history", "alert_mutes", "alert_rules"):
        assert vault.store.db.value(f"SELECT count(*) FROM {table}") == 0


def test_what_has_left_every_window_is_forgotten(vault: Vault) -> None:
    vault.rule("many", "count > 100 in 1m", by="tag.job")
    for second in range(0, 1200, 10):
        vault.record(second, {"tags": [f"job=j{second}"]})
    vault.look(1200)
    vault.watch._forgot = 0
    vault.look(2 * 3600)
    assert vault.store.db.value("SELECT count(*) FROM alert_counts") == 0
    assert vault.store.db.value("SELECT count(*) FROM alerts") == 0
