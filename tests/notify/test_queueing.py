"""What webhooks are told: rows in the transaction of the event, none too many, none that outlives what it tells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crashvault import announce, lifecycle, pipeline
from crashvault.errors import ConflictError, InvalidError, NotFoundError
from crashvault.notify import manage
from crashvault.webhooks import base


def told(post: Any) -> list[tuple[str, str, int | None, int]]:
    """(webhook, kind, issue, events) in the order in which they were queued."""
    names = {hook.id: hook.name for hook in post.store.webhooks.list()}
    found, _ = post.store.outbox.list(limit=1_000)
    return [(names[one.webhook_id], one.kind, one.issue_id, one.count) for one in reversed(found)]


def test_the_words_are_those_of_the_providers() -> None:
    ours = (announce.EVENT, announce.NEW_ISSUE, announce.REGRESSION, announce.RESOLVED, announce.ALERT)
    assert ours == base.CHOICES


def test_kinds(post: Any) -> None:
    post.hook(name="usual")
    post.hook(name="all", on=list(base.CHOICES), pause=0)
    post.hook(name="resolved", on=["resolved"])
    post.record("a")
    post.record("a")
    lifecycle.set_status(post.store, [1], "resolved", "me", post.time.now)
    lifecycle.set_status(post.store, [1], "resolved", "me", post.time.now)
    post.time.tick(10)
    post.record("a", "a", "b")
    assert told(post) == [
        ("usual", "new-issue", 1, 1), ("all", "new-issue", 1, 1),
        ("all", "event", 1, 1),
        ("all", "resolved", 1, 1), ("resolved", "resolved", 1, 1),
        ("usual", "regression", 1, 1), ("usual", "new-issue", 2, 1),
        ("all", "regression", 1, 1), ("all", "event", 1, 1), ("all", "new-issue", 2, 1),
    ]  # fmt: skip


def test_filters(post: Any) -> None:
    post.hook(name="critical", events="critical")
    post.hook(name="error and more", events=">=error")
    post.hook(name="named", events="debug, warning")
    post.hook(name="shop", project="shop")
    post.hook(name="payment", query="tag:payment -user:bot level:>=error")
    for level in ("debug", "info", "warning", "error", "critical"):
        post.record(level, level=level)
    pipeline.record_events(post.store, [{"message": "x"}], project="shop")
    post.record("paid", tags=["payment"])
    post.record("paid by a bot", tags=["payment"], user="bot")
    post.record("paid late", tags=["payment"], level="info")
    found: dict[str, list[int | None]] = {}
    for name, _, issue, _ in told(post):
        found.setdefault(name, []).append(issue)
    assert found == {"critical": [5], "error and more": [4, 5, 6, 7, 8], "named": [1, 3], "shop": [6], "payment": [7]}


def test_the_query_holds_for_the_event_with_its_issue(post: Any) -> None:
    post.hook(on=["event"], pause=0, query="count:>2 is:assigned")
    post.record("a")
    lifecycle.assign(post.store, [1], "ana", "me", post.time.now)
    post.record("a")
    assert told(post) == []
    post.record("a")
    assert [kind for _, kind, _, _ in told(post)] == ["event"]


def test_a_filter_that_cannot_be_applied_any_more_costs_no_event(post: Any) -> None:
    post.store.levels.add("notice", 25, None, None)
    post.hook(query="level:>=notice")
    post.store.levels.remove("notice")
    (receipt,) = post.record("a")
    assert receipt.transition == "new" and len(told(post)) == 1


def test_the_same_event_twice_is_told_once(post: Any) -> None:
    post.hook(on=["event", "new-issue"], pause=0)
    post.record("a", event_id="ab" * 16)
    post.record("a", event_id="ab" * 16)
    assert len(told(post)) == 1


def test_a_batch_that_is_stored_in_halves_tells_nothing_twice(post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    post.hook(on=["event", "new-issue"], pause=0)
    real = post.store.ledger.add

    def add(counts: Any, now: int) -> None:
        real(counts, now)
        if post.store.db.value("SELECT count(*) FROM events") > 2:  # too many at once
            raise ValueError("this batch cannot be stored")

    monkeypatch.setattr(post.store.ledger, "add", add)
    post.record("a", "b")
    assert len({issue for _, _, issue, _ in told(post)}) == len(told(post)) == 2
    before = told(post)
    assert all(receipt.transition == "dropped" for receipt in post.record("c", "d", "e"))
    assert told(post) == before


def test_no_webhook_costs_no_row(post: Any) -> None:
    hook = post.hook()
    post.store.webhooks.change(hook.id, post.time.now, enabled=False)
    post.record("a")
    lifecycle.set_status(post.store, [1], "resolved", "me", post.time.now)
    assert told(post) == []


def test_another_process_is_heard_of(post: Any) -> None:
    """The list of webhooks is kept, and read again as soon as anybody has changed it."""
    post.record("a")
    program = """if True:
        import sys
        from crashvault import core
        from crashvault.notify import manage
        with core.open_vault(sys.argv[1]) as store:
            manage.add(store, "http", {"url": "https://x.example/"}, allow_private=False)
    """
    subprocess.run([sys.executable, "-c", program, str(post.home)], check=True)
    post.record("b")
    assert [issue for _, _, issue, _ in told(post)] == [2]


def test_what_is_erased_is_not_told(post: Any) -> None:
    post.hook(on=["event", "new-issue", "resolved"], pause=0)
    post.record("a", "b", "c")
    post.record("a")
    lifecycle.set_status(post.store, [3], "resolved", "me", post.time.now)
    post.store.deletion.events([next(post.store.events.all_rows())], post.time.now)
    assert post.dropped() == {"event_deleted": 1}
    post.store.deletion.issues([3], post.time.now)
    assert post.dropped() == {"event_deleted": 3}
    assert [(kind, issue) for _, kind, issue, _ in told(post)] == [("new-issue", 2), ("event", 1)]
    assert post.drain() == 2 and post.titles() == ["b", "a"]
    post.record("d")
    post.store.deletion.everything(post.time.now)
    assert told(post) == [] and post.dropped() == {"event_deleted": 4} and post.drain() == 0


def test_an_event_that_vanished_otherwise_is_counted(post: Any) -> None:
    post.hook()
    post.record("a", "b")
    post.store.db.execute("DELETE FROM events WHERE id = (SELECT min(id) FROM events)")
    assert post.drain() == 1 and post.titles() == ["b"] and post.dropped() == {"event_deleted": 1}


def test_merged_issues_are_told_as_what_they_are_part_of(post: Any) -> None:
    post.hook()
    post.record("a", "b")
    lifecycle.merge(post.store, 1, [2], "me", post.time.now)
    assert post.drain() == 2 and post.titles() == ["a", "a"]


def test_alerts(post: Any) -> None:
    post.hook(name="usual", rate_limit="1/minute")
    post.hook(name="shop", project="shop")
    post.hook(name="no alerts", on=["new-issue"])
    alert = {"name": "flood", "condition": "count > 10 in 1m", "state": "firing", "severity": "high", "group": "issue 1",
             "value": 12, "since": "2026-01-02T03:04:05.000000Z", "project": "default"}  # fmt: skip
    post.record("a")
    with post.store.writing():
        announce.announce_alert(post.store, alert, post.time.now, issue=1)
        announce.announce_alert(post.store, alert, post.time.now, to=["no alerts"])
    assert [(one[0], one[1]) for one in told(post) if one[1] == "alert"] == [("usual", "alert"), ("no alerts", "alert")]
    assert post.drain() == 1
    post.time.tick(61)
    assert post.drain() == 1, "an alert waits for its turn, and is not lost in a summary"
    assert post.receiver.arrived[-1].json["data"]["alert"] == alert


@pytest.mark.vault_file
def test_import_and_restore_tell_nobody(tmp_path: Path, cli: Any, receiver: Any) -> None:
    receiver.always = 500
    cli("config", "set", "webhook.allow_private", "true")
    cli("webhook", "add", "http", "--url", receiver.url, "--on", "event", "--on", "new-issue", "--on", "resolved")
    cli.record({"message": "a"}, {"message": "b"})
    cli("resolve", "1")
    cli("export", "--format", "json", "--output", tmp_path / "out.json")
    cli("backup", tmp_path / "backup")
    cli("kill", "--yes")
    cli("import", tmp_path / "out.json")
    assert cli.json("webhook", "deliveries")["total"] == 0
    cli("restore", tmp_path / "backup", "--force", "--yes")
    found = cli.json("webhook", "deliveries")["items"]
    assert {(one["state"], one["reason"]) for one in found} == {("failed", "it waited when the backup was made")}


def test_names(post: Any) -> None:
    assert [post.hook().name, post.hook().name, post.hook(name="Team A").name] == ["http", "http-2", "Team A"]
    assert post.store.webhooks.require("team a").id == 3 and post.store.webhooks.require("2").name == "http-2"
    with pytest.raises(NotFoundError, match="Did you mean 'http-2'"):
        post.store.webhooks.require("htp-2")
    with pytest.raises(ConflictError):
        post.hook(name="http")
    for name in ("", " ", "deliveries", "12", "a/b", "x" * 101, "a\nb"):
        if name.strip():
            with pytest.raises(InvalidError):
                post.hook(name=name.replace("\n", "\x00"))


@pytest.mark.parametrize("given, message", [
    ({"events": "fatall"}, "there is no level 'fatall'"), ({"query": "level:"}, "level"), ({"on": ["x"]}, "cannot be told"),
    ({"rate_limit": "5"}, "is not a rate"), ({"timeout": 31}, "1 to 30"), ({"max_attempts": 0}, "1 to 50"),
    ({"pause": -1}, "0 to"), ({"template": "{{ event."}, "template"), ({"url": "ftp://x"}, "address"), ({"url": " "}, "address"),
    ({"secret": "short"}, "too short"), ({"headers": {"Host": "x"}}, "Host"), ({"options": {"x": "y"}}, "no option"),
])  # fmt: skip
def test_wrong_ones_are_refused_when_they_are_set(post: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message) as refused:
        post.hook(**given)
    assert "short" not in str(refused.value).replace("too short", "")
    assert post.store.webhooks.list() == []
    hook = post.hook()
    with pytest.raises(InvalidError, match=message):
        manage.edit(post.store, hook, given, allow_private=True)


def test_a_preview_sends_nothing_and_shows_no_secret(post: Any) -> None:
    hook = post.hook(url=f"{post.receiver.url}/T0SECRETSECRET", headers={"X-Key": "hushhush"}, options={})
    post.record("boom")
    (request,) = manage.preview(post.store, hook, next(post.store.events.all_rows()))
    assert json.loads(request["body"])["data"]["event"]["message"] == "boom" and request["method"] == "POST"
    assert "SECRET" not in str(request) and "hush" not in str(request)
    assert post.receiver.arrived == [] and told(post) == [("http", "new-issue", 1, 1)]


def test_templates(post: Any) -> None:
    post.hook(template='{"text": {{ event.message|json }}, "issue": {{ issue.id }}, "link": {{ links.cli|json }}}')
    post.record('a "quoted" text')
    post.drain()
    (one,) = post.receiver.arrived
    assert one.json == {"text": 'a "quoted" text', "issue": 1, "link": "crashvault show 1"}
