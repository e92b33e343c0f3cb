"""Pages are light, accessible, readable without a network, and can be installed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import npm
from tests.web.conftest import add_user

from crashvault import core, demo

pytestmark = pytest.mark.xdist_group("chromium")

MOST_WEIGHT = 120 * 1024  # bytes of a first page with all that it loads, gzip
MAIN = ("/issues", "/issues/3", "/live", "/events", "/trends", "/releases", "/alerts", "/webhooks", "/projects", "/retention", "/settings",
        "/system", "/login")  # fmt: skip


@pytest.fixture
def demo_server(serve: Callable[..., Any], tmp_path: Path) -> Any:
    home = tmp_path / "vault"
    with core.open_vault(str(home)) as store:
        demo.fill(store)
    return serve(home=home)


@pytest.mark.parametrize(("device", "scheme"), [("", "light"), ("", "dark"), ("Pixel 7", "light")])
def test_no_barriers(demo_server: Any, look: Callable[..., Any], device: str, scheme: str) -> None:
    add_user(demo_server, "ana", "admin")
    window = look(demo_server, device, color_scheme=scheme)
    source, wrong = npm.file_of(*npm.AXE), []
    for path in MAIN:
        window.page.goto(path)
        window.page.evaluate(source)
        found = window.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        wrong += [
            (path, one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"][:200])
            for one in found["violations"]
        ]
        wide = window.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= window.page.viewport_size["width"], (path, wide)
    assert wrong == []
    assert window.wrong == [] and window.foreign == []


@pytest.mark.parametrize("path", ["/issues", "/issues/3", "/trends", "/live"])
def test_a_first_page_is_light(demo_server: Any, look: Callable[..., Any], path: str) -> None:
    window = look(demo_server)
    window.page.goto(path)
    window.page.wait_for_load_state("load")
    with httpx.Client(headers={"Accept-Encoding": "gzip"}) as client:
        addresses = dict.fromkeys(url for url in window.requests if "/api/v1/tail" not in url)
        weight = 0
        for url in addresses:
            answer = client.get(url)
            packed = answer.headers.get("content-encoding") == "gzip"
            weight += int(answer.headers["content-length"])
            assert (
                packed or len(gzip.compress(answer.content)) > 0.9 * len(answer.content) or len(answer.content) < 500
            ), url
            if "/static/" in url:
                assert answer.headers["cache-control"] == "public, max-age=31536000, immutable", url
    assert weight <= MOST_WEIGHT, weight
    assert window.foreign == []


def test_a_narrow_window(demo_server: Any, look: Callable[..., Any]) -> None:
    page = look(demo_server, viewport={"width": 320, "height": 640}).page
    for path in MAIN:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert page.evaluate(OUTSIDE) == [], path


# Buttons and links of what stays at the edge of a phone's window that are not wholly in it.
OUTSIDE = """[...document.querySelectorAll("nav.main > a, nav.main summary, .triage > button, .triage summary")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width && (box.left < 0 || box.right > innerWidth);
}).map((one) => one.outerHTML)"""
SMALL = """[...document.querySelectorAll("main :is(button, .button, input, select, summary), nav :is(a, summary)")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width && box.height && (box.width < 24 || box.height < 24);
}).map((one) => one.outerHTML)"""
SHIFT = """() => new Promise((done) => {
  let shift = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) shift += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(shift), 100)));
})"""


@pytest.mark.parametrize("device", ["", "Pixel 7"])
def test_nothing_moves_and_a_thumb_hits(demo_server: Any, look: Callable[..., Any], device: str) -> None:
    """Layout shift, and targets of at least 24 by 24 pixels (WCAG 2.2, 2.5.8)."""
    page = look(demo_server, device).page
    for path in MAIN:
        page.goto(path)
        page.wait_for_load_state("load")
        assert page.evaluate(SHIFT) == 0, path
        assert page.evaluate(SMALL) == [], path


def test_installed_and_offline(demo_server: Any, serve: Callable[..., Any], look: Callable[..., Any]) -> None:
    window = look(demo_server, "Pixel 7", service_workers="allow")
    page = window.page
    page.goto("/issues")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    cdp = window.context.new_cdp_session(page)
    errors = cdp.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [one for one in errors if one["errorId"] != "in-incognito"] == []
    assert cdp.send("Page.getAppManifest")["errors"] == []
    page.goto("/issues/3")
    page.goto("/issues")
    window.context.set_offline(True)
    page.locator("#offline").wait_for()
    window.context.set_offline(False)
    page.locator("#offline").wait_for(state="hidden")
    demo_server.stop()
    page.goto("/issues/3")
    assert "PaymentDeclined" in page.locator("h1").inner_text()
    page.goto("/issues/7")
    assert "not seen before" in page.locator("main").inner_text()
    page.goto("/issues/3")
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.get_by_text("Kept for later").wait_for()
    again = serve("--port", demo_server.url.rpartition(":")[2], home=demo_server.home)
    assert again.get("/api/v1/issues/3").json()["status"] == "open"
    page.goto("/issues")
    page.get_by_text("made offline were sent").wait_for()
    assert again.get("/api/v1/issues/3").json()["status"] == "resolved"
