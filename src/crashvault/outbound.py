"""The only HTTP client: requests to addresses that somebody typed, from a machine that can reach more than they should.

A name is resolved, every address that it has is checked, and the connection goes to one of those very addresses, so a
name that changes its meaning between the check and the connection (DNS rebinding) gains nothing; TLS is verified
against the name. Redirects are answers like others, proxies of the environment are not asked, an answer is read to 64
KiB, and one time limit covers everything from connecting to the last byte. Errors name the host and nothing else of
the address, because the rest may be a secret.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from .errors import CrashvaultError, InvalidError

MOST_ANSWER = 64 << 10  # bytes of an answer that are read
MOST_STREAM = 8 << 20  # bytes of an answer that is read as it comes
CONNECT_SECONDS = 5.0
_IDLE_KEPT = 4  # connections of one host
_IDLE_SECONDS = 30.0
_HOST = re.compile(r"[\w.:-]{1,253}")
_SAFE = "%/:=&?~+!$,;'@()*[]"  # of a path and query: what is written so already stays
_DEFAULT_PORTS = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


class OutboundError(CrashvaultError):
    """No answer. `retry`: whether another attempt may bring one."""

    code = "unreachable"
    status = 502

    def __init__(self, message: str, hint: str = "", *, retry: bool = True) -> None:
        self.retry = retry
        super().__init__(message, hint)


class RefusedAddressError(OutboundError):
    """An address that requests must not go to."""

    code = "refused_address"
    status = 400

    def __init__(self, host: str, what: str) -> None:
        super().__init__(
            f"{host} is {what}, and requests don't go there",
            "Allow it on this machine with: crashvault config set webhook.allow_private true", retry=False,
        )  # fmt: skip


class Stream(NamedTuple):
    """An answer that is still coming."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    lines: Iterator[bytes]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # at most MOST_ANSWER


# Addresses

_KINDS: tuple[tuple[str, str], ...] = (
    ("127.0.0.0/8", "this machine"), ("::1/128", "this machine"),
    ("0.0.0.0/8", "this machine"), ("::/128", "this machine"),
    ("169.254.0.0/16", "a link-local address"), ("fe80::/10", "a link-local address"),
    ("10.0.0.0/8", "a private address"), ("172.16.0.0/12", "a private address"), ("192.168.0.0/16", "a private address"),
    ("fc00::/7", "a private address"), ("fec0::/10", "a private address"),
    ("100.64.0.0/10", "an address of a provider's inner network"),
    ("192.0.0.0/24", "a reserved address"), ("224.0.0.0/4", "a multicast address"), ("ff00::/8", "a multicast address"),
)  # fmt: skip
_NETWORKS = [(ipaddress.ip_network(text), what) for text, what in _KINDS]
# IPv6 addresses that stand for an IPv4 address: the network, and by how many bits it lies from the right.
_CARRIERS = [
    (ipaddress.IPv6Network(text), shift)
    for text, shift in (
        ("::ffff:0:0/96", 0),  # IPv4-mapped
        ("::ffff:0:0:0/96", 0),  # IPv4-translated
        ("64:ff9b::/96", 0),  # NAT64
        ("::/96", 0),  # IPv4-compatible
        ("2002::/16", 80),  # 6to4
    )
]
_TEREDO = ipaddress.IPv6Network("2001::/32")


