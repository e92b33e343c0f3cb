"""Plugins in a real server: hooks in all workers, addresses with the API's keys, panels that can do no harm."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.web.conftest import Looking, Server, chromium, look, playwright, serve

from nasty import BIDI, ESC, MARKUP, SEPARATORS

__all__ = ["chromium", "look", "playwright", "serve"]

Write = Callable[..., Path]
PATIENCE = 60.0  # seconds until what must come has come
ENVIRONMENT = {"CRASHVAULT_PLUGINS_TIME_LIMIT": "60000"}

HOOKS = """
    import json, os, sys
    @hookimpl
    def event_received(event):
        print("noise")
        if event["message"] == "drop":
            return None
        if event["message"] == "raise":
            raise ValueError
        event["tags"].append("seen")
        return event
    @hookimpl
    def issue_created(issue, event):
        with open(os.environ["HEARD"], "a") as file:
            file.write(json.dumps([issue["id"], event["message"], os.getpid()]) + "\\n")
    @hookimpl
    def issue_resolved(issue):
        with open(os.environ["HEARD"], "a") as file:
            file.write(json.dumps([issue["id"], "resolved", os.getpid()]) + "\\n")
"""

ROUTES = """
    from crashvault.errors import NotFoundError
    from crashvault.plugins.types import Panel, Reply, Route
    def issue(request):
        number = int(request.path["issue"])
        if number > 1:
            raise NotFoundError(f"there is no ticket {number}")
        return {"issue": request.store.issues.get(number).title, "user": request.user, "query": request.query}
    def resolve(request):
        from crashvault import lifecycle
        lifecycle.set_status(request.store, [1], "resolved", request.user, request.now)
        return Reply({"got": request.body.decode()}, 202)
    @hookimpl
    def register_routes():
        return [
            Route("/tickets/{issue}", issue, about="A ticket."),
            Route("/resolve", resolve, ("POST",), "write"),
            Route("/open", lambda request: "for everybody, " + request.user, scope=""),
            Route("/page", lambda request: Reply("<script>alert(1)</script>", 200, "text/html")),
            Route("/boom", lambda request: 1 / 0),
            Route("/odd", lambda request: {1, 2, 3} and object()),
            Route("/unsafe", lambda request: 1, ("GET",), "write"),
            Route("no-slash", lambda request: 1),
        ]
