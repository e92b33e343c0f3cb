"""Hostile values made harmless: text without NUL and lone surrogates, JSON values within their limits.

Each value is first looked at as a whole (`accepts`), which is cheap and right for nearly all events;
only a value with something wrong in it is rebuilt piece by piece (`rebuilt`), with a note for each change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from crashvault.ingest.limits import Limits
from crashvault.models import EventError

INT_MAX = 2**63 - 1

_ERROR_FIELD_LENGTH = 300
_BAD_CHARACTERS = "[\0\ud800-\udfff]"


class Notes:
    """What normalizing one event has found so far: changes, and how much text and entries it has kept."""

    __slots__ = ("errors", "left_out", "limits", "size", "values")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.errors: list[EventError] = []
        self.left_out = 0  # errors beyond their limit
        self.size = 0  # characters of text, and 4 for each entry: JSON has at most 6 bytes for each
        self.values = limits.values  # entries that may still be rebuilt

    def add(self, field: str, reason: str, detail: str = "") -> None:
        if len(self.errors) >= self.limits.errors:
            self.left_out += 1
            return
        error: EventError = {"field": plain(field, _ERROR_FIELD_LENGTH), "reason": reason}
        if detail:
            error["detail"] = plain(detail, _ERROR_FIELD_LENGTH)
        self.errors.append(error)

    def all_errors(self) -> list[EventError]:
        """The errors, and how many more there were."""
        if not self.left_out:
            return self.errors
        return [*self.errors, {"field": "errors", "reason": "too_many", "detail": f"{self.left_out} more"}]


def is_harmless(text: str) -> bool:
    """Whether `text` has neither NUL nor lone surrogates."""
    if "\0" in text:
        return False
    return text.isascii() or _is_encodable(text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain(text: str, limit: int) -> str:
    """`text` without bad characters, at most `limit` characters of it."""
    text = str.__str__(text[: limit + 1])
    if not is_harmless(text):
        text = re.sub(_BAD_CHARACTERS, "\ufffd", text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def string(text: str, limit: int, field: str, notes: Notes) -> str:
    """The same text if nothing is wrong with it, else a harmless one, with a note."""
    size = len(text)
    if type(text) is str and size <= limit and "\0" not in text and (text.isascii() or _is_encodable(text)):
        notes.size += size
        return text
    kept = plain(text, limit)
    notes.size += len(kept)
    if size > limit:
        notes.add(field, "too_long", f"{size} characters")
    if not is_harmless(text):
        notes.add(field, "bad_characters")
    return kept


def scalar_text(value: Any) -> str | None:
    """A number or truth value as JSON would write it; None for everything else."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value)) if abs(value) <= INT_MAX else None
    return repr(float(value)) if isinstance(value, float) else None


def name(value: Any, limit: int, field: str, notes: Notes) -> str | None:
    """A short text: strings and numbers are taken, everything else is noted. None when there is nothing."""
    if isinstance(value, str):
        return string(value, limit, field, notes) or None
    if value is None:
        return None
    text = scalar_text(value)
    if text is None:
        notes.add(field, "wrong_type", type(value).__name__)
    return text


def whole(value: Any, low: int, high: int, field: str, notes: Notes) -> int | None:
    """An integer from `low` to `high`, also from digits or a whole float. None, noted, when it is none."""
    if type(value) is int and low <= value <= high:
        return value
    if value is None or value == "":
        return None
    if isinstance(value, str) and len(value) < 20 and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and low <= value <= high:
        return value
    if value != 0 or low != 1:  # 0 is how clients say that they know no line
        notes.add(field, "invalid", scalar_text(value) or type(value).__name__)
    return None


def is_number(value: Any) -> bool:
    """Whether JSON, and a database, can hold this number."""
    if type(value) is int:
        return -INT_MAX <= value <= INT_MAX
    return type(value) is float and value - value == 0.0  # false for NaN and infinity


def accepts(boxes: Iterable[Any], longest: int, depth: int, notes: Notes) -> bool:
    """Whether all these mappings and lists may stay as they are.

    `longest` is the limit of each string and key, `depth` how many levels of containers are allowed.
    Walks level by level, so that hostile nesting costs no recursion, and looks at all text at once.
    """
    limits = notes.limits
    width, count, budget = limits.keys, 0, limits.values - (notes.size >> 4)
    texts: list[str] = []
    add_text = texts.append
    while boxes:
        deeper: list[Any] = []
        for box in boxes:
            size = len(box)
            count += size
            if size > width or count > budget or depth <= 0:
                return False
            values = box
            if type(box) is dict:
                texts += box
                values = box.values()
            for value in values:
                kind = type(value)
                if kind is str:
                    add_text(value)
                elif kind is dict or kind is list:
                    if value:
                        deeper.append(value)
                elif not (value is None or kind is bool or is_number(value)):
                    return False
        depth -= 1
        boxes = deeper
    return _accepts_texts(texts, count, longest, notes)


