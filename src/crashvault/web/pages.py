"""A page as data: its address, what one must be allowed, and what makes it. Cookies, forms, errors and headers are
dealt with here, once for all pages.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import clock
from ..api.access import SESSION_COOKIE, DeniedError, counted
from ..api.endpoints import MOST_BODY, NEWEST, Call, TooLargeError
from ..api.errors import request_id, response_of, status_of
from ..api.node import Node
from ..auth import EVERYBODY, SCOPES, Access
from ..errors import AwayError, CrashvaultError, InvalidError, StoreError
from ..storage.store import Store
from ..users import SESSION_LASTS, Session, session_of
from .rendering import render

VISITOR_COOKIE = "crashvault_visitor"
_NOBODY = Access(None, "", frozenset(), None)
_LEAST_PACKED = 500  # bytes; less is sent as it is
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send forms without their origin
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Cookie, Accept-Encoding",
}


class Visit(NamedTuple):
    """One request for a page."""

    call: Call
    form: Mapping[str, list[str]]
    request: Request
    session: Session | None
    secret: str  # what tokens of forms are made of

    @property
    def store(self) -> Store:
        return self.call.store

    @property
    def now(self) -> int:
        return self.call.now

    @property
    def user(self) -> str:
        """Who is logged in; nothing where nobody has to."""
        return self.session.user.name if self.session else ""

    @property
    def actor(self) -> str:
        return self.call.access.name

    def asked(self, name: str, default: str = "") -> str:
        """A parameter of the address."""
        return _clean(self.request.query_params.get(name, default))

    def field(self, name: str, default: str = "") -> str:
        """A field of the form that was sent."""
        return self.form.get(name, [default])[0]

    def fields(self, name: str) -> list[str]:
        return self.form.get(name, [])

    def may(self, scope: str) -> bool:
        return scope in self.call.access.scopes


class Shown(NamedTuple):
    """A page to be shown: the template, and what it needs."""

    template: str
    context: Mapping[str, Any] = {}
    status: int = 200
    headers: Mapping[str, str] = {}


class Moved(NamedTuple):
    """Go and look at another page."""

    address: str
    session: str | None = None  # the token of a session that begins; "": it ends


class Sent(NamedTuple):
    """Something that is no page."""

    content: bytes
    content_type: str
    headers: Mapping[str, str] = {}
    status: int = 200


Reply = Shown | Moved | Sent


class Page(NamedTuple):
    """One method of one address. `run` gets a Visit, in a thread with a store of its own."""

    method: str
    path: str
    scope: str  # read, write or admin; nothing: for everybody
    run: Callable[[Visit], Reply]
    writes: bool = False


def route_of(page: Page, node: Node) -> Route:
    return Route(page.path, handler_of(page, node), methods=[page.method])


def handler_of(page: Page, node: Node) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            form = await _form(request) if page.method == "POST" else {}
            return await node.run(_serve, page, node, request, form)
        except CrashvaultError as error:  # before anybody knew who it is
            return response_of(error, request_id(request))

    return serve


def _serve(page: Page, node: Node, request: Request, form: Mapping[str, list[str]]) -> Response:
    try:
        if page.writes:
            with node.writing_store() as store:
                response = _replied(page, node, request, form, store)
            node.wrote(_who(request))
            return response
        newest = NEWEST in request.headers.get("cache-control", "")
        response, headers = node.query(
            _who(request), lambda store: _replied(page, node, request, form, store), newest=newest
        )
        response.headers.update(headers)
        return response
    except StoreError as error:
        return _plain_trouble(error)


def _who(request: Request) -> str:
    """By what a person who has written is known again: their session, or their address."""
    session = request.cookies.get(SESSION_COOKIE, "")
    return f"session:{session}" if session else f"address:{request.client.host if request.client else ''}"


def _replied(page: Page, node: Node, request: Request, form: Mapping[str, list[str]], store: Store) -> Response:
    visit = _visit(node, request, form, store)
    try:
        reply = _checked(page, visit)
    except StoreError:
        raise
    except CrashvaultError as error:
        reply = _trouble(error)
    return _response(reply, visit)


def _session(node: Node, store: Store, token: str, now: int) -> Session | None:
    """Who is logged in. A copy of the database may not know yet that somebody has come, or gone."""
    if token and node.replica is not None:
        with contextlib.suppress(AwayError), node.reading() as primary:
            return session_of(primary, token, now)
    return session_of(store, token, now)


def _visit(node: Node, request: Request, form: Mapping[str, list[str]], store: Store) -> Visit:
    now = clock.now()
    session = _session(node, store, request.cookies.get(SESSION_COOKIE, ""), now)
    access = session.access if session else _NOBODY if node.needs_key else EVERYBODY
    request.scope["state"]["key"] = access.name or "-"
    secret = session.token if session else request.cookies.get(VISITOR_COOKIE, "")
    call = Call(store, access, dict(request.path_params), {}, None, now, node)
    return Visit(call, form, request, session, secret if len(secret) == 43 else secrets.token_urlsafe(32))


def _checked(page: Page, visit: Visit) -> Reply:
    counted(visit.request, visit.call.node, visit.call.access)
    if page.method == "POST":
        _check_token(visit)
    if page.scope and not visit.may(page.scope):
        return _refused(page, visit)
    if page.writes:
        return page.run(visit)
    with visit.store.reading():
        return page.run(visit)


def _refused(page: Page, visit: Visit) -> Reply:
    if visit.call.access is not _NOBODY:
        raise DeniedError(403, "forbidden", f"your role does not allow that; it needs {page.scope}")
    if page.method != "GET":
        raise DeniedError(401, "no_session", "You are not logged in", "Log in and try again")
    target = visit.request.url.path + (f"?{visit.request.url.query}" if visit.request.url.query else "")
    return Moved(f"/login?next={quote(target, safe='')}")


# Forms


async def _form(request: Request) -> dict[str, list[str]]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise InvalidError("a page takes forms only", "Programs use /api/v1")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            raise TooLargeError(f"the form is larger than {MOST_BODY} bytes", "Change fewer things at once")
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=2_000)
    except ValueError as error:
        raise InvalidError("the form cannot be read", "Load the page again") from error
    return {name: [_clean(value) for value in values] for name, values in found.items()}


def _clean(text: str) -> str:
    return "".join(char for char in text if char != "\0" and not "\ud800" <= char <= "\udfff")


def form_token(visit: Visit) -> str:
    """The proof that a form is from a page of ours; different each time, so that compression tells nothing of it."""
    mask = secrets.token_bytes(16)
    return (mask + _xor(mask, _proof(visit.secret))).hex()


def _check_token(visit: Visit) -> None:
    given = visit.request.headers.get("x-csrf-token") or visit.field("csrf")
    try:
        raw = bytes.fromhex(given)
    except ValueError:
        raw = b""
    good = len(raw) == 32 and hmac.compare_digest(_xor(raw[:16], raw[16:]), _proof(visit.secret))
    if not good or visit.request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise DeniedError(
            403, "bad_form", "This form is too old, or not from here", "Load the page again, and repeat it"
        )


def _proof(secret: str) -> bytes:
    return hashlib.sha256(f"form:{secret}".encode()).digest()[:16]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))


def local_path(target: str) -> str:
    """An address of this server, or the first page: nobody is sent elsewhere."""
    parts = urlsplit(target)
    ours = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if ours and target.isprintable() and "\\" not in target else "/issues"


# Answers


def _trouble(error: CrashvaultError) -> Shown:
    status = error.status if isinstance(error, DeniedError) else status_of(error)
    hint = "" if "crashvault " in error.hint else error.hint
    return Shown("error.html", {"status": status, "message": error.message, "hint": hint}, status)


def _plain_trouble(error: CrashvaultError) -> Response:
    return Response(f"{error}\n", 503, {**_HEADERS, "Retry-After": "1"}, "text/plain; charset=utf-8")


def _response(reply: Reply, visit: Visit) -> Response:
    if isinstance(reply, Sent):
        return _packed(reply.content, visit, reply.status, {**_HEADERS, **reply.headers}, reply.content_type)
    if isinstance(reply, Moved):
        response = Response(b"", 303, {"Location": reply.address, **_HEADERS})
        if reply.session is not None:
            _set_session(response, visit, reply.session)
        return response
    html = render(reply.template, {**_context(visit), **reply.context})
    response = _packed(
        html.encode("utf-8", "replace"), visit, reply.status, {**_HEADERS, **reply.headers}, "text/html; charset=utf-8"
    )
    if visit.session is None and visit.request.cookies.get(VISITOR_COOKIE) != visit.secret:
        _set_cookie(response, visit, VISITOR_COOKIE, visit.secret)
    return response


def _context(visit: Visit) -> dict[str, Any]:
    """What every template knows."""
    return {
        "path": visit.request.url.path,
        "address": visit.request.url.path + (f"?{visit.request.url.query}" if visit.request.url.query else ""),
        "csrf": form_token(visit),
        "actor": visit.actor,
        "logged_in": visit.session is not None,
        "known": visit.call.access is not _NOBODY,
        "may_write": visit.may("write"),
        "may_admin": visit.may("admin"),
    }


def _packed(content: bytes, visit: Visit, status: int, headers: Mapping[str, str], content_type: str) -> Response:
    if len(content) > _LEAST_PACKED and "gzip" in visit.request.headers.get("accept-encoding", ""):
        return Response(gzip.compress(content, 5), status, {**headers, "Content-Encoding": "gzip"}, content_type)
    return Response(content, status, dict(headers), content_type)


def _set_session(response: Response, visit: Visit, token: str) -> None:
    if token:
        _set_cookie(response, visit, SESSION_COOKIE, token)
    else:
        response.delete_cookie(SESSION_COOKIE)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'


def _set_cookie(response: Response, visit: Visit, name: str, value: str) -> None:
    secure = visit.request.url.scheme == "https"
    response.set_cookie(
        name, value, max_age=SESSION_LASTS // clock.SECOND, httponly=True, samesite="lax", secure=secure
    )


__all__ = [
    "SCOPES",
    "Moved",
    "Page",
    "Reply",
    "Sent",
    "Shown",
    "Visit",
    "form_token",
    "handler_of",
    "local_path",
    "route_of",
]
