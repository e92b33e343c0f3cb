"""Asking a model: one POST, the answer read as it comes, tried again where that may help, all within a time limit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...logs import log, log_debug
from ...outbound import Outbound, OutboundError, Stream
from .base import Choice, ModelError, Piece, Prompt, Provider, Request
from .registry import provider

ATTEMPTS = 3
_BACKOFF = (1.0, 3.0)  # seconds before the second and the third attempt
_LONGEST_WAIT = 20.0  # seconds that a service may ask to wait
_LONGEST_ANSWER = 200_000  # characters
_BUSY = (408, 409, 425, 429, 500, 502, 503, 504, 529)


class Said(NamedTuple):
    """What a model answered."""

    text: str
    tokens_in: int | None
    tokens_out: int | None
    cut: str  # why it is not complete; "" where it is


def ask(
    prompt: Prompt,
    choice: Choice,
    hear: Callable[[str], Any],
    *,
    client: Outbound,
    sleep: Callable[[float], Any] = time.sleep,
) -> Said:
    """Ask a model; `hear` is told each piece of text as it comes. Raises ModelError that holds no secret.

    Where some of an answer has come it is not asked for again; an answer that breaks off is told as far as it goes.
    """
    service = provider(choice.provider)
    if service.NEEDS_KEY and not choice.key:
        raise ModelError(f"{choice.provider} needs a key", f"Set {choice.provider.upper()}_API_KEY, or ai.api_key")
    request = service.build(prompt, choice)
    deadline = time.monotonic() + choice.seconds
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(service, request, choice, hear, client, deadline)
        except _AgainError as again:
            wait = again.wait if again.wait is not None else _BACKOFF[min(attempt, len(_BACKOFF) - 1)]
            if attempt + 1 == ATTEMPTS or wait > _LONGEST_WAIT or time.monotonic() + wait >= deadline:
                raise again.error from None
            log_debug("model asked again", provider=choice.provider, wait=wait, why=again.error.message)
            sleep(wait)
    raise AssertionError("the last attempt returns or raises")


class _AgainError(Exception):
    """Another attempt may help; `wait` is what the service asked for, in seconds."""

    def __init__(self, error: ModelError, wait: float | None = None) -> None:
        self.error = error
        self.wait = wait


def _attempt(
    service: Provider, request: Request, choice: Choice, hear: Callable[[str], Any], client: Outbound, deadline: float
) -> Said:
    heard = _Heard(hear)
    try:
        seconds = max(0.1, deadline - time.monotonic())
        with client.stream("POST", request.url, request.headers, request.body, seconds=seconds) as stream:
            if stream.status != 200:
                raise _refused(service, stream, choice)
            for data in objects(stream):
                heard.add(service.read(data))
    except (OutboundError, ModelError) as error:
        found = (
            error
            if isinstance(error, ModelError)
            else ModelError(f"{choice.provider}: {error.message}", retry=error.retry)
        )
        if heard.text:
            return heard.said(f"it broke off: {found.message}")
        if found.retry:
            raise _AgainError(found) from error
        raise found from error
    if not heard.text:
        raise ModelError(f"{choice.provider} answered without any text", "Try another model with --model")
    return heard.said("" if heard.ended else "its end is missing")


class _Heard:
    """What has come so far."""

    def __init__(self, hear: Callable[[str], Any]) -> None:
        self._hear = hear
        self.text = ""
        self.ended = False
        self._tokens: list[int | None] = [None, None]
        self._cut = ""

    def add(self, piece: Piece) -> None:
        text = piece.text[: max(0, _LONGEST_ANSWER - len(self.text))]
        if text:
            self.text += text
            self._hear(text)
        self.ended = self.ended or piece.ended
        self._cut = self._cut or piece.cut
        for index, tokens in enumerate((piece.tokens_in, piece.tokens_out)):
            self._tokens[index] = self._tokens[index] if tokens is None else tokens

    def said(self, cut: str) -> Said:
        return Said(self.text, self._tokens[0], self._tokens[1], self._cut or cut)


def objects(stream: Stream) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of an answer: server-sent events, objects one a line, or one object over many lines.

    What is no JSON is left out: comments and other fields of server-sent events, and garbage.
    """
    kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        yield from _decoded(b"\n".join(stream.lines))
        return
    pending: list[bytes] = []
    for line in stream.lines:
        if line.startswith(b"data:"):
            pending.append(line[5:].lstrip(b" "))
        elif not line:
            yield from _decoded(b"\n".join(pending))
            pending = []
        elif line.startswith(b"{"):
            yield from _decoded(line)
    yield from _decoded(b"\n".join(pending))


def _decoded(data: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _refused(service: Provider, stream: Stream, choice: Choice) -> Exception:
    """An answer that is none, in words. The service's own are cut, and never hold the key."""
    try:
        body = b"\n".join(stream.lines)
        told = service.complain(json.loads(body))
    except (ValueError, RecursionError, OutboundError):
        told = ""
    told = " ".join(told.split())[:300]
    if choice.key:
        told = told.replace(choice.key, "[Filtered]")
    log("warning", "model refused", provider=choice.provider, status=stream.status)
    error = ModelError(
        f"{choice.provider} answered {stream.status}{f': {told}' if told else ''}", _HINTS.get(stream.status, ""),
        retry=stream.status in _BUSY,
    )  # fmt: skip
    return _AgainError(error, _wait(stream.headers)) if error.retry else error


_HINTS = {
    401: "Check the key",
    403: "Check the key, and that it may use this model",
    404: "Check --model and ai.base_url",
    429: "Try again later, or with another model",
}


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait; dates are not looked at."""
    given = headers.get("retry-after", "")
    try:
        return max(0.0, float(given)) if given else None
    except ValueError:
        return None
