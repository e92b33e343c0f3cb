"""Whether a webhook's address, headers and options can be what its owner meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from ..errors import InvalidError
from .base import Target

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # a token, RFC 9110, section 5.6.2
# What the HTTP client decides, and what signs a request.
_RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection", "x-crashvault-signature",
                       "webhook-id", "webhook-timestamp", "webhook-signature"})  # fmt: skip
_SERVICES = {
    "hooks.slack.com": "slack",
    "discord.com": "discord",
    "discordapp.com": "discord",
    "webhook.office.com": "teams",
    "logic.azure.com": "teams",
    "api.powerplatform.com": "teams",
}


def check_target(target: Target, service: str, options: Iterable[str] = ()) -> None:
    """What holds for every service that is reached by HTTP. Raises InvalidError, which doesn't show the address."""
    try:
        parts = urlsplit(target.url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidError("the webhook's address can't be read", "Write it as https://host/path") from None
    if parts.scheme not in ("http", "https") or not host or not target.url.isprintable() or " " in target.url:
        raise InvalidError("the webhook's address is none of the web", "Write it as https://host/path")
    meant = _service(host)
    if meant and service not in ("http", meant):
        raise InvalidError(f"that is an address of {meant}, not of {service}", f"Use: crashvault webhook add {meant}")
    _check_headers(target)
    unknown = sorted(set(target.options) - set(options))
    if unknown:
        known = f"There are: {', '.join(sorted(options))}" if options else f"Webhooks of type {service} have none"
        raise InvalidError(f"there is no option {unknown[0]!r} for {service}", known)


def _service(host: str) -> str | None:
    return next((name for known, name in _SERVICES.items() if host == known or host.endswith(f".{known}")), None)


def _check_headers(target: Target) -> None:
    for name, value in target.headers.items():
        if not _HEADER.fullmatch(name):
            raise InvalidError(f"{name!r} is no name of a header", "Write it as X-Team=payments")
        if name.lower() in _RESERVED:
            raise InvalidError(f"the header {name} is set by Crashvault itself", "Leave it out")
        if not value.isprintable() or not value.isascii():
            raise InvalidError(f"the value of the header {name} has characters that no header can have", "Use ASCII")
