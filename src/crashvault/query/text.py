"""What full-text search sees of an event, and how text becomes tokens.

The store's index and the matcher in memory both work on `document(event_texts(event))` and
`document(stack_texts(event))`, so that they give the same answers. A document is made of texts (the
message, one exception, one tag, one frame, the local variables of one frame); a phrase never reaches
from one text into the next, because BREAK stands between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

# Case folding turns ß into "ss", so normalized text never holds one: no query can ask for it, while every
# full-text engine takes it for a word and counts it as a position.
BREAK = "ß"

MAX_FRAMES = 1_000  # of one event
MAX_VALUE_CHARS = 1_000  # of one string inside a variable
MAX_VARS_CHARS = 65_536  # of all variables of one event

_MAX_DEPTH = 6  # of the value of a variable
_MAX_PARTS = 500  # variables of one frame; names and values inside one variable
_MAX_INT = 10**18  # longer numbers are no identifiers, and str() of a huge one is slow

_NON_ASCII = bytes(range(128, 256))
_ASCII = bytes(range(128))
_TABLE = bytes(ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(128)) + _NON_ASCII
# A unit separator inside the text breaks phrases too: that harms nobody and spares a pass over every text.
_SEPARATOR = "\x1f"
_TABLE_WITH_SEPARATOR = _TABLE[:31] + b"\x1f" + _TABLE[32:]


def normalize_text(text: str) -> str:
    """The text as full-text search sees it: case folded, and a space for whatever is no letter or digit.

    NUL and lone surrogates become spaces like any other sign. Runs of spaces stay as they are.
    """
    return _translate(text, _TABLE)


def words(text: str) -> list[str]:
    """The tokens of a text, in order."""
    return _translate(text, _TABLE).split()


def document(texts: Iterable[str]) -> str:
    """Several texts normalized into one, with BREAK between them so that no phrase spans two of them."""
    return _translate(_SEPARATOR.join(texts), _TABLE_WITH_SEPARATOR).replace(_SEPARATOR, f" {BREAK} ")


def _translate(text: str, table: bytes) -> str:
    if text.isascii():
        return text.encode().translate(table).decode()
    data = text.encode("utf-8", "surrogatepass")
    foreign = data.translate(None, _ASCII)
    if len(foreign) < 512:
        letters = set(foreign.decode("utf-8", "surrogatepass"))
        if len(letters) < 16:
            return _replace_letters(data.translate(table).decode("utf-8", "surrogatepass"), letters)
    return _translate_foreign(text, table)


def _replace_letters(text: str, letters: set[str]) -> str:
    """The quick way for a text that is ASCII but for a few characters."""
    for letter in letters:
        folded = "".join([char if char.isalnum() else " " for char in letter.casefold()])
        if folded != letter:
            text = text.replace(letter, folded)
    return text


def _translate_foreign(text: str, table: bytes) -> str:
    data = text.casefold().encode("utf-8", "surrogatepass").translate(table)
    return re.sub(r"[^\w\x00-\x7f]", " ", data.decode("utf-8", "surrogatepass"))


def event_texts(event: Mapping[str, Any]) -> Iterator[str]:
    """What an event says: its message, each exception as `type: value`, each tag, each frame's variables.

    Parts of a wrong type are passed over. Variables of the innermost frames come first, and are cut after
    MAX_VARS_CHARS characters in all.
    """
    message = event.get("message")
    if isinstance(message, str):
        yield message
    for exception in exceptions_of(event):
        yield f"{_string(exception.get('type'))}: {_string(exception.get('value'))}"
    for tag in _list(event.get("tags")):
        if isinstance(tag, str):
            yield tag
    yield from _vars_texts(event)


def stack_texts(event: Mapping[str, Any]) -> Iterator[str]:
    """Where it happened: the type of each exception; file, function, module and source line of each frame."""
    for exception in exceptions_of(event):
        kind = exception.get("type")
        if isinstance(kind, str):
            yield kind
    for frame in frames_of(event):
        get = frame.get
        parts = (get("file"), get("function"), get("module"), get("context_line"))
        yield " ".join([part for part in parts if type(part) is str])


def exceptions_of(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The exceptions of an event, those of a wrong type left out."""
    return [part for part in _list(event.get("exceptions")) if isinstance(part, dict)]


def frames_of(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every frame of every exception, then the event's own; at most MAX_FRAMES, the last ones."""
    frames: list[Any] = []
    for exception in exceptions_of(event):
        frames += _list(exception.get("frames"))
    frames += _list(event.get("frames"))
    return [frame for frame in frames[-MAX_FRAMES:] if isinstance(frame, dict)]


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _vars_texts(event: Mapping[str, Any]) -> Iterator[str]:
    budget = MAX_VARS_CHARS
    for frame in reversed(frames_of(event)):
        variables = frame.get("vars")
        if variables and isinstance(variables, dict):
            text = _vars_text(variables)[:budget]
            yield text
            budget -= len(text)
            if budget <= 0:
                return


def _vars_text(variables: dict[str, Any]) -> str:
    """`name value name value …`, so that the phrase "order_id 4711" finds that variable with that value."""
    parts: list[str] = []
    members = variables.items() if len(variables) <= _MAX_PARTS else islice(variables.items(), _MAX_PARTS)
    for name, value in members:
        if type(value) is str and len(value) <= MAX_VALUE_CHARS:
            parts.append(f"{name} {value}")
        else:
            parts.append(_odd_text(name, value))
    return " ".join(parts)


def _odd_text(name: str, value: Any) -> str:
    """A variable that is no short string: a number, a container, or a string to cut."""
    parts = [str(name)]
    _add_value(parts, value, 0)
    return " ".join(parts)


def _add_value(parts: list[str], value: Any, depth: int) -> None:
    """Append the strings and numbers inside a variable's value; true, false and null say nothing."""
    if isinstance(value, str):
        parts.append(value[:MAX_VALUE_CHARS])
    elif isinstance(value, float) or (type(value) is int and -_MAX_INT < value < _MAX_INT):
        parts.append(str(value))
    elif isinstance(value, (dict, list)) and depth < _MAX_DEPTH:
        _add_members(parts, value, depth + 1)


def _add_members(parts: list[str], value: dict[Any, Any] | list[Any], depth: int) -> None:
    named = isinstance(value, dict)
    for member in value:
        if len(parts) > _MAX_PARTS:
            return
        if named:
            parts.append(str(member)[:MAX_VALUE_CHARS])
            _add_value(parts, value[member], depth)
        else:
            _add_value(parts, member, depth)
