"""Evicting events: they go as deleted ones do, but all that was counted of them stays.

Everything that takes time (decoding, index documents, words) is done before a transaction begins. Inside it the
rows are looked at once more, so that nothing is taken out twice, and nothing whose reason to go has gone.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from ..clock import HOUR
from . import outbox
from .blobs import Blobs
from .deletion import Deletion, Row, document_of
from .document import Word, divided, issue_words
from .ledger import Ledger
from .leftovers import Leftovers
from .loading import StoredEvent
from .sqlite import SQLite, marks

AT_ONCE = 200  # events a transaction
EVICTED = "evicted"  # the reason in the ledger
_PAUSES = 5  # times as long as our transaction took, where somebody else records
_RESTS = 4  # times as long as we have worked, where the processors are in demand too
_LONGEST = 2.0  # seconds of a pause
_MOST_WORDS = 400_000  # pairs of hash and word that wait to be settled


class Stopped(Exception):
    """The work was asked to end; what is done is done."""


class Pace:
    """Write transactions that leave others their time.

    Where another connection has committed since our last transaction, a pause follows that is several times as
    long as ours took, and longer where more wants to run than there are processors; where nobody else writes, none.
    A lower priority would not do: who waits for a processor while holding the vault keeps all others waiting.
    `renew` is called before each transaction, and no more begin once `stop` is set: then Stopped is raised.
    """

    def __init__(self, db: SQLite, stop: threading.Event, renew: Callable[[], object]) -> None:
        self._db = db
        self._stop = stop
        self._renew = renew
        self._seen = db.data_version()
        self._worked = time.thread_time()

    @contextmanager
    def writing(self) -> Iterator[None]:
        if self._stop.is_set():
            raise Stopped
        self._renew()
        with self._db.writing():
            began = time.perf_counter()
            yield
        taken = time.perf_counter() - began
        version = self._db.data_version()
        worked, self._worked = time.thread_time() - self._worked, time.thread_time()
        if version != self._seen:
            self._seen = version
            rest = _RESTS * worked if _is_crowded() else 0.0
            self._stop.wait(min(max(_PAUSES * taken, rest), _LONGEST))


def _is_crowded() -> bool:
    """Whether more wants to run than there are processors."""
    if not hasattr(os, "getloadavg"):  # Windows
        return False
    return os.getloadavg()[0] > (os.cpu_count() or 1)


class Eviction(Deletion):
    """`writing` gives each step's transaction."""

    def __init__(self, db: SQLite, blobs: Blobs, writing: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(db, blobs)
        self.writing = writing
        self._lost: dict[int, set[Word]] = {}  # words of evicted events, by hash
        self._waiting = 0  # words in there
        self._begin()

    def evict(
        self, items: Sequence[StoredEvent], kept: Mapping[int, frozenset[int]], source: str, now: int
    ) -> Counter[int]:
        """Evict some events in one transaction; how many of each hash went. `source` says why, in the ledger.

        `kept` has the rows, by hash, for whose sake others may go: where one of those has disappeared meanwhile,
        no event of that hash goes.
        """
        items = sorted(items, key=lambda item: item.row)  # in the order in which the index takes them best
        hot = self._hot_rows([item.row for item in items])
        items = [item for item in items if item.row in hot]
        documents = []
        for item in items:
            row = hot[item.row]
            words = issue_words(item.event, row.rank)
            documents.append((item.row, document_of(item, row, words)))
            self._lose(row.hash_id, divided(words)[0])
        with self.writing():
            going = self._going(hot, kept)
            self._remove([document for document in documents if document[0] in going], hot, now)
            counts = self._keep_counts([item for item in items if item.row in going], hot)
            Ledger(self.db).add({(EVICTED, source, "event"): counts.total()}, now)
        if self._waiting > _MOST_WORDS:
            self.settle()
        return counts

    def settle(self) -> None:
        """Remove the words that nothing but the evicted events had."""
        lost, self._lost, self._waiting = self._lost, {}, 0
        Leftovers(self.db, self.writing).settle(lost)

    def settle_earlier(self) -> None:
        """The same for what a run that was ended has evicted; to be called before anything else goes."""
        Leftovers(self.db, self.writing).settle()

    def _checkpoint(self) -> None:
        """Nobody who records waits for those who read."""
        self.db.checkpoint(wait=False)

    def _lose(self, hash_id: int, words: Sequence[Word]) -> None:
        known = self._lost.setdefault(hash_id, set())
        before = len(known)
        known.update(words)
        self._waiting += len(known) - before

    def _going(self, hot: Mapping[int, Row], kept: Mapping[int, frozenset[int]]) -> set[int]:
        """The rows that are still there, without those of a hash that has lost what it was to keep.

        What a webhook is still to be told stays until it was.
        """
        staying = [(row, hash_id) for hash_id in {row.hash_id for row in hot.values()} for row in kept[hash_id]]
        asked = [*hot, *(row for row, _ in staying)]
        there = {row for (row,) in self.db.rows(f"SELECT id FROM events WHERE id IN ({marks(asked)})", asked)}
        changed = {hash_id for row, hash_id in staying if row not in there}
        awaited = outbox.awaited(self.db, list(hot))
        return {row for row in hot if row in there and row not in awaited and hot[row].hash_id not in changed}

    def _keep_counts(self, items: Sequence[StoredEvent], hot: Mapping[int, Row]) -> Counter[int]:
        hours = Counter((hot[item.row].hash_id, item.event["timestamp"] // HOUR, hot[item.row].rank) for item in items)
        counts = Counter(hot[item.row].hash_id for item in items)
        self.db.execute_many(
            "UPDATE hashes SET evicted = evicted + ?, unsettled = 1 WHERE id = ?",
            [(count, hash_id) for hash_id, count in counts.items()],
        )
        self.db.execute_many(
            """INSERT INTO evicted_hours VALUES (?, ?, ?, ?)
               ON CONFLICT (hash_id, hour, level) DO UPDATE SET count = evicted_hours.count + excluded.count""",
            [(*key, count) for key, count in sorted(hours.items())],
        )
        return counts
