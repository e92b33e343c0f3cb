"""The programs of the pages under docs/connect run as they stand, and their crashes arrive at a real server."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import runtimes
from tests.conftest import ROOT

from . import javascript
from .test_examples import free_port, until

PAGES = ROOT / "docs" / "connect"
PATIENCE = 300.0  # seconds; Go may compile its standard library first
GO_SOURCES = Path("/usr/share/gocode")  # where Debian puts Go's libraries
UNTRIED = {"java", "php", "dotnet"}  # whose SDKs cannot be had where the tests run


def program(page: str, folder: Path) -> Path:
    """The page's whole program, written to the file that it names."""
    text = (PAGES / f"{page}.md").read_text("utf-8")
    ((name, body),) = re.findall(r"^```\w+ (\w+\.\w+)\n(.*?)^```", text, re.M | re.S)
    file = folder / name
    file.write_text(body, "utf-8")
    return file


def environment(server: Any, **more: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("SENTRY_", "OTEL_"))}
    return {**mine, "SENTRY_DSN": server.dsn, "NO_PROXY": "127.0.0.1,localhost", **more}


def run(command: list[str], variables: dict[str, str], folder: Path) -> int:
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert "SyntaxError" not in done.stderr, done.stderr
    return done.returncode


def event(server: Any, query: str) -> dict[str, Any]:
    """The only event that a query finds, in full."""
    (found,) = until(
        lambda: server.get("/api/v1/events", params={"query": query}).json()["items"], f"an event of {query}"
    )
    return dict(server.get(f"/api/v1/events/{found['event_id']}").json())


def check(found: dict[str, Any], type_: str, value: str, function: str, release: str = "shop@1.4") -> None:
    assert (found["exception"]["type"], found["exception"]["value"]) == (type_, value)
    assert (found["frames"][-1]["function"], found["frames"][-1]["in_app"]) == (function, True)
    assert (found["release"], found["environment"]) == (release, "production")


def test_every_page_is_tried_or_says_that_it_is_not() -> None:
    source = Path(__file__).read_text("utf-8")
    for page in set(PAGES.glob("*.md")) - {PAGES / "http.md"}:  # which has commands, not a program
        untried = "not run by Crashvault's tests" in page.read_text("utf-8")
        assert untried == (page.stem in UNTRIED), page
        assert untried or f'program("{page.stem}"' in source or f'("{page.stem}", [' in source, page


def test_python(server: Any, tmp_path: Path) -> None:
    file = program("python", tmp_path)
    assert run([sys.executable, file.name], environment(server), tmp_path) == 1
    found = event(server, "exception:PaymentError")
    check(found, "PaymentError", "12 was declined", "charge")
    assert found["frames"][-1]["vars"] == {"amount": "12"} and "region=eu" in found["tags"]


@contextmanager
def serving(command: list[str], port: int, variables: dict[str, str], folder: Path) -> Iterator[str]:
    """A web application that listens; its address."""
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, env=variables, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            until(lambda: process.poll() is not None or listens(port), "the application to listen")
            assert process.poll() is None, (folder / "log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def listens(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
    except httpx.TransportError:
        return False
    return True


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("flask", ["-m", "flask", "--app", "shop", "run", "--port", "{port}"]),
        ("django", ["shop.py", "runserver", "--noreload", "{port}"]),
        ("fastapi", ["-m", "uvicorn", "shop:app", "--port", "{port}"]),
    ],
)
def test_pythons_web_frameworks(page: str, words: list[str], server: Any, tmp_path: Path) -> None:
    program(page, tmp_path)
    port = free_port()
    command = [sys.executable, "-W", "ignore", *(word.format(port=port) for word in words)]
    with serving(command, port, environment(server, PYTHONPATH=str(tmp_path)), tmp_path) as url:
        assert httpx.get(f"{url}/pay/5", timeout=10).status_code == 200
        assert httpx.get(f"{url}/pay/0", timeout=10).status_code == 500
        found = event(server, "exception:ZeroDivisionError")
    check(found, "ZeroDivisionError", found["exception"]["value"], "pay")
    assert found["request"]["url"].endswith("/pay/0") and found["request"]["method"] == "GET"


