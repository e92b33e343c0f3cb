"""Issues that are alike, on the page of one of them: why, and making them one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crashvault import core

pytestmark = pytest.mark.xdist_group("chromium")


def crash(server: Any, name: str, kind: str = "LookupError") -> int:
    frames = [
        {"file": f"shop/{file}.py", "module": f"shop.{file}", "function": function, "line": 10, "in_app": True}
        for file, function in [("web", "handle"), ("auth", "check_user"), ("routes", "find"), ("routes", "lookup")]
    ]
    body = {"exception": {"type": kind, "value": f"no route for <b>the user</b> called {name}"}, "frames": frames}
    answer = server.post("/api/v1/events", json={**body, "platform": "python"})
    assert answer.status_code == 201
    return int(answer.json()["issue_id"])


def without_joining(server: Any) -> None:
    with core.open_vault(str(server.home)) as store:
        store.settings.set("grouping.join", False, 0)


def test_similar_issues_are_shown_and_merged_and_taken_apart(server: Any, look: Callable[..., Any]) -> None:
    without_joining(server)
    assert [crash(server, name) for name in ("ann", "bob", "cyd")] == [1, 2, 3]
    for device in ("", "Pixel 7"):
        page = look(server, device).page
        page.goto("/issues/1")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    window = look(server)
    page = window.page
    page.goto("/issues/1")
    card = page.locator("#similar")
    assert "<b>the user</b>" in card.inner_text() and "% alike" in card.inner_text()
    assert "the same own frames at the crash" in card.inner_text()
    card.get_by_role("checkbox", name="#2").check()
    card.get_by_role("checkbox", name="#3").check()
    card.get_by_role("button", name="Merge these into #1").click()
    page.get_by_role("heading", name="Merged into this").wait_for()
    assert page.locator("#similar").count() == 0
    assert server.get("/api/v1/issues/1").json()["count"] == 3
    page.get_by_role("link", name="#2", exact=True).click()
    page.get_by_role("button", name="Take it out again").click()
    page.locator("#similar").wait_for()
    assert server.get("/api/v1/issues/1").json()["count"] == 2
    assert window.wrong == [] and window.foreign == []


def test_why_something_joined_is_on_the_page(server: Any, look: Callable[..., Any]) -> None:
    assert [crash(server, name) for name in ("ann", "bob")] == [1, 1]
    window = look(server)
    page = window.page
    page.goto("/issues/1")
    page.get_by_text("Why grouped so").click()
    page.get_by_text("joined to").wait_for()
    assert "% alike" in page.locator(".hash").last.inner_text()
    assert "join: joined #2" in page.locator(".activity").inner_text()
    assert window.wrong == []
