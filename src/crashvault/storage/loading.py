"""Stored rows back to events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ..digests import dashed
from ..errors import StoreError
from ..models import Event
from . import codec
from .sqlite import SQLite, chunks, marks

_SHARED_KEPT = 512
_FROM_FAST = 32  # events at once from which the fast decoder is worth importing
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError)  # what a damaged event raises


class StoredEvent(NamedTuple):
    """An event with where it is in the vault."""

    row: int  # grows in the order of arrival
    issue_id: int
    fingerprint: str  # the grouping hash, 40 hex digits
    event: Event


class Loader:
    """Decodes events; keeps the shared parts it met last, since neighbours share them."""

    def __init__(self, db: SQLite) -> None:
        self.db = db
        self._shared: dict[bytes, bytes] = {}
        self._decode: codec.Decoder = json.loads

    def load(self, rows: Sequence[int]) -> list[StoredEvent]:
        """Events by row, in the order asked for; rows that are gone are left out."""
        found: dict[int, StoredEvent] = {}
        if len(rows) > _FROM_FAST:
            self._decode = codec.fast_decoder()
        for part in chunks(rows):
            found.update((item.row, item) for item in self._decoded(f"e.id IN ({marks(part)})", part))
        return [found[row] for row in rows if row in found]

    def stream(self, rows: Iterable[int]) -> Iterator[StoredEvent]:
        """Events by row: a few at first, because many who ask stop soon, then some hundred at a time."""
        size, left = 8, iter(rows)
        while pending := list(islice(left, size)):
            yield from self.load(pending)
            size = min(2 * size, 400)

    def _decoded(self, where: str, parameters: Sequence[Any]) -> list[StoredEvent]:
        rows = self.db.rows(
            f"""SELECT e.id, e.event_id, p.name, e.timestamp, e.received_at, l.name, e.level, h.issue_id, h.hash,
                       s.body, g.body, b.body
                FROM events e JOIN payloads b ON b.id = e.id JOIN hashes h ON h.id = e.hash_id
                     JOIN projects p ON p.id = e.project_id LEFT JOIN levels l ON l.rank = e.level
                     LEFT JOIN stacks s ON s.id = e.stack_id LEFT JOIN backgrounds g ON g.id = e.background_id
                WHERE {where}""",
            parameters,
        )
        return [self._readable(row) for row in rows]

    def _readable(self, row: tuple[Any, ...]) -> StoredEvent:
        try:
            return self._event(*row)
        except UNREADABLE as error:
            raise unreadable(row[1], error) from error

    def _expanded(self, body: bytes | None) -> bytes | None:
        if body is None:
            return None
        found = self._shared.get(body)
        if found is None:
            if len(self._shared) >= _SHARED_KEPT:
                self._shared.clear()
            found = self._shared[body] = codec.expand(body)
        return found

    def _event(
        self, row: int, event_id: bytes, project: str, timestamp: int, received_at: int, level: str | None, rank: int,
        issue: int, digest: bytes, stack: bytes | None, background: bytes | None, body: bytes,
    ) -> StoredEvent:  # fmt: skip
        event = codec.join(codec.expand(body), self._expanded(stack), self._expanded(background), self._decode)
        event["event_id"] = dashed(event_id)
        event["project"] = project
        event["timestamp"] = timestamp
        event["received_at"] = received_at
        event["level"] = level or f"level-{rank}"
        return StoredEvent(row, issue, digest.hex(), event)


def unreadable(event_id: bytes, error: Exception) -> StoreError:
    """What to say of an event whose stored form is damaged."""
    return StoreError(
        f"event {dashed(event_id)} cannot be read ({error})",
        "Run: crashvault doctor, and bring a backup back with: crashvault restore",
    )
