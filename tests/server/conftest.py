"""Real server processes, each on a free port and with a vault of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from crashvault import auth, core


class Server:
    """A server that has said that it serves."""

    def __init__(self, home: Path, options: tuple[str, ...], environment: dict[str, str]) -> None:
        self.home = home
        command = [sys.executable, "-m", "crashvault", "--json", "server", "start", *options]
        if "--unix-socket" not in options and "--port" not in options:
            command += ["--port", "0"]
        self.process = subprocess.Popen(
            command, env={**os.environ, "CRASHVAULT_HOME": str(home), **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        if first != "{\n":
            out, err = self.process.communicate(timeout=30)
            raise RuntimeError(f"{first}{out}{err}")
        lines = [first]
        while lines[-1] != "}\n":
            lines.append(self.process.stdout.readline())
        self.told: dict[str, Any] = json.loads("".join(lines))
        self.url: str = self.told["url"]
        self.dsn: str = self.told["dsn"]

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", timeout=30, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30, **options)

    def envelope(
        self, *items: tuple[dict[str, Any], bytes], header: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """Send an envelope to project 1."""
        body = json.dumps(header or {}).encode() + b"\n"
        for item, payload in items:
            body += json.dumps({"length": len(payload), **item}).encode() + b"\n" + payload + b"\n"
        return self.post(f"/api/1/envelope/?sentry_key={self.public_key}", content=body, **options)

    @property
    def public_key(self) -> str:
        return self.dsn.partition("://")[2].partition("@")[0]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode

    def events(self) -> list[dict[str, Any]]:
        """All events of the vault, oldest first."""
        with core.open_vault(str(self.home)) as store:
            return [dict(item.event) for item in store.events.load(list(store.events.all_rows()))]

    def drops(self) -> dict[tuple[str, str, str], int]:
        with core.open_vault(str(self.home)) as store:
            return {(drop.reason, drop.source, drop.category): drop.count for drop in store.ledger.list()}

    def key(self, *scopes: str, project: str | None = None) -> str:
        with core.open_vault(str(self.home)) as store:
            return auth.create_key(store, "-".join(scopes), scopes, project=project, now=core_now())[1]


def core_now() -> int:
    from crashvault import clock

    return clock.now()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers; they end with the test."""
    started: list[Server] = []

    def start(
        *options: str, home: Path | None = None, config: dict[str, Any] | None = None, **environment: str
    ) -> Server:
        home = home or tmp_path / "vault"
        if config:
            with core.open_vault(str(home)) as store:
                for key, value in config.items():
                    core.set_setting(store, key, value, core_now())
        started.append(Server(home, options, environment))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGKILL)


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()
