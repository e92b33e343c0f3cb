"""Sentry's envelope: a line of headers, then items, each a line of headers and a payload.

The grammar is that of Sentry's developer documentation ("Envelopes"). An item with a `length` has exactly so
many bytes; without one it ends at the next newline. Payloads are handed on as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from crashvault.ingest.native import BodyError, parse_json

MOST_ITEMS = 1_000
LONGEST_HEADER = 8_192  # bytes of a line of headers


class Item(NamedTuple):
    """One part of an envelope."""

    type: str
    header: dict[str, Any]
    payload: bytes


class Envelope(NamedTuple):
    header: dict[str, Any]
    items: list[Item]


def read_envelope(body: bytes) -> Envelope:
    """Raises BodyError with the code bad_envelope, or one of `native.parse_json`, for what is malformed."""
    if not body:
        raise _malformed("it is empty")
    header, position = _header(body, 0)
    items = list(_items(body, position))
    return Envelope(header, items)


def _items(body: bytes, position: int) -> Iterator[Item]:
    count, size = 0, len(body)
    while position < size:
        if body[position] == 10:  # a line that is empty
            position += 1
            continue
        count += 1
        if count > MOST_ITEMS:
            raise BodyError("too_many_items", f"The envelope has more than {MOST_ITEMS} items", "Send several")
        header, position = _header(body, position)
        end = _end(body, position, header.get("length"))
        kind = header.get("type")
        yield Item(kind if isinstance(kind, str) else "", header, body[position:end])
        if end < size and body[end] != 10:
            raise _malformed(f"item {count} is longer than it says")
        position = end + 1


def _end(body: bytes, position: int, length: Any) -> int:
    if type(length) is int and length >= 0:
        if position + length > len(body):
            raise _malformed("it ends inside an item")
        return position + length
    if length is not None:
        raise _malformed("an item's length is no number of bytes")
    end = body.find(b"\n", position)
    return len(body) if end < 0 else end


def _header(body: bytes, position: int) -> tuple[dict[str, Any], int]:
    """The object on the line that begins at `position`, and where the next line begins."""
    end = body.find(b"\n", position, position + LONGEST_HEADER + 1)
    if end < 0:
        end = len(body)
        if end - position > LONGEST_HEADER:
            raise BodyError("too_large", f"A line of headers is longer than {LONGEST_HEADER} bytes", "Send less in it")
    found = parse_json(body[position:end])
    if type(found) is not dict:
        raise _malformed("a line of headers is no JSON object")
    return found, min(end + 1, len(body))


def _malformed(what: str) -> BodyError:
    return BodyError("bad_envelope", f"The body is no envelope: {what}", "See Sentry's documentation of envelopes")
