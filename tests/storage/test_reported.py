"""What clients report beside events goes too: with events that are deleted, by age, by project, by person, by size."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.conftest import CommandLine

import databases
import retaining
from crashvault import core
from crashvault.clock import DAY, HOUR, now
from crashvault.errors import InvalidError
from crashvault.notify import manage
from crashvault.storage.store import Store
from retaining import NOW, assert_well, at, policy, record

TRACE, OTHER = "ab" * 16, "cd" * 16


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with databases.opened_store(request.param, tmp_path) as opened:
        yield opened


def span(trace: str = TRACE, when: int = NOW, **more: Any) -> dict[str, Any]:
    return {"trace_id": trace, "span_id": uuid.uuid4().hex[:16], "parent_span_id": None, "start": when, "end": when,
            "name": "GET /", "op": None, "kind": None, "status": None, "service": None, "release": None,
            "environment": None, "origin": "sentry", "attributes": {}, **more}  # fmt: skip


def session(when: int = NOW, user: str | None = None) -> dict[str, Any]:
    return {"started": when, "started_count": 1, "errored": 0, "crashed": 0, "abnormal": 0, "exited": 1,
            "release": "1.0", "environment": "", "user": user, "key": None}  # fmt: skip


def check_in(when: int = NOW) -> dict[str, Any]:
    return {"check_in_id": uuid.uuid4().hex, "monitor": "nightly", "status": "ok", "duration": 1.0, "release": None,
            "environment": None, "at": when, "config": None}  # fmt: skip


def feedback(
    event: str | None = None, when: int = NOW, name: str = "Ana", email: str = "ana@x.example"
) -> dict[str, Any]:
    return {"feedback_id": None, "event_id": event, "name": name, "email": email, "message": f"help {uuid.uuid4()}",
            "url": None, "at": when}  # fmt: skip


def report(store: Store, project: str = "default", now: int = NOW, **what: Any) -> None:
    with store.writing():
        ids = store.projects.ids([project], now)
        store.telemetry.add(ids[project], now=now, **what)


def counts(store: Store) -> dict[str, int]:
    tables = ("spans", "sessions", "session_users", "check_ins", "feedback")
    return {table: store.db.value(f"SELECT count(*) FROM {table}") for table in tables}


def everything(store: Store, project: str, when: int) -> None:
    report(store, project, when, spans=[span(when=when)], sessions=[session(when, "ana")], check_ins=[check_in(when)],
           feedback=[feedback(when=when)])  # fmt: skip


def test_a_vault_or_project_that_is_emptied_keeps_nothing(store: Store) -> None:
    everything(store, "shop", NOW)
    everything(store, "bank", NOW)
    shop = store.projects.require("shop")
    store.deletion.reported.remove_of(shop.id)
    assert counts(store) == dict.fromkeys(counts(store), 1)
    store.deletion.everything(NOW)
    assert counts(store) == dict.fromkeys(counts(store), 0)
    assert_well(store)


def test_a_deleted_event_takes_its_feedback_and_its_trace_along(store: Store) -> None:
    (first, second, third) = record(store, *({"message": m, "trace_id": t} for m, t in
                                             (("a", TRACE), ("b", TRACE), ("c", OTHER))))  # fmt: skip
    report(store, spans=[span(), span(), span(OTHER)], feedback=[feedback(first.event_id), feedback(third.event_id)])
    rows = {number: row for row, number in store.events.ids(list(store.events.all_rows())).items()}
    store.deletion.events([rows[first.event_id]], NOW)
    assert counts(store)["feedback"] == 1 and counts(store)["spans"] == 3  # another event names the trace
    store.deletion.issues([second.issue_id], NOW)
    assert counts(store)["feedback"] == 1 and counts(store)["spans"] == 1
    assert store.telemetry.trace(TRACE)[0] == [] and len(store.telemetry.trace(OTHER)[0]) == 1


def test_what_is_too_old_goes_and_is_told(store: Store) -> None:
    (kept,) = record(store, at(NOW - 40 * DAY), now=NOW - 40 * DAY)
    for when in (NOW - 40 * DAY, NOW - 10 * DAY):
        everything(store, "default", when)
        everything(store, "shop", when)
    report(store, now=NOW - 40 * DAY, feedback=[feedback(kept.event_id, NOW - 40 * DAY)])  # of an event that stays
    policy(store, "max-age", "30d", project="shop")
    policy(store, "max-age", "20d", level="debug")  # means some events only
    gone = {"spans": 1, "sessions": 1, "check_ins": 1, "feedback": 1}
    assert [dict(one.reported) for one in store.retention.plan(NOW).outcomes] == [{}, gone]
    assert counts(store)["spans"] == 4
    assert [dict(one.reported) for one in store.retention.run(NOW).outcomes] == [{}, gone]
    policy(store, "max-age", "30d")
    store.retention.run(NOW)
    assert counts(store) == {"spans": 2, "sessions": 2, "session_users": 2, "check_ins": 2, "feedback": 3}
    assert {(drop.source, drop.category): drop.count for drop in store.ledger.list()} == {
        (f"max-age 30d{scope}", category): 1 for scope in (" project:shop", "")
        for category in ("span", "session", "check_in", "feedback")
    }  # fmt: skip
    latest, first = store.retention.runs()
    assert latest.policies[0]["reported"] == gone and first.policies[1]["reported"] == gone and not latest.stopped
    assert_well(store)


def test_all_that_is_of_a_person_goes(cli: CommandLine) -> None:
    with core.open_vault(cli.home) as store:
        record(store, {"message": "hers", "user": {"id": "Ana7", "email": "ana@x.example"}}, {"message": "his"})
        report(
            store,
            spans=[span(attributes={"user.id": "Ana7"}), span(OTHER, attributes={"user.id": "Bob"})],
            sessions=[session(user="Ana7"), session(user="Bob")],
            feedback=[feedback(), feedback(name="Bob", email="bob@x.example")],
            check_ins=[check_in()],
        )
    arguments = ("prune", "--query", "user:ana@x.example", "--json")
    said = cli(*arguments, "--dry-run").json
    assert said["deleted_reported"] == {"session_users": 1, "spans": 1, "feedback": 1} and said["deleted_events"] == 1
    assert cli(*arguments, "--yes").json == {**said, "dry_run": False, "deleted_issues": 1}
    with core.open_vault(cli.home) as store:
        assert counts(store) == {"spans": 1, "sessions": 1, "session_users": 1, "check_ins": 1, "feedback": 1}


def test_the_commands_delete_what_was_reported(cli: CommandLine) -> None:
    long_ago = now() - 100 * DAY
    with core.open_vault(cli.home) as store:
        for project in ("shop", "bank"):
            everything(store, project, long_ago)
            everything(store, project, now())
    shown = cli("--project", "shop", "prune", "--days", "30", "--dry-run").out
    assert "Would delete 0 events, and 1 check-ins, 1 feedback, 1 sessions, 1 spans" in " ".join(shown.split())
    cli("--project", "shop", "prune", "--days", "30", "--yes")
    cli("--project", "bank", "kill", "--yes")
    with core.open_vault(cli.home) as store:
        assert counts(store) == dict.fromkeys(counts(store), 1)
    cli("kill", "--yes")
    with core.open_vault(cli.home) as store:
        assert counts(store) == dict.fromkeys(counts(store), 0)


def test_feedback_goes_with_an_event_that_is_evicted(store: Store) -> None:
    receipts = record(store, *(at(NOW - n * HOUR, fingerprint=["x"]) for n in range(5)))
    report(store, feedback=[feedback(one.event_id) for one in receipts])
    policy(store, "max-events-per-issue", "1")
    store.retention.run(NOW)
    assert counts(store)["feedback"] == len(retaining.ids(store)) == 3


def test_spans_give_their_share_of_what_is_too_much(store: Store) -> None:
    random = Random(1)
    for number in range(40):
        spans = [span(random.randbytes(16).hex(), NOW - number, attributes={"x": random.randbytes(150).hex()})
                 for _ in range(100)]  # fmt: skip
        report(store, now=NOW - number, spans=spans)
        record(store, *(at(NOW, random.randbytes(300).hex(), fingerprint=["x"]) for _ in range(20)))
    before = store.retention.sizes(NOW)
    policy(store, "max-size", "2MiB")
    planned = store.retention.plan(NOW).outcomes[0]
    store.retention.run(NOW)
    after = store.retention.sizes(NOW)
    assert after.total <= 2 << 20 < before.total
    assert 0 < after.spans < before.spans and 3 < after.stored < before.stored
    assert planned.reported["spans"] > 100 and planned.evicted > 20
    assert store.retention.run(NOW).evicted == 0 and store.retention.sizes(NOW).spans == after.spans


def test_a_vault_of_spans_alone_gets_smaller_too(store: Store) -> None:
    random = Random(2)
    for number in range(30):
        report(store, spans=[span(random.randbytes(16).hex(), attributes={"x": random.randbytes(300).hex()})
                             for _ in range(100)], now=NOW - number)  # fmt: skip
    policy(store, "max-size", "1MiB")
    store.retention.run(NOW)
    assert store.retention.sizes(NOW).total <= 1 << 20 and store.retention.sizes(NOW).spans > 100


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # a database has no least size
def test_a_size_that_no_vault_fits_is_refused(store: Store) -> None:
    with pytest.raises(InvalidError, match="max-size cannot be 100KiB"):
        policy(store, "max-size", "100KiB")


def test_what_a_webhook_is_still_to_be_told_stays(store: Store) -> None:
    given = {"url": "https://example.com/hook", "on": ["event"], "pause": 0}
    manage.add(store, "http", given, allow_private=False)
    record(store, *(at(NOW - n * HOUR, fingerprint=["x"]) for n in range(9)))
    policy(store, "max-events-per-issue", "1")
    waiting = store.db.value("SELECT count(DISTINCT event) FROM outbox WHERE event IS NOT NULL")
    assert waiting and store.retention.run(NOW).evicted < 6
    with store.writing():
        store.db.execute("UPDATE outbox SET state = 'delivered', ended_at = ?", (NOW,))
    store.retention.run(NOW)
    assert len(retaining.ids(store)) == 3


def test_an_empty_vault_has_nothing_to_lose(store: Store) -> None:
    for kind, value in (("max-age", "1d"), ("max-events", "1"), ("max-events-per-issue", "1"), ("max-size", "1MiB")):
        policy(store, kind, value)
    assert store.retention.plan(NOW).evicted == store.retention.run(NOW).evicted == 0
    assert store.retention.runs()[0].evicted == 0
