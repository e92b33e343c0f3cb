"""The database is away: what a node accepts meanwhile is on its disk, and comes into the vault in order, once."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent))

import clusters
from conftest import Start, events_in, opened, wait_for
from crashvault import clock
from crashvault.auth import create_key

SPOOL = {"CRASHVAULT_SERVER_SPOOL": "true"}


def send(url: str, *messages: str, **more: object) -> list[httpx.Response]:
    return [httpx.post(f"{url}/api/v1/events", json={"message": message, **more}, timeout=30) for message in messages]


def test_without_a_spool_events_are_refused(primary: clusters.Database, node: Start) -> None:
    server = node("a", primary.url)
    primary.end()
    (refused,) = send(server.url, "lost")
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
    assert refused.json()["error"]["code"] == "store_unavailable"
    ready = server.get("/api/health/ready")
    assert ready.status_code == 503 and "spool" not in ready.json()
    primary.start()


def test_events_wait_on_the_nodes_disk(primary: clusters.Database, node: Start, tmp_path: Path) -> None:
    server = node("a", primary.url, **SPOOL)
    (first,) = send(server.url, "before")
    assert first.status_code == 201 and first.json()["issue_id"] == 1
    empty = {"requests": 0, "bytes": 0, "oldest_seconds": 0.0}
    assert server.get("/api/health/ready").json() == {"status": "ok", "reasons": [], "spool": empty}

    primary.end()
    given = "0123456789abcdef0123456789abcdef"
    answers = send(server.url, "one", "two", "three") + send(server.url, "four", event_id=given)
    assert [answer.status_code for answer in answers] == [202] * 4
    assert {answer.json()["issue_id"] for answer in answers} == {None}
    assert answers[3].json()["event_id"].replace("-", "") == given
    batch = server.post("/api/v1/batch", json={"events": [{"message": "five"}, {"level": "error"}]})
    assert batch.status_code == 202 and batch.json()["processed"] == 1
    assert batch.json()["results"][1]["error"]["code"] == "missing_message"
    sentry = server.envelope(({"type": "event"}, b'{"message": "six"}'), header={"event_id": "f" * 32})
    assert (sentry.status_code, sentry.json()) == (200, {"id": "f" * 32})
    assert server.post("/api/v1/events", content=b"{").status_code == 400

    ready = server.get("/api/health/ready")
    assert ready.status_code == 200 and ready.json()["status"] == "spooling"
    assert ready.json()["spool"]["requests"] == 6
    wait_for(lambda: server.get("/api/health/ready").json()["spool"]["oldest_seconds"] > 0)
    assert server.get("/api/v1/events").status_code == 503

    primary.start()
    wait_for(lambda: server.get("/api/health/ready").json()["spool"]["requests"] == 0)
    stored = events_in(tmp_path, primary.url)
    assert [event["message"] for event in stored] == ["before", "one", "two", "three", "four", "five", "six"]
    told = [answer.json()["event_id"] for answer in [first, *answers]]
    assert [event["event_id"] for event in stored[:5]] == told
    assert stored[5]["event_id"] == batch.json()["results"][0]["event_id"]
    assert server.get("/api/health/ready").json()["status"] == "ok"
    (after,) = send(server.url, "one")
    assert after.status_code == 201 and after.json()["issue_id"] is not None


def test_depth_and_age_are_told(primary: clusters.Database, node: Start, tmp_path: Path) -> None:
    from children import crashvault

    server = node("a", primary.url, **SPOOL)
    primary.end()
    send(server.url, "one", "two")
    page = wait_for(lambda: metrics_with(server.url, "crashvault_spool_requests 2.0"))
    assert 'crashvault_ingest_events_total{outcome="spooled",source="api"} 2.0' in page
    shown = crashvault(server.home, "server", "status", "--json")
    assert json.loads(shown.stdout)["health"]["spool"]["requests"] == 2
    assert "2 requests" in crashvault(server.home, "server", "status").stdout
    primary.start()


def metrics_with(url: str, line: str) -> str:
    page = httpx.get(f"{url}/metrics", timeout=30).text
    return page if line in page else ""


def test_a_full_spool_refuses(primary: clusters.Database, node: Start, tmp_path: Path) -> None:
    server = node("a", primary.url, CRASHVAULT_SERVER_SPOOL_SIZE="200KB", **SPOOL)
    primary.end()
    answers = send(server.url, *(f"{number} {'x' * 4000}" for number in range(80)))
    codes = [answer.status_code for answer in answers]
    kept = codes.index(503)
    assert 10 < kept < 80 and set(codes[:kept]) == {202} and set(codes[kept:]) == {503}
    assert answers[-1].json()["error"]["code"] == "spool_full" and int(answers[-1].headers["retry-after"]) > 0
    primary.start()
    wait_for(lambda: server.get("/api/health/ready").json()["status"] == "ok")
    wait_for(lambda: server.get("/api/health/ready").json()["spool"]["requests"] == 0)
    assert len(events_in(tmp_path, primary.url)) == kept


def test_keys_are_still_good(primary: clusters.Database, node: Start, tmp_path: Path) -> None:
    with opened(tmp_path, primary.url) as store:
        key = create_key(store, "sender", ["ingest"], now=clock.now())[1]
    server = node("a", primary.url, "--auth", "required", **SPOOL)
    dsn = {"X-Sentry-Auth": f"Sentry sentry_key={server.public_key}"}
    primary.end()
    body = {"message": "with a key"}
    assert server.post("/api/1/store/", json=body, headers=dsn).status_code == 200
    assert server.post("/api/v1/events", json=body, headers={"X-API-Key": key}).status_code == 202
    other = {"X-Sentry-Auth": f"Sentry sentry_key={'e' * 32}"}
    assert server.post("/api/1/store/", json=body, headers=other).status_code == 403
    assert server.post("/api/1/store/", json=body).status_code == 403
    assert server.get("/api/v1/events", headers={"X-API-Key": key}).status_code == 403
    primary.start()


def test_what_was_spooled_survives_the_node(primary: clusters.Database, node: Start, tmp_path: Path) -> None:
    """The node is killed while it spools, and again and again while it drains."""
    server = node("a", primary.url, **SPOOL)
    primary.end()
    count = 1_500
    told = []
    with httpx.Client(timeout=30) as client:
        for start in range(0, count, 25):
            batch = {"events": [{"message": f"event {number}"} for number in range(start, start + 25)]}
            answer = client.post(f"{server.url}/api/v1/batch", json=batch)
            assert answer.status_code == 202
            told += [result["event_id"] for result in answer.json()["results"]]
    server.stop(signal.SIGKILL)
    primary.start()
    for _ in range(3):
        server = node("a", primary.url, **SPOOL)
        server.stop(signal.SIGKILL)  # it drains from the moment it lives
    server = node("a", primary.url)  # also without the setting nothing is left behind
    assert send(server.url, "new")[0].status_code == 201
    wait_for(lambda: server.get("/api/health/ready").json()["spool"]["requests"] == 0)
    stored = [event for event in events_in(tmp_path, primary.url) if event["message"] != "new"]
    assert [event["event_id"] for event in stored] == told
    assert [event["message"] for event in stored] == [f"event {number}" for number in range(count)]


def test_a_commit_without_an_answer_is_one_event(primary: clusters.Database, node: Start, tmp_path: Path) -> None:
    """The database may have committed when the line breaks: what is spooled then has the same id."""
    server = node("a", primary.url, **SPOOL)
    send(server.url, "warm")
    # The commit waits for a standby that is not there; its transaction is in the log already.
    primary.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    primary.run("SELECT pg_reload_conf()")
    primary.wait("SELECT current_setting('synchronous_standby_names') = 'nobody'")
    with httpx.Client(timeout=30) as client:
        import threading

        answers: list[httpx.Response] = []
        sending = threading.Thread(
            target=lambda: answers.append(client.post(f"{server.url}/api/v1/events", json={"message": "unsure"}))
        )
        sending.start()
        primary.wait("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        primary.end(signal.SIGQUIT)
        sending.join(30)
    assert [answer.status_code for answer in answers] == [202]
    with open(primary.data / "postgresql.auto.conf", "a", encoding="utf-8") as file:
        file.write("synchronous_standby_names = ''\n")
    primary.start()
    wait_for(lambda: server.get("/api/health/ready").json()["spool"]["requests"] == 0)
    stored = events_in(tmp_path, primary.url)
    assert [event["message"] for event in stored] == ["warm", "unsure"]
    assert stored[1]["event_id"] == answers[0].json()["event_id"]