"""


@pytest.fixture
def heard(tmp_path: Path) -> Callable[[int], list[Any]]:
    """Waits until so many lines were written."""

    def wait(count: int) -> list[Any]:
        path, until = tmp_path / "heard", time.monotonic() + PATIENCE
        while time.monotonic() < until:
            lines = path.read_text().splitlines() if path.exists() else []
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            time.sleep(0.02)
        raise AssertionError(f"{count} lines were expected")

    return wait


@pytest.mark.parametrize("workers", ["1", "2"])
def test_hooks_run_in_workers(
    serve: Callable[..., Server], plugin: Write, heard: Callable[[int], list[Any]], tmp_path: Path, workers: str
) -> None:
    plugin(HOOKS)
    server = serve("--workers", workers, HEARD=str(tmp_path / "heard"), **ENVIRONMENT)
    assert server.post("/api/v1/events", json={"message": "drop"}).json()["issue_id"] is None
    for message in ("one", "raise"):
        assert server.post("/api/v1/events", json={"message": message}).status_code == 201
    answer = server.post("/api/v1/batch", json={"events": [{"message": "drop"}, {"message": "two"}]}).json()
    assert answer["processed"] == 2 and answer["results"][0]["issue_id"] is None
    event = {"message": "by envelope", "event_id": "ab" * 16}
    assert server.envelope(({"type": "event"}, json.dumps(event).encode())).status_code == 200
    dropped = {"message": "drop", "event_id": "cd" * 16}
    assert server.envelope(({"type": "event"}, json.dumps(dropped).encode())).json() == {"id": "cd" * 16}
    assert sorted(line[1] for line in heard(4)) == ["by envelope", "one", "raise", "two"]
    assert server.get("/api/v1/issues").json()["total"] == 4
    assert httpx.patch(f"{server.url}/api/v1/issues/1", json={"status": "resolved"}, timeout=30).status_code == 200
    assert heard(5)[-1][:2] == [1, "resolved"]
    server.stop()
    assert {event["message"]: event.get("tags", []) for event in server.events()} == {
        "one": ["seen"], "raise": [], "two": ["seen"], "by envelope": ["seen"],
    }  # fmt: skip
    assert sum(count for key, count in server.drops().items() if key[0] == "plugin:mine") == 3


def test_addresses(serve: Callable[..., Server], plugin: Write) -> None:
    plugin(ROUTES)
    server = serve("--auth", "required", **ENVIRONMENT)
    reader, writer = ({"Authorization": f"Bearer {server.key(scope)}"} for scope in ("read", "write"))
    server.post("/api/v1/events", json={"message": "boom"}, headers={"Authorization": f"Bearer {server.key('ingest')}"})
    address = "/api/v1/plugins/mine"
    assert server.get(f"{address}/tickets/1").status_code == 401
    found = server.get(f"{address}/tickets/1?a=b", headers=reader)
    assert found.json() == {"issue": "boom", "user": "read", "query": {"a": "b"}}
    missing = server.get(f"{address}/tickets/2", headers=reader)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert server.post(f"{address}/resolve", headers=reader).status_code == 403
    done = server.post(f"{address}/resolve", headers=writer, content=b"text")
    assert (done.status_code, done.json()) == (202, {"got": "text"})
    assert server.post(f"{address}/resolve", headers=writer, content=b"x" * (2 << 20)).status_code == 413
    assert server.get(f"{address}/open").text == "for everybody, anonymous"
    page = server.get(f"{address}/page", headers=reader)
    assert "sandbox" in page.headers["content-security-policy"] and page.headers["x-content-type-options"] == "nosniff"
    for broken in ("boom", "odd"):
        failed = server.get(f"{address}/{broken}", headers=reader)
        assert (failed.status_code, failed.json()["error"]["code"]) == (500, "plugin_failed")
        assert "ZeroDivision" not in failed.text
    assert server.get(f"{address}/unsafe", headers=writer).status_code == 404
    assert server.post(f"{address}/tickets/1", headers=writer).status_code == 405
    server.process.terminate()
    err = server.process.communicate(timeout=60)[1]
    assert "what is read by GET must not need more than read" in err + (server.home / "logs" / "app.log").read_text()


PANELS = """
    import json, os
    from crashvault.plugins.types import Panel
    with open(os.environ["NASTY"], encoding="utf-8") as file:
        nasty = json.load(file)
    @hookimpl
    def dashboard_panels():
        return [
            Panel("Tickets", lambda store, now: {"text": "two", "columns": ["id", "what"], "bars": {"open": 3, "shut": 1.5},
                  "rows": [[1, {"text": "here", "link": "/issues/1"}], [2, {"text": "there", "link": "https://example.com/x"}]]}),
            Panel("<script>parent.title()</script>", lambda store, now: {"text": nasty, "columns": nasty, "rows": [
                  [{"text": text, "link": text} for text in nasty], [{"text": "run", "link": "javascript:alert(1)"}],
                  [{"text": "away", "link": "//evil.example"}]], "bars": {text: 1 for text in nasty}}),
            Panel("Broken", lambda store, now: 1 / 0),
            Panel("Odd", lambda store, now: {"rows": 7}),
            Panel("Writes", lambda store, now: store.settings.set("scrub.ip", True, now)),
            Panel("Plain", lambda store, now: "only text"),
        ]
"""


def test_panels(serve: Callable[..., Server], plugin: Write, look: Callable[..., Looking], tmp_path: Path) -> None:
    plugin(PANELS)
    plugin("raise ValueError('<b>bold</b>')", "broken")
    nasty = [MARKUP, ESC, BIDI, SEPARATORS, "\0", "x" * 9_000, "<img src=x onerror=alert(1)>"]
    (tmp_path / "nasty").write_text(json.dumps(nasty))
    server = serve(NASTY=str(tmp_path / "nasty"), **ENVIRONMENT)
    looking = look(server)
    answer = looking.page.goto("/plugins")
    assert answer.status == 200 and "default-src 'none'" in answer.headers["content-security-policy"]
    titles = looking.page.locator("section.card h2").all_inner_texts()
    assert titles == [
        "Tickets",
        "<script>parent.title()</script>",
        "Broken",
        "Odd",
        "Writes",
        "Plain",
        "What is installed",
    ]
    assert looking.page.locator("section.card").nth(0).locator("tbody tr").count() == 2
    assert looking.page.get_by_role("link", name="there").get_attribute("href") == "https://example.com/x"
    hrefs = [link.get_attribute("href") for link in looking.page.locator("section.card a").all()]
    assert all(href.startswith(("/issues", "https://example.com", "http")) and "script:" not in href for href in hrefs)
    for place in (2, 3, 4):
        assert "The plugin failed" in looking.page.locator("section.card").nth(place).inner_text()
    assert "only text" in looking.page.locator("section.card").nth(5).inner_text()
    assert "<b>bold</b>" in looking.page.locator("section.card").nth(6).inner_text()
    assert looking.page.locator("section.card script, section.card b, section.card img").count() == 0
    assert looking.wrong == [] and looking.foreign == []
