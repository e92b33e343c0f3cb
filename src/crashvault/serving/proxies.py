"""Whose word counts about where a request came from: proxies that the settings name, nobody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from .guard import bare_host

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The proxies that are trusted: addresses and networks."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks: list[_Network] = [ipaddress.ip_network(item, strict=False) for item in trusted]
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    def apply(self, scope: dict[str, Any], headers: Mapping[bytes, bytes]) -> None:
        """Put the client's address and scheme into a request that came through a trusted proxy.

        A connection without an address is a Unix socket: who may open that is trusted.
        """
        peer = scope["client"]
        if peer is not None and not self.trusts(peer[0]):
            return
        scheme = headers.get(b"x-forwarded-proto", b"").decode("latin-1").strip().lower()
        if scheme in ("http", "https"):
            scope["scheme"] = scheme
        address = self.client_of(headers.get(b"x-forwarded-for", b"").decode("latin-1"))
        if address:
            scope["client"] = (address, 0)

    def client_of(self, forwarded_for: str) -> str:
        """The last address of the list that is no trusted proxy: what stands before it anybody can have written."""
        address = ""
        for part in reversed(forwarded_for[-2_000:].split(",")):
            found = bare_host(part)
            if not _is_address(found):
                return address
            address = found
            if not self.trusts(found):
                return address
        return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
