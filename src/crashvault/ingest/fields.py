"""Readers of an event's single fields: each takes a raw value and gives the regular one, or None.

A reader notes what it had to change. `READERS` says which raw key is read into which field of the
event, and by which reader; of several keys for one field the first in the raw event counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crashvault import clock
from crashvault.ingest.clean import (
    INT_MAX,
    Notes,
    accepts,
    box,
    mapping,
    name,
    rebuilt,
    scalar_text,
    whole,
)
from crashvault.ingest.frames import LINE_MAX
from crashvault.ingest.limits import REASONS
from crashvault.models import DEFAULT_LEVEL

Reader = Callable[[Any, str, Notes], Any]

EARLIEST = 10**14  # 1973-03-03 in microseconds: a smaller number is in seconds or milliseconds
_LATEST = 10**17
_MILLISECONDS_FROM = 10**11

_LEVEL_WORDS: dict[str, str] = {
    "fatal": "critical", "crit": "critical", "panic": "critical", "emergency": "critical",
    "emerg": "critical", "alert": "critical", "err": "error", "severe": "error", "exception": "error",
    "warn": "warning", "information": "info", "informational": "info", "notice": "info", "log": "info",
    "trace": "debug", "verbose": "debug",
}  # fmt: skip

PLATFORMS = frozenset(
    ("python", "javascript", "java", "go", "rust", "ruby", "php", "csharp", "native", "elixir", "other")
)
PLATFORM_WORDS: dict[str, str] = {
    "node": "javascript", "nodejs": "javascript", "typescript": "javascript", "js": "javascript",
    "deno": "javascript", "bun": "javascript", "browser": "javascript", "py": "python", "kotlin": "java",
    "scala": "java", "groovy": "java", "jvm": "java", "android": "java", "golang": "go", "dotnet": "csharp",
    ".net": "csharp", "c#": "csharp", "fsharp": "csharp", "c": "native", "cpp": "native", "c++": "native",
    "objc": "native", "cocoa": "native", "swift": "native", "erlang": "elixir", "rb": "ruby",
    "perl": "other", "dart": "other", "lua": "other", "haskell": "other", "ocaml": "other",
}  # fmt: skip


def event_id(value: Any, notes: Notes) -> str | None:
    """A dashed uuid of 32 hexadecimal digits with or without dashes; None, noted, for anything else."""
    digits = _hex_digits(value, 32)
    if digits:
        return dashed(digits)
    if value is not None and value != "":
        notes.add("event_id", "invalid", "32 hexadecimal digits are expected")
    return None


def dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _hex_digits(value: Any, count: int) -> str | None:
    """Hexadecimal digits in lower case, without dashes, not all of them zero."""
    if not isinstance(value, str) or len(value) > 2 * count:
        return None
    try:
        number = bytes.fromhex(value.replace("-", ""))
    except ValueError:
        return None
    return number.hex() if 2 * len(number) == count and any(number) else None


def _hex_reader(count: int) -> Reader:
    def read(value: Any, field: str, notes: Notes) -> str | None:
        digits = _hex_digits(value, count)
        if digits is None and value != "":
            notes.add(field, "invalid", f"{count} hexadecimal digits are expected")
        return digits

    return read


def timestamp(value: Any, received_at: int, notes: Notes) -> int:
    """Microseconds of the event's time; `received_at`, noted, where it is unreadable or in the future."""
    if value is None or value == "":
        return received_at
    moment = microseconds(value)
    if moment is None:
        detail = value if isinstance(value, str) else scalar_text(value) or type(value).__name__
        notes.add("timestamp", "invalid_time", detail)
        return received_at
    if moment > received_at + notes.limits.future:
        notes.add("timestamp", "future_time", clock.to_iso(moment))
        return received_at
    return moment


def microseconds(value: Any) -> int | None:
    """Microseconds since the epoch of an ISO 8601 time or a number; None when it is no time after 1973.

    Numbers below 1e11 are seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
    """
    if type(value) is str:
        moment = _microseconds_of_text(value)
    elif type(value) in (int, float):
        moment = _microseconds_of_number(value)
    else:
        return None
    return moment if moment is not None and EARLIEST <= moment < _LATEST else None


