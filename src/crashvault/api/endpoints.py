"""An endpoint as data: its address, who may use it, its parameters and its body. Routes and OpenAPI come from that."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import IO, Any, NamedTuple

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .. import clock
from ..auth import Access
from ..errors import InvalidError, NotFoundError
from ..storage.named import RESERVED
from ..storage.store import Store
from .access import admit
from .described import Parameter
from .errors import JSON, UnprocessableError, json_bytes
from .node import Node

MOST_BODY = 1 << 20  # bytes of a request that is not an event's
NEWEST = "no-cache"  # in Cache-Control: whoever sends it is not answered by a copy of the database
_PIECE = 256 << 10  # bytes of a file that are sent at once


class _IdConvertor(Convertor[int]):
    """Numbers in addresses, as large as ids can be: Python refuses to read those of thousands of digits."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


class _NameConvertor(Convertor[str]):
    """Names in addresses that have fixed words in the same place: no webhook and no alert is called so."""

    regex = f"(?!(?:{'|'.join(RESERVED)})(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _IdConvertor())
register_url_convertor("name", _NameConvertor())


class Call(NamedTuple):
    """One request, its parts checked."""

    store: Store
    access: Access
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any
    now: int  # microseconds
    node: Node

    @property
    def project(self) -> str | None:
        """The project that the answer is about: the key's, or the one asked for. Raises NotFoundError."""
        asked = self.query.get("project")
        if self.access.project is not None:
            if asked and asked != self.access.project:
                raise NotFoundError(f"there is no project {asked!r}")
            return self.access.project
        if asked:
            self.store.projects.require(asked)
        return asked


class Answer(NamedTuple):
    """What is answered, where it is not JSON with the endpoint's usual status."""

    content: Any
    status: int = 200
    headers: Mapping[str, str] = {}
    content_type: str = JSON


class Streamed(NamedTuple):
    """The content of an answer that is never whole in memory."""

    file: IO[bytes]  # closed when it is sent, or nobody wants it any more
    size: int  # bytes


class Endpoint(NamedTuple):
    """One method of one address. `run` gets a Call, in a thread with a store of its own."""

    method: str
    path: str
    scope: str  # read, write or admin
    run: Callable[[Call], Any]
    about: str
    answer: str  # the name of a schema in `schemas`
    parameters: tuple[Parameter, ...] = ()
    body: type[msgspec.Struct] | None = None
    status: int = 200
    writes: bool = False
    tag: str = "issues"


def route_of(endpoint: Endpoint, node: Node) -> Route:
    async def serve(request: Request) -> Response:
        access, headers = admit(request, node, endpoint.scope)
        query = _query(endpoint, request)
        body = await _body(endpoint, request)
        newest = NEWEST in request.headers.get("cache-control", "")
        path, who = dict(request.path_params), who_asks(request, access)
        found, told = await node.run(_run, endpoint, node, access, path, query, body, who, newest)
        answer = found if isinstance(found, Answer) else Answer(found, endpoint.status)
        return _response(request, answer, {"Cache-Control": "no-store", **headers, **told, **answer.headers})

    return Route(endpoint.path, serve, methods=[endpoint.method])


def _response(request: Request, answer: Answer, headers: dict[str, str]) -> Response:
    if isinstance(answer.content, Streamed):
        return _FileResponse(answer.content, headers, answer.content_type, with_body=request.method != "HEAD")
    content = json_bytes(answer.content) if answer.content_type == JSON else answer.content
    return Response(b"" if answer.status == 204 else content, answer.status, headers, answer.content_type)


class _FileResponse(StreamingResponse):
    """A file piece by piece, as fast as the client takes them."""

    def __init__(self, content: Streamed, headers: dict[str, str], content_type: str, *, with_body: bool) -> None:
        self.file = content.file
        pieces = self._pieces() if with_body else _nothing()
        super().__init__(pieces, 200, {**headers, "Content-Length": str(content.size)}, content_type)

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(self.file.read, _PIECE):
            yield piece

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.file:
            await super().__call__(scope, receive, send)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


def who_asks(request: Request, access: Access) -> str:
    """By what somebody who has written is known again when they read: the key, or the address."""
    if access.key_id is not None:
        return f"key:{access.key_id}"
    return f"address:{request.client.host if request.client else ''}"


def _run(
    endpoint: Endpoint, node: Node, access: Access, path: dict[str, Any], query: dict[str, Any], body: Any, who: str,
    newest: bool,
) -> tuple[Any, dict[str, str]]:  # fmt: skip
    def call(store: Store) -> Any:
        return endpoint.run(Call(store, access, path, query, body, clock.now(), node))

    def ask(store: Store) -> Any:
        with store.reading():
            return call(store)

    if not endpoint.writes:
        return node.query(who, ask, newest=newest)
    with node.writing_store() as store:
        found = call(store)
    node.wrote(who)
    return found, {}


# What was sent


def _query(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The parameters, each with its type. Raises UnprocessableError that names what is wrong."""
    known = {parameter.name: parameter for parameter in endpoint.parameters}
    found: dict[str, Any] = {name: parameter.default for name, parameter in known.items()}
    wrong = []
    for name, text in request.query_params.multi_items():
        if name not in known:
            wrong.append({"field": name[:100], "message": f"unknown; there are: {', '.join(known) or 'none'}"})
            continue
        try:
            found[name] = _typed(known[name], text)
        except ValueError as error:
            wrong.append({"field": name, "message": str(error)})
    if wrong:
        raise UnprocessableError("Some parameters are wrong", wrong)
    return found


def _typed(parameter: Parameter, text: str) -> Any:
    if parameter.choices and text not in parameter.choices:
        raise ValueError(f"use one of: {', '.join(parameter.choices)}")
    if parameter.kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError("use true or false")
        return text == "true"
    if parameter.kind == "integer":
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not parameter.least <= int(text) <= parameter.most:
            raise ValueError(f"use a whole number from {parameter.least} to {parameter.most}")
        return int(text)
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("it has characters that no text has")
    return text


async def _body(endpoint: Endpoint, request: Request) -> Any:
    if endpoint.body is None:
        return None
    size = 0
    pieces = []
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_BODY:
            raise TooLargeError(f"the body is larger than {MOST_BODY} bytes", "Change fewer things at once")
        pieces.append(piece)
    try:
        return msgspec.json.decode(b"".join(pieces), type=endpoint.body)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".") or "body"
        raise UnprocessableError("The body is wrong", [{"field": field, "message": message}]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the body is not JSON ({error})", "Send a JSON object") from None


class TooLargeError(InvalidError):
    code = "too_large"


class MalformedError(InvalidError):
    code = "invalid_json"


def summary(endpoint: Endpoint) -> str:
    return inspect.cleandoc(endpoint.about).splitlines()[0]
