"""What pages show beyond triage: suspect commits, trends by release, what is not there, TLS, what is shared to the app."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from tests.analysis.histories import GIT
from tests.web.conftest import PASSWORD, add_user

pytestmark = pytest.mark.xdist_group("chromium")

BEFORE = 'def price_of(name):\n    return PRICES.get(name, 1)\n\nPRICES = {"apple": 2}\n'
AFTER = 'def price_of(name):\n    return PRICES[name]\n\nPRICES = {"apple": 2}\n'


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Ana & Bob", "-c", "user.email=ana@example.com"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, env=GIT)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in which a commit removed a default."""
    folder = tmp_path / "shop"
    (folder / "shop").mkdir(parents=True)
    git(folder, "init", "-q")
    for number, (content, message) in enumerate(((BEFORE, "Add prices"), (AFTER, "Read prices <i>quickly</i>"))):
        (folder / "shop" / "prices.py").write_text(content)
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", message)
        git(folder, "tag", f"1.{number}")
    return folder


CRASH = {
    "exception": {"type": "KeyError", "value": "'pear'"}, "release": "shop@1.1",
    "frames": [{"file": "shop/prices.py", "line": 2, "function": "price_of", "context_line": "    return PRICES[name]", "in_app": True}],
}  # fmt: skip


def test_suspect_commits(serve: Callable[..., Any], look: Callable[..., Any], repository: Path) -> None:
    server = serve(CRASHVAULT_SERVER_REPOSITORY=str(repository))
    assert server.post("/api/v1/events", json=CRASH).status_code == 201
    window = look(server)
    window.page.goto("/issues/1")
    window.page.get_by_text("Read prices <i>quickly</i>").wait_for()
    said = window.page.locator("#suspects").inner_text()
    assert "Ana & Bob" in said and "wrote the line shop/prices.py:2" in said and "1.0..1.1" in said
    assert window.page.locator("#suspects").count() == 1 and window.wrong == []
    assert "Read prices" in server.get("/issues/1/suspects").text  # without JavaScript it is a page of its own


def test_without_a_repository_there_is_no_such_part(server: Any) -> None:
    server.post("/api/v1/events", json=CRASH)
    assert "suspects" not in server.get("/issues/1").text
    assert server.get("/issues/1/suspects").status_code == 404


def test_trends_by_release(server: Any) -> None:
    for release, count in (("shop@1.0", 3), ("shop@1.1", 2)):
        for _ in range(count):
            server.post("/api/v1/events", json={"message": "x", "release": release, "fingerprint": [release]})
    server.post("/api/v1/events", json={"message": "without one"})
    page = server.get("/trends?by=release").text
    assert '<option value="release" selected>' in page
    assert "shop@1.0 3" in page and "shop@1.1 2" in page
    plot = json.loads(page.partition('data-plot="')[2].partition('"')[0].replace("&#34;", '"'))
    assert {name: sum(counts) for name, counts in plot["lines"].items()} == {"shop@1.0": 3, "shop@1.1": 2}
    assert len(plot["times"]) == len(plot["lines"]["shop@1.0"])


def test_what_is_not_there(server: Any, serve: Callable[..., Any]) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for headers, path, kind in (
        (browser, "/nothing", "text/html"), (browser, "/issues/99", "text/html"), ({}, "/nothing", "application/json"),
        (browser, "/api/v1/nothing", "application/json"), ({"Accept": "application/json"}, "/x/y", "application/json"),
    ):  # fmt: skip
        answer = server.get(path, headers=headers)
        assert answer.status_code == 404 and answer.headers["content-type"].startswith(kind), path
        if kind == "text/html":
            assert (
                'href="/issues">Issues</a></p>' in answer.text
                and "default-src 'none'" in answer.headers["content-security-policy"]
            )
        else:
            assert answer.json()["error"]["code"] == "not_found"
    assert server.post("/issues", headers=browser).headers["content-type"].startswith("application/json")


def test_cookies_are_secure_under_tls(serve: Callable[..., Any], tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = serve("--tls-cert", str(certificate), "--tls-key", str(key), "--auth", "required")
    add_user(server, "ana", "viewer")
    trusted = ssl.create_default_context(cafile=str(certificate))
    with httpx.Client(base_url=server.url, verify=trusted) as client:
        visited = client.get("/login")
        csrf = visited.text.partition('name="csrf" value="')[2].partition('"')[0]
        logged_in = client.post("/login", data={"csrf": csrf, "name": "ana", "password": PASSWORD})
        assert logged_in.status_code == 303
        for answer in (visited, logged_in):
            cookie = answer.headers["set-cookie"].lower()
            assert "; secure" in cookie and "; httponly" in cookie and "; samesite=lax" in cookie
        assert client.get("/issues").status_code == 200


def test_text_that_is_shared_to_the_app(server: Any, look: Callable[..., Any]) -> None:
    server.post("/api/v1/events", json={"message": "the disk of host-7 is full"})
    manifest = server.get("/manifest.webmanifest").json()
    target = manifest["share_target"]
    page = look(server, "Pixel 7").page

    def shared(**given: str) -> None:
        page.goto(f"{target['action']}?{urlencode({target['params'][name]: text for name, text in given.items()})}")

    shared(text="host-7 is full", title="From elsewhere")
    assert page.locator(".issue").count() == 1
    shared(text='Error: "unbalanced (text: of a log\nsecond line')
    assert page.locator(".issue").count() == 0 and page.get_by_role("alert").count() == 0
    shared(text=f"look at this: {server.url}/issues/1?event=x please")
    assert page.url == f"{server.url}/issues/1"
    shared(text="https://evil.example/issues/1")
    assert page.url.startswith(f"{server.url}/issues?query=")
    shared(text="")
    assert page.url == f"{server.url}/issues"


def test_times_are_of_today(server: Any) -> None:
    """The chart of an issue ends with today."""
    server.post("/api/v1/events", json={"message": "x"})
    assert datetime.now(UTC).strftime("%Y-%m") in server.get("/issues/1").text
