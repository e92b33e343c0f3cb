"""Which server serves a vault: its pid file, and what another process can ask of it or tell it.

The file is locked as long as the server lives, so that one left behind by a crash is known as such.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import time
from typing import Any, NamedTuple

from ..core import server_file
from .errors import ServerError

try:
    import fcntl
except ImportError:  # Windows: no server
    fcntl = None  # type: ignore[assignment]

_TRIES = 20  # to have the lock, which those who only ask hold for a moment
_PAUSE = 0.01  # seconds between them
_ANSWER_SECONDS = 5.0


class Running(NamedTuple):
    """A server as its pid file tells of it."""

    pid: int
    url: str
    workers: int
    started_at: str
    needs_key: bool
    spotlight: str | None = None


class PidFile:
    """Who serves a vault. `hold` keeps others away until the process ends."""

    def __init__(self, home: str) -> None:
        self.path = server_file(home)
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Raises ServerError where another server has this vault, and where there can be none."""
        if fcntl is None:
            raise ServerError(
                "the server needs Linux, macOS or another POSIX system",
                "On Windows run it under WSL; all that records, reads and triages works without it",
            )
        for _ in range(_TRIES):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if _locked(descriptor) and _is_at(descriptor, self.path):
                os.ftruncate(descriptor, 0)  # what an earlier server has left is not true of this one
                self._descriptor = descriptor
                return
            os.close(descriptor)
            time.sleep(_PAUSE)
        found = running(os.path.dirname(self.path))
        where = f" (pid {found.pid}) at {found.url}" if found else ""
        raise ServerError(f"a server for this vault runs already{where}", "Stop it with: crashvault server stop")

    def write(self, found: Running) -> None:
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(found._asdict(), indent=2).encode(), 0)

    def release(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            self.forget()

    def forget(self) -> None:
        """Close without giving the vault free: a worker has the lock of its parent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _locked(descriptor: int) -> bool:
    """Take the lock; whether it was free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: str) -> bool:
    """Whether an open file still has its name: a server that ends removes its own."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def running(home: str) -> Running | None:
    """The server of this vault, if one lives."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(server_file(home), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None  # nobody holds it: it was left behind
        return Running(**json.loads(os.pread(descriptor, 65_536, 0)))
    except (ValueError, TypeError):
        return None  # just being written
    finally:
        os.close(descriptor)


def stop(home: str, seconds: float) -> Running | None:
    """End the server of this vault, and wait until it has; None where there is none.

    Raises ServerError where it has not ended in time.
    """
    found = running(home)
    if found is None:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    until = time.monotonic() + seconds
    while (now := running(home)) is not None and now.pid == found.pid:
        if time.monotonic() > until:
            raise ServerError(
                f"the server (pid {found.pid}) has not ended within {seconds:g} s",
                f"It may still be storing; wait, or end it with: kill -9 {found.pid}",
            )
        time.sleep(0.02)
    return found


def health(found: Running) -> dict[str, Any]:
    """What the server itself says of its health."""
    from http.client import HTTPException

    try:
        return dict(json.loads(_asked(found, "/api/health")))
    except (OSError, ValueError, HTTPException) as error:
        return {"status": "unreachable", "reasons": [str(error)]}


def _asked(found: Running, path: str) -> bytes:
    """The body of an answer, over whatever the server listens on."""
    import http.client

    scheme, _, rest = found.url.partition(":")
    connection: http.client.HTTPConnection
    if scheme == "unix":
        connection = http.client.HTTPConnection("localhost", timeout=_ANSWER_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(_ANSWER_SECONDS)
        connection.sock.connect(rest)
    else:
        place = rest.removeprefix("//").replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
        if scheme == "https":  # its certificate is for the name that clients use, not for this address
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(place, timeout=_ANSWER_SECONDS, context=context)
        else:
            connection = http.client.HTTPConnection(place, timeout=_ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()
