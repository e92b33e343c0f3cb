"""Deleting events, and everything that only they held: index, words, stacks, users, counters, attachments.

Nothing of a deleted event stays behind but its id, as a tombstone: a client that sends it again within
30 days must not bring it back. Deleting raises the `generation`, which tells other processes that words
they believe to be stored may be gone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from .. import clock
from ..clock import DAY, HOUR, MINUTE
from . import codec, outbox, reported
from .blobs import SPARED_SECONDS, Blobs
from .document import (
    Word,
    divided,
    event_document,
    hash_token,
    is_counted,
    issue_words,
    own_words,
    stack_document,
    stack_words,
    user_identities,
    word_name,
    word_of,
    word_token,
)
from .ledger import Ledger
from .leftovers import Leftovers, advance_generation
from .loading import Loader, StoredEvent
from .reported import Reported
from .similarity import forget_sketches
from .sqlite import SQLite, chunks, marks

TOMBSTONE_AGE = 30 * DAY
MINUTES_KEPT = 2 * DAY
_AT_ONCE = 200  # events a transaction, so that nobody who records waits for long
_SHARED_AT_ONCE = 50  # stacks, or backgrounds
_ROWS_AT_ONCE = 2_000  # small rows
_FEW = 500  # stacks that are looked up one by one
_EVENTS_AT_ONCE = 20_000  # that are asked what they share
_INDEXES = ("event_index", "stack_index")
_EMPTIED = (
    "events", "payloads", "stacks", "backgrounds", "stack_hashes", "stack_words", "words", "hash_words", "hash_users",
    "hash_hours", "hash_minutes", "project_hours", "evicted_hours", "hashes", "issues", "issue_tags", "activity",
    "attachments", "alerts", "alert_counts", "alert_members", "alert_history", "outbox",
    "sketches", "traits", "trait_counts", "unsketched", "verdicts", "dedups",
)  # fmt: skip
_NEVER = 1 << 62  # microseconds, later than any time
_NOTHING_KNOWN = '["", "its events were deleted", []]'  # as the grouping of a merged hash without events

# When a hash was seen, of the events it still has; those evicted are known to the hour, the ends of all of them better.
_HOURS = "FROM evicted_hours WHERE hash_id = hashes.id"


def _first_seen(db: SQLite) -> str:
    own = f"{db.greatest}(first_seen, (SELECT min(hour) {_HOURS}) * {HOUR})"
    return f"""COALESCE(NULLIF({db.least}(
        COALESCE((SELECT min(timestamp) FROM events WHERE hash_id = hashes.id), {_NEVER}),
        COALESCE({own}, {_NEVER})), {_NEVER}), first_seen)"""


def _last_seen(db: SQLite) -> str:
    own = f"{db.least}(last_seen, (SELECT max(hour) + 1 {_HOURS}) * {HOUR} - 1)"
    return f"""COALESCE(NULLIF({db.greatest}(
        COALESCE((SELECT max(timestamp) FROM events WHERE hash_id = hashes.id), -{_NEVER}),
        COALESCE({own}, -{_NEVER})), -{_NEVER}), last_seen)"""


_DIGEST = re.compile("[0-9a-f]{64}")

Progress = Callable[[int], object]


class Collected(NamedTuple):
    """What `gc` removed."""

    issues: int
    stacks: int  # and other parts that events had in common
    attachments: int
    tombstones: int
    bytes: int


class Row(NamedTuple):
    """What the hot table says about an event that goes."""

    project: int
    key: bytes
    hash_id: int
    stack: int | None
    background: int | None
    rank: int


class Deletion:
    def __init__(self, db: SQLite, blobs: Blobs) -> None:
        self.db = db
        self.blobs = blobs
        self.writing: Callable[[], AbstractContextManager[None]] = db.writing  # each step's transaction
        self._loader = Loader(db)

    @property
    def reported(self) -> Reported:
        """What clients report beside events."""
        return Reported(self.db, self.writing)

    # Events

    def events(self, rows: Sequence[int], now: int, progress: Progress | None = None) -> int:
        """Delete events by row, some hundred a transaction; how many there were. An issue goes with its last event."""
        self._begin()
        stacks: set[int] = set()
        backgrounds: set[int] = set()
        deleted = 0
        for part in chunks(rows, _AT_ONCE):
            with self.db.writing():
                hot = self._hot_rows(part)
                self._delete(self._loader.load(part), hot, now)
            stacks.update(row.stack for row in hot.values() if row.stack is not None)
            backgrounds.update(row.background for row in hot.values() if row.background is not None)
            deleted += len(hot)
            if progress:
                progress(len(part))
        self._sweep("stack_id", stacks, self._forget_stacks)
        self._sweep("background_id", backgrounds, self._forget_backgrounds)
        return deleted

    def issues(self, issues: Sequence[int], now: int, progress: Progress | None = None) -> int:
        """Delete issues with all their events; how many events went."""
        deleted = 0
        for issue in issues:
            while rows := self._some_events(issue):
                deleted += self.events(rows, now, progress)
            with self.db.writing():
                if not self._some_events(issue):
                    self._drop_issue(issue)
        return deleted

    def everything(self, now: int, *, with_reported: bool = True) -> None:
        """Delete all issues and events at once, and what else clients have reported.

        Ids go on counting, settings and projects stay.
        """
        self._begin()
        with self.db.writing():
            advance_generation(self.db)
            Ledger(self.db).add({outbox.ERASED: outbox.waiting(self.db)}, now)
            self.db.execute("UPDATE event_keys SET event = NULL, deleted_at = ? WHERE event IS NOT NULL", (now,))
            for table in (*_EMPTIED, *(reported.TABLES if with_reported else ())):
                self.db.execute(f"DELETE FROM {table}")
            for index in _INDEXES:
                self.db.clear_index(index)

    def _begin(self) -> None:
        self.db.erase_safely()

    def _some_events(self, issue: int) -> list[int]:
        rows = self.db.rows(
            "SELECT e.id FROM hashes h JOIN events e ON e.hash_id = h.id WHERE h.issue_id = ? LIMIT 2000",
            (issue,),
        )
        return [row for (row,) in rows]

    def _delete(self, items: Sequence[StoredEvent], hot: dict[int, Row], now: int) -> None:
        if not items:
            return
        advance_generation(self.db)
        words = {item.row: issue_words(item.event, hot[item.row].rank) for item in items}
        self._remove([(item.row, document_of(item, hot[item.row], words[item.row])) for item in items], hot, now)
        self._forget_words((hot[row].hash_id, found) for row, found in words.items())
        self.reported.remove_traces({
            (hot[item.row].project, item.event["trace_id"]) for item in items if "trace_id" in item.event
        })  # fmt: skip
        self._forget_users(items, hot)
        self._uncount(items, hot)
        for issue in {item.issue_id for item in items}:
            self._settle_issue(issue, {hot[item.row].hash_id for item in items if item.issue_id == issue}, min(words))

    def _remove(self, documents: Sequence[tuple[int, str]], hot: Mapping[int, Row], now: int) -> None:
        """Take events out of all tables but the counters; `documents` has what the index holds of each."""
        rows = [row for row, _ in documents]
        self.db.unindex("event_index", documents)
        self.db.execute_many(
            "UPDATE event_keys SET event = NULL, deleted_at = ? WHERE project_id = ? AND event_id = ?",
            [(now, hot[row].project, hot[row].key) for row in rows],
        )
        for table, column in (("payloads", "id"), ("events", "id"), ("attachments", "event")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} IN ({marks(rows)})", rows)
        Ledger(self.db).add(outbox.erase(self.db, "event", rows), now)
        self.reported.remove_feedback((hot[row].project, hot[row].key) for row in rows)

    def _hot_rows(self, rows: Sequence[int]) -> dict[int, Row]:
        found = self.db.rows(
            f"""SELECT id, project_id, event_id, hash_id, stack_id, background_id, level FROM events
                WHERE id IN ({marks(rows)})""",
            rows,
        )
        return {row[0]: Row(*row[1:]) for row in found}

    # The index

    def _forget_words(self, removed: Iterable[tuple[int, list[Word]]]) -> None:
        """Remove words from hashes of which no event has them any more, then words that no hash has any more.

        `removed` are the hash and the words of each event that went.
        """
        counted: dict[int, set[Word]] = {}
        listed: set[Word] = set()
        for hash_id, words in removed:
            kept, scattered = divided(words)
            counted.setdefault(hash_id, set()).update(kept)
            listed.update(scattered)
        leftovers = Leftovers(self.db, self.writing)
        gone = [
            (word, hash_id) for hash_id, words in counted.items() for word in leftovers.without_event(hash_id, words)
        ]
        self.db.execute_many("DELETE FROM hash_words WHERE word = ? AND hash_id = ?", gone)
        for word in listed.union(word for word, _ in gone):
            name = word_name(word)
            if name and not self._is_used(word):
                self.db.execute("DELETE FROM words WHERE field = ? AND value = ?", name)

    def _is_used(self, word: Word) -> bool:
        if not is_counted(word):
            return self._indexed(f'"{word_token(word)}"')
        return self.db.row("SELECT 1 FROM hash_words WHERE word = ?", (word,)) is not None

    def _forget_users(self, items: Sequence[StoredEvent], hot: dict[int, Row]) -> None:
        """Remove people that no event of a hash counts any more."""
        counted = {(hot[item.row].hash_id, people[0]) for item in items if (people := _people(item))}
        for hash_id, person in counted:
            user = word_of("user", person)
            if not self._is_counted(hash_id, person) and self.db.execute(
                "DELETE FROM hash_users WHERE hash_id = ? AND hash_users.user = ?", (hash_id, user)
            ):
                self.db.execute("UPDATE hashes SET users = users - 1 WHERE id = ?", (hash_id,))

    def _is_counted(self, hash_id: int, person: str) -> bool:
        """Whether an event of a hash counts somebody under that name: it may also have it as a second name."""
        rows = self.db.rows(
            f"SELECT rowid FROM event_index WHERE {self.db.match('event_index')}",
            (f'"{word_token(word_of("user", person))}" AND "{hash_token(hash_id)}"',),
        )
        return any(_people(item)[:1] == [person] for item in self._loader.stream(row for (row,) in rows))

    def _indexed(self, expression: str) -> bool:
        sql = f"SELECT 1 FROM event_index WHERE {self.db.match('event_index')} LIMIT 1"
        return self.db.row(sql, (expression,)) is not None

    # What events share

    def _sweep(self, column: str, candidates: Collection[int], forget: Callable[[int], object]) -> int:
        """Remove those shared parts that no event has any more; how many those were.

        Whether a part is still used is looked up before the transaction, since that may take a while;
        inside it only the events that arrived meanwhile are asked.
        """
        removed = 0
        newest = int(self.db.value("SELECT COALESCE(max(id), 0) FROM events"))
        unused = sorted(set(candidates) - self._used(column, candidates))
        for part in chunks(unused, _SHARED_AT_ONCE):
            with self.writing():
                again = {row[0] for row in self.db.rows(f"SELECT {column} FROM events WHERE id > ?", (newest,))}
                for candidate in part:
                    if candidate not in again:
                        forget(candidate)
                        removed += 1
                advance_generation(self.db)
        return removed

    def _used(self, column: str, candidates: Collection[int]) -> set[int]:
        """Which of the candidates events have: looked for from the newest event on, until all of them are found."""
        if column == "stack_id" and len(candidates) <= _FEW:
            return {candidate for candidate in candidates if self._has_events(candidate)}
        left = set(candidates)
        before: int | None = 1 << 62
        while left and before is not None:
            rows = self.db.rows(
                f"SELECT {column}, id FROM events WHERE id < ? ORDER BY id DESC LIMIT ?", (before, _EVENTS_AT_ONCE)
            )
            left.difference_update(part for part, _ in rows)
            before = rows[-1][1] if rows else None
        return set(candidates) - left

    def _has_events(self, stack: int) -> bool:
        return bool(
            self.db.row(
                """SELECT 1 FROM stack_hashes s JOIN events e ON e.hash_id = s.hash_id
                   WHERE s.stack_id = ? AND e.stack_id = ? LIMIT 1""",
                (stack, stack),
            )
        )

    def _forget_stacks(self, stack: int) -> None:
        body = self.db.value("SELECT body FROM stacks WHERE id = ?", (stack,))
        if body is None:  # another process was quicker
            return
        event = codec.join(b"{}", codec.expand(body))
        self.db.unindex("stack_index", [(stack, stack_document(event))])
        for table, column in (("stack_hashes", "stack_id"), ("stacks", "id")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (stack,))
        words = stack_words(event)
        self.db.execute_many(
            "DELETE FROM stack_words WHERE word = ? AND stack_id = ?", [(word, stack) for word in words]
        )
        for word in words:
            name = word_name(word)
            if name and not self.db.row("SELECT 1 FROM stack_words WHERE word = ?", (word,)):
                self.db.execute("DELETE FROM words WHERE field = ? AND value = ?", name)

    def _forget_backgrounds(self, background: int) -> None:
        self.db.execute("DELETE FROM backgrounds WHERE id = ?", (background,))

    # Counters

    def _uncount(self, items: Sequence[StoredEvent], hot: dict[int, Row]) -> None:
        hours: Counter[tuple[int, ...]] = Counter()
        minutes: Counter[tuple[int, ...]] = Counter()
        totals: Counter[tuple[int, ...]] = Counter()
        hashes: Counter[int] = Counter()
        for item in items:
            row = hot[item.row]
            hour = item.event["timestamp"] // HOUR
            hours[row.hash_id, hour] += 1
            minutes[item.event["received_at"] // MINUTE, row.hash_id] += 1
            totals[row.project, hour, row.rank] += 1
            hashes[row.hash_id] += 1
        self._lower("hash_hours", ("hash_id", "hour"), hours)
        self._lower("hash_minutes", ("minute", "hash_id"), minutes)
        self._lower("project_hours", ("project_id", "hour", "level"), totals)
        self.db.execute_many(
            f"UPDATE hashes SET count = count - ?, first_seen = {_first_seen(self.db)}, last_seen = {_last_seen(self.db)} WHERE id = ?",
            [(count, hash_id) for hash_id, count in hashes.items()],
        )

    def _lower(self, table: str, columns: Sequence[str], counts: Mapping[tuple[int, ...], int]) -> None:
        """Take counts off counters; those that come to nothing go."""
        where = " AND ".join(f"{column} = ?" for column in columns)
        self.db.execute_many(
            f"UPDATE {table} SET count = count - ? WHERE {where}", [(count, *key) for key, count in counts.items()]
        )
        self.db.execute_many(f"DELETE FROM {table} WHERE count <= 0 AND {where}", list(counts))

    # Issues

    def _settle_issue(self, issue: int, hashes: set[int], oldest_gone: int) -> None:
        """Bring an issue in line with the events it still has, or drop it where it has none."""
        if not self._some_events(issue):
            self._drop_issue(issue)
            return
        for hash_id in hashes:
            first = self.db.value("SELECT min(id) FROM events WHERE hash_id = ?", (hash_id,))
            if first is None or first > oldest_gone:
                forget_sketches(self.db, [hash_id], again=True)
            if first is None:
                self.db.execute(
                    "UPDATE hashes SET title = '', culprit = '', grouping = ? WHERE id = ?",
                    (_NOTHING_KNOWN, hash_id),
                )
            elif first > oldest_gone:
                self._explain_by(hash_id, first)
        title, culprit = self.db.rows(
            """SELECT title, culprit FROM hashes WHERE issue_id = ? AND count > evicted
               ORDER BY home_issue_id <> issue_id, id LIMIT 1""",
            (issue,),
        )[0]
        self.db.execute(
            "UPDATE issues SET title = CASE WHEN title_fixed = 1 THEN title ELSE ? END, culprit = ? WHERE id = ?",
            (title, culprit, issue),
        )
        recompute_issue(self.db, issue)
        for member in members(self.db, issue):
            if member != issue:
                self._settle_member(member)

    def _settle_member(self, member: int) -> None:
        """The same for an issue that was merged away: its title must not outlive its events either."""
        found = self.db.row(
            "SELECT title, culprit FROM hashes WHERE home_issue_id = ? AND count > evicted ORDER BY id LIMIT 1",
            (member,),
        )
        if found:
            self.db.execute(
                "UPDATE issues SET title = CASE WHEN title_fixed = 1 THEN title ELSE ? END, culprit = ? WHERE id = ?",
                (*found, member),
            )
            return
        self.db.execute(
            "UPDATE issues SET merged_into = (SELECT merged_into FROM issues WHERE id = ?) WHERE merged_into = ?",
            (member, member),
        )
        self._drop_row(member)

    def _explain_by(self, hash_id: int, row: int) -> None:
        """Title and culprit of a hash are those of its oldest event; when that goes, they follow the next one."""
        from ..grouping import compile_rules, group
        from .explaining import explanation, similarity_parts
        from .settings import Settings

        rules = compile_rules(Settings(self.db).get("grouping.rules", []))
        found = group(self._loader.load([row])[0].event, rules)
        self.db.execute("UPDATE hashes SET title = ?, culprit = ? WHERE id = ?", (found.title, found.culprit, hash_id))
        before = json.loads(self.db.value("SELECT grouping FROM hashes WHERE id = ?", (hash_id,)))
        found = found._replace(parts=(*found.parts, *similarity_parts(before[2])))
        self.db.execute(
            "UPDATE hashes SET grouping = ? WHERE id = ? AND hash = ?",
            (explanation(found), hash_id, bytes.fromhex(found.hash)),
        )

    def _drop_issue(self, issue: int) -> None:
        hashes = [row[0] for row in self.db.rows("SELECT id FROM hashes WHERE issue_id = ?", (issue,))]
        evicted = self.db.rows(
            """SELECT h.project_id, e.hour, e.level, sum(e.count) FROM hashes h JOIN evicted_hours e ON e.hash_id = h.id
               WHERE h.issue_id = ? GROUP BY 1, 2, 3""",
            (issue,),
        )
        self._lower("project_hours", ("project_id", "hour", "level"), {tuple(key): count for *key, count in evicted})
        for table in ("hash_words", "hash_users", "hash_hours", "hash_minutes", "evicted_hours", "stack_hashes"):
            self.db.execute_many(f"DELETE FROM {table} WHERE hash_id = ?", [(hash_id,) for hash_id in hashes])
        forget_sketches(self.db, hashes)
        self.db.execute("DELETE FROM hashes WHERE issue_id = ?", (issue,))
        for member in members(self.db, issue):
            self._drop_row(member)
        advance_generation(self.db)

    def _drop_row(self, issue: int) -> None:
        Ledger(self.db).add(outbox.erase(self.db, "issue_id", [issue]), clock.now())
        for table in ("issue_tags", "activity", "attachments"):
            self.db.execute(f"DELETE FROM {table} WHERE issue_id = ?", (issue,))
        self.db.execute("DELETE FROM issues WHERE id = ?", (issue,))

    # Garbage

    def collect(self, now: int) -> Collected:
        """Remove what nothing points at, and give the space back to the file system.

        In many short transactions: those who record meanwhile wait for none of them long.
        """
        self._begin()
        issues = self._collect_issues()
        stacks = self._sweep("stack_id", self._ids("stacks"), self._forget_stacks)
        backgrounds = self._sweep("background_id", self._ids("backgrounds"), self._forget_backgrounds)
        tombstones = self.forget_old(now)
        self.merge_index()
        leftovers = Leftovers(self.db, self.writing)
        leftovers.settle()
        leftovers.sweep()
        files, freed = self.collect_files(now)
        return Collected(issues, stacks + backgrounds, files, tombstones, freed + self.shrink_file())

    def forget_old(self, now: int) -> int:
        """Remove what is kept for a time only; how many tombstones went."""
        self._delete_some("hash_minutes", "minute, hash_id", "minute < ?", (now - MINUTES_KEPT) // MINUTE)
        return self._delete_some("event_keys", "project_id, event_id", "deleted_at < ?", now - TOMBSTONE_AGE)

    def _ids(self, table: str) -> list[int]:
        return [row[0] for row in self.db.rows(f"SELECT id FROM {table}")]

    def _collect_issues(self) -> int:
        """Drop issues without events."""
        dropped = 0
        empty = self.db.rows(
            """SELECT i.id FROM issues i WHERE i.merged_into IS NULL AND NOT EXISTS
                 (SELECT 1 FROM hashes h JOIN events e ON e.hash_id = h.id WHERE h.issue_id = i.id)"""
        )
        for part in chunks(empty, _AT_ONCE):
            with self.writing():
                for (issue,) in part:
                    if not self._some_events(issue):
                        self._drop_issue(issue)
                        dropped += 1
        return dropped

    def _delete_some(self, table: str, key: str, where: str, value: int) -> int:
        """Delete rows, a few thousand a transaction; how many."""
        deleted = 0
        sql = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {where} LIMIT {_ROWS_AT_ONCE})"
        while True:
            with self.writing():
                count = self.db.execute(sql, (value,))
            deleted += count
            if count < _ROWS_AT_ONCE:
                return deleted

    def merge_index(self) -> None:
        """Rewrite the index without what was deleted: until then old terms stay readable in the file."""
        self._begin()
        for index in _INDEXES:
            self.db.merge_index(index, self.writing)

    def shrink_file(self) -> int:
        """Give free pages back; the bytes by which the file got smaller."""
        self._begin()
        return self.db.shrink(self.writing, self._checkpoint)

    def _checkpoint(self) -> None:
        self.db.checkpoint()

    def collect_files(self, now: int) -> tuple[int, int]:
        """Remove contents that no attachment names; young ones may belong to a transaction under way."""
        files = freed = 0
        for name, changed in self.blobs.list():
            if now / 1_000_000 - changed < SPARED_SECONDS:
                continue
            if self._is_attached(name):
                continue
            with self.writing():  # an upload under way names its content in a transaction
                if not self._is_attached(name):
                    freed += self.blobs.remove(name, now / 1_000_000 - SPARED_SECONDS)
                    files += 1
        return files, freed

    def _is_attached(self, name: str) -> bool:
        if not _DIGEST.fullmatch(name):  # what an interrupted upload left
            return False
        return bool(self.db.row("SELECT 1 FROM attachments WHERE digest = ?", (bytes.fromhex(name),)))


def document_of(item: StoredEvent, row: Row, words: Iterable[Word]) -> str:
    """What the index holds of an event, which must be given to it once more to take the event out.

    `words` are those of `issue_words`.
    """
    return f"{event_document(item.event, [*own_words(item.event), *words])} {hash_token(row.hash_id)}"


def _people(item: StoredEvent) -> list[str]:
    return user_identities(item.event.get("user"))


def members(db: SQLite, issue: int) -> list[int]:
    """An issue and all that were merged into it, at any depth."""
    rows = db.rows(
        """WITH RECURSIVE member (id) AS
             (SELECT ? UNION SELECT i.id FROM member m JOIN issues i ON i.merged_into = m.id)
           SELECT id FROM member ORDER BY id""",
        (issue,),
    )
    return [row for (row,) in rows]


def recompute_issue(db: SQLite, issue: int) -> None:
    """An issue's totals from those of its hashes, and its latest event; after deleting, merging and unmerging."""
    latest = db.row(
        """SELECT e.id, e.level FROM hashes h JOIN events e ON e.hash_id = h.id
           WHERE h.issue_id = ? ORDER BY e.timestamp DESC, e.id DESC LIMIT 1""",
        (issue,),
    )
    if latest:
        event = Loader(db).load([latest[0]])[0].event
        db.execute(
            "UPDATE issues SET last_event = ?, level = ?, release = ?, environment = ? WHERE id = ?",
            (*latest, event.get("release"), event.get("environment"), issue),
        )
    db.execute(
        """UPDATE issues SET
             count = (SELECT COALESCE(sum(count), 0) FROM hashes WHERE issue_id = issues.id),
             users = (SELECT count(DISTINCT u.user) FROM hashes h JOIN hash_users u ON u.hash_id = h.id
                      WHERE h.issue_id = issues.id),
             first_seen = COALESCE((SELECT min(first_seen) FROM hashes WHERE issue_id = issues.id AND count > 0), first_seen),
             last_seen = COALESCE((SELECT max(last_seen) FROM hashes WHERE issue_id = issues.id AND count > 0), last_seen)
           WHERE id = ?""",
        (issue,),
    )


__all__ = ["Collected", "Deletion", "members", "recompute_issue"]
