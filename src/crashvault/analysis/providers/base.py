"""What a provider is: a pure pair of functions that build a request and read what comes back, line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from ...errors import CrashvaultError


class ModelError(CrashvaultError):
    """A model gave no answer. `retry`: whether another attempt may bring one."""

    code = "model_failed"
    status = 502

    def __init__(self, message: str, hint: str = "", *, retry: bool = False) -> None:
        self.retry = retry
        super().__init__(message, hint)


class Prompt(NamedTuple):
    system: str  # what the model is to do
    user: str  # what it is to do it with


class Choice(NamedTuple):
    """Which model, where, and how much."""

    provider: str
    model: str
    base_url: str
    key: str = ""
    seconds: float = 120.0  # for everything together
    most_tokens: int = 1500  # of the answer


class Request(NamedTuple):
    url: str
    headers: dict[str, str]
    body: bytes  # JSON


class Piece(NamedTuple):
    """What a part of an answer adds."""

    text: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    ended: bool = False  # the model said all it wanted
    cut: str = ""  # why it stopped before it was done


class Provider(Protocol):
    """One service. Modules of this package are such."""

    NAME: str
    DEFAULT_URL: str
    DEFAULT_MODEL: str
    NEEDS_KEY: bool

    def build(self, prompt: Prompt, choice: Choice) -> Request: ...

    def read(self, data: Mapping[str, Any]) -> Piece:
        """What one JSON object of the answer says. Raises ModelError where that is an error."""
        ...

    def complain(self, data: Any) -> str:
        """What an error's body says."""
        ...


def request(url: str, body: Mapping[str, Any], **headers: str) -> Request:
    """A POST of JSON."""
    given = {name.replace("_", "-"): value for name, value in headers.items() if value}
    return Request(url, {"Content-Type": "application/json", **given}, json.dumps(body).encode())


def joined(base: str, path: str) -> str:
    """An address below a base address."""
    return f"{base.rstrip('/')}/{path.lstrip('/')}"


def dig(value: Any, *path: str | int) -> Any:
    """What lies at a path in an answer; None where it has another shape."""
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def text_at(value: Any, *path: str | int) -> str:
    """The text at a path; "" where there is none."""
    found = dig(value, *path)
    return found if isinstance(found, str) else ""


def count_at(value: Any, *path: str | int) -> int | None:
    found = dig(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
