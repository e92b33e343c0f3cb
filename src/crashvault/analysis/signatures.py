"""An event as clustering sees it: exception types, frames from the crash outwards, words of its message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..grouping import message, names
from ..grouping.frames import judge
from ..models import Event, ExceptionInfo, Frame

MOST_FRAMES = 40  # counted from the crash
_WORD = re.compile(r"[^\W\d_]{2,}|<\w+>|<\*>")
_MOST_WORDS = 60


class Signature(NamedTuple):
    """What of an event is compared."""

    types: tuple[str, ...]  # of the chain, root cause first
    frames: tuple[str, ...]  # place and function, the crash first; own code only where there is any
    words: frozenset[str]  # of the message's template
    template: str


class Place(NamedTuple):
    """Where own code was on the way to the crash."""

    file: str
    function: str
    line: int | None


def signature(event: Event) -> Signature:
    """The signature of an event. Frames of libraries count only where the program has none of its own."""
    platform = event.get("platform")
    chain = event.get("exceptions") or []
    types = tuple(name for name in (names.type_name(link.get("type")) for link in chain) if name)
    frames = _frames(stack(event), platform)
    template = _template(event, chain, bool(frames))
    return Signature(types, frames, frozenset(_WORD.findall(template.casefold())[:_MOST_WORDS]), template)


def stack(event: Event) -> Sequence[Frame]:
    """The frames that led to the crash, oldest call first: those of the root cause that has any."""
    for link in event.get("exceptions") or ():
        if link.get("frames"):
            return link["frames"]
    return event.get("frames") or ()


def _frames(frames: Sequence[Frame], platform: str | None) -> tuple[str, ...]:
    judged = [judge(frame, platform) for frame in reversed(frames[-10 * MOST_FRAMES :])]
    own = [item.text for item in judged if item.app and item.text]
    return tuple(dict.fromkeys(own or [item.text for item in judged if item.text]))[:MOST_FRAMES]


def _template(event: Event, chain: Sequence[ExceptionInfo], located: bool) -> str:
    if chain:
        root = chain[0]
        return message.value_template(names.type_name(root.get("type")), root.get("value") or "", located).text
    return message.message_template(event.get("message", "")).text


def places(event: Event) -> Iterator[Place]:
    """The program's own places in an event's stack, the crash first, each once."""
    platform = event.get("platform")
    seen: set[tuple[str, str]] = set()
    for frame in reversed(stack(event)[-10 * MOST_FRAMES :]):
        file, function = frame.get("file") or frame.get("module") or "", frame.get("function") or ""
        if judge(frame, platform).app and (file or function) and (file, function) not in seen:
            seen.add((file, function))
            yield Place(file, function, frame.get("line"))
