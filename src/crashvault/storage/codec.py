"""An event to bytes and back.

An event is stored in up to three parts. The *stack* (exception types, frames, source lines) is the same
for all events of a crash, the *background* (installed modules, SDK, operating system, runtime) for all
events of a deployment: both are kept once, addressed by their digest. The *payload* (message, values,
local variables, tags, breadcrumbs …) differs from event to event. All are JSON, compressed with
zstandard and a dictionary trained on varied events; the first byte of a stored body says how.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..digests import blake2b
from ..models import Event

if TYPE_CHECKING:
    import zstandard

RAW, ZSTD = 0, 1
# Never change or remove an entry: stored bodies name it. A better dictionary gets the next number.
DICTIONARIES: dict[int, str] = {2: "payload-1.zdict", 3: "stack-1.zdict"}
PAYLOAD, STACK = 2, 3
_LEVEL = 3
# What the events of one deployment have in common, at the top of an event and inside its context.
BACKGROUND = ("modules", "sdk", "debug_meta")
CONTEXT_BACKGROUND = ("modules", "sdk", "runtime", "os")
CONTEXTS = "contexts"  # where a Sentry payload that came as it was keeps those
LOOSE = "_loose"  # the payload's member with what varies of the stack
_LOOSE = frozenset({"value", "mechanism", "frames"})
_SMALL = 64  # bytes; below, compression gains nothing

# What has columns of its own.
COLUMNS = ("event_id", "project", "timestamp", "received_at", "level", "exceptions", "frames")

Encoder = Callable[[Any], bytes]
Decoder = Callable[[bytes], Any]

_json_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, default=str).encode


class Parts(NamedTuple):
    """What an event is stored as, not yet compressed (but see `compressed`)."""

    payload: bytes
    stack: bytes | None = None
    stack_digest: bytes | None = None  # 16 bytes, its address
    background: bytes | None = None
    background_digest: bytes | None = None


def encode_light(value: Any) -> bytes:
    """JSON with what the standard library has, for commands that store one event."""
    return _json_encode(value).encode()


def fast_encoder() -> Encoder:
    """JSON for many events; importing it costs more than one event's encoding."""
    import msgspec

    return msgspec.json.Encoder(enc_hook=str).encode


def fast_decoder() -> Decoder:
    """The counterpart of `fast_encoder`."""
    import msgspec

    return msgspec.json.Decoder().decode


def split(event: Event, encode: Encoder = encode_light) -> Parts:
    """The two parts of an event, which is left as it was."""
    rest = {key: value for key, value in event.items() if key not in COLUMNS}
    background = _background(rest)
    chain = event.get("exceptions")
    if chain is None:
        frames = event.get("frames")
        chain = [{"frames": frames}] if frames else []
    loose, static = _separate(cast(list[dict[str, Any]], chain))
    if loose:
        rest[LOOSE] = loose
    payload = encode(rest)
    stack = encode(["exceptions" if "exceptions" in event else "frames", static]) if static else None
    shared = encode(background) if background else None
    return Parts(payload, stack, address(stack), shared, address(shared))


def compressed(parts: Parts) -> Parts:
    """The parts with the payload as it is stored; the shared ones are rarely new, and wait for that."""
    return parts._replace(payload=shrink(parts.payload, PAYLOAD))


def address(body: bytes | None) -> bytes | None:
    """Where a part that events share is kept."""
    return None if body is None else blake2b(body, digest_size=16).digest()


def _background(rest: dict[str, Any]) -> dict[str, Any]:
    """Take what a deployment's events share out of `rest`, whose own containers stay as they are."""
    found = {key: rest.pop(key) for key in BACKGROUND if key in rest}
    context = rest.get("context")
    if type(context) is dict:
        context, taken = _without_background(context)
        inner = context.get(CONTEXTS)
        if type(inner) is dict:
            inner, shared = _without_background(inner)
            if shared:
                context = {**context, CONTEXTS: inner}
                taken = {**taken, CONTEXTS: shared}
        if taken:
            rest["context"] = context
            found["context"] = taken
    return found


