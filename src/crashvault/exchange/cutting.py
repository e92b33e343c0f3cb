"""An event of an export cut into the parts that a vault stores, without making values of all its JSON and back.

Our own exports hold events as they were stored, so most of their text can go back as it is. It is not believed
blindly: every part is decoded by its type, the shared ones once. What differs in any way from what we would
have written is left to `preparing`, which takes whatever can be understood.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ..models import Event
from ..storage import codec
from ..storage.splicing import Members, members, object_of
from . import schema

_KEPT = 2048  # stacks, and backgrounds
_NULL = b"null"
_VARIABLES = b',"vars":'
_KNOWN = frozenset(Event.__annotations__)


class Cut(NamedTuple):
    """An event's parts, and of itself what the index asks for."""

    parts: codec.Parts
    event: dict[str, Any]


class Cutter:
    """Cuts the events of one file; remembers the shared parts it has looked at, which neighbours share."""

    def __init__(self) -> None:
        self._payload = msgspec.json.Decoder(schema.payload_form()).decode
        self._stack = msgspec.json.Decoder(schema.stack_form()).decode
        self._background = msgspec.json.Decoder(schema.background_form()).decode
        self._links = msgspec.json.Decoder(list[dict[str, Raw]]).decode
        self._list = msgspec.json.Decoder(list[Raw]).decode
        self._stacks: dict[bytes, tuple[bytes, list[dict[str, Any]]]] = {}
        self._backgrounds: dict[bytes, bytes] = {}

    def cut(self, event: Members) -> Cut:
        """Raises ValueError for an event that is not in the form in which we write events."""
        if not event.keys() <= _KNOWN or ("exceptions" in event and "frames" in event):
            raise ValueError("not the members of a stored event")
        rest = {key: value for key, value in event.items() if key not in codec.COLUMNS}
        background = self._without_background(rest)
        stack, links, loose = self._stack_of(event)
        if loose:
            rest[codec.LOOSE] = b"[%s]" % b",".join(loose)
        payload = object_of(rest)
        found: dict[str, Any] = self._payload(b'{"event":%s}' % payload).event  # type: ignore[attr-defined]
        if stack is not None:
            kind = "exceptions" if "exceptions" in event else "frames"
            chain = [_link(*both) for both in zip(links, found.pop(codec.LOOSE), strict=True)]
            found[kind] = chain if kind == "exceptions" else chain[0]["frames"]
        return Cut(codec.Parts(payload, stack, codec.address(stack), background, codec.address(background)), found)

    # The background

    def _without_background(self, rest: Members) -> bytes | None:
        """Take out what `codec` keeps for a whole deployment."""
        found: Members = {key: rest.pop(key) for key in codec.BACKGROUND if key in rest}
        if "context" in rest:
            context: Members = members(rest["context"])
            taken = _take(context)
            if codec.CONTEXTS in context and bytes(context[codec.CONTEXTS])[:1] == b"{":
                inner: Members = members(context[codec.CONTEXTS])
                shared = _take(inner)
                if shared:
                    context[codec.CONTEXTS] = object_of(inner)
                    taken[codec.CONTEXTS] = object_of(shared)
            if taken:
                rest["context"] = object_of(context)
                found["context"] = object_of(taken)
        return self._known_background(object_of(found)) if found else None

    def _known_background(self, text: bytes) -> bytes:
        known = self._backgrounds.get(text)
        if known is None:
            self._background(text)
            if len(self._backgrounds) >= _KEPT:
                self._backgrounds.clear()
            known = self._backgrounds[text] = text
        return known

    # The stack

    def _stack_of(self, event: Members) -> tuple[bytes | None, list[dict[str, Any]], list[bytes]]:
        """The text that is shared, what the index asks of it, and what varies of each exception."""
        if "exceptions" in event:
            kind, chain = b"exceptions", self._links(event["exceptions"])
        elif "frames" in event:
            kind, chain = b"frames", [{"frames": event["frames"]}]
        else:
            return None, [], []
        static: list[bytes] = []
        loose: list[bytes] = []
        for link in chain:
            frames, variables = self._frames(link.pop("frames", None))
            loose.append(b"[%s,%s,%s]" % (link.pop("value", _NULL), link.pop("mechanism", _NULL), variables))
            static.append(object_of({**link, "frames": frames}))
        if not static or (kind == b"frames" and static == [b'{"frames":[]}']):
            raise ValueError("a stack without anything")
        text, links = self._known_stack(b'["%s",[%s]]' % (kind, b",".join(static)))
        return text, links, loose

    def _frames(self, frames: Raw | None) -> tuple[bytes, bytes]:
        """The frames without their variables, and those."""
        if frames is None:
            return b"[]", _NULL
        static, variables = [], []
        for frame in map(bytes, self._list(frames)):
            # Before it stand only texts, numbers and lists of texts, in which a quote is escaped. Whoever wrote it
            # otherwise has a stack that is no JSON now, or variables that are none.
            at = frame.find(_VARIABLES)
            static.append(frame if at < 0 else frame[:at] + b"}")
            variables.append(_NULL if at < 0 else frame[at + len(_VARIABLES) : -1])
        if b"{}" in variables:
            raise ValueError("variables that are none")  # `codec` has a way of its own with those
        found = any(one is not _NULL for one in variables)
        return b"[%s]" % b",".join(static), b"[%s]" % b",".join(variables) if found else _NULL

    def _known_stack(self, text: bytes) -> tuple[bytes, list[dict[str, Any]]]:
        found = self._stacks.get(text)
        if found is None:
            _, static = self._stack(text)
            links = [{key: getattr(link, key) for key in ("type", "module") if getattr(link, key)} for link in static]
            if len(self._stacks) >= _KEPT:
                self._stacks.clear()
            found = self._stacks[text] = (text, links)
        return found


def _take(context: Members) -> Members:
    """Take out what a deployment's events share."""
    return {key: context.pop(key) for key in codec.CONTEXT_BACKGROUND if key in context}


def _link(static: dict[str, Any], loose: tuple[str | None, Any, list[dict[str, Any] | None] | None]) -> dict[str, Any]:
    """An exception as the index sees it: what it is, and its variables."""
    value, _, variables = loose
    frames = [{"vars": found} if found else {} for found in variables or ()]
    return {**static, "value": value, "frames": frames}
