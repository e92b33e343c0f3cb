"""Words that no event has any more, after events were evicted.

Evicting asks for no word whether another event has it: that would be most of its work. The words of each hash
that lost events are looked at once, when all of them are gone (`settle`), and the lists of distinct values in one
pass over the index, now and then (`sweep`). Hashes that wait for that are marked in the same transaction that
takes their events, so that nothing is forgotten when a process ends in between.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from .document import SIGN, Word, counted_words, hash_token, issue_words, listed_word, word_token
from .loading import Loader
from .sqlite import SQLite, chunks, marks

_HASHES_AT_ONCE = 100
_ROWS_AT_ONCE = 2_000
_READ = 20  # events of a hash that are read for their words; the index is asked for what those don't have
_IN_STACKS = ("file", "function", "module")  # fields whose values belong to stacks, and go with them


class Leftovers:
    """`writing` gives the transaction of each step."""

    def __init__(self, db: SQLite, writing: Callable[[], AbstractContextManager[None]]) -> None:
        self.db = db
        self.writing = writing
        self._loader = Loader(db)

    # Words of hashes

    def settle(self, known: Mapping[int, set[Word]] | None = None) -> None:
        """Remove the words that hashes had from evicted events alone.

        `known` has the words of all events that each hash has lost; without it, marked hashes lose whatever word
        of theirs no event has.
        """
        if known is None:
            known = self._marked()
        for part in chunks(sorted(known), _HASHES_AT_ONCE):
            newest = self._newest()
            gone = {hash_id: self.without_event(hash_id, known[hash_id]) for hash_id in part}
            with self.writing():
                for hash_id, words in self._arrived(newest):
                    if hash_id in gone:
                        gone[hash_id] = gone[hash_id].difference(words)
                pairs = sorted((word, hash_id) for hash_id, words in gone.items() for word in words)
                if self.db.execute_many("DELETE FROM hash_words WHERE word = ? AND hash_id = ?", pairs):
                    advance_generation(self.db)
                self.db.execute(f"UPDATE hashes SET unsettled = 0 WHERE id IN ({marks(part)})", part)

    def _marked(self) -> dict[int, set[Word]]:
        found: dict[int, set[Word]] = {
            row: set() for (row,) in self.db.rows("SELECT id FROM hashes WHERE unsettled = 1")
        }
        if found:
            for word, hash_id in self.db.stream("SELECT word, hash_id FROM hash_words"):
                if hash_id in found:
                    found[hash_id].add(word)
        return found

    def without_event(self, hash_id: int, words: set[Word]) -> set[Word]:
        """Those of the words that no event of a hash has."""
        rows = self.db.rows(
            "SELECT id, level FROM events WHERE hash_id = ? ORDER BY timestamp DESC LIMIT ?", (hash_id, _READ + 1)
        )
        left = words.difference(self._words_of(rows[:_READ]))
        if len(rows) <= _READ:
            return left
        hashed = hash_token(hash_id)
        asked = f"SELECT 1 FROM event_index WHERE {self.db.match('event_index')} LIMIT 1"
        return {word for word in left if not self.db.row(asked, (f'"{word_token(word)}" AND "{hashed}"',))}

    def _words_of(self, rows: Sequence[tuple[int, int]]) -> set[Word]:
        ranks = dict(rows)
        items = self._loader.load(list(ranks))
        return {word for item in items for word in counted_words(item.event, ranks[item.row])}

    # Lists of distinct values

    def sweep(self) -> int:
        """Remove listed values that no event has; how many. The index should be merged, else some stay."""
        newest = self._newest()
        present = array("q", self._indexed_words())
        seen: set[Word] = set()  # of events that came meanwhile
        removed = 0
        for part in self._listed_values():
            unheld = [(listed_word(*name), name) for name in part]
            unheld = [(word, name) for word, name in unheld if not _within(present, word)]
            newest = self._see(newest, seen)
            for some in chunks(unheld, _ROWS_AT_ONCE):
                with self.writing():
                    newest = self._see(newest, seen)
                    names = [name for word, name in some if word not in seen]
                    removed += self.db.execute_many("DELETE FROM words WHERE field = ? AND value = ?", names)
                    advance_generation(self.db)
        return removed

    def _indexed_words(self) -> Iterator[Word]:
        """Every word of the index, ascending."""
        terms = self.db.stream(self.db.words_between("event_index"), (f"{SIGN}0", f"{SIGN}g"))
        return (int(term[1:], 16) for (term,) in terms)

    def _listed_values(self) -> Iterator[list[tuple[str, str]]]:
        last = ("", "")
        while found := self.db.rows(
            "SELECT field, value FROM words WHERE (field, value) > (?, ?) ORDER BY field, value LIMIT 5000", last
        ):
            last = found[-1]
            yield [(field, value) for field, value in found if field not in _IN_STACKS]

    def _see(self, newest: int, seen: set[Word]) -> int:
        """Add the words of events that came after `newest`; the newest now."""
        for _, words in self._arrived(newest, all_words=True):
            seen.update(words)
        return max(newest, self._newest())

    # Events that came meanwhile

    def _newest(self) -> int:
        return int(self.db.value("SELECT COALESCE(max(id), 0) FROM events"))

    def _arrived(self, newest: int, all_words: bool = False) -> Iterator[tuple[int, list[Word]]]:
        """The hash and the words of each event after a row."""
        hot = {
            row: rest for row, *rest in self.db.rows("SELECT id, hash_id, level FROM events WHERE id > ?", (newest,))
        }
        words_of = issue_words if all_words else counted_words
        for item in self._loader.load(list(hot)):
            hash_id, rank = hot[item.row]
            yield hash_id, words_of(item.event, rank)


def advance_generation(db: SQLite) -> None:
    """Tell other processes that words which they believe to be stored may be gone."""
    db.execute(
        """INSERT INTO meta VALUES ('generation', '1')
           ON CONFLICT (key) DO UPDATE SET value = CAST(meta.value AS INTEGER) + 1"""
    )


def _within(words: array[int], word: Word) -> bool:
    place = bisect_left(words, word)
    return place < len(words) and words[place] == word
