"""Who asks, and what they may: keys, scopes, projects, and how often."""

from __future__ import annotations

from starlette.requests import Request

from .. import clock
from ..auth import EVERYBODY, Access
from ..errors import CrashvaultError
from ..users import Session, session_of
from .node import Node

SESSION_COOKIE = "crashvault_session"


class DeniedError(CrashvaultError):
    """A request that its sender may not make."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.headers = headers or {}
        super().__init__(message, hint)


def admit(request: Request, node: Node, scope: str) -> tuple[Access, dict[str, str]]:
    """Who a request is from, and headers for its answer. Raises DeniedError."""
    access = _access(request, node)
    headers = counted(request, node, access)
    if scope not in access.scopes:
        raise DeniedError(403, "forbidden", f"This key does not have the scope {scope!r}")
    request.scope["state"]["key"] = access.name
    return access, headers


def _access(request: Request, node: Node) -> Access:
    token = token_of(request)
    found = node.keyring.find(token) if token else None
    if found is not None:
        return found
    session = None if token else reader_of(request, node)
    if session is not None:
        return session.access
    if not node.needs_key and not token:  # a key that was revoked does not give more than it gave
        return EVERYBODY
    message = "This key is not known, or was revoked" if token else "The request has no key"
    raise DeniedError(
        401, "bad_key" if token else "no_key", message, "Send Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"}
    )


def reader_of(request: Request, node: Node) -> Session | None:
    """Who is logged in to the dashboard, where they only read: a foreign page could make a browser send the cookie."""
    cookie = request.cookies.get(SESSION_COOKIE, "")
    if not cookie or request.method not in ("GET", "HEAD"):
        return None
    with node.reading() as store:
        return session_of(store, cookie, clock.now())


def token_of(request: Request) -> str:
    """The key that was sent, or nothing."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "").strip()


def counted(request: Request, node: Node, access: Access) -> dict[str, str]:
    """Count the request against the limit of its key or address; the headers that tell of it."""
    if not node.settings.rate_limit_read:
        return {}
    client = request.client.host if request.client else ""
    verdict = node.limiter.check("read", f"key:{access.key_id}" if access.key_id else f"address:{client}")
    if not verdict.allowed:
        raise DeniedError(429, "rate_limited", "Too many requests in this time", headers=verdict.headers())
    return verdict.headers()
