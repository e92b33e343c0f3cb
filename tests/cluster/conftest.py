"""Nodes on database servers that the test stops and kills."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("faults", "notify")]

from tests.server.conftest import Server  # noqa: E402

import clusters  # noqa: E402
from crashvault.config import DATABASE_VARIABLE  # noqa: E402
from crashvault.storage.store import Store, open_postgres  # noqa: E402

PATIENCE = 90.0  # seconds


@pytest.fixture(scope="module")
def _running() -> Iterator[clusters.Database]:
    with clusters.running() as database:
        yield database


@pytest.fixture
def primary(_running: clusters.Database) -> clusters.Database:
    """A server with a new database. Whoever ends it starts it again."""
    _running.make_database()
    return _running


Start = Callable[..., Server]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Start]:
    """Start nodes by name; each keeps its directory. They end with the test."""
    started: list[Server] = []

    def start(name: str, url: str, *options: str, **environment: str) -> Server:
        started.append(Server(tmp_path / name, options, {DATABASE_VARIABLE: url, **environment}))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGKILL)


def wait_for(what: Callable[[], Any], about: str = "") -> Any:
    """The first answer that is true."""
    until = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < until, about or what
        time.sleep(0.05)
    return found


def opened(tmp_path: Path, url: str) -> Store:
    return open_postgres(str(tmp_path / "looking"), url)


def events_in(tmp_path: Path, url: str) -> list[dict[str, Any]]:
    """All events of the vault, in the order in which they were stored."""
    with opened(tmp_path, url) as store:
        return [dict(item.event) for item in store.events.load(list(store.events.all_rows()))]
