"""The life of a server: start, background, stop, workers, killed at any moment, what it listens on."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from crashvault import clock, core

ROUNDS = int(os.environ.get("CRASHVAULT_FAULT_ROUNDS", "1"))


def crashvault(home: Path, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CRASHVAULT_HOME": str(home), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "crashvault", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(holds: Callable[[], Any], seconds: float = 15) -> Any:
    """What `holds` gives once that is true."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def test_background_status_logs_and_stop(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    started = crashvault(home, "server", "start", "--port", "0", "--background", "--workers", "2", "--json")
    assert started.returncode == 0, started.stderr
    told = json.loads(started.stdout)
    try:
        assert httpx.post(f"{told['url']}/api/v1/events", json={"message": "no"}).status_code == 201
        status = json.loads(crashvault(home, "server", "status", "--json").stdout)
        assert (status["running"], status["pid"], status["workers"]) == (True, told["pid"], 2)
        assert status["health"]["status"] == "ok"
        twice = crashvault(home, "server", "start", "--port", "0", "--background")
        assert twice.returncode == 1 and twice.stderr.startswith("Error: a server for this vault runs already")
        again = crashvault(home, "server", "start", "--port", "0")
        assert again.returncode == 1 and "server stop" in again.stderr
        assert "server started" in crashvault(home, "server", "logs").stdout
    finally:
        stopped = crashvault(home, "server", "stop", "--json")
    assert json.loads(stopped.stdout) == {"stopped": True, "pid": told["pid"]}
    assert "path=/api/v1/events" in crashvault(home, "server", "logs", "--access").stdout
    assert crashvault(home, "server", "status").returncode == 1
    assert "No server" in crashvault(home, "server", "stop").stdout
    with core.open_vault(str(home)) as store:
        assert store.leases.live("server", clock.now()) is None


def test_a_background_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for more in ((), ("--background",)):
            done = crashvault(tmp_path / "vault", "server", "start", "--port", str(port), *more)
            assert done.returncode == 1
            assert done.stderr.startswith(f"Error: cannot listen on 127.0.0.1:{port}"), done.stderr
            assert "--port" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_pid_file_left_behind_is_no_server(serve: Callable[..., Any]) -> None:
    server = serve()
    server.stop(signal.SIGKILL)
    assert (server.home / "server.pid").exists()
    assert crashvault(server.home, "server", "status").returncode == 1
    assert serve().get("/api/health").json()["status"] == "ok"


