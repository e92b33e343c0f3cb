"""Crashes of a real SDK, seen and dealt with through the pages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("chromium")

PROGRAM = """
import sys, sentry_sdk
sentry_sdk.init(sys.argv[1], release=sys.argv[2])
sentry_sdk.set_tag("region", "eu")
def price_of(article):
    prices = {"pen": 2}
    return prices[article]
try:
    price_of("<b>voucher</b>")
except KeyError as error:
    raise RuntimeError("order 4242 cannot be paid") from error
"""


def crash(server: Any, folder: Path, release: str = "shop@1.0") -> None:
    program = folder / "shop.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), server.dsn, release], capture_output=True, text=True, timeout=60
    )
    assert "cannot be paid" in done.stderr


def issue_of(server: Any) -> dict[str, Any]:
    return dict(server.get("/api/v1/issues/1").json())


@pytest.mark.parametrize("device", ["", "Pixel 7", "iPhone 14"])
def test_a_crash_is_seen_and_triaged(server: Any, look: Callable[..., Any], tmp_path: Path, device: str) -> None:
    crash(server, tmp_path)
    window = look(server, device)
    page = window.page
    page.goto("/issues")
    page.get_by_role("link", name="RuntimeError: order 4242 cannot be paid").click()
    stack = page.locator("#event")
    assert "return prices[article]" in stack.inner_text() and "<b>voucher</b>" in stack.inner_text()
    assert "caused by" in stack.inner_text() and "shop.py" in stack.inner_text()
    page.get_by_label("Comment").fill("The voucher is no article <script>alert(1)</script>")
    page.get_by_role("button", name="Comment").click()
    page.locator(".comment").wait_for()
    assert "<script>alert(1)</script>" in page.locator(".comment").inner_text()
    page.get_by_label("Assigned to").fill("ana")
    page.get_by_role("button", name="Assign").click()
    page.locator(".figures", has_text="ana").wait_for()
    page.get_by_label("Severity").select_option("high")
    page.get_by_role("button", name="Set", exact=True).click()
    page.locator(".issue-head .severity-high").wait_for()
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.locator(".issue-head .badge.resolved").wait_for()
    found = issue_of(server)
    assert (found["status"], found["assigned"], found["severity"]) == ("resolved", "ana", "high")
    assert found["notes"][0]["actor"] == "anonymous"
    crash(server, tmp_path)
    page.reload()
    page.locator(".issue-head .badge.regressed").wait_for()
    page.get_by_text("Resolve in…").click()
    page.get_by_role("button", name="Resolve in that release").click()
    page.locator(".issue-head .badge.resolved").wait_for()
    crash(server, tmp_path)
    assert issue_of(server)["status"] == "resolved" and issue_of(server)["count"] == 3
    page.reload()
    page.get_by_role("link", name="Older").click()
    assert "event=" in page.url and page.get_by_role("link", name="Newer").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert window.wrong == [] and window.foreign == []


def record(server: Any, count: int, **more: Any) -> None:
    for number in range(count):
        kind = f"{chr(65 + number % 26)}{chr(65 + number // 26)}Error"
        body = {"exception": {"type": kind, "value": "x"}, "tags": ["team=web"], **more}
        assert server.post("/api/v1/events", json=body).status_code == 201


def test_keys_completion_and_saved_searches(server: Any, look: Callable[..., Any]) -> None:
    record(server, 3)
    window = look(server)
    page = window.page
    page.goto("/issues")
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator(".issue").nth(1)
    chosen = second.get_attribute("data-issue")
    page.keyboard.press("x")
    assert second.locator("input").is_checked()
    page.keyboard.press("r")
    page.get_by_text(f"#{chosen}: resolved").wait_for()
    assert server.get(f"/api/v1/issues/{chosen}").json()["status"] == "resolved"
    page.keyboard.press("/")
    page.keyboard.type("-tag:te")
    page.get_by_role("option", name="-tag:team=web").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.get_by_role("combobox", name="Query").input_value() == "-tag:team=web"
    page.keyboard.press("Enter")
    page.get_by_text("No issue fits this query").wait_for()
    assert "query=-tag%3Ateam%3Dweb" in page.url
    page.get_by_text("Save", exact=True).click()
    page.get_by_label("Name").fill("not web")
    page.get_by_role("button", name="Save this search").click()
    page.get_by_role("link", name="not web").wait_for()
    page.get_by_role("button", name="Remove the search not web").click()
    page.wait_for_url("**/issues")
    assert page.get_by_role("link", name="not web").count() == 0
    assert window.wrong == []


def test_many_at_once_and_the_list_goes_on(server: Any, look: Callable[..., Any]) -> None:
    record(server, 50)
    window = look(server)
    page = window.page
    page.goto("/issues?sort=created_at")
    assert page.locator(".issue").count() == 40
    page.locator(".more").scroll_into_view_if_needed()
    page.locator(".issue").nth(49).wait_for()
    assert len({one.get_attribute("data-issue") for one in page.locator(".issue").all()}) == 50
    for place in (0, 1):
        page.locator(".issue input").nth(place).check()
    page.get_by_role("button", name="Ignore").click()
    page.locator("[data-chosen]", has_text="48 issues").wait_for()
    page.locator('[name="everything"]').check()
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Nothing here").wait_for()
    assert server.get("/api/v1/stats").json()["by_status"] == {"open": 0, "resolved": 48, "ignored": 2}
    assert window.wrong == []


def test_swiping_on_a_phone(server: Any, look: Callable[..., Any]) -> None:
    record(server, 2)
    window = look(server, "Pixel 7")
    page = window.page
    page.goto("/issues")
    for name, start, end in (("resolved", 80, 300), ("ignored", 300, 80)):
        row = page.locator(".issue:visible").first
        issue, box = row.get_attribute("data-issue"), row.bounding_box()
        cdp = window.context.new_cdp_session(page)
        y = box["y"] + box["height"] / 2
        cdp.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start, "y": y}]})
        for part in range(1, 9):
            x = start + (end - start) * part / 8
            cdp.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
        cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.get_by_text(f"#{issue}: {name}").wait_for()
        assert server.get(f"/api/v1/issues/{issue}").json()["status"] == name
    assert window.wrong == []


def test_without_javascript(server: Any, look: Callable[..., Any], tmp_path: Path) -> None:
    crash(server, tmp_path)
    record(server, 45)
    page = look(server, java_script_enabled=False).page
    page.goto("/issues?sort=created_at")
    page.get_by_role("link", name="More issues").click()
    page.get_by_role("link", name="RuntimeError").click()
    assert "return prices[article]" in page.locator("#event").inner_text()
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.locator(".badge.resolved").wait_for()
    for path in ("/live", "/trends", "/releases", "/alerts", "/projects", "/system", "/settings", "/events"):
        assert page.goto(path).status == 200
    page.goto("/trends")
    assert page.locator("svg.bars rect").count() > 100


def test_live_and_the_first_event(server: Any, look: Callable[..., Any]) -> None:
    window = look(server)
    waiting = window.context.new_page()
    waiting.goto("/projects?project=default")
    waiting.get_by_text("Waiting for your first event").wait_for()
    page = window.page
    page.goto("/live?query=level:error")
    page.get_by_text("Waiting for new events").wait_for()
    server.post("/api/v1/events", json={"message": "<i>first</i>", "level": "error"})
    page.get_by_role("link", name="<i>first</i>").wait_for()
    waiting.get_by_text("Events arrive").wait_for()
    assert window.wrong == [] and window.foreign == []


def test_text_and_downloads(server: Any, tmp_path: Path) -> None:
    crash(server, tmp_path)
    event = server.get("/api/v1/events").json()["items"][0]["event_id"]
    text = server.get(f"/events/{event}/stack")
    assert "price_of" in text.text and text.headers["content-type"].startswith("text/plain")
    markdown = server.get("/issues/1/markdown").text
    assert markdown.startswith("**#1 RuntimeError: order 4242 cannot be paid**") and "```text" in markdown
    answer = httpx.get(f"{server.url}/issues/1", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and "prices[article]" in answer.text
