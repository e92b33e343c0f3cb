"""Deliveries to a real receiver: in order, again where that helps, never more than it wants, under the same id."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from crashvault.clock import SECOND
from crashvault.notify import manage, schedule
from crashvault.notify.signing import SIGNATURE


def test_in_order_signed_and_once(post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    post.hook(secret=secret)
    titles = [f"issue {number}" for number in range(120)]
    post.record(*titles)
    assert post.drain() == 120
    assert post.titles() == titles and set(post.states()) == {"delivered"}
    assert len({one.id for one in post.receiver.arrived}) == 120
    assert post.drain() == 0 and len(post.receiver.arrived) == 120
    body = post.receiver.arrived[0].json
    assert body["type"] == "crashvault.issue.new" and body["data"]["event"]["message"] == "issue 0"


def test_signatures_verify_with_both_secrets_while_one_is_rotated(tmp_path: Any, receiver: Any) -> None:
    from crashvault import core, pipeline
    from crashvault.notify.sender import Sender
    from crashvault.outbound import Outbound

    old, new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    with core.open_vault(str(tmp_path / "vault")) as store:
        hook = manage.add(store, "http", {"url": receiver.url, "secret": old}, allow_private=True).webhook
        outbound = Outbound(allow_private=True)
        for number, given in enumerate(({"secret": new, "rotate": True}, {"drop_old": True})):
            hook = manage.edit(store, hook, given, allow_private=True).webhook
            pipeline.record_events(store, [{"message": "boom", "fingerprint": [str(number)]}])
            Sender(store, outbound, "me").drain(hook.id)
        outbound.close()
        both, newest = receiver.arrived
        for secret in (old, new):
            Verifier(secret).verify(both.body, both.headers)
        Verifier(new).verify(newest.body, newest.headers)
        with pytest.raises(Exception, match="No matching signature"):
            Verifier(old).verify(newest.body, newest.headers)
        assert newest.headers[SIGNATURE.lower()].startswith("sha256=")
        shown = str(manage.shape(store, hook))
        assert old not in shown and new not in shown


@pytest.mark.parametrize("answer", [408, 409, 425, 429, 500, 502, 503, 504, "drop", "garbage", "slow", "drip"])
def test_what_is_tried_again(post: Any, answer: Any) -> None:
    post.hook(timeout=1 if answer in ("slow", "drip") else 20)
    post.receiver.answer(answer)
    post.record("boom")
    assert post.drain() == 1 and post.states() == ["retry"]
    (first,) = post.store.outbox.list()[0]
    assert first.attempts == 1 and first.reason and first.due_at == post.time.now + SECOND
    post.time.tick(0.99)
    assert post.drain() == 0
    post.time.tick(0.02)
    post.receiver.let_go.set()
    manage.edit(post.store, post.webhook(), {"timeout": 20}, allow_private=True)
    assert post.drain() == 1 and post.states() == ["delivered"]
    before, after = post.receiver.arrived
    assert before.id == after.id and before.body == after.body


@pytest.mark.parametrize("answer", [301, 302, 307, 400, 401, 403, 404, 410, 413, 422])
def test_what_is_not(post: Any, answer: int) -> None:
    post.hook()
    post.receiver.answer((answer, {"Location": post.receiver.url}))
    post.record("boom")
    assert post.drain() == 1 and post.states() == ["failed"]
    post.time.tick(86_400)
    assert post.drain() == 0 and len(post.receiver.arrived) == 1
    (one,) = post.store.outbox.list()[0]
    assert one.status == answer and str(answer) in one.reason


def test_the_schedule_to_the_end_and_again_by_hand(post: Any) -> None:
    post.hook()
    post.receiver.always = 500
    post.record("boom")
    waits = []
    for _ in range(schedule.MAX_ATTEMPTS):
        assert post.drain() == 1
        (one,) = post.store.outbox.list()[0]
        if one.state == "retry":
            waits.append((one.due_at - post.time.now) // SECOND)
            post.time.now = max(one.due_at, post.webhook().silent_until or 0)
    assert waits == [1, 5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200]
    assert post.states() == ["failed"] and post.outcomes == ["retried"] * 10
    post.receiver.always = 200
    post.time.tick(86_400)
    assert post.drain() == 0
    assert post.store.outbox.retry_all(post.time.now) == 1
    assert post.drain() == 1 and post.states() == ["delivered"]
    assert len({one.id for one in post.receiver.arrived}) == 1


def test_a_retry_holds_back_its_own_issue_and_nothing_else(post: Any) -> None:
    post.hook(on=["event", "new-issue"], pause=0)
    post.receiver.answer(500)
    post.record("a", "b")
    post.record("a", "c")
    assert post.drain() == 3
    assert post.titles() == ["a", "b", "c"] and post.states() == ["retry", "delivered", "queued", "delivered"]
    post.record("a")
    assert post.drain() == 0
    post.time.tick(1.1)
    post.drain()
    assert post.titles() == ["a", "b", "c", "a", "a", "a"]
    kinds = [one.json["data"]["kind"] for one in post.receiver.arrived]
    assert kinds == ["new-issue", "new-issue", "new-issue", "new-issue", "event", "event"]
    assert set(post.states()) == {"delivered"}


def test_retry_after_silences_the_whole_webhook(post: Any) -> None:
    post.hook()
    post.receiver.answer((429, {"Retry-After": "40"}))
    post.record("a", "b")
    assert post.drain() == 1 and post.states() == ["retry", "queued"]
    assert manage.shape(post.store, post.webhook())["status"] == "waiting"
    post.time.tick(39)
    assert post.drain() == 0
    post.time.tick(2)
    assert post.drain() == 2 and post.titles() == ["a", "a", "b"]


def test_retry_after_of_other_answers_counts_for_the_delivery(post: Any) -> None:
    post.hook()
    post.receiver.answer((503, {"Retry-After": "1000000"}))
    post.record("a", "b")
    assert post.drain() == 2
    (b, a) = post.store.outbox.list()[0]
    assert b.state == "delivered" and a.due_at - post.time.now == schedule.MOST_ASKED


def test_a_webhook_that_fails_is_left_alone_and_tried_now_and_then(post: Any) -> None:
    post.hook()
    post.receiver.always = 500
    post.record(*map(str, range(20)))
    assert post.drain() == 5 and post.states().count("queued") == 15
    shape = manage.shape(post.store, post.webhook())
    assert shape["status"] == "failing" and shape["failures"] == 5 and "500" in shape["last_error"]
    assert post.drain() == 0
    pauses = []
    for _ in range(6):
        pauses.append((post.webhook().silent_until - post.time.now) // SECOND)
        post.time.now = post.webhook().silent_until
        assert post.drain() == 1, "one attempt, to see"
    assert pauses == [30, 60, 120, 300, 600, 600]
    post.receiver.always = 200
    post.time.now = post.webhook().silent_until
    post.drain()
    post.time.tick(3_600)
    post.drain()
    assert set(post.states()) == {"delivered"} and post.webhook().failures == 0
    assert {one.title for one in post.receiver.arrived} == set(map(str, range(20)))


def test_what_the_rate_limit_holds_back_comes_as_one_summary(post: Any) -> None:
    post.hook(rate_limit="3/minute")
    post.record(*"abcdefg")
    assert post.drain() == 3 and post.titles() == ["a", "b", "c"]
    assert post.states() == ["delivered"] * 3 + ["held"] * 4
    post.time.tick(21)
    post.record("h")  # there would be a token, but others have waited longer
    assert post.drain() == 0
    post.time.tick(40)
    assert post.drain() == 1
    summary = post.receiver.arrived[-1].json
    assert summary["type"] == "crashvault.summary" and summary["data"]["count"] == 5
    assert [(held["issue"]["title"], held["events"]) for held in summary["data"]["held"]] == [
        (one, 1) for one in "defgh"
    ]
    assert post.states() == ["delivered"] * 3 + ["merged"] * 5 + ["delivered"]
    post.record("i")
    assert post.drain() == 1 and post.receiver.arrived[-1].title == "i"
    assert post.dropped() == {}


def test_a_flood_is_never_faster_than_the_limit(post: Any) -> None:
    post.hook(rate_limit="10/minute", on=["event", "new-issue"], pause=0)
    sent = []
    for minute in range(20):
        post.record(*(f"{minute} {number}" for number in range(30)))
        post.drain()
        sent.append(len(post.receiver.arrived))
        post.time.tick(60)
    post.time.tick(120)
    post.drain()
    assert max(after - before for before, after in pairwise(sent)) <= 10
    told = 0
    for one in post.receiver.arrived:
        told += one.json["data"]["count"]
    assert told == 600 and "held" not in post.states()


def test_one_that_was_held_alone_is_sent_as_it_is(post: Any) -> None:
    post.hook(rate_limit="1/minute")
    post.record("a", "b")
    post.drain()
    post.time.tick(61)
    assert post.drain() == 1 and post.titles() == ["a", "b"]


def test_what_is_held_back_goes_when_the_limit_is_lifted(post: Any) -> None:
    hook = post.hook(rate_limit="1/hour")
    post.record("a", "b", "c")
    post.drain()
    manage.edit(post.store, hook, {"rate_limit": "none"}, allow_private=True)
    post.drain()
    assert post.titles() == ["a", "b", "c"]


def test_a_type_that_is_gone_fails_and_says_so(post: Any) -> None:
    post.hook(attach=True)
    post.record("a")
    post.store.db.execute("UPDATE webhooks SET type = 'pager'")
    assert post.drain() == 1 and post.states() == ["failed"]
    assert "there is no webhook type 'pager'" in post.store.outbox.list()[0][0].reason
    assert manage.shapes(post.store)[0]["url"].endswith("/…")


def test_a_burst_of_one_issue_is_one_message_with_a_count(post: Any) -> None:
    post.hook(on=["event", "new-issue"], pause=30)
    post.record(*["boom"] * 40, "other")
    post.record(*["boom"] * 60)
    assert post.drain() == 2, "the first message of an issue goes at once"
    post.time.tick(31)
    assert post.drain() == 1
    counts = [(one.title, one.json["data"]["kind"], one.json["data"]["count"]) for one in post.receiver.arrived]
    assert counts == [("boom", "new-issue", 1), ("other", "new-issue", 1), ("boom", "event", 99)]


def test_what_is_being_sent_is_not_added_to(post: Any) -> None:
    post.hook(on=["event"], pause=30)
    post.receiver.answer(500)
    post.record("boom")
    post.drain()
    post.record("boom", "boom")
    post.time.tick(1.5)
    post.drain()
    post.time.tick(60)
    post.drain()
    assert [one.json["data"]["count"] for one in post.receiver.arrived] == [1, 1, 2]


def test_another_sender_keeps_away_and_takes_over(post: Any) -> None:
    post.hook()
    post.record("a")
    other = post.another("second")
    post.drain()
    post.record("b")
    assert other.drain(1) == 0, "the lease is another's"
    post.time.tick(31)
    assert other.drain(1) == 1
    post.record("c")
    other.release(1)
    assert post.drain() == 1 and post.titles() == ["a", "b", "c"]


def test_what_was_begun_by_somebody_who_is_gone_is_sent_again(post: Any) -> None:
    post.hook()
    post.record("a", "b")
    with post.store.writing():
        post.store.leases.take("webhook:1", "gone", post.time.now, 30 * SECOND)
        post.store.outbox.begin([1, 2], post.time.now)
    assert post.drain() == 0 and post.states() == ["delivering"] * 2
    post.time.tick(31)
    assert post.drain() == 2 and post.titles() == ["a", "b"]


def test_files_go_along_where_they_are_wanted(post: Any) -> None:
    post.hook(attach=True)
    data = "aGVsbG8gd29ybGQ="
    post.record("boom", attachments=[{"name": "notes.txt", "content_type": "text/plain", "data": data}],
                stack='Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\nKeyError: 1')  # fmt: skip
    post.drain()
    (one,) = post.receiver.arrived
    assert one.headers["content-type"].startswith("multipart/form-data")
    for part in (b"hello world", b'filename="notes.txt"', b"stack-", b"event-", b'"message": "boom"'):
        assert part in one.body


def test_a_disabled_webhook_keeps_what_waits(post: Any) -> None:
    hook = post.hook()
    post.record("a")
    post.store.webhooks.change(hook.id, post.time.now, enabled=False)
    post.record("b")
    assert post.drain() == 0
    post.store.webhooks.change(hook.id, post.time.now, enabled=True)
    post.record("c")
    assert post.drain() == 2 and post.titles() == ["a", "c"]


def test_old_deliveries_are_forgotten_and_failed_ones_stay(post: Any) -> None:
    post.hook()
    post.receiver.answer(200, 404)
    post.record("a", "b", "c")
    post.drain()
    post.time.tick(8 * 86_400)
    assert post.store.outbox.prune(post.time.now - 7 * 86_400 * SECOND) == 2
    assert post.states() == ["failed"]


def test_reasons_hold_no_secret(post: Any) -> None:
    post.hook(
        url=f"{post.receiver.url}/T0SECRETSECRET?token=hushhushhush", headers={"Authorization": "Bearer hushhush"}
    )
    post.receiver.answer("drop", 404)
    post.record("a", "b")
    post.drain()
    (sent, _) = post.receiver.arrived
    assert sent.path == "/hook/T0SECRETSECRET?token=hushhushhush" and sent.headers["authorization"] == "Bearer hushhush"
    shown = str([one._asdict() for one in post.store.outbox.list()[0]]) + str(manage.shapes(post.store))
    assert "SECRET" not in shown and "hush" not in shown
