"""Which candidates of a policy stay all the same: of each grouping hash the first event, the latest, and the most
informative of the others.

Issues consist of hashes, and can be merged and taken apart again; so what each hash keeps, every issue has. Of an
issue that is resolved or ignored, and has been silent for as long as a policy by age allows, only the latest stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..models import Event
from .document import all_frames
from .loading import Loader, StoredEvent
from .sqlite import SQLite, chunks, marks

# What tells most about a failure, weighed against each other; what lacks in the list weighs nothing.
_WEIGHTS: tuple[tuple[int, Callable[[Event], Any]], ...] = (
    (8, lambda event: any(frame.get("vars") for frame in all_frames(event))),
    (8, lambda event: next(all_frames(event), None) or event.get("stacktrace")),
    (4, lambda event: any(frame.get("context_line") for frame in all_frames(event))),
    (4, lambda event: event.get("attachments")),
    (3, lambda event: event.get("breadcrumbs")),
    (2, lambda event: event.get("request")),
    (2, lambda event: event.get("context")),
    (2, lambda event: event.get("user")),
    (1, lambda event: event.get("trace_id")),
    (1, lambda event: event.get("tags")),
    (1, lambda event: event.get("release")),
    (-1, lambda event: event.get("errors")),
)


def informativeness(event: Event) -> int:
    """How much an event tells about its failure; the more the better."""
    return sum(weight for weight, has in _WEIGHTS if has(event))


class Loser(NamedTuple):
    """An event that may go."""

    row: int
    hash_id: int
    item: StoredEvent | None  # None where nothing was read


class _Kept:
    """What a hash keeps."""

    __slots__ = ("best", "closed", "fixed")

    def __init__(self, fixed: frozenset[int], closed: bool) -> None:
        self.fixed = fixed  # first and latest
        self.closed = closed  # then nothing else is kept
        self.best: int | None = None  # the most informative candidate so far, if it is none of those

    @property
    def rows(self) -> frozenset[int]:
        return self.fixed if self.best is None else self.fixed | {self.best}


class Sieve:
    """For the candidates of one policy, in as many parts as one likes.

    `silent_since`: closed issues not seen since then keep only their latest event. Without `weighing` no event is
    read, and the first candidate stands for the most informative: which one goes differs, not how many.
    """

    def __init__(self, db: SQLite, *, silent_since: int | None = None, weighing: bool = True) -> None:
        self.db = db
        self.spared = 0  # candidates that stay
        self._silent_since = silent_since
        self._weighing = weighing
        self._loader = Loader(db)
        self._kept: dict[int, _Kept] = {}

    def losers(self, rows: Sequence[int]) -> list[Loser]:
        """Those of the candidates that go; also one that stayed before, where a better one has come."""
        hashes = self._hashes(rows)
        self._look_up(set(hashes.values()))
        going: list[tuple[int, int]] = []
        entrants: dict[int, list[int]] = {}
        for row in rows:
            if row not in hashes:  # gone meanwhile
                continue
            kept = self._kept[hashes[row]]
            if row in kept.fixed:
                self.spared += 1
            elif kept.closed:
                going.append((row, hashes[row]))
            else:
                entrants.setdefault(hashes[row], []).append(row)
        rivals = {hash_id: self._rivals(hash_id, found) for hash_id, found in entrants.items()}
        items = self._read([row for row, _ in going], rivals)
        for hash_id, found in rivals.items():
            best = max(found, key=lambda row: self._weight(items, row)) if len(found) > 1 else found[0]
            self.spared += self._kept[hash_id].best is None
            self._kept[hash_id].best = best
            going += [(row, hash_id) for row in found if row != best]
        return [Loser(row, hash_id, items.get(row)) for row, hash_id in going]

    def kept(self, hashes: set[int]) -> dict[int, frozenset[int]]:
        """The rows for whose sake others of those hashes may go."""
        return {hash_id: self._kept[hash_id].rows for hash_id in hashes}

    def _rivals(self, hash_id: int, entrants: list[int]) -> list[int]:
        """Candidates of a hash of which one stays; the latest first, which wins among equals."""
        best = self._kept[hash_id].best
        return [*reversed(entrants), *([best] if best is not None and best not in entrants else [])]

    def _read(self, going: Sequence[int], rivals: dict[int, list[int]]) -> dict[int, StoredEvent]:
        if not self._weighing:
            return {}
        rows = [*going, *(row for found in rivals.values() if len(found) > 1 for row in found)]
        return {item.row: item for item in self._loader.load(rows)}

    def _weight(self, items: dict[int, StoredEvent], row: int) -> int:
        return informativeness(items[row].event) if row in items else 0

    def _hashes(self, rows: Sequence[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for part in chunks(rows):
            found.update(self.db.rows(f"SELECT id, hash_id FROM events WHERE id IN ({marks(part)})", part))
        return found

    def _look_up(self, hashes: set[int]) -> None:
        """Learn what hashes keep that were not asked about before."""
        end = "(SELECT id FROM events WHERE hash_id = h.id ORDER BY timestamp {0}, id {0} LIMIT 1)"
        first, latest = (end.replace("{0}", direction) for direction in ("ASC", "DESC"))
        for part in chunks(sorted(hashes.difference(self._kept))):
            for hash_id, status, seen, last, *ends in self.db.rows(
                f"""SELECT h.id, i.status, i.last_seen, (SELECT id FROM events WHERE id = i.last_event), {latest}, {first}
                    FROM hashes h JOIN issues i ON i.id = h.issue_id WHERE h.id IN ({marks(part)})""",
                part,
            ):
                silent = self._silent_since is not None and seen < self._silent_since
                closed = status != "open" and silent
                staying = [last, ends[0]] if closed else [last, *ends]
                self._kept[hash_id] = _Kept(frozenset(row for row in staying if row is not None), closed)
