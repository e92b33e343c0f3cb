"""The application in this process, on a real vault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from crashvault import auth, clock, core
from crashvault.api.node import Node, default_settings
from crashvault.api.routes import application
from crashvault.auth import Keyring
from crashvault.pipeline import record_events
from crashvault.storage.store import Store


class Api:
    """A node with its application, and a client of it."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.node = Node(str(home), default_settings(**settings))
        self.node.keyring = Keyring(self.node.open_store)
        self.app = application(self.node)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    @property
    def store(self) -> Store:
        return core.open_vault(self.node.home)

    def record(self, *raws: dict[str, Any], project: str = "default") -> list[Any]:
        with self.store as store:
            if store.projects.find(project) is None:
                store.projects.add(project, clock.now())
            return record_events(store, list(raws), project=project)

    def key(self, *scopes: str, project: str | None = None) -> dict[str, str]:
        """Headers of somebody with a new key."""
        with self.store as store:
            name = f"key {len(store.keys.list())}"
            _, key = auth.create_key(store, name, scopes, project=project, now=clock.now())
        return {"Authorization": f"Bearer {key}"}

    def close(self) -> None:
        self.client.close()
        self.node.keyring.close()
        self.node.close()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    found = Api(tmp_path / "vault")
    yield found
    found.close()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Api]:
    """The same, where everybody needs a key."""
    found = Api(tmp_path / "vault", auth="required")
    yield found
    found.close()
