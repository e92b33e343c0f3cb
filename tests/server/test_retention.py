"""A server applies the retention policies, in a process beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from .conftest import Server

PATH = "/api/v1/retention"
PATIENCE = 60.0  # seconds


def last_run(server: Server, at_least: Callable[[Any], bool]) -> Any:
    """What the server says of the last run, once it is the one that is waited for."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = server.get(PATH).json()["last_run"]
        if found and at_least(found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no such run: {found}")


def test_it_runs_by_itself_and_when_asked(serve: Callable[..., Server]) -> None:
    server = serve()
    events = [{"message": f"m {n}", "fingerprint": ["x"]} for n in range(20)]
    assert server.post("/api/v1/batch", json={"events": events}).json()["processed"] == 20
    assert server.post(PATH, json={"kind": "max-events", "value": "10"}).status_code == 201
    first = last_run(server, lambda run: True)
    assert first["evicted"] == 10
    assert server.post("/api/v1/batch", json={"events": events}).json()["processed"] == 20
    assert server.post(f"{PATH}/run").status_code == 202
    assert last_run(server, lambda run: run["at"] > first["at"])["evicted"] == 20
    assert server.get("/api/v1/issues/1").json()["count"] == 40
    assert server.get("/api/v1/stats").json()["events"] == 40
    assert server.get(PATH).json()["stored_events"] == 10
    assert "crashvault_stored_events 10.0" in server.get("/metrics").text


def test_a_server_that_is_stopped_ends_its_run(serve: Callable[..., Server]) -> None:
    server = serve()
    for number in range(5):
        events = [{"message": f"m {number} {n}", "fingerprint": [str(n % 50)], "tags": [f"t{n}"]} for n in range(1000)]
        assert server.post("/api/v1/batch", json={"events": events}).json()["processed"] == 1000
    assert server.post(PATH, json={"kind": "max-events", "value": "10"}).status_code == 201
    deadline = time.monotonic() + PATIENCE
    while server.get(PATH).json()["stored_events"] == 5000 and time.monotonic() < deadline:
        time.sleep(0.05)
    server.process.terminate()
    assert server.process.wait(PATIENCE) == 0
    again = serve(home=server.home)
    assert last_run(again, lambda run: True)
    assert again.get("/api/v1/stats").json()["events"] == 5000
    assert again.get(PATH).json()["stored_events"] == 150
    assert httpx.get(f"{again.url}/api/health", timeout=30).status_code == 200
