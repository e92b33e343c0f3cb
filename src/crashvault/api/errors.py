"""Errors as HTTP answers: one shape for all, `{"error": {"code", "message", "details"}}`.

What a CrashvaultError means in HTTP is decided here, and nowhere else. What nobody foresaw is told to the
log; the client gets an id under which it stands there.
"""

from __future__ import annotations

import json
import re
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..errors import CrashvaultError, QueryError
from ..logs import log

JSON = "application/json"

# What of an answer acts on a terminal, turns text around, or ends a line for some readers.
_ACTIVE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

# The statuses that codes have beside the one of their class.
_STATUS_OF_CODE: dict[str, int] = {
    "too_large": 413,
    "unsupported_encoding": 415,
    "unsupported_media_type": 415,
    "unprocessable": 422,
    "rate_limited": 429,
}
_CODE_OF_STATUS: dict[int, str] = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "rate_limited",
    503: "unavailable",
}
_MESSAGE_OF_STATUS: dict[int, str] = {
    404: "There is nothing at this address",
    405: "This address does not take that method",
}


class UnprocessableError(CrashvaultError):
    """A request that can be read, and asks for what cannot be. `details` say which field is wrong."""

    code = "unprocessable"
    status = 422

    def __init__(self, message: str, details: Sequence[Mapping[str, Any]] = ()) -> None:
        self.details = list(details)
        super().__init__(message)


class OverloadedError(CrashvaultError):
    """More is waiting than can be answered soon."""

    code = "overloaded"
    status = 503

    def __init__(self, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__("the server has too much to do just now", f"Try again in {retry_after} s")


def json_bytes(value: Any) -> bytes:
    """A value as JSON in UTF-8, safe to be shown on a terminal."""
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(value, default=str).encode()
    return encoded if encoded.isascii() and b"\x7f" not in encoded else _passive(encoded)


def _passive(encoded: bytes) -> bytes:
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", encoded.decode()).encode()


def error_response(
    status: int,
    code: str,
    message: str,
    details: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error in the one shape that all have."""
    body = json_bytes({"error": {"code": code, "message": message, "details": list(details)}})
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, JSON)


def response_of(error: Exception, request_id: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The answer that an exception means."""
    if isinstance(error, CrashvaultError):
        return _known(error, headers or {})
    if isinstance(error, HTTPException):
        return _refused(error, headers or {})
    return _unexpected(error, request_id or uuid.uuid4().hex, headers or {})


def status_of(error: CrashvaultError) -> int:
    return _STATUS_OF_CODE.get(error.code, error.status)


def details_of(error: CrashvaultError) -> list[dict[str, Any]]:
    """What programs want to know of an error: the field, the place in a query, what would be right."""
    details = [dict(item) for item in getattr(error, "details", ())]
    if isinstance(error, QueryError):
        details.append({"field": "query", "position": error.position, "text": error.text})
    if error.hint and "crashvault " not in error.hint:  # a command is of no use to a client
        details.append({"hint": error.hint})
    return details


def _known(error: CrashvaultError, headers: Mapping[str, str]) -> Response:
    status = status_of(error)
    more = {**headers, **getattr(error, "headers", {})}
    if status in (429, 503):
        more.setdefault("Retry-After", str(getattr(error, "retry_after", 1)))
    if status == 503:
        log("error", "request failed", code=error.code, error=error.message)
    return error_response(status, error.code, error.message, details_of(error), more)


def _refused(error: HTTPException, headers: Mapping[str, str]) -> Response:
    """What the router refuses: unknown addresses and methods."""
    status = error.status_code
    code = _CODE_OF_STATUS.get(status, "refused")
    message = _MESSAGE_OF_STATUS.get(status, error.detail)
    return error_response(status, code, message, (), {**headers, **(error.headers or {})})


def _unexpected(error: Exception, request_id: str, headers: Mapping[str, str]) -> Response:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f"{frame.filename}:{frame.lineno}" for frame in last)
    log("error", "request failed unexpectedly", request_id=request_id, error=repr(error), where=where)
    more = {**headers, "X-Request-ID": request_id}
    return error_response(500, "internal_error", "Something went wrong here", [{"request_id": request_id}], more)


def request_id(request: Request) -> str:
    """The id that a middleware gave this request, or nothing."""
    return str(request.scope.get("state", {}).get("request_id", ""))


async def _answer(request: Request, error: Exception) -> Response:
    return response_of(error, request_id(request))


# For Starlette(exception_handlers=…).
EXCEPTION_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    HTTPException: _answer,
    CrashvaultError: _answer,
    Exception: _answer,
}
