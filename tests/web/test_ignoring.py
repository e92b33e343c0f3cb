"""Ignoring an issue for a while: until a time, or until more of it comes, from the page, the interface and the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from crashvault import cli, clock, core, lifecycle
from crashvault.clock import DAY, to_iso
from crashvault.pipeline import record_events

pytestmark = pytest.mark.xdist_group("chromium")

NOW = 1_790_000_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with core.open_vault(str(tmp_path / "vault")) as opened:
        arrive(opened, NOW, "u1", "u2")
        yield opened


def arrive(store: Any, now: int, *people: str) -> None:
    record_events(store, [{"message": "x", "user": {"id": who}} for who in people], received_at=now)


def ignored(store: Any, now: int, **ends: Any) -> None:
    given = {"time": None, "events": None, "users": None, **ends}
    lifecycle.ignore_until(store, [1], lifecycle.until(**given, now=now), "ana", now)


def test_until_a_time(store: Any) -> None:
    ignored(store, NOW, time="7d")
    assert lifecycle.end_ignoring(store, NOW + 7 * DAY - 1) == [] and store.issues.get(1).status == "ignored"
    assert lifecycle.end_ignoring(store, NOW + 7 * DAY) == [1] and store.issues.get(1).status == "open"
    assert lifecycle.end_ignoring(store, NOW + 8 * DAY) == []
    assert store.triage.activity(1)[0][1:] == ("crashvault", "status", {"status": ["ignored", "open"]})
    ignored(store, NOW, time=to_iso(NOW + DAY))
    arrive(store, NOW + DAY - 1, "u1")
    assert store.issues.get(1).status == "ignored"
    arrive(store, NOW + DAY, "u1")  # whoever records ends it as well
    assert store.issues.get(1).status == "open" and not store.issues.get(1).is_regressed


def test_until_more_events_or_users(store: Any) -> None:
    ignored(store, NOW, events=3)
    arrive(store, NOW + 1, "u1", "u2")
    assert store.issues.get(1).status == "ignored"
    arrive(store, NOW + 2, "u1")
    assert store.issues.get(1).status == "open"
    ignored(store, NOW + 3, events=100, users=1)
    arrive(store, NOW + 4, "u1", "u2", "u1")
    assert store.issues.get(1).status == "ignored"
    arrive(store, NOW + 5, "u3")
    assert store.issues.get(1).status == "open"


def test_what_somebody_decides_meanwhile_stays(store: Any) -> None:
    ignored(store, NOW, time="1d")
    lifecycle.set_status(store, [1], "resolved", "bob", NOW + 1)
    assert lifecycle.end_ignoring(store, NOW + 2 * DAY) == [] and store.issues.get(1).status == "resolved"
    ignored(store, NOW, time="1d")
    lifecycle.set_status(store, [1], "ignored", "bob", NOW + 1)  # it is already: the end stays
    assert lifecycle.end_ignoring(store, NOW + DAY) == [1]


@pytest.mark.parametrize("wrong", [{}, {"time": "2020-01-01"}, {"time": "soon"}, {"events": 0}, {"users": -1}])
def test_what_would_never_end(store: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(lifecycle.InvalidError):
        ignored(store, NOW, **wrong)
    assert store.issues.get(1).status == "open"


def run(home: Path, *words: str) -> Any:
    done = CliRunner().invoke(cli.cli, ["--home", str(home), "--json", *words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_in_a_terminal(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    run(home, "add", "one")
    assert run(home, "ignore", "1", "--events", "2") == {"changed": [1], "unchanged": []}
    assert run(home, "list")["items"] == []
    shown = run(home, "show", "1")["ignored_until"]
    assert shown == {"time": None, "events": 3, "users": None}
    exported = tmp_path / "all.json"
    CliRunner().invoke(cli.cli, ["--home", str(home), "export", "--output", str(exported)])
    run(tmp_path / "other", "import", str(exported))
    assert run(tmp_path / "other", "show", "1")["ignored_until"] == shown
    for _ in range(2):
        run(home, "add", "one")
    assert [one["id"] for one in run(home, "list")["items"]] == [1]
    run(home, "ignore", "1", "--until", "1h")
    with core.open_vault(str(home)) as store, store.writing():
        store.triage.update(1, clock.now(), ignored_until=json.dumps({"at": clock.now()}))  # the hour has passed
    assert [one["id"] for one in run(home, "list")["items"]] == [1]


def test_over_http(server: Any) -> None:
    server.post("/api/v1/events", json={"message": "x"})
    with_time = {"status": "ignored", "ignored_until": {"time": "7d", "events": 5}}
    changed = httpx.patch(f"{server.url}/api/v1/issues/1", json=with_time).json()
    assert (
        changed["status"] == "ignored" and changed["ignored_until"]["events"] == 6 and changed["ignored_until"]["time"]
    )
    for wrong in ({"ignored_until": {"events": 5}}, {"status": "resolved", "ignored_until": {"events": 5}}):
        assert httpx.patch(f"{server.url}/api/v1/issues/1", json=wrong).status_code == 422
    for wrong in ({"status": "ignored", "ignored_until": {}}, {"status": "ignored", "ignored_until": {"time": "soon"}}):
        assert httpx.patch(f"{server.url}/api/v1/issues/1", json=wrong).status_code == 400
    for _ in range(5):
        server.post("/api/v1/events", json={"message": "x"})
    reopened = server.get("/api/v1/issues/1").json()
    assert reopened["status"] == "open" and reopened["ignored_until"] is None


def test_on_the_page(server: Any, look: Callable[..., Any]) -> None:
    server.post("/api/v1/events", json={"message": "x"})
    window = look(server, "Pixel 7")
    page = window.page
    page.goto("/issues/1")
    page.get_by_text("Ignore until…").click()
    page.get_by_label("So many more events").fill("2")
    page.get_by_role("button", name="Ignore until then").click()
    page.locator(".badge.ignored").wait_for()
    assert "3 events" in page.locator(".figures").inner_text()
    for _ in range(2):
        server.post("/api/v1/events", json={"message": "x"})
    page.reload()
    assert page.locator(".badge.ignored").count() == 0
    assert window.wrong == []


def test_the_server_opens_it_when_its_time_has_come(server: Any) -> None:
    server.post("/api/v1/events", json={"message": "x"})
    httpx.patch(f"{server.url}/api/v1/issues/1", json={"status": "ignored", "ignored_until": {"time": "1s"}})
    deadline = clock.now() + 30 * clock.SECOND
    while server.get("/api/v1/issues/1").json()["status"] == "ignored":
        assert clock.now() < deadline
