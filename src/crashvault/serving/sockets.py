"""The sockets that a server listens on, made before its workers, and its certificate looked at before all."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import stat
from typing import Any, NamedTuple

from .errors import ServerError

MAIN, SPOTLIGHT = "main", "spotlight"  # listeners
SPOTLIGHT_PORT = 8969
BACKLOG = 2_048


class Listener(NamedTuple):
    name: str  # MAIN or SPOTLIGHT
    socket: socket.socket
    url: str


def _listen(host: str, port: int) -> socket.socket:
    """Raises ServerError that says why that address can't be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServerError(f"{host} is no address of this machine ({error.strerror})", "Try --host 127.0.0.1") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise ServerError(f"cannot listen on {host}:{port} ({error.strerror})", _hint(error, port)) from error
    made.set_inheritable(True)
    return made


def _hint(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Another program uses it; choose another with --port, such as --port {port + 1 if port < 65_535 else 0}"
    if error.errno == errno.EACCES:
        return "Ports below 1024 need root; choose another with --port, and put a proxy before it"
    return "Choose another with --host and --port"


def _listen_unix(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_dead(path)
        made.bind(path)
        os.chmod(path, 0o660)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise ServerError(f"cannot listen on {path} ({error.strerror})", "Choose another path") from error
    return made


def _remove_dead(path: str) -> None:
    """Take away a socket that nobody listens on. Raises OSError for one that is in use, and for what is no socket."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file of that name")
    except FileNotFoundError:
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as asking:
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def listeners(settings: Any, *, spotlight: bool) -> list[Listener]:
    scheme = "https" if settings.tls_cert else "http"
    if settings.unix_socket:
        made = [Listener(MAIN, _listen_unix(settings.unix_socket), f"unix:{settings.unix_socket}")]
    else:
        bound = _listen(settings.host, settings.port)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        made = [Listener(MAIN, bound, f"{scheme}://{host}:{bound.getsockname()[1]}")]
    if spotlight:
        made.append(
            Listener(SPOTLIGHT, _listen("127.0.0.1", SPOTLIGHT_PORT), f"http://127.0.0.1:{SPOTLIGHT_PORT}/stream")
        )
    return made


def check_tls(settings: Any) -> None:
    """Raises ServerError for a certificate that cannot be used, before anything is started."""
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise ServerError("TLS needs a certificate and its key", "Give both --tls-cert and --tls-key")
    if not settings.tls_cert:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            settings.tls_cert, settings.tls_key, password=lambda: ""
        )  # nobody is asked for a password: workers start again by themselves
    except (OSError, ssl.SSLError) as error:
        raise ServerError(
            f"the certificate {settings.tls_cert} cannot be used ({error})", "Give a PEM file and the key that fits it"
        ) from error