def _microseconds_of_text(text: str) -> int | None:
    if len(text) > 64:
        return None
    try:
        return clock.from_iso(text)
    except (ValueError, OverflowError):
        pass
    try:
        return _microseconds_of_number(float(text))
    except ValueError:
        pass
    try:
        return clock.from_iso(text.strip().upper().removesuffix("UTC").rstrip())
    except (ValueError, OverflowError):
        return None


def _microseconds_of_number(number: int | float) -> int | None:
    if not 0 < number < _LATEST * 1000:  # also false for NaN
        return None
    if number < _MILLISECONDS_FROM:
        return round(number * 1_000_000)
    if number < EARLIEST:
        return round(number * 1000)
    return int(number) if number < _LATEST else int(number) // 1000


def level(value: Any, levels: Mapping[str, int], notes: Notes) -> str:
    """The name of a known level: by its name in any case, by the field's other words, or by its rank."""
    if type(value) is str and value in levels:
        return value
    if value is None or value == "":
        return DEFAULT_LEVEL
    if isinstance(value, str):
        word = value.strip().lower()
        found = {known.lower(): known for known in levels}
        if known := found.get(word) or found.get(_LEVEL_WORDS.get(word, "")):
            return known
    elif type(value) is int:
        for known, rank in levels.items():
            if rank == value:
                return known
    notes.add("level", "unknown_level", value if isinstance(value, str) else scalar_text(value) or "")
    return DEFAULT_LEVEL


def message(value: Any, field: str, notes: Notes) -> str | None:
    """The message; of `{message, params, formatted}` the formatted text. Blank text is none."""
    if isinstance(value, dict):
        value = value.get("formatted") or value.get("message")
    text = name(value, notes.limits.message, field, notes)
    return text if text and not text.isspace() else None


def tags(value: Any, field: str, notes: Notes) -> list[str] | None:
    """Words and `key=value` pairs from a mapping, a list of texts, pairs or {key, value}, or "a,b"."""
    if type(value) is dict and _are_plain_tags(value, notes):
        return [f"{key}={worth}" for key, worth in value.items()]
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, dict):
        items: list[Any] = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(value)
    else:
        notes.add(field, "wrong_type", type(value).__name__)
        return None
    if len(items) > notes.limits.tags:
        notes.add(field, "too_many", f"{len(items)} tags")
        del items[notes.limits.tags :]
    found = (_tag(item, f"{field}.{index}", notes) for index, item in enumerate(items))
    return list(dict.fromkeys(tag for tag in found if tag))


def _are_plain_tags(pairs: dict[str, str], notes: Notes) -> bool:
    if len(pairs) > notes.limits.tags or not are_short_texts(pairs, notes):
        return False
    text = f"{''.join(pairs)}{''.join(pairs.values())}"
    return (
        len(text) <= notes.limits.tag
        and text.isprintable()
        and " " not in text
        and not any("=" in key for key in pairs)
    )


def _tag(item: Any, field: str, notes: Notes) -> str | None:
    key: Any
    value: Any
    if isinstance(item, str):
        key, _, value = item.partition("=")
    elif isinstance(item, list | tuple) and len(item) == 2:
        key, value = item
    elif isinstance(item, dict) and "key" in item:
        key, value = item["key"], item.get("value")
    else:
        key, value = item, None
    limit = notes.limits.tag
    text = (name(key, limit, field, notes) or "").strip()
    if not isinstance(item, str):
        text = text.replace("=", "_")
    worth = (name(value, limit, field, notes) or "").strip()
    return f"{text}={worth}" if text and worth else text or worth.lstrip("= ") or None


def source(value: Any, field: str, notes: Notes) -> str | None:
    return name(value, notes.limits.source, field, notes)


def short_text(value: Any, field: str, notes: Notes) -> str | None:
    if type(value) is str and len(value) < 250 <= notes.limits.name and value.isascii() and "\0" not in value:
        notes.size += len(value)
        return value
    return name(value, notes.limits.name, field, notes)


def _line(value: Any, field: str, notes: Notes) -> int | None:
    return whole(value, 1, LINE_MAX, field, notes)


def _pid(value: Any, field: str, notes: Notes) -> int | None:
    return whole(value, 0, INT_MAX, field, notes)


def _data(value: Any, field: str, notes: Notes) -> dict[str, Any] | None:
    return mapping(value, notes.limits.text, field, notes)


