"""What must not go wrong around a server: vaults and files that vanish, proxies, few open files, dying workers."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from crashvault import core
from crashvault.serving import pidfile
from crashvault.serving.errors import ServerError

EVENT = {"message": "boom"}
PATIENCE = 20.0  # seconds


def _until(holds: Callable[[], bool]) -> bool:
    """Whether something came to hold in time."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_vault_that_is_gone_is_not_made_anew(server: Any, tmp_path: Path) -> None:
    assert server.post("/api/v1/events", json=EVENT).status_code == 201
    away = tmp_path / "away"
    server.home.rename(away)
    for _ in range(3):
        assert server.post("/api/v1/events", json=EVENT).status_code == 503
        assert server.get("/api/health/ready").status_code == 503
    assert not (server.home / "vault.db").exists()
    if server.home.exists():  # the logs go on
        for path in sorted(server.home.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        server.home.rmdir()
    away.rename(server.home)
    assert _until(lambda: server.post("/api/v1/events", json=EVENT).status_code == 201)
    assert len(server.events()) >= 2


def test_ready_comes_back_without_an_event(server: Any, tmp_path: Path) -> None:
    """Who takes no events while it is not ready must not wait for one."""
    away = tmp_path / "away.db"
    vault = server.home / "vault.db"
    vault.rename(away)
    assert server.post("/api/v1/events", json=EVENT).status_code == 503
    assert server.get("/api/health/ready").status_code == 503
    vault.unlink(missing_ok=True)
    away.rename(vault)
    assert _until(lambda: server.get("/api/health/ready").status_code == 200)


@pytest.mark.parametrize(
    "settings", [{}, {"server.trusted_proxies": "127.0.0.1", "server.public_url": "https://c.example"}]
)
def test_a_proxy_does_not_open_a_server_that_trusts_this_machine(
    serve: Callable[..., Any], settings: dict[str, str]
) -> None:
    server = serve(config=settings)
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    if settings:
        headers["Host"] = "c.example"
    answer = server.get("/api/v1/issues", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "proxied")


def test_a_proxy_before_a_unix_socket_does_not_open_it_to_all(serve: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "s"
    serve("--unix-socket", str(path))
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as client:
        assert client.get("/api/v1/issues").status_code == 200
        assert client.get("/api/v1/issues", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403


def test_a_file_in_the_place_of_the_socket_stays(serve: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("precious")
    with pytest.raises(RuntimeError, match="cannot listen"):
        serve("--unix-socket", str(path))
    assert path.read_text() == "precious"


def test_a_socket_left_behind_is_taken_over(serve: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    serve("--unix-socket", str(path))


def test_more_connections_than_a_login_may_open_files(tmp_path: Path, serve: Callable[..., Any]) -> None:
    """Systems allow 1,024 open files at first, and many more to who asks."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = None
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        server = serve()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    host, _, port = server.url.partition("://")[2].partition(":")
    idle = []
    try:
        for _ in range(600):
            idle.append(socket.create_connection((host, int(port)), timeout=5))
        assert server.post("/api/v1/events", json=EVENT).status_code == 201
    finally:
        for one in idle:
            one.close()


def test_a_restarted_server_has_the_lease_at_once(serve: Callable[..., Any]) -> None:
    """Whoever restores a backup looks at it."""
    first = serve()
    assert _until(lambda: _holder(first.home) is not None)
    first.stop(signal.SIGKILL)
    before = _holder(first.home)
    second = serve(home=first.home)
    end = time.monotonic() + 3
    while _holder(second.home) in (None, before) and time.monotonic() < end:
        time.sleep(0.05)
    assert _holder(second.home) not in (None, before)


def _holder(home: Path) -> str | None:
    from crashvault import clock

    with core.open_vault(str(home)) as store:
        lease = store.leases.live("server", clock.now())
        return lease.holder if lease else None


def test_asking_for_a_server_never_keeps_one_from_starting(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    home.mkdir()
    asking = subprocess.Popen(
        [sys.executable, "-c", f"from crashvault.serving import pidfile\nwhile True: pidfile.running({str(home)!r})"]
    )
    try:
        (home / "server.pid").touch()
        for _ in range(300):
            held = pidfile.PidFile(str(home))
            held.hold()
            held.forget()
    finally:
        asking.kill()
        asking.wait()


def test_a_pid_file_is_not_held_by_two(tmp_path: Path) -> None:
    """One that was removed between being opened and being locked is nobody's."""
    first, second = pidfile.PidFile(str(tmp_path)), pidfile.PidFile(str(tmp_path))
    first.hold()
    with pytest.raises(ServerError):
        second.hold()
    first.release()
    second.hold()
    assert os.path.exists(second.path)
    second.release()


def test_status_of_a_server_that_hangs(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve()
    found = pidfile.running(str(server.home))
    assert found is not None
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    with silent:
        answering = found._replace(url=f"http://127.0.0.1:{silent.getsockname()[1]}")

        import threading

        def nonsense() -> None:
            one, _ = silent.accept()
            one.recv(1_000)
            one.sendall(b"nonsense\r\n\r\n")
            one.close()

        thread = threading.Thread(target=nonsense)
        thread.start()
        assert pidfile.health(answering)["status"] == "unreachable"
        thread.join()


def test_the_process_is_in_the_metrics_of_several_workers(serve: Callable[..., Any]) -> None:
    server = serve("--workers", "2")
    page = server.get("/metrics").text
    assert page.count("crashvault_process_resident_memory_bytes{") == 2
    assert page.count("crashvault_process_cpu_seconds") >= 2


def test_a_worker_comes_back_when_the_store_does(serve: Callable[..., Any], tmp_path: Path) -> None:
    """While the vault is away a worker cannot be started again; that is no reason for the server to end."""
    server = serve("--workers", "2")
    workers = _children(server.process.pid)
    away = tmp_path / "away.db"
    (server.home / "vault.db").rename(away)
    os.kill(min(workers), signal.SIGKILL)
    log = server.home / "logs" / "app.log"
    assert _until(lambda: "worker could not be started again" in log.read_text())
    assert server.process.poll() is None
    (server.home / "vault.db").unlink(missing_ok=True)
    away.rename(server.home / "vault.db")
    assert _until(lambda: len(_children(server.process.pid)) == 2)
    assert _until(lambda: server.post("/api/v1/events", json=EVENT).status_code == 201)
    assert server.stop() == 0


def _children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(word) for word in text.split()}


def test_logs_as_json(server: Any) -> None:
    assert server.get("/api/health?key=cv_secret", headers={"X-Request-ID": "mine"}).status_code == 200
    assert _until(lambda: bool(_logs(server, "--access")))
    (request,) = [line for line in _logs(server, "--access") if line["path"] == "/api/health"]
    assert (request["status"], request["method"], request["level"]) == ("200", "GET", "info")
    assert "cv_secret" not in str(request)
    assert "server started" in [line["message"] for line in _logs(server)]


def _logs(server: Any, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "crashvault", "--home", str(server.home), "--json", "server", "logs", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_body_that_does_not_go_on(serve: Callable[..., Any]) -> None:
    server = serve(CRASHVAULT_SERVER_BODY_TIMEOUT="1")
    host, _, port = server.url.partition("://")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=15) as one:
        one.sendall(b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        received = b""
        while piece := one.recv(65_536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ") and json.loads(body)["error"]["code"]
    assert server.get("/api/health/live").status_code == 200


def test_what_the_http_layer_refuses_is_in_the_access_log(server: Any) -> None:
    host, _, port = server.url.partition("://")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as one:
        one.sendall(b"nonsense\r\n\r\n")
        assert b" 400 " in one.recv(1_000)
    log = server.home / "logs" / "access.log"
    assert _until(lambda: log.exists() and "refused=bad_request" in log.read_text())
