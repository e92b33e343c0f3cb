"""Deleting events, and everything that only they held: index, words, stacks, users, counters, attachments.

Nothing of a deleted event stays behind but its id, as a tombstone: a client that sends it again within
30 days must not bring it back. Deleting raises the `generation`, which tells other processes that words
they believe to be stored may be gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..clock import DAY, HOUR, MINUTE
from . import codec
from .blobs import SPARED_SECONDS, Blobs
from .document import (
    Word,
    event_document,
    event_words,
    hash_token,
    stack_document,
    stack_words,
    word_name,
    word_token,
)
from .loading import Loader, StoredEvent
from .sqlite import SQLite, chunks, marks

TOMBSTONE_AGE = 30 * DAY
MINUTES_KEPT = 2 * DAY
_AT_ONCE = 200  # events a transaction, so that nobody who records waits for long

Progress = Callable[[int], object]


class Collected(NamedTuple):
    """What `gc` removed."""

    issues: int
    stacks: int
    attachments: int
    tombstones: int
    bytes: int


class Deletion:
    def __init__(self, db: SQLite, blobs: Blobs) -> None:
        self.db = db
        self.blobs = blobs
        self._loader = Loader(db)

    # Events

    def events(self, rows: Sequence[int], now: int, progress: Progress | None = None) -> int:
        """Delete events by row, some hundred a transaction; how many there were."""
        self.db.execute("PRAGMA secure_delete = ON")
        deleted = 0
        for part in chunks(rows, _AT_ONCE):
            with self.db.writing():
                deleted += self._delete(self._loader.load(part), now)
            if progress:
                progress(len(part))
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

    def everything(self, now: int) -> None:
        """Delete all issues and events at once; ids go on counting, settings and projects stay."""
        with self.db.writing():
            self._advance_generation()
            for table in ("events", "payloads", "stacks", "stack_hashes", "stack_words", "words", "hash_words", "hash_users",
                          "hash_hours", "hash_minutes", "project_hours", "hashes", "issues", "issue_tags", "activity",
                          "attachments", "event_keys"):  # fmt: skip
                self.db.execute(f"DELETE FROM {table}")
            for index in ("event_index", "stack_index"):
                self.db.execute(f"INSERT INTO {index} ({index}) VALUES ('delete-all')")

    def _some_events(self, issue: int) -> list[int]:
        rows = self.db.rows(
            "SELECT e.id FROM hashes h JOIN events e ON e.hash_id = h.id WHERE h.issue_id = ? LIMIT 2000",
            (issue,),
        )
        return [row for (row,) in rows]

    def _delete(self, items: Sequence[StoredEvent], now: int) -> int:
        if not items:
            return 0
        self._advance_generation()
        rows = [item.row for item in items]
        hot = self._hot_rows(rows)
        vanished = self._unindex(items, hot)
        with_files = [
            row
            for (row,) in self.db.rows(f"SELECT event FROM attachments WHERE event IN ({marks(rows)})", rows)
        ]
        for statement in (
            "UPDATE event_keys SET event = NULL, deleted_at = ? WHERE project_id = ? AND event_id = ?",
        ):
            self.db.execute_many(statement, [(now, hot[row][0], hot[row][1]) for row in rows])
        self.db.execute(f"DELETE FROM payloads WHERE id IN ({marks(rows)})", rows)
        self.db.execute(f"DELETE FROM events WHERE id IN ({marks(rows)})", rows)
        if with_files:
            self.db.execute(f"DELETE FROM attachments WHERE event IN ({marks(with_files)})", with_files)
        self._forget_words(vanished)
        self._forget_stacks({stack for *_, stack, _ in hot.values() if stack is not None})
        self._uncount(items, hot)
        return len(items)

    def _hot_rows(self, rows: Sequence[int]) -> dict[int, tuple[int, bytes, int, int | None, int]]:
        """Project, event id, hash, stack and rank by row."""
        found = self.db.rows(
            f"SELECT id, project_id, event_id, hash_id, stack_id, level FROM events WHERE id IN ({marks(rows)})",
            rows,
        )
        return {row[0]: row[1:] for row in found}

    # The index

    def _unindex(
        self, items: Sequence[StoredEvent], hot: dict[int, tuple[int, bytes, int, int | None, int]]
    ) -> set[tuple[int, Word]]:
        """Take events out of the index; the (hash, word) pairs they had."""
        documents: list[tuple[str, int, str]] = []
        pairs: set[tuple[int, Word]] = set()
        for item in items:
            _, _, hash_id, _, rank = hot[item.row]
            words = event_words(item.event, rank)
            documents.append(
                ("delete", item.row, f"{event_document(item.event, words)} {hash_token(hash_id)}")
            )
            pairs.update((hash_id, word) for word in words)
        self.db.execute_many("INSERT INTO event_index (event_index, rowid, body) VALUES (?, ?, ?)", documents)
        return pairs

    def _forget_words(self, pairs: set[tuple[int, Word]]) -> None:
        """Remove (hash, word) pairs that no event has any more, then words that no hash has any more."""
        gone = []
        for hash_id, word in pairs:
            if not self._indexed(f'"{word_token(word)}" AND "{hash_token(hash_id)}"'):
                gone.append((word, hash_id))
                name = word_name(word)
                if name and not self.db.row("SELECT 1 FROM hash_words WHERE word = ? AND hash_id <> ?", (word, hash_id)):
                    self.db.execute("DELETE FROM words WHERE field = ? AND value = ?", name)
                if name and name[0] == "user":
                    self._forget_user(hash_id, word)
        self.db.execute_many("DELETE FROM hash_words WHERE word = ? AND hash_id = ?", gone)

    def _forget_user(self, hash_id: int, user: int) -> None:
        if self.db.execute("DELETE FROM hash_users WHERE hash_id = ? AND user = ?", (hash_id, user)):
            self.db.execute("UPDATE hashes SET users = users - 1 WHERE id = ?", (hash_id,))

    def _indexed(self, expression: str) -> bool:
        return bool(self.db.row("SELECT 1 FROM event_index WHERE event_index MATCH ? LIMIT 1", (expression,)))

    def _forget_stacks(self, stacks: set[int]) -> int:
        """Remove the stacks that no event has any more; how many those were."""
        gone = [stack for stack in stacks if not self._has_events(stack)]
        for stack in gone:
            body = self.db.value("SELECT body FROM stacks WHERE id = ?", (stack,))
            event = codec.join(b"{}", codec.expand(body))
            self.db.execute(
                "INSERT INTO stack_index (stack_index, rowid, body) VALUES ('delete', ?, ?)",
                (stack, stack_document(event)),
            )
            self.db.execute("DELETE FROM stack_words WHERE stack_id = ?", (stack,))
            for word in stack_words(event):
                name = word_name(word)
                if name and not self.db.row("SELECT 1 FROM stack_words WHERE word = ?", (word,)):
                    self.db.execute("DELETE FROM words WHERE field = ? AND value = ?", name)
            self.db.execute("DELETE FROM stack_hashes WHERE stack_id = ?", (stack,))
            self.db.execute("DELETE FROM stacks WHERE id = ?", (stack,))
        return len(gone)

    def _has_events(self, stack: int) -> bool:
        return bool(
            self.db.row(
                """SELECT 1 FROM stack_hashes s JOIN events e ON e.hash_id = s.hash_id
                   WHERE s.stack_id = ? AND e.stack_id = ? LIMIT 1""",
                (stack, stack),
            )
        )

    # Counters

    def _uncount(
        self, items: Sequence[StoredEvent], hot: dict[int, tuple[int, bytes, int, int | None, int]]
    ) -> None:
        hours: Counter[tuple[int, int]] = Counter()
        minutes: Counter[tuple[int, int]] = Counter()
        totals: Counter[tuple[int, int, int]] = Counter()
        issues: dict[int, set[int]] = {}
        for item in items:
            project, _, hash_id, _, rank = hot[item.row]
            hour = item.event["timestamp"] // HOUR
            hours[hash_id, hour] += 1
            minutes[item.event["received_at"] // MINUTE, hash_id] += 1
            totals[project, hour, rank] += 1
            issues.setdefault(item.issue_id, set()).add(hash_id)
        for table, columns, counts in (
            ("hash_hours", ("hash_id", "hour"), hours),
            ("hash_minutes", ("minute", "hash_id"), minutes),
            ("project_hours", ("project_id", "hour", "level"), totals),
        ):
            where = " AND ".join(f"{column} = ?" for column in columns)
            rows = [(count, *key) for key, count in counts.items()]
            self.db.execute_many(f"UPDATE {table} SET count = count - ? WHERE {where}", rows)
            self.db.execute_many(
                f"DELETE FROM {table} WHERE count <= 0 AND {where}", [row[1:] for row in rows]
            )
        for issue, hashes in issues.items():
            self._recount(issue, hashes)

    def _recount(self, issue: int, hashes: set[int]) -> None:
        """Totals of hashes and of their issue, from what is left."""
        for hash_id in hashes:
            self.db.execute(
                """UPDATE hashes SET
                     count = (SELECT count(*) FROM events WHERE hash_id = hashes.id),
                     first_seen = COALESCE((SELECT min(timestamp) FROM events WHERE hash_id = hashes.id), first_seen),
                     last_seen = COALESCE((SELECT max(timestamp) FROM events WHERE hash_id = hashes.id), last_seen)
                   WHERE id = ?""",
                (hash_id,),
            )
        recompute_issue(self.db, issue)

    # Issues

    def _drop_issue(self, issue: int) -> None:
        hashes = [row[0] for row in self.db.rows("SELECT id FROM hashes WHERE issue_id = ?", (issue,))]
        for table in ("hash_words", "hash_users", "hash_hours", "hash_minutes", "stack_hashes"):
            self.db.execute_many(f"DELETE FROM {table} WHERE hash_id = ?", [(hash_id,) for hash_id in hashes])
        self.db.execute("DELETE FROM hashes WHERE issue_id = ?", (issue,))
        for member in members(self.db, issue):
            for table in ("issue_tags", "activity", "attachments"):
                self.db.execute(f"DELETE FROM {table} WHERE issue_id = ?", (member,))
            self.db.execute("DELETE FROM issues WHERE id = ?", (member,))
        self._advance_generation()

    def _advance_generation(self) -> None:
        self.db.execute(
            """INSERT INTO meta VALUES ('generation', '1')
               ON CONFLICT (key) DO UPDATE SET value = CAST(meta.value AS INTEGER) + 1"""
        )

    # Garbage

    def collect(self, now: int) -> Collected:
        """Remove what nothing points at, and give the space back to the file system."""
        with self.db.writing():
            empty = [row[0] for row in self.db.rows(
                """SELECT i.id FROM issues i WHERE i.merged_into IS NULL AND NOT EXISTS
                     (SELECT 1 FROM hashes h JOIN events e ON e.hash_id = h.id WHERE h.issue_id = i.id)"""
            )]  # fmt: skip
            for issue in empty:
                self._drop_issue(issue)
            stacks = {row[0] for row in self.db.rows("SELECT id FROM stacks")}
            orphans = self._forget_stacks(stacks)
            tombstones = self.db.execute(
                "DELETE FROM event_keys WHERE deleted_at < ?", (now - TOMBSTONE_AGE,)
            )
            self.db.execute("DELETE FROM hash_minutes WHERE minute < ?", ((now - MINUTES_KEPT) // MINUTE,))
        self.merge_index()
        files, freed = self._collect_blobs(now)
        return Collected(len(empty), orphans, files, tombstones, freed + self.shrink_file())

    def merge_index(self) -> None:
        """Rewrite the index without what was deleted: until then old terms stay readable in the file."""
        for index in ("event_index", "stack_index"):
            with self.db.writing():
                self.db.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")

    def shrink_file(self) -> int:
        """Give free pages back; the bytes by which the file got smaller."""
        size = int(self.db.value("PRAGMA page_size"))
        before = int(self.db.value("PRAGMA page_count"))
        with self.db.writing():
            self.db.rows("PRAGMA incremental_vacuum")
        self.db.checkpoint()
        return (before - int(self.db.value("PRAGMA page_count"))) * size

    def _collect_blobs(self, now: int) -> tuple[int, int]:
        """Remove contents that no attachment names; young ones may belong to a transaction under way."""
        files = freed = 0
        for name, changed in self.blobs.list():
            if now / 1_000_000 - changed < SPARED_SECONDS:
                continue
            known = not name.startswith(".") and self.db.row(
                "SELECT 1 FROM attachments WHERE digest = ?", (bytes.fromhex(name),)
            )
            if not known:
                freed += self.blobs.remove(name)
                files += 1
        return files, freed


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
    """An issue's totals from those of its hashes; after deleting, merging and unmerging."""
    db.execute(
        """UPDATE issues SET
             count = (SELECT COALESCE(sum(count), 0) FROM hashes WHERE issue_id = issues.id),
             users = (SELECT count(DISTINCT u.user) FROM hashes h JOIN hash_users u ON u.hash_id = h.id
                      WHERE h.issue_id = issues.id),
             first_seen = COALESCE((SELECT min(first_seen) FROM hashes WHERE issue_id = issues.id AND count > 0), first_seen),
             last_seen = COALESCE((SELECT max(last_seen) FROM hashes WHERE issue_id = issues.id AND count > 0), last_seen),
             last_event = COALESCE((SELECT e.id FROM hashes h JOIN events e ON e.hash_id = h.id
                                    WHERE h.issue_id = issues.id ORDER BY e.timestamp DESC, e.id DESC LIMIT 1), last_event)
           WHERE id = ?""",
        (issue,),
    )


__all__ = ["Collected", "Deletion", "members", "recompute_issue"]