def _without_background(context: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A context without what a deployment's events share, and that."""
    if context.keys().isdisjoint(CONTEXT_BACKGROUND):
        return context, {}
    rest = context.copy()
    return rest, {key: rest.pop(key) for key in CONTEXT_BACKGROUND if key in context}


def _separate(chain: list[dict[str, Any]]) -> tuple[list[Any], list[dict[str, Any]]]:
    """What varies of each exception ([value, mechanism, variables of each frame]), and what does not."""
    loose, static = [], []
    for link in chain:
        frames = link.get("frames") or ()
        variables = [frame.get("vars") for frame in frames]
        fixed = {key: value for key, value in link.items() if key not in _LOOSE}
        if any(variables):
            fixed["frames"] = [_without_variables(frame) if "vars" in frame else frame for frame in frames]
            loose.append([link.get("value"), link.get("mechanism"), variables])
        else:
            fixed["frames"] = frames
            loose.append([link.get("value"), link.get("mechanism"), None])
        static.append(fixed)
    return loose, static


def _without_variables(frame: dict[str, Any]) -> dict[str, Any]:
    kept = frame.copy()  # quicker than picking keys
    del kept["vars"]
    return kept


def join(payload: bytes, stack: bytes | None, background: bytes | None = None, decode: Decoder = json.loads) -> Event:
    """The event of its uncompressed parts, without what has columns of its own."""
    event = decode(payload)
    if background is not None:
        _merge(event, decode(background))
    loose = event.pop(LOOSE, None)
    if stack is None:
        return cast(Event, event)
    kind, static = decode(stack)
    for link, (value, mechanism, variables) in zip(static, loose or [], strict=False):
        if value is not None:
            link["value"] = value
        if mechanism is not None:
            link["mechanism"] = mechanism
        for frame, found in zip(link["frames"], variables or (), strict=False):
            if found is not None:
                frame["vars"] = found
        if not link["frames"]:
            del link["frames"]
    event[kind] = static if kind == "exceptions" else static[0]["frames"]
    return cast(Event, event)


def _merge(target: dict[str, Any], more: dict[str, Any]) -> None:
    """Put a background back; mappings that both have are merged."""
    for key, value in more.items():
        if type(value) is dict and type(target.get(key)) is dict:
            _merge(target[key], value)
        else:
            target[key] = value


def static_part(stack: bytes) -> Event:
    """What an uncompressed stack tells of its event: exceptions or frames, without values and variables."""
    kind, static = json.loads(stack)
    return cast(Event, {kind: static if kind == "exceptions" else static[0]["frames"]})


def frames_of(stack: bytes) -> list[dict[str, Any]]:
    """Every frame of a stored stack, with its exception's type and its position (0 is the oldest call)."""
    _, static = json.loads(expand(stack))
    return [
        {**frame, "exception": link.get("type"), "position": position}
        for link in static
        for position, frame in enumerate(link["frames"])
    ]


def shrink(body: bytes, dictionary: int) -> bytes:
    """The stored form of a part."""
    if len(body) < _SMALL:
        return b"\0" + body
    return _prefix(dictionary) + _compressor(dictionary).compress(body)


def expand(body: bytes) -> bytes:
    """The part that `shrink` stored. Raises ValueError for a body that is damaged or of a later program."""
    kind = body[0]
    if kind == RAW:
        return body[1:]
    if kind != ZSTD and kind not in DICTIONARIES:
        raise ValueError(f"unknown compression {kind}: written by a newer Crashvault")
    import zstandard

    try:
        return _decompressor(kind).decompress(memoryview(body)[1:])
    except zstandard.ZstdError as error:
        raise ValueError(f"damaged body: {error}") from error


@cache
def _prefix(dictionary: int) -> bytes:
    return bytes([dictionary if _dictionary(dictionary) else ZSTD])


@cache
def _dictionary(number: int) -> zstandard.ZstdCompressionDict | None:
    import zstandard

    path = os.path.join(os.path.dirname(__file__), "dictionaries", DICTIONARIES.get(number, ""))
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return zstandard.ZstdCompressionDict(file.read(), dict_type=zstandard.DICT_TYPE_FULLDICT)


class _Own(threading.local):
    """What each thread has for itself: two threads that share one of these damage what they make of their bytes."""

    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressors: dict[int, zstandard.ZstdDecompressor] = {}


_own = _Own()


def _compressor(dictionary: int) -> zstandard.ZstdCompressor:
    found = _own.compressors.get(dictionary)
    if found is None:
        import zstandard

        found = _own.compressors[dictionary] = zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=_dictionary(dictionary), write_checksum=False, write_dict_id=False
        )
    return found


def _decompressor(kind: int) -> zstandard.ZstdDecompressor:
    found = _own.decompressors.get(kind)
    if found is None:
        import zstandard

        dictionary = _dictionary(kind) if kind != ZSTD else None
        found = _own.decompressors[kind] = zstandard.ZstdDecompressor(dict_data=dictionary)
    return found