def user(value: Any, field: str, notes: Notes) -> str | dict[str, Any] | None:
    return _data(value, field, notes) if isinstance(value, dict) else short_text(value, field, notes)


def _named(value: Any, field: str, notes: Notes) -> dict[str, Any] | None:
    """A mapping; a mere text is its name."""
    return _data({"name": value} if isinstance(value, str) and value else value, field, notes)


def platform(value: Any, field: str, notes: Notes) -> str | None:
    if type(value) is str and value in PLATFORMS:
        return value
    if value == "":
        return None
    word = value.strip().lower() if isinstance(value, str) else ""
    word = PLATFORM_WORDS.get(word, word)
    if word in PLATFORMS:
        return word
    notes.add(field, "unknown_platform", value if isinstance(value, str) else type(value).__name__)
    return "other"


def modules(value: Any, field: str, notes: Notes) -> dict[str, str] | None:
    """Names and versions of the packages in use."""
    if not isinstance(value, dict):
        notes.add(field, "wrong_type", type(value).__name__)
        return None
    if (most := notes.limits.modules) < len(value):
        notes.add(field, "too_many", f"{len(value)} modules")
        value = dict(list(value.items())[:most])
    if are_short_texts(value, notes):
        return value
    kept: dict[str, str] = {}
    for key, version in value.items():
        if module := short_text(key, field, notes):
            kept[module] = short_text(version, f"{field}.{module}", notes) or ""
    notes.size += 4 * len(kept)
    return kept


def are_short_texts(pairs: dict[str, str], notes: Notes) -> bool:
    """Whether names and values are all texts, not empty, within their limits and plain ASCII."""
    try:
        text = f"{''.join(pairs)}{''.join(pairs.values())}"
    except TypeError:
        return False
    if not text.isascii() or "\0" in text or not all(pairs) or not all(pairs.values()):
        return False
    limit = notes.limits.name
    if len(text) > limit and max(max(map(len, pairs)), max(map(len, pairs.values()))) > limit:
        return False
    notes.size += len(text) + 8 * len(pairs)
    return True


def are_usual_boxes(boxes: dict[str, dict[str, Any]], notes: Notes) -> bool:
    """Whether these mappings may all stay as they are."""
    return all(boxes.values()) and accepts(boxes.values(), notes.limits.text, notes.limits.depth, notes)


def breadcrumbs(value: Any, field: str, notes: Notes) -> list[dict[str, Any]] | None:
    """The last breadcrumbs, with their times in microseconds."""
    if isinstance(value, dict):
        value = value.get("values")
    if not isinstance(value, list | tuple):
        if value is not None and value != "":
            notes.add(field, "wrong_type", type(value).__name__)
        return None
    if len(value) > (most := notes.limits.breadcrumbs):
        notes.add(field, "too_many", f"{len(value)} breadcrumbs")
        value = value[-most:]
    if {*map(type, value)} != {dict} or not accepts(value, notes.limits.text, notes.limits.depth, notes):
        value = _rebuilt_breadcrumbs(value, field, notes)
    for index, crumb in enumerate(value):
        if (given := crumb.get("timestamp")) is not None:
            _set_crumb_time(crumb, given, f"{field}.{index}", notes)
    return [crumb for crumb in value if crumb]


def _rebuilt_breadcrumbs(value: Any, field: str, notes: Notes) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for index, crumb in enumerate(value):
        if isinstance(crumb, str):
            crumb = {"message": crumb}
        if isinstance(crumb, dict):
            kept.append(rebuilt(crumb, notes.limits.text, notes.limits.depth, f"{field}.{index}", notes))
        elif crumb is not None:
            notes.add(f"{field}.{index}", "wrong_type", type(crumb).__name__)
    return kept


def _set_crumb_time(crumb: dict[str, Any], given: Any, field: str, notes: Notes) -> None:
    moment = microseconds(given)
    if moment is not None:
        crumb["timestamp"] = moment
    else:
        notes.add(f"{field}.timestamp", "invalid", given if isinstance(given, str) else scalar_text(given) or "")
        del crumb["timestamp"]


