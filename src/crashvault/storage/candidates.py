"""Which events a retention policy lets go, oldest first: found through indexes and counters, never by reading events.

- *By age*: along the index of times. Both times of an event must be older: what its sender said when it
  happened, and when it arrived, so that a wrong clock takes nothing away early.
- *By number*: counters say how many there are too many; so many are taken from the old end of the index of times,
  or of each hash of an issue.
- *By size*: the same, by what the vault takes on disk and what its events take of that on average.
  Spans give their share.
- *Limited to a query*: the query's own indexes find the events first.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from math import ceil
from typing import NamedTuple

from ..clock import MINUTE, to_iso
from ..query.tree import Everything, Node, Term, all_of
from .policies import MAX_AGE, MAX_EVENTS, MAX_PER_ISSUE, MAX_SIZE, Policy
from .reported import Reported
from .search import Search
from .sqlite import SQLite, chunks, marks
from .statistics import Statistics

PAGE = 200  # candidates at once
SIZE_TARGET = 0.95  # of `max-size`, so that it is some time until there is too much again
_PIECE = 16  # bits of a row's number
_IN_PIECE = (1 << _PIECE) - 1
_BEGINNING = (-(1 << 62), 0)
_AT_ONCE = 2_000  # rows read from an index


class Gone:
    """Events that a plan lets go, so that the policies after it count without them."""

    def __init__(self) -> None:
        self._bits: dict[int, bytearray] = {}  # a bit a row, in pieces: rows of different days may lie far apart
        self.by_hash: dict[int, int] = {}
        self.events = 0
        self.bytes = 0.0

    def add(self, pairs: Iterable[tuple[int, int]]) -> None:
        """`pairs` of row and hash."""
        for row, hash_id in pairs:
            piece = self._bits.get(row >> _PIECE)
            if piece is None:
                piece = self._bits[row >> _PIECE] = bytearray(1 << _PIECE - 3)
            piece[(row & _IN_PIECE) >> 3] |= 1 << (row & 7)
            self.by_hash[hash_id] = self.by_hash.get(hash_id, 0) + 1
            self.events += 1

    def __contains__(self, row: int) -> bool:
        piece = self._bits.get(row >> _PIECE)
        return piece is not None and bool(piece[(row & _IN_PIECE) >> 3] & 1 << (row & 7))


class Quota:
    """How much is to go of a group of candidates. `left` None: all of them."""

    def __init__(self, left: float | None, weigh: Callable[[Sequence[int]], Sequence[float]] | None = None) -> None:
        self.left = left
        self._weigh = weigh

    @property
    def reached(self) -> bool:
        return self.left is not None and self.left <= 0

    def take(self, rows: Sequence[int]) -> Sequence[int]:
        """As many of the rows as are still to go."""
        if self.left is None:
            return rows
        if self._weigh is None:
            taken = rows[: max(0, int(self.left))]
            self.left -= len(taken)
            return taken
        taken = []
        for row, weight in zip(rows, self._weigh(rows), strict=True):
            if self.left > 0:
                taken.append(row)
                self.left -= weight
        return taken


class Group(NamedTuple):
    """Candidates with how much of them is to go."""

    quota: Quota
    pages: Iterator[list[int]]  # rows, oldest first


class Chosen(NamedTuple):
    why: str
    groups: Iterator[Group]


class Sizes(NamedTuple):
    """What a vault takes, in bytes."""

    database: int  # without its free pages
    files: int  # attachments, each content once
    stored: int  # events
    empty: int  # what the database takes without any
    spans: int
    span: float  # what a span takes, about

    @property
    def total(self) -> int:
        return self.database + self.files

    @property
    def average(self) -> float:
        """What an event takes of the database."""
        return max(1.0, self.database - self.empty - self.spans * self.span) / max(1, self.stored)


class Candidates:
    def __init__(self, db: SQLite, now: int, gone: Gone | None = None) -> None:
        self.db = db
        self.now = now
        self.gone = gone or Gone()
        self.search = Search(db, now)

    def of(self, policy: Policy, node: Node) -> Chosen:
        """The candidates of a policy; `node` is the query of what it is limited to."""
        return _CHOOSERS[policy.kind](self, policy, node)

    # The kinds

    def _by_age(self, policy: Policy, node: Node) -> Chosen:
        before = self.now - policy.amount
        if isinstance(node, Everything):
            pages = self._along_time(before)
        else:
            old = Term("until", None, "<", (before + MINUTE,))  # a sender's clock may be so much ahead
            # All of them before any goes: nothing is read from the index while it is written.
            pages = _paged(array("q", self._received_before(self.search.every_event(all_of([node, old])), before)))
        return Chosen(f"received before {to_iso(before)[:19]}Z", iter([Group(Quota(None), self._staying(pages))]))

    def _by_number(self, policy: Policy, node: Node) -> Chosen:
        stored, most = self.stored() - self.gone.events, policy.amount
        if stored <= most:  # no part of them can be more
            return Chosen(f"{stored:,} events, {most:,} allowed", iter(()))
        if isinstance(node, Everything):
            pages = self._along_time(None)
        else:
            found = [row for row in self.search.every_event(node) if row not in self.gone]
            stored = len(found)
            pages = _paged(self._oldest_first(found) if stored > most else ())
        group = Group(Quota(stored - most), self._staying(pages))
        return Chosen(f"{stored:,} events, {most:,} allowed", iter([group] if stored > most else []))

    def surplus_spans(self, policy: Policy) -> int:
        """How many spans go for a policy by size: their share of what is too much."""
        sizes = self.sizes()
        surplus = sizes.total - self.gone.bytes - policy.amount * SIZE_TARGET
        if sizes.total - self.gone.bytes <= policy.amount or not sizes.spans:
            return 0
        share = sizes.spans * sizes.span / max(1, sizes.database - sizes.empty)
        return min(sizes.spans, ceil(surplus * min(1.0, share) / sizes.span))

    def _by_size(self, policy: Policy, node: Node) -> Chosen:
        sizes, most = self.sizes(), policy.amount
        used = sizes.total - self.gone.bytes
        why = f"the vault has {used / (1 << 20):,.1f} MiB, {most / (1 << 20):,.1f} MiB allowed"
        if used <= most:
            return Chosen(why, iter(()))
        everything = isinstance(node, Everything)
        pages = self._along_time(None) if everything else _paged(self._oldest_first(self.search.every_event(node)))
        quota = Quota(used - most * SIZE_TARGET, lambda rows: self.weights(rows, sizes.average))
        return Chosen(why, iter([Group(quota, self._staying(pages))]))

    def _per_issue(self, policy: Policy, node: Node) -> Chosen:
        why = f"issues with more than {policy.amount:,} events"
        found = self._full_issues if isinstance(node, Everything) else self._full_parts
        return Chosen(why, found(policy.amount, node))

    def _full_issues(self, most: int, node: Node) -> Iterator[Group]:
        """Issues with more events than `most`, by their counters."""
        issues = self.db.rows(
            "SELECT issue_id FROM hashes GROUP BY issue_id HAVING sum(count - evicted) > ? ORDER BY issue_id", (most,)
        )
        for (issue,) in issues:
            stored = dict(self.db.rows("SELECT id, count - evicted FROM hashes WHERE issue_id = ?", (issue,)))
            surplus = sum(stored.values()) - sum(self.gone.by_hash.get(hash_id, 0) for hash_id in stored) - most
            if surplus > 0:
                rows = (row for _, row in heapq.merge(*(self._along_hash(hash_id) for hash_id in stored)))
                yield Group(Quota(surplus), self._staying(_paged(rows)))

    def _full_parts(self, most: int, node: Node) -> Iterator[Group]:
        """The same for a part of each issue's events."""
        found = [row for row in self.search.every_event(node) if row not in self.gone]
        sql = f"""SELECT h.issue_id, e.id FROM {self.db.numbers} CROSS JOIN events e ON e.id = c.value
                 CROSS JOIN hashes h ON h.id = e.hash_id ORDER BY h.issue_id, e.timestamp, e.id"""
        pairs = self.db.rows(sql, (self.db.many(found),))
        for _, of_issue in groupby(pairs, key=lambda pair: pair[0]):
            rows = [row for _, row in of_issue]
            if len(rows) > most:
                yield Group(Quota(len(rows) - most), _paged(rows))

    # How much there is

    def stored(self) -> int:
        return Statistics(self.db).stored()

    def sizes(self) -> Sizes:
        files = self.db.value(
            "SELECT COALESCE(sum(size), 0) FROM (SELECT DISTINCT digest, size FROM attachments) AS files"
        )
        used = self.db.used_size()
        return Sizes(used, int(files), self.stored(), min(self.db.empty_size(), used), *Reported(self.db).span_bytes())

    def weights(self, rows: Sequence[int], average: float) -> list[float]:
        """About how many bytes go with each event."""
        files: dict[int, int] = {}
        for part in chunks(rows):
            files.update(self.db.rows(
                f"SELECT event, sum(size) FROM attachments WHERE event IN ({marks(part)}) GROUP BY event", part
            ))  # fmt: skip
        return [average + files.get(row, 0) for row in rows]

    # Rows

    def _staying(self, pages: Iterable[list[int]]) -> Iterator[list[int]]:
        for page in pages:
            if left := [row for row in page if row not in self.gone]:
                yield left

    def _along_time(self, received_before: int | None) -> Iterator[list[int]]:
        """All events, oldest first; or those that happened, and arrived, before a time."""
        last = _BEGINNING
        before = (1 << 62) if received_before is None else received_before + MINUTE
        column = "0" if received_before is None else "received_at"  # without it the index alone is read
        while rows := self.db.rows(
            f"""SELECT timestamp, id, {column} FROM events WHERE (timestamp, id) > (?, ?) AND timestamp < ?
                ORDER BY timestamp, id LIMIT {_AT_ONCE}""",
            (*last, before),
        ):
            last = rows[-1][:2]
            yield from _paged(row for _, row, received in rows if received_before is None or received < received_before)

    def _along_hash(self, hash_id: int) -> Iterator[tuple[int, int]]:
        """The events of a hash, oldest first."""
        last = _BEGINNING
        while rows := self.db.rows(
            f"""SELECT timestamp, id FROM events WHERE hash_id = ? AND (timestamp, id) > (?, ?)
                ORDER BY timestamp, id LIMIT {_AT_ONCE}""",
            (hash_id, *last),
        ):
            last = rows[-1]
            yield from rows

    def _received_before(self, rows: Iterable[int], before: int) -> Iterator[int]:
        left = iter(rows)
        while part := list(islice(left, _AT_ONCE)):
            yield from (row for (row,) in self.db.rows(
                f"""SELECT e.id FROM {self.db.numbers} CROSS JOIN events e ON e.id = c.value
                   WHERE e.received_at < ? ORDER BY c.key""",
                (self.db.many(part), before),
            ))  # fmt: skip

    def _oldest_first(self, rows: Iterable[int]) -> array[int]:
        found = self.db.stream(
            f"""SELECT e.id FROM {self.db.numbers} CROSS JOIN events e ON e.id = c.value ORDER BY e.timestamp, e.id""",
            (self.db.many(list(rows)),),
        )
        return array("q", (row for (row,) in found))


def _paged(rows: Iterable[int]) -> Iterator[list[int]]:
    left = iter(rows)
    while page := list(islice(left, PAGE)):
        yield page


_CHOOSERS: dict[str, Callable[[Candidates, Policy, Node], Chosen]] = {
    MAX_AGE: Candidates._by_age,
    MAX_EVENTS: Candidates._by_number,
    MAX_PER_ISSUE: Candidates._per_issue,
    MAX_SIZE: Candidates._by_size,
}