def refusal(address: Address) -> str | None:
    """What is wrong about sending to an address; None for one of the public network."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = _carried(address)
        if carried is not None:
            return refusal(carried)
    for network, what in _NETWORKS:
        if address in network:
            return what
    return None if address.is_global and not address.is_reserved else "a reserved address"


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    number = int(address)
    if address in _TEREDO:
        return ipaddress.IPv4Address(~number & 0xFFFFFFFF)
    if number < 2:  # unspecified and loopback
        return None
    for network, shift in _CARRIERS:
        if address in network:
            return ipaddress.IPv4Address(number >> shift & 0xFFFFFFFF)
    return None


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, in the order in which they are to be tried."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_visible(url: str) -> None:
    """Refuse a URL whose host can be seen to be inside, without asking anybody. Raises InvalidError."""
    host = _parts(url)[1]
    name = host.rstrip(".").casefold()
    if name == "localhost" or name.endswith(".localhost"):
        raise RefusedAddressError(host, "this machine")
    try:
        address = ipaddress.ip_address(socket.inet_aton(host)) if _is_old_ipv4(host) else ipaddress.ip_address(host)
    except (ValueError, OSError):
        return
    what = refusal(address)
    if what:
        raise RefusedAddressError(host, what)


def _is_old_ipv4(host: str) -> bool:
    """Numbers that the C library takes for an IPv4 address: 127.1, 0x7f000001, 2130706433."""
    return bool(re.fullmatch(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+)){0,3}", host))


def _parts(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and target of a URL. Raises InvalidError, which doesn't show it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidError("the address can't be read", "Write it as https://host/path") from None
    if parts.scheme not in _DEFAULT_PORTS or not host or not _HOST.fullmatch(host.partition("%")[0]):
        raise InvalidError("the address is none of the web", "Write it as https://host/path")
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], quote(target, safe=_SAFE)


# Connections


class _TimedMixin:
    """A socket on which everything together has to be done by `deadline`, whoever is slow."""

    deadline: float = 0.0  # time.monotonic(); 0: none

    def _left(self) -> float | None:
        """Seconds; None without a limit."""
        if not self.deadline:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _Socket(_TimedMixin, socket.socket):
    def recv_into(self, *args: Any) -> int:
        self.settimeout(self._left())
        return super().recv_into(*args)

    def sendall(self, *args: Any) -> None:
        self.settimeout(self._left())
        super().sendall(*args)


class _TLSSocket(_TimedMixin, ssl.SSLSocket):
    def recv_into(self, *args: Any) -> int:
        self.settimeout(self._left())
        return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        self.settimeout(self._left())
        return super().send(*args)


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.sslsocket_class = _TLSSocket
    return context


class _Connection(http.client.HTTPConnection):
    """A connection to one address, which was checked, in the name of a host."""

    sock: _Socket | _TLSSocket

    def __init__(self, host: str, port: int, connected: _Socket | _TLSSocket) -> None:
        super().__init__(host, port)
        self.sock = connected
        self.used_at = 0.0

    def connect(self) -> None:
        raise ConnectionError("the connection was closed")  # never to another address than the checked one


class Outbound:
    """A client with its idle connections; may be used by several threads.

    `allow_private` lifts the check of addresses. `resolver` gives the addresses of a name.
    """

    def __init__(self, *, allow_private: bool = False, resolver: Resolve = resolve, context: ssl.SSLContext | None = None) -> None:  # fmt: skip
        self.allow_private = allow_private
        self._resolve = resolver
        self._context = context
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        seconds: float = 10.0,
        once: bool = False,
    ) -> Answer:
        """Make one request within `seconds`. Raises OutboundError, and InvalidError for what is no URL.

        A connection that was kept may have been closed meanwhile, and the request is made again on another one, unless
        it is to be made `once`: then it has a connection of its own.
        """
        scheme, host, port, target = _parts(url)
        key = scheme, host, port
        deadline = time.monotonic() + seconds
        connection = None if once else self._take(key)
        if connection is not None:
            try:
                return self._exchanged(connection, key, method, target, headers, body, deadline)
            except (ConnectionError, http.client.BadStatusLine):  # it was closed while nobody looked
                connection.close()
            except (http.client.HTTPException, OSError, ValueError) as error:
                connection.close()
                raise _explained(host, error, seconds) from error
        try:
            connection = self._connect(key, deadline)
            return self._exchanged(connection, key, method, target, headers, body, deadline)
        except (http.client.HTTPException, OSError, ValueError) as error:
            if connection is not None:
                connection.close()
            raise _explained(host, error, seconds) from error

    def check_host(self, host: str) -> None:
        """Resolve and check a host that somebody else will connect to. Raises OutboundError."""
        self._addresses(host, 443)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    @contextmanager
    def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float, most: int = MOST_STREAM
    ) -> Iterator[Stream]:
        """Make one request and read the answer as it comes, at most `most` bytes of it, all within `seconds`.

        Raises as `send` does, then and while the lines are read.
        """
        scheme, host, port, target = _parts(url)
        try:
            connection = self._connect((scheme, host, port), time.monotonic() + seconds)
        except (OSError, ValueError) as error:
            raise _explained(host, error, seconds) from error
        try:
            with closing(connection):
                deadline = time.monotonic() + seconds
                response = self._asked(connection, (scheme, host, port), method, target, headers, body, deadline)
                yield Stream(response.status, _headers(response), _lines(response, host, seconds, most))
        except (http.client.HTTPException, OSError) as error:
            raise _explained(host, error, seconds) from error

    # One request

    def _exchanged(
        self, connection: _Connection, key: tuple[str, str, int], method: str, target: str, headers: Mapping[str, str],
        body: bytes, deadline: float,
    ) -> Answer:  # fmt: skip
        response = self._asked(connection, key, method, target, headers, body, deadline)
        content = response.read(MOST_ANSWER)
        answer = Answer(response.status, _headers(response), content)
        if response.isclosed() and not response.will_close:
            self._give_back(key, connection)
        else:
            response.close()
            connection.close()
        return answer

    def _asked(
        self, connection: _Connection, key: tuple[str, str, int], method: str, target: str, headers: Mapping[str, str],
        body: bytes, deadline: float,
    ) -> http.client.HTTPResponse:  # fmt: skip
        """Send a request; its response, of which only the head was read."""
        connection.sock.deadline = deadline
        given = {name.lower() for name in headers}
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", _authority(*key))
        for name, value in (("User-Agent", _user_agent()), ("Accept-Encoding", "identity")):
            if name.lower() not in given:
                connection.putheader(name, value)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse()

    # Connections

    def _take(self, key: tuple[str, str, int]) -> _Connection | None:
        with self._lock:
            idle = self._idle.get(key, [])
            while idle:
                connection = idle.pop()
                if time.monotonic() - connection.used_at < _IDLE_SECONDS:
                    return connection
                connection.close()
        return None

    def _give_back(self, key: tuple[str, str, int], connection: _Connection) -> None:
        connection.used_at = time.monotonic()
        with self._lock:
            idle = self._idle.setdefault(key, [])
            if len(idle) < _IDLE_KEPT:
                idle.append(connection)
                return
        connection.close()

    def _connect(self, key: tuple[str, str, int], deadline: float) -> _Connection:
        scheme, host, port = key
        failed: OSError | None = None
        for address in self._addresses(host, port):
            try:
                connected = self._connected(address, port, deadline)
            except OSError as error:
                failed = error
                continue
            return _Connection(host, port, self._secured(connected, host) if scheme == "https" else connected)
        raise failed or ConnectionError("it has no address")

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        """Where a host is; every address that it has must be one that requests may go to."""
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise OutboundError(f"{host} is not known to the name service", "Check the name") from error
        if not self.allow_private:
            for text in found:
                what = refusal(ipaddress.ip_address(text.partition("%")[0]))
                if what:
                    raise RefusedAddressError(host, what)
        return found

    def _connected(self, address: str, port: int, deadline: float) -> _Socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connected = _Socket(family, socket.SOCK_STREAM)
        try:
            connected.settimeout(max(0.01, min(CONNECT_SECONDS, deadline - time.monotonic())))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.connect((address, port))
        except BaseException:
            connected.close()
            raise
        return connected

    def _secured(self, connected: _Socket, host: str) -> _TLSSocket:
        if self._context is None:
            self._context = _tls_context()
        try:
            found = self._context.wrap_socket(connected, server_hostname=host.rstrip("."))
        except BaseException:
            connected.close()
            raise
        assert isinstance(found, _TLSSocket)
        return found


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _lines(response: http.client.HTTPResponse, host: str, seconds: float, most: int) -> Iterator[bytes]:
    """Lines of an answer as they come, without their ends; a longer one than is read at once comes in pieces."""
    left = most
    try:
        while left > 0 and (line := response.readline(min(left, MOST_ANSWER))):
            left -= len(line)
            yield line.rstrip(b"\r\n")
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise _explained(host, error, seconds) from error


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Like the usual one, and with the authorities of a file besides."""
    context = _tls_context()
    context.load_verify_locations(ca_file)
    return context


def _authority(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host.encode("idna").decode() if not host.isascii() else host
    return name if port == _DEFAULT_PORTS[scheme] else f"{name}:{port}"


def _user_agent() -> str:
    from . import __version__

    return f"crashvault/{__version__}"


def _explained(host: str, error: Exception, seconds: float) -> OutboundError:
    """What happened, in words that hold nothing of the address but the host."""
    if isinstance(error, TimeoutError):
        return OutboundError(f"{host} did not answer within {seconds:g} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        return OutboundError(f"the certificate of {host} is not to be trusted ({error.verify_message})")
    if isinstance(error, ssl.SSLError):
        return OutboundError(f"{host} does not speak TLS as it should ({error.reason})")
    if isinstance(error, ConnectionRefusedError):
        return OutboundError(f"{host} refuses the connection")
    if isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
        return OutboundError(f"{host} closed the connection without an answer")
    if isinstance(error, http.client.HTTPException):
        return OutboundError(f"{host} does not answer with HTTP ({type(error).__name__})")
    if isinstance(error, OSError):
        return OutboundError(f"{host} cannot be reached ({error.strerror or type(error).__name__})")
    return OutboundError(f"the request to {host} cannot be made ({type(error).__name__})", retry=False)
