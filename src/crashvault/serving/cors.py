"""Cross-origin requests: what a page of another origin may do here. Pure: settings in, headers out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

Headers = list[tuple[bytes, bytes]]

# What Sentry's SDKs send, and what they want to read of an answer.
INGEST_HEADERS = (
    "x-sentry-auth", "x-requested-with", "x-forwarded-for", "origin", "referer", "accept", "content-type",
    "authentication", "authorization", "content-encoding", "transfer-encoding", "sentry-trace", "baggage",
    "traceparent", "tracestate", "x-api-key",
)  # fmt: skip
INGEST_EXPOSED = ("x-sentry-error", "x-sentry-rate-limits", "retry-after", "x-request-id")
EXPOSED = ("x-request-id", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "link")
INGEST_MAX_AGE = 3_600


class Policy(NamedTuple):
    """Which pages may use some of the addresses, and how. Everything in the bytes that headers have."""

    origins: frozenset[bytes]  # in lower case
    any_origin: bool
    methods: bytes
    headers: bytes
    any_header: bool
    exposed: bytes
    max_age: bytes
    credentials: bool

    def allows(self, origin: bytes) -> bool:
        return self.any_origin or origin.lower() in self.origins


def policy(
    origins: Iterable[str],
    *,
    methods: Iterable[str],
    headers: Iterable[str],
    exposed: Iterable[str] = EXPOSED,
    max_age: int = 3_600,
    credentials: bool = False,
) -> Policy:
    """The policy that settings mean. `max_age` is in seconds."""
    names = frozenset(origin.lower().rstrip("/").encode() for origin in origins)
    known = tuple(headers)
    return Policy(
        names - {b"*"},
        b"*" in names,
        _joined(methods),
        _joined(known),
        "*" in known,
        _joined(exposed),
        str(max_age).encode(),
        credentials,
    )


def ingest_policy(origins: Iterable[str]) -> Policy:
    """What Sentry's own server allows, for the pages of these origins."""
    return policy(
        origins, methods=("POST", "OPTIONS"), headers=INGEST_HEADERS, exposed=INGEST_EXPOSED, max_age=INGEST_MAX_AGE
    )


def answer_headers(rules: Policy, origin: bytes) -> Headers:
    """What an answer to a page of that origin carries; nothing where it may not read it."""
    if not rules.allows(origin):
        return [(b"vary", b"Origin")]
    return [*_allowed_origin(rules, origin), (b"access-control-expose-headers", rules.exposed)]


def preflight_headers(rules: Policy, origin: bytes, asked: bytes, private_network: bool) -> Headers | None:
    """The answer to a browser that asks first; None where the page may not.

    `asked` are the names of headers that the page wants to send. `private_network` tells that a page from
    the internet asks for a server on the local network.
    """
    if not rules.allows(origin):
        return None
    headers = asked if rules.any_header and asked else rules.headers
    found = [
        *_allowed_origin(rules, origin),
        (b"access-control-allow-methods", rules.methods),
        (b"access-control-allow-headers", headers),
        (b"access-control-max-age", rules.max_age),
    ]
    if private_network:
        found.append((b"access-control-allow-private-network", b"true"))
    return found


def _allowed_origin(rules: Policy, origin: bytes) -> Headers:
    if rules.any_origin and not rules.credentials:
        return [(b"access-control-allow-origin", b"*")]
    found = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
    if rules.credentials:
        found.append((b"access-control-allow-credentials", b"true"))
    return found


def _joined(words: Iterable[str]) -> bytes:
    return ", ".join(words).encode("latin-1")