def attachments(value: Any, field: str, notes: Notes) -> list[dict[str, Any]] | None:
    """What is known of each attachment; its content travels beside the event (`native.split_attachments`)."""
    if not isinstance(value, list | tuple):
        notes.add(field, "wrong_type", type(value).__name__)
        return None
    if len(value) > (most := notes.limits.attachments):
        notes.add(field, "too_many", f"{len(value)} attachments")
        value = value[:most]
    found = (_attachment(item, f"{field}.{index}", notes) for index, item in enumerate(value))
    return [attachment for attachment in found if attachment]


def _attachment(raw: Any, field: str, notes: Notes) -> dict[str, Any] | None:
    if not isinstance(raw, dict):
        notes.add(field, "wrong_type", type(raw).__name__)
        return None
    kept: dict[str, Any] = {
        key: short_text(raw.get(key), f"{field}.{key}", notes) for key in ("name", "content_type", "kind")
    }
    kept["size"] = whole(raw.get("size"), 0, INT_MAX, f"{field}.size", notes)
    kept["digest"] = _digest(raw["digest"], f"{field}.digest", notes) if raw.get("digest") else None
    return {key: worth for key, worth in kept.items() if worth is not None}


def fingerprint(value: Any, field: str, notes: Notes) -> list[str] | None:
    """The client's own grouping: a list of texts; other scalars become text."""
    if isinstance(value, str):
        value = [value] if value else []
    if not isinstance(value, list | tuple):
        notes.add(field, "wrong_type", type(value).__name__)
        return None
    if len(value) > (most := notes.limits.fingerprint):
        notes.add(field, "too_many", f"{len(value)} parts")
        value = value[:most]
    found = (name(part, notes.limits.line, f"{field}.{index}", notes) for index, part in enumerate(value))
    return [part for part in found if part]


def debug_meta(value: Any, field: str, notes: Notes) -> dict[str, Any] | None:
    """Debug images, of which there may be more than other lists may hold, and what else is there."""
    if not isinstance(value, dict) or not isinstance(value.get("images"), list):
        return _data(value, field, notes)
    images = value["images"]
    if len(images) > (most := notes.limits.images):
        notes.add(field, "too_many", f"{len(images)} images")
        images = images[:most]
    kept = _data({key: part for key, part in value.items() if key != "images"}, field, notes) or {}
    path = f"{field}.images"
    found = [box(image, notes.limits.text, path, notes) for image in images if type(image) is dict]
    return {**kept, "images": found} if found else kept


def errors(value: Any, field: str, notes: Notes) -> None:
    """Errors that the client, or an earlier normalizing, has noted: they go to the event's own."""
    for error in value if isinstance(value, list | tuple) else ():
        if isinstance(error, dict) and isinstance(error.get("field"), str):
            reason = error.get("reason")
            known = isinstance(reason, str) and reason in REASONS
            detail = error.get("detail") if known else reason
            notes.add(
                error["field"],
                str(reason) if known else "reported",
                detail if isinstance(detail, str) else "",
            )


def _unknown(value: Any, field: Any, notes: Notes) -> None:
    notes.add(field if isinstance(field, str) else type(field).__name__, "unknown_field")


_digest = _hex_reader(64)

READERS: dict[str, tuple[str, Reader]] = {
    "message": ("message", message),
    "source": ("source", source),
    "url": ("source", source),
    "line": ("line", _line),
    "lineno": ("line", _line),
    "column": ("column", _line),
    "colno": ("column", _line),
    "tags": ("tags", tags),
    "context": ("context", _data),
    "host": ("host", short_text),
    "pid": ("pid", _pid),
    "release": ("release", short_text),
    "environment": ("environment", short_text),
    "user": ("user", user),
    "fingerprint": ("fingerprint", fingerprint),
    "breadcrumbs": ("breadcrumbs", breadcrumbs),
    "trace_id": ("trace_id", _hex_reader(32)),
    "span_id": ("span_id", _hex_reader(16)),
    "attachments": ("attachments", attachments),
    "logger": ("logger", short_text),
    "transaction": ("transaction", source),
    "request": ("request", _data),
    "sdk": ("sdk", _named),
    "modules": ("modules", modules),
    "dist": ("dist", short_text),
    "debug_meta": ("debug_meta", debug_meta),
    "platform": ("platform", platform),
    "errors": ("errors", errors),
}
UNKNOWN: tuple[str, Reader] = ("", _unknown)
