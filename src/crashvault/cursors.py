"""Where a listing goes on, as text that clients hand back unchanged.

A cursor names what was asked for and the last item that was shown, never a number of items: what arrives or
goes meanwhile moves nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any

from .digests import blake2b
from .errors import InvalidError

_LARGEST = 1 << 62


def encode(asked: Sequence[Any], values: Sequence[int | str]) -> str:
    """`asked` is what the listing is of: the cursor is good for nothing else."""
    text = json.dumps([_digest(asked), *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, asked: Sequence[Any], kinds: Sequence[type]) -> list[Any]:
    """The values of a cursor, each of its kind. Raises InvalidError for one that we have not made, or not for this."""
    found = _read(cursor)
    values = found[1:]
    if len(values) != len(kinds) or not all(map(_is, values, kinds)):
        raise InvalidError("this cursor is none of ours", "Take next_cursor of the answer before, unchanged")
    if found[0] != _digest(asked):
        raise InvalidError(
            "this cursor belongs to another list", "Ask for the same query, sort and order as in the answer before"
        )
    return values


def _read(cursor: str) -> list[Any]:
    try:
        packed = base64.b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}", b"-_", validate=True)
        found = json.loads(packed)
    except (binascii.Error, ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _is(value: Any, kind: type) -> bool:
    """Whether a value is of that kind, and one that a store can be asked for."""
    if type(value) is not kind:
        return False
    if isinstance(value, int):
        return abs(value) < _LARGEST
    return not (isinstance(value, str) and re.search("[\0\ud800-\udfff]", value))


def _digest(asked: Sequence[Any]) -> str:
    return str(blake2b(json.dumps(asked).encode(), digest_size=6).hexdigest())
