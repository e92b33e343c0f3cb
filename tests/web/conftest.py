"""Real server processes, and Chromium to look at their pages with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from tests.server import javascript
from tests.server.conftest import Server, core_now, serve, server

from crashvault import core, users

__all__ = ["serve", "server"]

QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PASSWORD = "four words in a row"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def chromium(playwright: Any) -> Iterator[Any]:
    found = playwright.chromium.launch(executable_path=javascript.browser(), args=QUIET)
    yield found
    found.close()


class Looking:
    """A browser's window: what it asked for, and what went wrong in it."""

    def __init__(self, context: Any, origin: str) -> None:
        self.context = context
        self.page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.origin = origin
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}") or dialog.dismiss())
        context.on("request", lambda request: self.requests.append(request.url))

    @property
    def foreign(self) -> list[str]:
        return [url for url in self.requests if not url.startswith((f"{self.origin}/", "data:", "blob:"))]


@pytest.fixture
def look(chromium: Any, playwright: Any) -> Iterator[Callable[..., Looking]]:
    """Open windows on a server; they close with the test."""
    opened = []

    def start(server: Server, device: str = "", **options: Any) -> Looking:
        options = {**(playwright.devices[device] if device else DESKTOP), **options}
        context = chromium.new_context(
            base_url=server.url, service_workers=options.pop("service_workers", "block"), **options
        )
        opened.append(context)
        return Looking(context, server.url)

    yield start
    for context in opened:
        context.close()


class Visitor:
    """Somebody with a browser that keeps cookies, without the browser."""

    def __init__(self, server: Server) -> None:
        self.client = httpx.Client(base_url=server.url, timeout=30)

    def token(self, path: str = "/login") -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.client.get(path, follow_redirects=True).text)
        if found is None:
            found = re.search(r'data-csrf="([0-9a-f]+)"', self.client.get(path, follow_redirects=True).text)
        assert found is not None
        return found[1]

    def post(self, path: str, **fields: Any) -> httpx.Response:
        return self.client.post(path, data={"csrf": self.token("/issues"), **fields})

    def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.client.post("/login", data={"csrf": self.token(), "name": name, "password": password})


@pytest.fixture
def visitor() -> Iterator[Callable[[Server], Visitor]]:
    made: list[Visitor] = []

    def make(server: Server) -> Visitor:
        made.append(Visitor(server))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


def add_user(server: Server, name: str, role: str) -> None:
    with core.open_vault(str(server.home)) as store:
        users.add_user(store, name, role, PASSWORD, core_now())


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