@pytest.mark.xdist_group("npm")
def test_node(server: Any, tmp_path: Path) -> None:
    modules = javascript.modules()
    file = program("node", tmp_path)
    variables = environment(server, NODE_PATH=str(modules / "node_modules"))
    assert run(["node", file.name], variables, tmp_path) == 1
    found = event(server, "exception:PaymentError")
    check(found, "PaymentError", "12 was declined", "charge")
    assert "region=eu" in found["tags"]


@contextmanager
def site(folder: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{listening.server_port}/"
        finally:
            listening.shutdown()
            thread.join()


@pytest.mark.xdist_group("npm")
def test_browser(server: Any, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    modules, chromium = javascript.modules(), javascript.browser()
    source = program("browser", tmp_path)
    source.write_text(source.read_text().replace('"DSN"', f'"{server.dsn}"'))
    bundle = [str(modules / "node_modules" / ".bin" / "esbuild"), source.name, "--bundle", "--outfile=bundle.js"]
    assert run(bundle, environment(server, NODE_PATH=str(modules / "node_modules")), tmp_path) == 0
    (tmp_path / "index.html").write_text('<!doctype html><title>shop</title><script src="/bundle.js"></script>')
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with site(tmp_path) as address, sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=quiet)
        opened.new_page().goto(address)
        found = event(server, "exception:TypeError")
        opened.close()
    check(found, "TypeError", "Cannot read properties of undefined (reading 'price')", "openCart", "shop-web@1.4")
    assert "page=cart" in found["tags"]


def test_go(server: Any, tmp_path: Path) -> None:
    runtimes.require("go")
    if not (GO_SOURCES / "src/github.com/getsentry/sentry-go").is_dir():
        pytest.skip("Sentry's SDK for Go is not on this machine (Debian: golang-github-getsentry-sentry-go-dev)")
    file = program("go", tmp_path)
    variables = environment(server, GO111MODULE="off", GOPATH=str(GO_SOURCES), GOFLAGS="", GOCACHE=str(go_cache()))
    assert run(["go", "build", "-o", "shop", file.name], variables, tmp_path) == 0
    assert run([str(tmp_path / "shop")], variables, tmp_path) == 0
    check(event(server, "nil map"), "runtime.plainError", "assignment to entry in nil map", "(*Cart).add")
    told = event(server, "receipt")
    assert told["exception"]["value"] == "no receipt for order 17"
    assert (told["level"], told["frames"][-1]["function"]) == ("error", "main")
    assert told["platform"] == "go"


def go_cache() -> Path:
    """Compiled packages, kept between runs: the first compiles Go's own network library."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crashvault-tests" / "go-build"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def test_ruby(server: Any, tmp_path: Path) -> None:
    runtimes.require("ruby")
    if subprocess.run(["ruby", "-e", "require 'sentry-ruby'"], capture_output=True, timeout=PATIENCE).returncode:
        pytest.skip("Sentry's SDK for Ruby is not on this machine (Debian: ruby-sentry-ruby)")
    file = program("ruby", tmp_path)
    assert run(["ruby", file.name], environment(server), tmp_path) == 1
    found = event(server, "exception:PaymentError")
    check(found, "PaymentError", "12 was declined", "charge")
    assert "region=eu" in found["tags"] and found["platform"] == "ruby"


def test_opentelemetry(server: Any, tmp_path: Path) -> None:
    file = program("opentelemetry", tmp_path)
    told = (PAGES / "opentelemetry.md").read_text("utf-8")
    variables = dict(re.findall(r'^export (OTEL_\w+)="?([^"\s]+)', told, re.M))
    variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = server.url
    assert run([sys.executable, "-W", "ignore", file.name], environment(server, **variables), tmp_path) == 1
    check(event(server, "exception:ValueError"), "ValueError", "12 was declined", "charge")


def test_anything_that_sends_http(server: Any, tmp_path: Path) -> None:
    text = (PAGES / "http.md").read_text("utf-8").replace("http://127.0.0.1:5678", server.url)
    commands = re.findall(r"^```sh run\n(.*?)^```", text, re.M | re.S)
    assert len(commands) == 2
    for command in commands:
        assert run(["bash", "-c", command], environment(server), tmp_path) == 0
    found = event(server, "tag:backup")
    assert (found["message"], found["release"]) == ("backup failed", "backup@1.4")
    assert found["exception"]["type"] == "OSError" and found["frames"][-1]["function"] == "copy"
    assert len(server.get("/api/v1/events", params={"query": '"is slow"'}).json()["items"]) == 2