def _accepts_texts(texts: list[str], count: int, longest: int, notes: Notes) -> bool:
    try:
        text = "".join(texts)
    except TypeError:  # a key that is not a string
        return False
    size = len(text)
    if size > longest and max(map(len, texts)) > longest:
        return False
    if "\0" in text or not (text.isascii() or _is_encodable(text)):
        return False
    notes.size += size + 4 * count
    return True


def box(value: Any, longest: int, field: str, notes: Notes) -> Any:
    """A mapping or list within the limits: the same object if nothing is wrong with it."""
    if accepts((value,), longest, notes.limits.depth, notes):
        return value
    return rebuilt(value, longest, notes.limits.depth, field, notes)


def mapping(value: Any, longest: int, field: str, notes: Notes) -> dict[str, Any] | None:
    """A mapping within the limits; None, noted, when `value` is something else; None when it is empty."""
    if not isinstance(value, dict):
        if value is not None and value != "" and value != []:
            notes.add(field, "wrong_type", type(value).__name__)
        return None
    kept: dict[str, Any] = (
        box(value, longest, field, notes)
        if type(value) is dict
        else rebuilt(value, longest, notes.limits.depth, field, notes)
    )
    return kept or None


def rebuilt(value: Any, longest: int, depth: int, field: str, notes: Notes) -> Any:
    """A copy of any value that JSON can hold, within the limits; each change is noted under its path."""
    if isinstance(value, str):
        return string(value, longest, field, notes)
    if isinstance(value, dict):
        return _rebuilt_mapping(value, longest, depth, field, notes)
    if isinstance(value, list | tuple | set | frozenset):
        return _rebuilt_list(value, longest, depth, field, notes)
    if isinstance(value, bytes | bytearray):
        return string(bytes(value[: longest + 4]).decode("utf-8", "replace"), longest, field, notes)
    return _rebuilt_scalar(value, field, notes)


def _rebuilt_mapping(value: dict[Any, Any], longest: int, depth: int, field: str, notes: Notes) -> Any:
    if not value:
        return {}
    if depth <= 0:
        notes.add(field, "too_deep")
        return "{…}"
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if len(kept) >= notes.limits.keys or notes.values <= 0:
            notes.add(field, "too_many", f"{len(value)} keys")
            break
        notes.values -= 1
        notes.size += 4
        text = key if isinstance(key, str) else scalar_text(key) or f"<{type(key).__name__}>"
        text = string(text, longest, f"{field}.{text[:100]}", notes)
        kept[text] = rebuilt(item, longest, depth - 1, f"{field}.{text[:100]}", notes)
    return kept


def _rebuilt_list(value: Any, longest: int, depth: int, field: str, notes: Notes) -> Any:
    if not value:
        return []
    if depth <= 0:
        notes.add(field, "too_deep")
        return "[…]"
    kept: list[Any] = []
    for item in value:
        if len(kept) >= notes.limits.keys or notes.values <= 0:
            notes.add(field, "too_many", f"{len(value)} entries")
            break
        notes.values -= 1
        notes.size += 4
        kept.append(rebuilt(item, longest, depth - 1, f"{field}.{len(kept)}", notes))
    return kept


def _rebuilt_scalar(value: Any, field: str, notes: Notes) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _rebuilt_int(int(value), field, notes)
    if isinstance(value, float):
        number = float(value)
        if number - number == 0.0:
            return number
        notes.add(field, "not_a_number", str(number))
        return str(number)
    notes.add(field, "wrong_type", type(value).__name__)
    return f"<{type(value).__name__}>"


def _rebuilt_int(number: int, field: str, notes: Notes) -> int | str:
    if -INT_MAX <= number <= INT_MAX:
        return number
    notes.add(field, "not_a_number", f"integer of {number.bit_length()} bits")
    # str() refuses integers of more than 4300 digits
    return str(number) if number.bit_length() < 1024 else f"<integer of {number.bit_length()} bits>"
