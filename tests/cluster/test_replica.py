"""A primary with a standby: who reads where, how stale it is, and what happens when one of them is away."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from children import crashvault

import clusters
from conftest import Start, opened, wait_for
from crashvault.config import DATABASE_VARIABLE, REPLICA_VARIABLE

HEADER = "x-crashvault-staleness"


@pytest.fixture(scope="module")
def _copy(_running: clusters.Database) -> clusters.Database:
    return _running.copy_to("standby")


@pytest.fixture
def standby(primary: clusters.Database, _copy: clusters.Database, tmp_path: Path) -> clusters.Database:
    """A copy that has the empty vault already."""
    with opened(tmp_path, primary.url):
        _copy.database = primary.database
    primary.wait(CAUGHT_UP)
    return _copy


CAUGHT_UP = "SELECT count(*) = 1 AND bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication"


def titles(url: str, **headers: str) -> tuple[set[str], httpx.Response]:
    answer = httpx.get(f"{url}/api/v1/issues", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return {issue["title"] for issue in answer.json()["items"]}, answer


def replica_of(url: str) -> dict[str, object]:
    return dict(httpx.get(f"{url}/api/health/ready", timeout=30).json()["replica"])


def test_queries_go_to_the_standby(
    primary: clusters.Database, standby: clusters.Database, node: Start, tmp_path: Path
) -> None:
    writer = node("writer", primary.url)
    reader = node("reader", primary.url, **{REPLICA_VARIABLE: standby.url})
    wait_for(lambda: replica_of(reader.url)["status"] == "ok")
    assert writer.post("/api/v1/events", json={"message": "first"}).status_code == 201
    wait_for(lambda: titles(reader.url)[0] == {"first"})
    _, answer = titles(reader.url)
    assert 0 <= float(answer.headers[HEADER]) <= 10
    assert HEADER not in titles(writer.url)[1].headers
    page = httpx.get(f"{reader.url}/issues", timeout=30)
    assert page.status_code == 200 and "first" in page.text and HEADER in page.headers

    # A standby that stands still shows who is answered by it.
    standby.run("SELECT pg_wal_replay_pause()")
    assert writer.post("/api/v1/events", json={"message": "second"}).status_code == 201
    assert titles(reader.url)[0] == {"first"}
    assert titles(reader.url, **{"Cache-Control": "no-cache"})[0] == {"first", "second"}

    # Whoever writes reads what they wrote.
    assert reader.post("/api/v1/events", json={"message": "third"}).status_code == 201
    found, answer = titles(reader.url)
    assert found == {"first", "second", "third"} and HEADER not in answer.headers
    standby.run("SELECT pg_wal_replay_resume()")
    found, answer = wait_for(lambda: (told := titles(reader.url)) and HEADER in told[1].headers and told)
    assert found == {"first", "second", "third"}


def test_a_standby_that_is_too_old_is_not_asked(
    primary: clusters.Database, standby: clusters.Database, node: Start, tmp_path: Path
) -> None:
    environment = {REPLICA_VARIABLE: standby.url, "CRASHVAULT_REPLICA_STALENESS": "1"}
    reader = node("reader", primary.url, **environment)
    writer = node("writer", primary.url)
    wait_for(lambda: replica_of(reader.url)["status"] == "ok")
    standby.run("SELECT pg_wal_replay_pause()")
    assert writer.post("/api/v1/events", json={"message": "news"}).status_code == 201
    told = wait_for(lambda: (state := replica_of(reader.url))["status"] == "stale" and state)
    assert float(str(told["staleness_seconds"])) > 1
    found, answer = titles(reader.url)
    assert found == {"news"} and HEADER not in answer.headers
    standby.run("SELECT pg_wal_replay_resume()")


def test_one_of_the_two_is_away(primary: clusters.Database, standby: clusters.Database, node: Start) -> None:
    reader = node("reader", primary.url, **{REPLICA_VARIABLE: standby.url})
    assert reader.post("/api/v1/events", json={"message": "here"}).status_code == 201
    wait_for(lambda: HEADER in titles(reader.url)[1].headers)
    standby.end()
    found, answer = titles(reader.url)
    assert found == {"here"} and HEADER not in answer.headers
    wait_for(lambda: replica_of(reader.url)["status"] == "away")
    standby.start()
    wait_for(lambda: HEADER in titles(reader.url)[1].headers)

    primary.end()
    found = wait_for(lambda: titles_or_nothing(reader.url))
    assert found == {"here"}
    assert reader.post("/api/v1/events", json={"message": "lost"}).status_code == 503
    primary.start()


def titles_or_nothing(url: str) -> set[str]:
    """Old titles are better than none, once it is known that the primary is away."""
    answer = httpx.get(f"{url}/api/v1/issues", timeout=30)
    return {issue["title"] for issue in answer.json()["items"]} if answer.status_code == 200 else set()


def test_commands_that_read_ask_the_standby(
    primary: clusters.Database, standby: clusters.Database, tmp_path: Path
) -> None:
    both = {DATABASE_VARIABLE: primary.url, REPLICA_VARIABLE: standby.url}
    home = tmp_path / "home"
    assert crashvault(home, "add", "first", env=both).returncode == 0
    primary.wait(CAUGHT_UP)
    listed = crashvault(home, "list", "--json", env=both)
    assert [issue["title"] for issue in json.loads(listed.stdout)["items"]] == ["first"], listed.stderr
    healthy = json.loads(crashvault(home, "doctor", "--json", env=both).stdout)
    assert "replica" in healthy["checks"] and not [one for one in healthy["findings"] if one["check"] == "replica"]

    primary.end()
    kept = crashvault(home, "list", "--json", env=both)
    assert [issue["title"] for issue in json.loads(kept.stdout)["items"]] == ["first"], kept.stderr
    primary.start()
    standby.end()
    listed = crashvault(home, "list", "--json", env=both)
    assert [issue["title"] for issue in json.loads(listed.stdout)["items"]] == ["first"], listed.stderr
    standby_away = json.loads(crashvault(home, "doctor", "--json", env=both).stdout)
    assert [one["check"] for one in standby_away["findings"] if one["severity"] == "warning"] == ["replica"]
    standby.start()
