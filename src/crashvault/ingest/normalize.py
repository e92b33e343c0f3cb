"""Raw events made regular: any mapping in, an `Event` of the documented shape out, whatever was in it.

A part that is wrong is cut or left out and named in `event["errors"]`; the event itself is always kept.
Single fields are read by the table in `fields`; what depends on several of them (stack, platform,
message, size) is settled here afterwards. Normalizing twice gives the same event as normalizing once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, cast

from crashvault.ingest import fields, frames
from crashvault.ingest.clean import Notes, string
from crashvault.ingest.limits import DEFAULT_LIMITS, Limits
from crashvault.models import DEFAULT_PROJECT, Event, ExceptionInfo, Frame

NO_MESSAGE = "(no message)"

# read apart from the others, or set by us
_APART = frozenset(
    ("event_id", "project", "timestamp", "received_at", "level")
    + ("stacktrace", "stack", "exception", "exceptions", "frames", "threads")
)
_USUAL_TYPES: dict[str, type] = {
    **dict.fromkeys(("host", "release", "environment", "logger", "dist", "transaction"), str),
    **dict.fromkeys(("context", "request", "sdk", "user"), dict),
}


def new_event_id() -> str:
    """A random uuid4, dashed; without the import of `uuid`."""
    number = int.from_bytes(os.urandom(16), "big")
    number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x4 << 76 | 0x2 << 62
    return fields.dashed(f"{number:032x}")


def normalize(
    raw: Mapping[str, Any],
    *,
    received_at: int,
    levels: Mapping[str, int],
    project: str = DEFAULT_PROJECT,
    limits: Limits = DEFAULT_LIMITS,
    new_id: Callable[[], str] = new_event_id,
) -> Event:
    """Make an event of a raw one. Never raises, whatever is in `raw`.

    `raw` is the native event body, or an event that was normalized before; its parts become parts of
    the event without being copied and may be changed, so the caller must not use it any more.
    `received_at` is in microseconds since the epoch, `levels` gives the rank of each known level, and
    `new_id` makes the event id where the client gave none.

    Times may be ISO 8601 or numbers: below 1e11 they are seconds, below 1e14 milliseconds, below 1e17
    microseconds, else nanoseconds. A time before March 1973 or more than a minute after `received_at`
    becomes `received_at`.
    """
    notes = Notes(limits)
    if not isinstance(raw, Mapping):
        notes.add("event", "wrong_type", type(raw).__name__)
        raw = {}
    event: dict[str, Any] = {
        "event_id": fields.event_id(raw.get("event_id"), notes) or new_id(),
        "project": project,
        "timestamp": fields.timestamp(raw.get("timestamp"), received_at, notes),
        "received_at": received_at,
        "level": fields.level(raw.get("level"), levels, notes),
    }
    _read_fields(raw, event, notes)
    try:
        _settle_stack(raw, event, notes)
    except Exception as error:  # as above, one part must never cost the event
        notes.add("stacktrace", "unreadable", type(error).__name__)
    if "message" not in event:
        event["message"] = _derived_message(event, notes)
    if notes.size * 6 > limits.event:
        from crashvault.ingest.shrink import shrink

        shrink(event, notes)
    if notes.errors:
        event["errors"] = notes.all_errors()
    return cast(Event, event)


def _read_fields(raw: Mapping[str, Any], event: dict[str, Any], notes: Notes) -> None:
    readers = fields.READERS
    for key in _without_usual_fields(raw, event, notes):
        target, reader = readers.get(key, fields.UNKNOWN)
        if target in event:
            continue
        try:
            kept = reader(raw[key], key, notes)
        except Exception as error:  # one part must never cost the event
            notes.add(key, "unreadable", type(error).__name__)
            continue
        if kept or kept == 0:
            event[target] = kept


def _without_usual_fields(raw: Mapping[str, Any], event: dict[str, Any], notes: Notes) -> list[str]:
    """Take short texts together and mappings together, if all are as they should be; the keys of the rest."""
    texts: dict[str, Any] = {}
    boxes: dict[str, Any] = {}
    rest: list[str] = []
    for key, value in raw.items():
        kind = _USUAL_TYPES.get(key)
        if kind is str and type(value) is str:
            texts[key] = value
        elif kind is dict and type(value) is dict:
            boxes[key] = value
        elif value is not None and key not in _APART:
            rest.append(key)
    for found, is_usual in ((texts, fields.are_short_texts), (boxes, fields.are_usual_boxes)):
        if found and is_usual(found, notes):
            event.update(found)
        else:
            rest += found
    return rest


def _settle_stack(raw: Mapping[str, Any], event: dict[str, Any], notes: Notes) -> None:
    """Exceptions, frames, threads and the stack as text, each from wherever the client has put it."""
    text, listed = _stacks(raw, notes)
    chain = frames.exceptions(raw.get("exceptions") or raw.get("exception"), "exceptions", notes)
    loose = frames.frames(listed, "frames", notes) if listed else []
    threads = frames.threads(raw.get("threads"), "threads", notes) if raw.get("threads") else []
    chain, loose = _joined(chain, loose)
    if text:
        event["stacktrace"] = text
        if not any("frames" in exception for exception in chain):
            chain, told, threads = _read_text(text, chain, threads, event, notes)
            if chain and loose:  # structured frames know more than printed ones
                chain[-1]["frames"] = loose
            chain, loose = _joined(chain, loose or told)
    if not loose and not any("frames" in part for part in (*chain, *threads)):
        chain, loose = _joined(chain, _source_frame(event))
    _settle_platform(event, chain, loose, threads)
    if chain:
        event["exceptions"] = chain
    elif loose:
        event["frames"] = loose
    if threads:
        event["threads"] = threads


def _stacks(raw: Mapping[str, Any], notes: Notes) -> tuple[str, Any]:
    """The stack as text and as a list of frames, either of which may be absent."""
    text, listed = "", raw.get("frames")
    for key in ("stacktrace", "stack"):
        stack = raw.get(key)
        if isinstance(stack, list | tuple) and stack and all(isinstance(line, str) for line in stack):
            stack = "\n".join(stack)
        if isinstance(stack, str):
            text = text or _stack_text(stack, key, notes)
        else:
            listed = listed or stack
    return text, listed


def _stack_text(stack: str, field: str, notes: Notes) -> str:
    """A stack trace within its limit: the crash is told at one of its ends, so the middle goes."""
    limit = notes.limits.stacktrace
    if len(stack) > limit:
        notes.add(field, "too_long", f"{len(stack)} characters")
        half = limit // 2
        stack = f"{stack[: half - 2]}\n…\n{stack[half + 1 - limit :]}"
    return "" if stack.isspace() else string(stack, limit, field, notes)


def _joined(chain: list[ExceptionInfo], loose: list[Frame]) -> tuple[list[ExceptionInfo], list[Frame]]:
    """Frames without an exception belong to the last one, unless it has its own."""
    if not chain:
        return chain, loose
    if loose and "frames" not in chain[-1]:
        chain[-1]["frames"] = loose
    return chain, []


def _read_text(
    text: str, chain: list[ExceptionInfo], threads: list[Any], event: dict[str, Any], notes: Notes
) -> tuple[list[ExceptionInfo], list[Frame], list[Any]]:
    """What a stack as text adds: exceptions or their frames, frames without exception, threads."""
    parsed = frames.parse_text(text, "stacktrace", notes)
    if parsed is None:
        return chain, [], threads
    if parsed.platform and "platform" not in event:
        event["platform"] = fields.platform(parsed.platform, "platform", notes)
    threads = threads or frames.threads(parsed.threads, "stacktrace", notes)
    found = frames.exceptions(parsed.exceptions, "stacktrace", notes)
    if chain and found:
        chain[-1] = {**found[-1], **chain[-1]}
        # a single exception with a text that tells its causes: they are the front of the chain
        return ([*found[:-1], *chain] if len(chain) == 1 else chain), [], threads
    if len(found) == 1 and not found[0].keys() & {"type", "value"}:  # a stack without an exception
        if parsed.message and "message" not in event:
            event["message"] = string(parsed.message, notes.limits.message, "message", notes)
        return [], found[0]["frames"], threads
    return chain or found, [], threads


def _source_frame(event: dict[str, Any]) -> list[Frame]:
    """One frame made of source and line, for an event that says no more of its place."""
    if "source" not in event or "line" not in event:
        return []
    frame: Frame = {"file": event["source"][:1024], "line": event["line"]}
    if "column" in event:
        frame["column"] = event["column"]
    return [frame]


def _settle_platform(event: dict[str, Any], chain: list[ExceptionInfo], loose: list[Frame], threads: list[Any]) -> None:
    lists = [part["frames"] for part in (*threads, *chain) if "frames" in part]
    if loose:
        lists.append(loose)
    if "platform" not in event:
        for found in reversed(lists):
            if platform := frames.guess_platform(found):
                event["platform"] = platform
                break
    for found in lists:
        frames.decide_in_app(found, event.get("platform", "other"))


def _derived_message(event: dict[str, Any], notes: Notes) -> str:
    last = event["exceptions"][-1] if "exceptions" in event else {}
    text = ": ".join(part for part in (last.get("type"), last.get("value")) if part)
    if text.strip():
        return string(text, notes.limits.message, "message", notes)
    notes.add("message", "missing")
    return NO_MESSAGE
