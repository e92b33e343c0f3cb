"""The example applications, as their guides say: each crashes, the server records it, and tells the application of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import ROOT

from crashvault import core
from crashvault.notify import manage
from crashvault.notify.signing import new_secret, signature_headers

from . import javascript

EXAMPLES = ROOT / "examples"
PATIENCE = 40.0  # seconds
PYTHON = ["django", "fastapi", "flask"]


def until(found: Callable[[], Any], what: str) -> Any:
    """What `found` answers once that is something; the test fails when it takes too long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str], log: Path) -> Iterator[str]:
    """An application that answers; its address."""
    url = f"http://127.0.0.1:{port}"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")}
    variables |= {"PORT": str(port), "NO_PROXY": "127.0.0.1", **environment}
    with log.open("wb") as output, subprocess.Popen(command, env=variables, stdout=output, stderr=output) as process:
        try:
            until(lambda: process.poll() is not None or answers(f"{url}/heard"), "the application to start")
            assert process.poll() is None, log.read_text()
            yield url
        finally:
            process.kill()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def add_webhook(home: Path, url: str, **given: Any) -> str:
    """Make a webhook; its secret."""
    with core.open_vault(str(home)) as store:
        made = manage.add(store, "http", {"url": url, **given}, allow_private=True)
        assert made.secret is not None
        return made.secret


def exercise(name: str, command: list[str], serve: Callable[..., Any], tmp_path: Path, **environment: str) -> None:
    server = serve(config={"webhook.allow_private": "true"})
    port = free_port()
    secret = add_webhook(server.home, f"http://127.0.0.1:{port}/crashvault", on=["new-issue", "regression"])
    variables = {"SENTRY_DSN": server.dsn, "WEBHOOK_SECRET": secret, **environment}
    with running(command, port, variables, tmp_path / "log") as url:
        assert httpx.get(f"{url}/orders/2", timeout=10).json()["price"] in (19, "19.00")
        assert httpx.get(f"{url}/orders/3", timeout=10).status_code == 500
        (heard,) = until(lambda: httpx.get(f"{url}/heard", timeout=10).json(), "the webhook")
        assert heard["type"] == "crashvault.issue.new" and heard["title"].startswith(("KeyError", "TypeError"))
        refuses_what_is_not_signed(f"{url}/crashvault", secret)
        with core.open_vault(str(server.home)) as store:
            made = manage.test(store, store.webhooks.require("http"))
        assert made.verdict.delivered, made
        told = httpx.get(f"{url}/heard", timeout=10).json()
        assert told == [heard, {"type": "crashvault.test", "title": None}]
    (event,) = server.get("/api/v1/events").json()["items"]
    assert (event["release"], event["environment"]) == ("shop@1.4.2", "demo")


def refuses_what_is_not_signed(url: str, secret: str) -> None:
    body = b'{"type": "crashvault.issue.new", "data": {"issue": {"title": "forged"}}}'
    now = int(time.time())
    other = {**signature_headers([new_secret()], "m1", now, body)}
    old = {**signature_headers([secret], "m2", now - 3_600, body)}
    changed = {**signature_headers([secret], "m3", now, body + b" ")}
    for headers in ({}, other, old, changed, {**other, "webhook-signature": "v1,größe".encode().decode("latin-1")}):
        sent = {name: value.encode("latin-1", "replace") for name, value in headers.items()}
        assert httpx.post(url, content=body, headers=sent, timeout=10).status_code == 401, headers


@pytest.mark.parametrize("name", PYTHON)
def test_python(name: str, serve: Callable[..., Any], tmp_path: Path) -> None:
    exercise(name, [sys.executable, str(EXAMPLES / name / "app.py")], serve, tmp_path)


@pytest.mark.xdist_group("npm")
def test_express(serve: Callable[..., Any], tmp_path: Path) -> None:
    modules = javascript.example_modules(EXAMPLES / "express" / "package.json")
    exercise(
        "express",
        ["node", str(EXAMPLES / "express" / "app.js")],
        serve,
        tmp_path,
        NODE_PATH=str(modules / "node_modules"),
    )


def test_while_the_secret_is_changed_nothing_is_missed(serve: Callable[..., Any], tmp_path: Path) -> None:
    """An application that still has the old secret hears what is signed with both, as docs/webhooks.md says."""
    server = serve(config={"webhook.allow_private": "true"})
    port = free_port()
    secret = add_webhook(server.home, f"http://127.0.0.1:{port}/crashvault", name="shop")
    with core.open_vault(str(server.home)) as store:
        changed = manage.edit(store, store.webhooks.require("shop"), {"rotate": True}, allow_private=True)
    assert changed.secret and changed.secret != secret
    variables = {"SENTRY_DSN": server.dsn, "WEBHOOK_SECRET": secret}
    with running([sys.executable, str(EXAMPLES / "flask" / "app.py")], port, variables, tmp_path / "log") as url:
        assert httpx.get(f"{url}/orders/3", timeout=10).status_code == 500
        assert len(until(lambda: httpx.get(f"{url}/heard", timeout=10).json(), "the webhook")) == 1


@pytest.mark.parametrize("name", [*PYTHON, "express"])
def test_each_has_a_guide_that_names_what_it_uses(name: str) -> None:
    guide = (EXAMPLES / name / "README.md").read_text("utf-8")
    program = next(path for path in (EXAMPLES / name).iterdir() if path.stem == "app")
    for part in ("SENTRY_DSN", "WEBHOOK_SECRET", "/crashvault", "/orders/3", "/heard", program.name):
        assert part in guide, part
    source = program.read_text("utf-8")
    blocks = [block.split("```")[0].partition("\n")[2] for block in guide.split("```")[1::2]]
    shown = [block for block in guide.split("```")[1::2] if block.startswith(("python\n", "js\n"))]
    assert blocks and shown
    for block in shown:
        for line in block.splitlines()[1:]:
            assert not line.strip() or line.strip() == "…" or line in source.splitlines(), line
