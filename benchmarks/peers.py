"""Servers that take Sentry envelopes, started for one run: ours, Bugsink, and an endpoint that does nothing."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import measure

_START_SECONDS = 60
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

# What a request costs in this stack before anything is done with it: the ceiling of every server built on it.
_NOOP = """
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})

import sys, uvicorn
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off", loop="uvloop", http="httptools")
"""

_BUGSINK_PROJECT = """
from projects.models import Project
from teams.models import Team
team = Team.objects.create(name="t")
project = Project.objects.create(name="p", team=team)
print("KEY", project.id, project.sentry_key.hex)
"""
_BUGSINK_WITHOUT_LIMITS = """
BUGSINK["BASE_URL"] = "http://127.0.0.1:{port}"
BUGSINK.update({{f"MAX_EVENTS_{{where}}{{span}}": 10**9
    for where in ("", "PER_PROJECT_") for span in ("PER_5_MINUTES", "PER_HOUR", "PER_MONTH")}})
ALLOWED_HOSTS = ["*"]
SECURE_PROXY_SSL_HEADER = None
"""


class Server(NamedTuple):
    """A server that runs."""

    host: str
    port: int
    path: str  # of its envelope endpoint, with the key
    processes: list[subprocess.Popen[bytes]]
    stored: Callable[[], int | None]  # events that can be read back; None where nothing is stored

    def cpu(self) -> float:
        """Seconds of processor time of its processes and their children until now."""
        return sum(_cpu(pid) for pid in self.pids())

    def memory(self) -> int:
        """Bytes that its processes occupy together."""
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE for pid in self.pids())

    def pids(self) -> list[int]:
        found = [process.pid for process in self.processes]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return found

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / _TICKS


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes], path: str = "/") -> None:
    """Return when the server answers at all. Raises RuntimeError."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {process.args!r}")


def noop(folder: Path) -> Server:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _NOOP, str(port)], env=measure.environment())
    _wait(port, process)
    return Server("127.0.0.1", port, "/", [process], lambda: None)


def crashvault(folder: Path, options: Sequence[str] = (), url: str = "") -> Server:
    """Ours, on SQLite, or on the PostgreSQL database at `url`."""
    home = folder / "vault"
    port = free_port()
    command = [*measure.crashvault_command(), "server", "start", "--port", str(port), *options]
    environment = {**measure.environment(home), **({"CRASHVAULT_DATABASE_URL": url} if url else {})}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _wait(port, process, "/api/health/ready")
    sql = "SELECT count(*) FROM events"
    count: Callable[[], int | None] = lambda: _count_in(url, sql) if url else _count(home / "vault.db", sql)
    return Server("127.0.0.1", port, "/api/1/envelope/?sentry_key=" + "0" * 32, [process], count)


def _count_in(url: str, sql: str) -> int:
    import psycopg

    with psycopg.connect(url) as connection:
        row = connection.execute(sql).fetchone()  # type: ignore[call-overload]
        return int(row[0])


def bugsink(folder: Path, python: str) -> Server:
    """Bugsink in the environment of that interpreter, set up as its installation guide says, without its quotas."""
    scripts = Path(python).parent
    port = free_port()
    env = {**measure.environment(), "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "bugsink_conf"}
    (folder / "snappea" / "wakeup").mkdir(parents=True)
    (folder / "ingestion").mkdir()

    def run(*command: str) -> str:
        return subprocess.run([str(scripts / command[0]), *command[1:]], cwd=folder, env=env, check=True,
                              capture_output=True, text=True).stdout  # fmt: skip

    run("bugsink-create-conf", "--template", "singleserver", "--host", "127.0.0.1", "--base-dir", str(folder))
    with (folder / "bugsink_conf.py").open("a") as file:
        file.write(_BUGSINK_WITHOUT_LIMITS.format(port=port))
    run("bugsink-manage", "migrate")
    run("bugsink-manage", "migrate", "--database=snappea")
    _, project, key = (
        run("bugsink-manage", "shell", "-c", _BUGSINK_PROJECT)
        .partition("KEY ")[2]
        .partition("\n")[0]
        .join(("KEY ", ""))
        .split()
    )
    with (folder / "log").open("wb") as log:
        web = subprocess.Popen(
            [str(scripts / "gunicorn"), f"--bind=127.0.0.1:{port}", "--workers=4", "--timeout=60", "bugsink.wsgi"],
            cwd=folder, env=env, stdout=log, stderr=log,
        )  # fmt: skip
        digest = subprocess.Popen([str(scripts / "bugsink-runsnappea")], cwd=folder, env=env, stdout=log, stderr=log)
    _wait(port, web)
    return Server("127.0.0.1", port, f"/api/{project}/envelope/?sentry_key={key}", [web, digest],
                  lambda: _count(folder / "db.sqlite3", "SELECT count(*) FROM events_event"))  # fmt: skip


def _count(path: Path, sql: str) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return int(connection.execute(sql).fetchone()[0])
    finally:
        connection.close()
