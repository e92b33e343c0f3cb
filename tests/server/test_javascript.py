"""Sentry's SDKs for Node and browsers against a real server."""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from . import javascript

pytestmark = pytest.mark.xdist_group("npm")  # one worker installs what the others would too

NODE = """
const Sentry = require("@sentry/node");
Sentry.init({ dsn: process.argv[2], release: "api@3", environment: "staging", serverName: "api-1" });
Sentry.setUser({ id: "u9" });
Sentry.setTag("region", "eu");
Sentry.addBreadcrumb({ message: "order opened" });
function loadOrder(id) {
  throw new TypeError(`order ${id} is not there`);
}
try {
  try { loadOrder(42); } catch (error) { throw new Error("no answer", { cause: error }); }
} catch (error) { Sentry.captureException(error); }
Sentry.flush(10000).then((sent) => process.exit(sent ? 0 : 3));
"""

RAVEN = """
const Raven = require("raven");
Raven.config(process.argv[2], { release: "legacy@1", environment: "staging", name: "old-1", tags: { region: "eu" } }).install();
function payInvoice(id) {
  throw new RangeError(`invoice ${id} is out of range`);
}
try { payInvoice(42); } catch (error) {
  Raven.captureException(error, (failed) => process.exit(failed ? 3 : 0));
}
"""

PAGE = """<!doctype html><title>shop</title><script src="/bundle.js"></script>"""
BROWSER = """
import * as Sentry from "@sentry/browser";
Sentry.init({ dsn: DSN, release: "shop-web@2", environment: "production" });
Sentry.setTag("page", "cart");
function openCart(articles) {
  return articles.first.price;
}
window.setTimeout(() => openCart({}), 0);
"""


def the_event(server: Any) -> dict[str, Any]:
    (found,) = server.get("/api/v1/events").json()["items"]
    return dict(server.get(f"/api/v1/events/{found['event_id']}").json())


def test_node(server: Any, tmp_path: Path) -> None:
    modules = javascript.modules()
    program = tmp_path / "app.js"
    program.write_text(NODE)
    environment = {**os.environ, "NODE_PATH": str(modules / "node_modules")}
    done = subprocess.run(
        ["node", str(program), server.dsn], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    event = the_event(server)
    assert [(link["type"], link["value"]) for link in event["exceptions"]] == [
        ("TypeError", "order 42 is not there"), ("Error", "no answer")
    ]  # fmt: skip
    crash = event["exceptions"][0]["frames"][-1]
    assert (crash["function"], crash["in_app"]) == ("loadOrder", True)
    assert "is not there" in crash["context_line"]
    assert (event["release"], event["environment"], event["host"]) == ("api@3", "staging", "api-1")
    assert event["platform"] == "javascript" and event["user"]["id"] == "u9" and "region=eu" in event["tags"]
    assert any(crumb.get("message") == "order opened" for crumb in event["breadcrumbs"])


def test_raven_as_it_was_before_envelopes(server: Any, tmp_path: Path) -> None:
    modules = javascript.modules()
    program = tmp_path / "app.js"
    program.write_text(RAVEN)
    environment = {**os.environ, "NODE_PATH": str(modules / "node_modules"), "NODE_NO_WARNINGS": "1"}
    dsn = server.dsn.replace("@", ":secret@", 1)  # clients of that time insist on both keys
    done = subprocess.run(["node", str(program), dsn], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr + done.stdout
    event = the_event(server)
    assert event["exception"] == {"type": "RangeError", "value": "invoice 42 is out of range"}
    crash = event["frames"][-1]
    assert (crash["function"], crash["in_app"]) == ("payInvoice", True)
    assert "is out of range" in crash["context_line"]
    assert (event["release"], event["environment"], event["host"]) == ("legacy@1", "staging", "old-1")
    assert "region=eu" in event["tags"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web site of another origin, and its folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://localhost:{serving.server_port}", tmp_path
    serving.shutdown()
    serving.server_close()
    thread.join()


def test_a_page_of_another_origin(server: Any, site: tuple[str, Path]) -> None:
    from playwright.sync_api import sync_playwright

    modules, executable = javascript.modules(), javascript.browser()
    address, folder = site
    (folder / "index.html").write_text(PAGE)
    source = modules / f"page-{os.getpid()}.js"
    source.write_text(BROWSER.replace("DSN", f'"{server.dsn}"', 1))
    try:
        bundled = subprocess.run(
            [str(modules / "node_modules" / ".bin" / "esbuild"), str(source), "--bundle", f"--outfile={folder / 'bundle.js'}"],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    finally:
        source.unlink()
    assert bundled.returncode == 0, bundled.stderr
    quiet = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=quiet)
        page = chromium.new_page()
        with page.expect_response(
            lambda answer: "/envelope/" in answer.url and "event" in (answer.request.post_data or "")
        ) as sent:
            page.goto(address)
        assert sent.value.status == 200
        chromium.close()
    events = server.get("/api/v1/events").json()["items"]
    event = server.get(f"/api/v1/events/{events[0]['event_id']}").json()
    assert event["exception"]["type"] == "TypeError"
    assert event["frames"][-1]["function"] == "openCart" and event["frames"][-1]["file"].endswith("bundle.js")
    assert event["release"] == "shop-web@2" and "page=cart" in event["tags"]
    assert event["request"]["url"].startswith(address)
