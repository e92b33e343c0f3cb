"""Text made fit for a message: without what steers a display, and cut where a reader would cut it.

Sizes are in UTF-16 units unless a measure is given. Services say "characters" and mean units, code points or
even letters; of these, units are never fewer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

MORE = "…"

Escape = Callable[[str], str]
Measure = Callable[[str], int]

_ESCAPES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")
_BREAKS = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_DIRECTIONS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")  # reorder what is read
_JOINS = frozenset("\u200d\ufe0e\ufe0f")  # before or after them a cut would show another emoji
_CLUSTER = 32  # code points that may belong together
_BOUNDARY = 0.7  # of the room is kept at least, when a cut moves to the end of a line or word


def clean(text: str) -> str:
    """Text without terminal escapes, control characters, half surrogates and marks that turn the reading direction."""
    text = _BREAKS.sub("\n", _ESCAPES.sub("", text))
    return _DIRECTIONS.sub("", _CONTROLS.sub("\ufffd", text))


def one_line(text: str) -> str:
    """Clean text in one line, each run of blanks a single one."""
    return " ".join(clean(text).split())


def units(text: str) -> int:
    """How many UTF-16 units a text takes."""
    return len(text) + sum(character > "\uffff" for character in text)


def octets(text: str) -> int:
    """How many bytes a text takes in UTF-8."""
    return len(text.encode("utf-8", "replace"))


def fit(text: str, limit: int, escape: Escape = str, measure: Measure = units) -> str:
    """`text`, escaped; what is longer than `limit` then loses its end and closes with an ellipsis.

    It is cut after a whole line or word where one ends near enough, else between two characters; never inside
    what `escape` makes of a character, for which `escape` must treat characters one by one, or by what stands
    before them.
    """
    text, whole = _candidate(text, limit)
    if whole and measure(escape(text)) <= limit:
        return escape(text)
    room = _longest(len(text), lambda size: measure(escape(text[:size].rstrip() + MORE)) <= limit)
    if room < 0:
        return ""
    kept = text[: _end(text, room)].rstrip() + MORE
    return escape(kept)


def fit_end(text: str, limit: int, escape: Escape = str, measure: Measure = units) -> str:
    """The same for a text whose end says more than its beginning: whole lines go from the start, if there are."""
    if len(text) <= limit and measure(escape(text)) <= limit:
        return escape(text)
    text = text[-max(limit, 1) :]
    total = len(text)
    room = _longest(total, lambda size: measure(escape(f"{MORE}\n{text[total - size :]}")) <= limit)
    if room < 0:
        return ""
    return escape(f"{MORE}\n{text[_start(text, total - room) :]}".rstrip())


def _candidate(text: str, limit: int) -> tuple[str, bool]:
    """As much as could fit at all, for no character takes less than one unit; and whether that is everything."""
    return (text, True) if len(text) <= limit else (text[: max(limit, 0)], False)


def _longest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest size from 0 to `most` that fits; -1 when none does."""
    low, high = -1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _end(text: str, room: int) -> int:
    """Where to cut so that at most `room` characters stay."""
    if room >= len(text) or text[room].isspace():
        return room
    near = int(room * _BOUNDARY)
    for boundary in ("\n", " "):
        found = text.rfind(boundary, near, room)
        if found > 0:
            return found
    return _between(text, room)


def _between(text: str, position: int) -> int:
    """The nearest place before `position` that is not inside of what is seen as one character."""
    for place in range(position, max(position - _CLUSTER, 0), -1):
        after, before = text[place], text[place - 1]
        if after not in _JOINS and before != "\u200d" and not unicodedata.combining(after):
            return place
    return position


def _start(text: str, start: int) -> int:
    """Where to begin so that nothing before `start` stays."""
    near = start + int((len(text) - start) * (1 - _BOUNDARY))
    found = text.find("\n", max(start - 1, 0), near)
    if found >= 0:
        return found + 1
    for place in range(start, min(start + _CLUSTER, len(text) - 1)):
        if text[place] not in _JOINS and not unicodedata.combining(text[place]) and text[place - 1] != "\u200d":
            return place
    return start
