"""Stored events as JSON text, without making values of what is JSON already.

`codec` says what an event is stored as. This does on bytes what `codec.join` does on values: an export would spend
most of its time on taking texts apart and writing them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from ..clock import to_iso
from ..digests import dashed
from . import codec
from .loading import UNREADABLE, unreadable
from .sqlite import SQLite, marks

Members = dict[str, Any]  # of a JSON object: JSON in bytes, or the Raw that msgspec has for that
Value = TypeVar("Value")

_KEPT = 4096  # stacks, and backgrounds
_AT_ONCE = 400  # events
_NULL = Raw(b"null")

members = msgspec.json.Decoder(dict[str, Raw]).decode
_list_of = msgspec.json.Decoder(list[Raw]).decode
_static = msgspec.json.Decoder(tuple[str, list[dict[str, Raw]]]).decode
_loose = msgspec.json.Decoder(list[tuple[Raw, Raw, Raw]]).decode


class SplicedEvent(NamedTuple):
    """An event as JSON text, in the form that `models.Event` describes but with times as people write them."""

    row: int
    fingerprint: str  # the grouping hash, 40 hex digits
    attachments: bytes | None  # what the event itself says of its files
    text: bytes


class _Link(NamedTuple):
    """What a stack tells of one exception."""

    rest: bytes  # its members but the frames, each behind a comma
    frames: list[bytes]


class Splicer:
    """Reads events as JSON text; keeps the shared parts it met last, since neighbours share them."""

    def __init__(self, db: SQLite) -> None:
        self.db = db
        self._stacks: dict[int, tuple[str, list[_Link]]] = {}
        self._backgrounds: dict[int, Members] = {}

    def stream(self, rows: Iterable[int]) -> Iterator[list[SplicedEvent]]:
        """Events by row, some hundred at a time; rows that are gone are left out."""
        left = iter(rows)
        while part := list(islice(left, _AT_ONCE)):
            found = {event.row: event for event in self._load(part)}
            yield [found[row] for row in part if row in found]

    def _load(self, rows: Sequence[int]) -> Iterator[SplicedEvent]:
        found = self.db.rows(
            f"""SELECT e.id, e.event_id, p.name, e.timestamp, e.received_at, l.name, e.level, h.hash,
                       e.stack_id, e.background_id, b.body
                FROM events e JOIN payloads b ON b.id = e.id JOIN hashes h ON h.id = e.hash_id
                     JOIN projects p ON p.id = e.project_id LEFT JOIN levels l ON l.rank = e.level
                WHERE e.id IN ({marks(rows)})""",
            rows,
        )
        for row in found:
            try:
                yield self._event(*row)
            except UNREADABLE as error:
                raise unreadable(row[1], error) from error

    def _event(
        self, row: int, event_id: bytes, project: str, timestamp: int, received_at: int, level: str | None, rank: int,
        digest: bytes, stack: int | None, background: int | None, body: bytes,
    ) -> SplicedEvent:  # fmt: skip
        event: Members = members(codec.expand(body))
        loose = event.pop(codec.LOOSE, None)
        if background is not None:
            _merge(event, self._background(background))
        if stack is not None:
            kind, links = self._stack(stack)
            values = _loose(loose) if loose is not None else [(_NULL, _NULL, _NULL)] * len(links)
            if kind == "exceptions":
                event[kind] = b"[%s]" % b",".join(map(_exception, links, values))
            else:
                event[kind] = _frames(links[0], values[0][2])
        begin = b'{"event_id":"%s","project":%s,"timestamp":"%s","received_at":"%s","level":%s' % (
            dashed(event_id).encode(), _text(project), to_iso(timestamp).encode(), to_iso(received_at).encode(),
            _text(level or f"level-{rank}"),
        )  # fmt: skip
        return SplicedEvent(row, digest.hex(), event.get("attachments"), object_of(event, begin))

    def _stack(self, row: int) -> tuple[str, list[_Link]]:
        found = self._stacks.get(row)
        if found is None:
            kind, static = _static(self._shared("stacks", row))
            found = _keep(self._stacks, row, (kind, [_prepared(link) for link in static]))
        return found

    def _background(self, row: int) -> Members:
        found = self._backgrounds.get(row)
        if found is None:
            text = self._shared("backgrounds", row)
            found = _keep(self._backgrounds, row, {key: bytes(value) for key, value in members(text).items()})
        return found

    def _shared(self, table: str, row: int) -> bytes:
        return codec.expand(self.db.value(f"SELECT body FROM {table} WHERE id = ?", (row,), b""))


def object_of(found: Mapping[str, Any], begin: bytes = b"") -> bytes:
    """A JSON object with these members, behind the text that it begins with if there is one."""
    parts = [begin]
    for key, value in found.items():
        parts.append(_key(key))
        parts.append(value)
    parts.append(b"}")
    text = b"".join(parts)
    return text if begin else b"{" + text[1 if found else 0 :]


@lru_cache(4096)
def _key(name: str) -> bytes:
    return b",%s:" % msgspec.json.encode(name)


@lru_cache(1024)
def _text(value: str) -> bytes:
    return msgspec.json.encode(value)


def _keep(kept: dict[int, Value], row: int, value: Value) -> Value:
    if len(kept) >= _KEPT:
        kept.clear()
    kept[row] = value
    return value


def _merge(target: Members, more: Members) -> None:
    """Put a background back, as `codec` does: objects that both have are merged."""
    for key, value in more.items():
        mine = target.get(key)
        if mine is not None and _is_object(mine) and _is_object(value):
            inner = members(mine)
            _merge(inner, members(value))
            value = object_of(inner)
        target[key] = value


def _is_object(text: Any) -> bool:
    return memoryview(text)[0] == 123  # {


def _prepared(link: Members) -> _Link:
    frames = [bytes(frame) for frame in _list_of(link.pop("frames"))]
    return _Link(b"".join([_key(key) + value for key, value in link.items()]), frames)


def _exception(link: _Link, loose: tuple[Raw, Raw, Raw]) -> bytes:
    value, mechanism, variables = loose
    parts = [link.rest]
    if link.frames:
        parts += (b',"frames":', _frames(link, variables))
    if value != _NULL:
        parts += (b',"value":', value)
    if mechanism != _NULL:
        parts += (b',"mechanism":', mechanism)
    return b"{%s}" % b"".join(parts)[1:]


def _frames(link: _Link, variables: Raw) -> bytes:
    if variables == _NULL:
        return b"[%s]" % b",".join(link.frames)
    parts = [
        frame if found == _NULL else b'%s%s"vars":%s}' % (frame[:-1], b"," if len(frame) > 2 else b"", found)
        for frame, found in zip(link.frames, _list_of(variables), strict=True)
    ]
    return b"[%s]" % b",".join(parts)
