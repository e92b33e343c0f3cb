"""What similarity compares of an event: its exceptions, message and frames as numbers, a kilobyte at most.

Names are those that grouping compares (`names.py`), so that installation paths, proxies and minified names
play no part; a sketch holds digests of them and no text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..digests import blake2b
from ..models import Event, ExceptionInfo, Frame, Grouping
from . import frames as stack
from . import message, names
from .bounded import Memo
from .patterns import compiled
from .strategies import root_index

MAX_FRAMES = 48  # nearest the crash, each function twice at most
MAX_OWN = 24
MAX_WORDS = 24
MAX_TYPES = 4
_LOOKED_AT = 400  # frames, of all exceptions together
_TWICE = 2

_digests: Memo[str, int] = Memo(8192)


class Sketch(NamedTuple):
    """Frames run from the crash outwards; equal numbers are equal things."""

    types: tuple[int, ...] = ()  # of exceptions, the root cause first
    words: tuple[int, ...] = ()  # of the message's template
    value: int = 0  # the message itself; 0: there is none
    own: tuple[int, ...] = ()  # frames of the user's own code
    frames: tuple[int, ...] = ()  # all
    line: int = 0  # the source lines of the crash: of the innermost own frame, and of the first that is no helper
    spot: int = 0  # those frames with their line numbers; other ones tell only in the same release
    release: int = 0
    decided: bool = False  # by a client's fingerprint or a rule: nothing is to be joined to it by similarity

    def traits(self) -> list[int]:
        """What it can be found by: its frames, and its message."""
        found = dict.fromkeys((*self.own, *self.frames))
        if self.words:
            found[digest(f"message {self.types[:1]} {self.words}")] = None
        if not self.frames:
            found.update(dict.fromkeys(self.words))
        return list(found)

    def dump(self) -> bytes:
        return json.dumps(self, separators=(",", ":")).encode()


def load(body: bytes) -> Sketch:
    """The sketch that `dump` made these bytes of. Raises ValueError for others."""
    try:
        types, words, value, own, frames, *rest = json.loads(body)
        found = Sketch(tuple(types), tuple(words), value, tuple(own), tuple(frames), *rest)
    except TypeError as error:
        raise ValueError(f"no sketch: {error}") from error
    if not all(
        isinstance(number, int) for part in found[:8] for number in (part if isinstance(part, tuple) else (part,))
    ):
        raise ValueError("no sketch: it holds what is no number")
    return found


def digest(text: str) -> int:
    """A number of 56 bits that stands for a text; never 0."""
    found = _digests.get(text)
    if found is None:
        body = blake2b(text.encode("utf-8", "replace"), digest_size=7).digest()
        found = int.from_bytes(body, "big") or 1
        _digests.put(text, found)
    return found


def sketch_of(event: Event, grouping: Grouping | None = None) -> Sketch:
    """The sketch of a normalized event. `grouping` tells whether somebody has decided where it belongs."""
    platform = event.get("platform")
    chain = _chain(event)
    types = tuple(dict.fromkeys(name for info in chain if (name := names.type_name(info.get("type")))))[:MAX_TYPES]
    frames = list(_frames(chain, platform))
    own = [frame for frame in frames if stack.judge(frame, platform).app] or frames
    first = next(
        iter(
            stack.significant_frames(
                (chain[0].get("frames") or []) if chain else [], platform, types[0] if types else None
            )
        ),
        None,
    )
    crash = [frame for frame in (own[0] if own else None, first) if frame]
    release = event.get("release")
    value = (chain[0].get("value") if chain else "") or event.get("message") or ""
    located = bool(frames)
    template = message.value_template(types[0], value, located) if types else message.message_template(value)
    return Sketch(
        tuple(map(digest, types)),
        tuple(digest(word) for word in _words(template.key)),
        digest(message.headline(value)) if value.strip() else 0,
        _numbers(own, platform)[:MAX_OWN],
        _numbers(frames, platform)[:MAX_FRAMES],
        _line(crash),
        _spot(crash, platform),
        digest(release) if release else 0,
        grouping is not None and grouping.key.startswith("fingerprint\n"),
    )


def _chain(event: Event) -> list[ExceptionInfo]:
    """The exceptions that matter, the root cause first."""
    exceptions = (event.get("exceptions") or [])[-50:]
    if exceptions:
        return exceptions[root_index(exceptions) :]
    frames = event.get("frames")
    return [{"frames": frames, "value": event.get("message")}] if frames else []


def _frames(chain: list[ExceptionInfo], platform: str | None) -> Iterator[Frame]:
    """From the root cause's crash outwards, then those of what it led to; what repeats, twice."""
    times: dict[str, int] = {}
    last = ""
    looked = 0
    for info in chain:
        for frame in reversed((info.get("frames") or [])[-_LOOKED_AT:]):
            looked += 1
            if looked > _LOOKED_AT:
                return
            text = stack.frame_key(frame, platform)
            if not text or text == last or times.get(text, 0) >= _TWICE:
                continue
            last = text
            times[text] = times.get(text, 0) + 1
            yield frame


def _numbers(frames: list[Frame], platform: str | None) -> tuple[int, ...]:
    return tuple(digest(stack.frame_key(frame, platform)) for frame in frames)


def _words(template: str) -> list[str]:
    return list(dict.fromkeys(compiled(r"[^\W_]+(?:[._][^\W_]+)*|<\*>").findall(template[:1000])))[:MAX_WORDS]


def _line(frames: Sequence[Frame]) -> int:
    lines = [" ".join((frame.get("context_line") or "").split())[:500] for frame in frames]
    return digest("\n".join(dict.fromkeys(lines))) if lines and all(lines) else 0


def _spot(frames: Sequence[Frame], platform: str | None) -> int:
    places = [
        f"{stack.frame_key(frame, platform)} {frame['line']}:{frame.get('column') or 0}"
        for frame in frames
        if frame.get("line")
    ]
    return digest("\n".join(dict.fromkeys(places))) if places else 0