def test_followed_logs_show_what_comes(server: Any) -> None:
    command = [sys.executable, "-m", "crashvault", "server", "logs", "--access", "-f", "-n", "0"]
    environment = {**os.environ, "CRASHVAULT_HOME": str(server.home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as follower:
        timer = threading.Timer(20, follower.kill)
        timer.start()
        stop = threading.Event()

        def ask() -> None:
            while not stop.wait(0.1):
                server.get("/api/health/live")

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            assert follower.stdout is not None
            assert "path=/api/health/live" in follower.stdout.readline()
        finally:
            stop.set()
            asking.join()
            timer.cancel()
            follower.kill()


def _events_until(server: Any, stop: threading.Event, name: str) -> list[str]:
    """Send events until told to stop; the ids of those that were acknowledged."""
    acknowledged = []
    with httpx.Client(base_url=server.url, timeout=10) as client:
        while not stop.is_set():
            event_id = str(uuid.uuid4())
            try:
                answer = client.post("/api/v1/events", json={"message": f"failure of {name}", "event_id": event_id})
            except httpx.HTTPError:
                continue
            if answer.status_code == 201:
                acknowledged.append(event_id)
            else:
                assert answer.status_code == 503 and "retry-after" in answer.headers
    return acknowledged


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_stores_all_that_was_accepted(serve: Callable[..., Any], workers: int) -> None:
    server = serve("--workers", str(workers))
    stop = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        senders = [pool.submit(_events_until, server, stop, f"t{number}") for number in range(8)]
        until(lambda: len(server.events()) > 50)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=30)
        stop.set()
        acknowledged = [event_id for sender in senders for event_id in sender.result()]
    assert server.process.returncode == 0
    stored = [event["event_id"] for event in server.events()]
    assert len(stored) == len(set(stored))
    assert set(stored) >= set(acknowledged)


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_under_load_loses_nothing_acknowledged(serve: Callable[..., Any], workers: int) -> None:
    random = Random(workers)
    acknowledged: set[str] = set()
    for _ in range(3 * ROUNDS):
        server = serve("--workers", str(workers))
        stop = threading.Event()
        with ThreadPoolExecutor(6) as pool:
            senders = [pool.submit(_events_until, server, stop, f"t{number}") for number in range(6)]
            time.sleep(0.1 + random.random() * 0.4)  # the moment is what is tried
            server.stop(signal.SIGKILL)
            stop.set()
            for sender in senders:
                acknowledged.update(sender.result())
        with core.open_vault(str(server.home)) as store:
            assert not [one for _, found in core.examine(store, deep=True) for one in found if one.severity == "error"]
        stored = [event["event_id"] for event in server.events()]
        assert len(stored) == len(set(stored))
        assert set(stored) >= acknowledged
    assert acknowledged


def test_a_worker_that_dies_is_started_again(serve: Callable[..., Any]) -> None:
    server = serve("--workers", "2")
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    before = set(children.read_text().split())
    victim = sorted(before)[0]
    os.kill(int(victim), signal.SIGKILL)
    after = until(
        lambda: (found := set(children.read_text().split())) - {victim} and len(found - {victim}) == 2 and found
    )
    assert victim not in after
    assert all(server.post("/api/v1/events", json={"message": "on"}).status_code == 201 for _ in range(10))
    assert server.stop() == 0


def test_workers_end_with_a_killed_parent(serve: Callable[..., Any]) -> None:
    server = serve("--workers", "2")
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    server.stop(signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_tls(serve: Callable[..., Any], tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = serve("--tls-cert", str(certificate), "--tls-key", str(key))
    assert server.url.startswith("https://")
    trusted = ssl.create_default_context(cafile=str(certificate))
    assert httpx.get(f"{server.url}/api/health", verify=trusted).json()["status"] == "ok"
    assert json.loads(crashvault(server.home, "server", "status", "--json").stdout)["health"]["status"] == "ok"
    server.stop()
    key.write_text("nothing")
    with pytest.raises(RuntimeError, match=r"^Error: the certificate .* cannot be used"):
        serve("--tls-cert", str(certificate), "--tls-key", str(key))
    with pytest.raises(RuntimeError, match="--tls-key"):
        serve("--tls-cert", str(certificate))


def test_unix_socket(serve: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = serve("--unix-socket", str(path))
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://anything") as client:
        assert client.post("/api/v1/events", json={"message": "through a socket"}).status_code == 201
    assert json.loads(crashvault(server.home, "server", "status", "--json").stdout)["health"]["status"] == "ok"
    assert server.stop() == 0
    assert not path.exists()


def test_spotlight_takes_envelopes_without_a_key(serve: Callable[..., Any]) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8969)) == 0:
            pytest.skip("something listens on Spotlight's port")
    serve("--spotlight", "--auth", "required")
    body = b'{}\n{"type":"event"}\n{"message":"shown to spotlight"}\n'
    answer = httpx.post("http://127.0.0.1:8969/stream", content=body, headers={"Origin": "http://localhost:3000"})
    assert answer.status_code == 200
    assert answer.headers["x-powered-by"] == "spotlight-by-sentry"
    assert answer.headers["access-control-allow-origin"] in ("*", "http://localhost:3000")
    assert httpx.get("http://127.0.0.1:8969/health").status_code == 200
    assert httpx.get("http://127.0.0.1:8969/api/v1/issues").status_code == 404


@pytest.mark.vault_file
def test_ready_fails_while_the_store_is_away(server: Any) -> None:
    assert server.get("/api/health/ready").status_code == 200
    hidden = server.home.with_name("hidden")
    server.home.rename(hidden)
    try:
        answer = server.get("/api/health/ready")
        assert answer.status_code == 503 and answer.json()["reasons"]
        assert server.get("/api/health/live").status_code == 200
    finally:
        hidden.rename(server.home)
    until(lambda: server.get("/api/health/ready").status_code == 200)
    assert server.post("/api/v1/events", json={"message": "back"}).status_code == 201


def test_the_command_line_beside_a_loaded_server(server: Any) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(_events_until, server, stop, f"t{number}") for number in range(4)]
        try:
            for number in range(5):
                for arguments in (
                    ("add", f"by hand {number}"),
                    ("list",),
                    ("search", "failure"),
                    ("tail", "--no-follow"),
                ):
                    done = crashvault(server.home, *arguments)
                    assert done.returncode == 0, done.stderr
        finally:
            stop.set()
        sent = sum(len(sender.result()) for sender in senders)
    assert len(server.events()) == sent + 5
