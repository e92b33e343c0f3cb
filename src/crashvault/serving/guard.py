"""Who may ask at all where no key is asked: nobody through a foreign name, a foreign page or a proxy.

A page in the browser of somebody who runs Crashvault can send requests to this machine, and can make its own
name point here (DNS rebinding). Both give themselves away: by the `Origin` and by the `Host` of the request.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple


class Refused(NamedTuple):
    status: int
    code: str
    message: str
    hint: str


class Hosts(NamedTuple):
    """The names under which a server may be called."""

    names: frozenset[str]
    any_address: bool  # whether every numeric address is good: one that is reachable from elsewhere has many

    def allows(self, host: str) -> bool:
        return _allowed(self, host)


def known_hosts(names: Iterable[str], *, any_address: bool) -> Hosts:
    """The names given, beside those of this machine for itself."""
    return Hosts(frozenset(bare_host(name) for name in names if name), any_address)


def bare_host(host: str) -> str:
    """`LocalHost:5678` is `localhost`, `[::1]:80` is `::1`."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


@lru_cache(maxsize=1024)
def _allowed(hosts: Hosts, host: str) -> bool:
    name = bare_host(host).rstrip(".")
    if name == "localhost" or name.endswith(".localhost") or name in hosts.names:
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or (hosts.any_address and not address.is_unspecified))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def same_origin(origin: bytes, host: bytes) -> bool:
    """Whether a page comes from the server itself; the scheme may differ behind a proxy."""
    return origin.partition(b"://")[2].lower() == host.lower()


def foreign_host(hosts: Hosts, host: bytes) -> Refused | None:
    if len(host) <= 260 and hosts.allows(host.decode("latin-1")):
        return None
    return Refused(
        403, "foreign_host", "This server is not known under that name",
        "Allow the name with the setting server.allowed_hosts, or ask for keys with server.auth required",
    )  # fmt: skip


def forwarded(headers: Mapping[bytes, bytes]) -> Refused | None:
    """A proxy that hands on what comes from elsewhere must not stand before a server that trusts this machine."""
    given = headers.get(b"x-forwarded-for") or headers.get(b"x-real-ip")
    if given is None or all(_is_local(part) for part in given.decode("latin-1").split(",")):
        return None
    return Refused(
        403, "proxied", "This server answers only requests from this machine without a key",
        "Behind a proxy, set server.auth to required",
    )  # fmt: skip


def _is_local(text: str) -> bool:
    address = _address(bare_host(text))
    return address is not None and address.is_loopback


FOREIGN_ORIGIN = Refused(
    403, "foreign_origin", "Pages of that origin may not use this server",
    "Allow the origin with the setting server.cors.origins",
)  # fmt: skip
