"""Storing a batch of prepared events: keys, issues, stacks, rows, index and counters, in one transaction.

Everything costly (JSON, compression, text) is done by `prepare` before the transaction begins. Inside it
the batch is aggregated first, so that each issue, counter and word is written once however many of the
events touch it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from ..clock import HOUR, MINUTE
from ..errors import TransientError
from ..models import AttachmentInfo, Event, Grouping
from . import codec
from .document import (
    Word,
    divided,
    event_document,
    hash_token,
    issue_words,
    own_words,
    stack_document,
    stack_words,
    user_identities,
    word_name,
    word_of,
)
from .explaining import Join, explanation
from .sqlite import SQLite, chunks, marks
from .touched import TouchedHash

if TYPE_CHECKING:
    from ..grouping.sketch import Sketch
    from .similarity import Similarity

_SEEN_LIMIT = 100_000


class Prepared(NamedTuple):
    """An event ready to be stored: no more of it than the store has to know, so that the event itself can go."""

    event_id: str  # dashed
    key: bytes  # the event id's 16 bytes
    project: str
    timestamp: int
    received_at: int
    release: str | None
    environment: str | None
    files: Sequence[AttachmentInfo]
    grouping: Grouping
    rank: int  # of its level
    payload: bytes  # compressed
    stack: bytes | None  # this and the background not yet compressed: they are rarely new
    stack_digest: bytes | None
    background: bytes | None
    background_digest: bytes | None
    words: list[Word]  # that count for the issue, and are kept for its hash
    scattered: list[Word]  # that count for the issue, and only the index knows
    document: str
    user: int | None  # the word of who is counted as affected
    sketch: Sketch | None = None  # where the hash was not known
    join: Join | None = None  # the issue it goes to then


class Stored(NamedTuple):
    """What became of one event of a batch."""

    event_id: str
    issue_id: int | None  # None when the id belongs to a deleted event
    issue_created: bool
    duplicate: bool
    fingerprint: str  # the grouping hash, 40 hex digits
    timestamp: int
    row: int | None  # where it is in the store
    joined: tuple[int, Join] | None = None  # the member that a new hash became by similarity, and why


def prepare(
    event: Event,
    parts: codec.Parts,
    grouping: Grouping,
    rank: int,
    sketch: Sketch | None = None,
    join: Join | None = None,
) -> Prepared:
    """All of an event's work that needs no database; `parts` come from `codec.compressed`."""
    words = issue_words(event, rank)
    people = user_identities(event.get("user"))
    payload, stack, stack_digest, background, background_digest = parts
    return Prepared(
        event["event_id"],
        bytes.fromhex(event["event_id"].replace("-", "")),
        event["project"],
        event["timestamp"],
        event["received_at"],
        event.get("release"),
        event.get("environment"),
        event.get("attachments", ()),
        grouping,
        rank,
        payload,
        stack,
        stack_digest,
        background,
        background_digest,
        *divided(words),
        event_document(event, [*own_words(event), *words]),
        word_of("user", people[0]) if people else None,
        sketch,
        join,
    )


class Recording:
    """The repository that writes new events."""

    def __init__(self, db: SQLite, similarity: Callable[[], Similarity]) -> None:
        self.db = db
        self.similarity = similarity
        # What is known to be stored: the words of each hash, and its users as negative numbers; listed words; pairs
        # of stack and hash.
        self._seen: dict[int, set[int]] = {}
        self._seen_count = 0
        self._listed: set[Word] = set()
        self._pairs: set[tuple[int, int]] = set()
        self._state: tuple[str, int] = ("", 0)

    def append(
        self, batch: Sequence[Prepared], projects: dict[str, int], now: int, *, imported: bool = False
    ) -> list[Stored]:
        """Store a batch; call it inside `writing()`.

        An event whose id is known (in the store, or earlier in the batch) changes nothing and is
        reported as a duplicate of what is stored. `projects` maps every project's name to its id.
        `imported` events keep the order they are given in, raise no counters that alerts look at, and
        leave what their issue says of its latest event alone unless they are later than that.
        """
        self._refresh()
        taken = self._taken_keys(batch, projects)
        fresh = self._claimed(self._fresh(batch, projects, taken, by_time=not imported), projects, taken)
        events = list(fresh.values())
        hashes = self._hashes(events, projects, now)
        stacks = self._stacks(events)
        backgrounds = self._backgrounds(events)
        rows = [(row, item, hashes[projects[item.project], item.grouping.hash]) for row, item in fresh.items()]
        for row, item, group in rows:
            group.add(item, row)
        self._insert_rows(rows, projects, stacks, backgrounds)
        self._insert_files(rows, now)
        self._insert_words(rows)
        self._count(rows, projects, alerting=not imported)
        self._update_issues(hashes.values(), strictly=imported)
        return self._report(batch, projects, taken, rows)

    def forget_seen(self) -> None:
        """Drop what this process believes is stored, after a transaction that failed."""
        self._seen.clear()
        self._listed.clear()
        self._pairs.clear()
        self._seen_count = 0

    def _refresh(self) -> None:
        """Forget what is believed to be stored once rows were deleted, by any process, or a transaction failed."""
        generation = self.db.value("SELECT value FROM meta WHERE key = 'generation'", default="")
        state = (generation, self.db.rollbacks)
        if state != self._state or self._seen_count > _SEEN_LIMIT:
            self.forget_seen()
            self._state = state

    # Who is new

    def _taken_keys(self, batch: Sequence[Prepared], projects: dict[str, int]) -> dict[tuple[int, bytes], int | None]:
        taken: dict[tuple[int, bytes], int | None] = {}
        wanted: dict[int, list[bytes]] = {}
        for item in batch:
            wanted.setdefault(projects[item.project], []).append(item.key)
        for project, keys in wanted.items():
            for part in chunks(keys):
                found = self.db.rows(
                    f"SELECT event_id, event FROM event_keys WHERE project_id = ? AND event_id IN ({marks(part)})",
                    (project, *part),
                )
                taken.update(((project, key), event) for key, event in found)
        return taken

    def _fresh(
        self,
        batch: Sequence[Prepared],
        projects: dict[str, int],
        taken: dict[tuple[int, bytes], int | None],
        by_time: bool,
    ) -> list[Prepared]:
        """One of each id that is not stored, oldest first, so that rows come in the order of time where they can."""
        fresh: dict[tuple[int, bytes], Prepared] = {}
        for item in batch:
            key = (projects[item.project], item.key)
            if key not in taken and key not in fresh:
                fresh[key] = item
        return sorted(fresh.values(), key=lambda item: item.timestamp) if by_time else list(fresh.values())

    def _claimed(
        self, fresh: Sequence[Prepared], projects: dict[str, int], taken: dict[tuple[int, bytes], int | None]
    ) -> dict[int, Prepared]:
        """Rows for those whose id nobody else has stored meanwhile; the others are `taken`."""
        if not fresh:
            return {}
        rows = dict(enumerate(fresh, self.db.allocate("events", len(fresh))))
        keys = sorted((projects[item.project], item.key, row) for row, item in rows.items())
        stored = self.db.execute_many(
            "INSERT INTO event_keys (project_id, event_id, event) VALUES (?, ?, ?)"
            " ON CONFLICT (project_id, event_id) DO NOTHING",
            keys,
        )
        if stored == len(keys):
            return rows
        present = self._taken_keys(fresh, projects)
        taken.update((key, row) for key, row in present.items() if row not in rows)
        return {row: item for row, item in rows.items() if (projects[item.project], item.key) not in taken}

    # Issues

    def _hashes(
        self, fresh: Sequence[Prepared], projects: dict[str, int], now: int
    ) -> dict[tuple[int, str], TouchedHash]:
        wanted: dict[tuple[int, str], Prepared] = {}
        for item in fresh:
            wanted.setdefault((projects[item.project], item.grouping.hash), item)
        found = self._stored_hashes(list(wanted))
        new = [(key, item) for key, item in wanted.items() if key not in found]
        if new:
            found.update(self._new_issues(new, now))
        return found

    def _stored_hashes(self, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], TouchedHash]:
        found: dict[tuple[int, str], TouchedHash] = {}
        by_project: dict[int, list[bytes]] = {}
        for project, text in keys:
            by_project.setdefault(project, []).append(bytes.fromhex(text))
        for project, hashes in by_project.items():
            for part in chunks(hashes):
                rows = self.db.rows(
                    f"SELECT hash, id, issue_id FROM hashes WHERE project_id = ? AND hash IN ({marks(part)})",
                    (project, *part),
                )
                found.update(
                    ((project, digest.hex()), TouchedHash(hash_id, issue, False)) for digest, hash_id, issue in rows
                )
        return found

    def _new_issues(
        self, new: Sequence[tuple[tuple[int, str], Prepared]], now: int
    ) -> dict[tuple[int, str], TouchedHash]:
        """Rows for hashes that nobody has had: an issue for each, which one that joins another is only a member of."""
        first_issue = self.db.allocate("issues", len(new))
        first_hash = self.db.allocate("hashes", len(new))
        numbers = {key: first_issue + offset for offset, (key, _) in enumerate(new)}
        targets = self._join_targets(new, numbers)
        found, issues, hashes, sketches = {}, [], [], []
        joining: Counter[int] = Counter()
        for offset, (key, item) in enumerate(new):
            issue, hash_id, group = first_issue + offset, first_hash + offset, item.grouping
            project, text = key
            moment, target = item.timestamp, targets.get(key)
            issues.append((issue, project, group.title, group.culprit, item.rank, moment, moment, now, now, target))
            hashes.append((hash_id, project, bytes.fromhex(text), target or issue, issue, group.algorithm,
                           explanation(group, item.join if target else None), group.title, group.culprit,
                           moment, moment, now))  # fmt: skip
            if target is None or self.similarity().has_room(target, joining[target]):
                sketches.append((hash_id, project, item.sketch))
            if target is not None:
                joining[target] += 1
            found[key] = TouchedHash(hash_id, target or issue, target is None)
            if target and item.join:
                found[key].joined = issue, item.join
        stored = self.db.execute_many(
            """INSERT INTO hashes (id, project_id, hash, issue_id, home_issue_id, algorithm, grouping,
                                   title, culprit, first_seen, last_seen, created_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project_id, hash) DO NOTHING""",
            sorted(hashes, key=itemgetter(1, 2)),
        )
        if stored < len(hashes):
            raise TransientError("somebody else has stored the same new issue at the same moment", "Try again")
        self.db.execute_many(
            """INSERT INTO issues (id, project_id, title, culprit, status, level, count, users,
                                   first_seen, last_seen, created_at, changed_at, last_event, merged_into)
               VALUES (?, ?, ?, ?, 'open', ?, 0, 0, ?, ?, ?, ?, 0, ?)""",
            issues,
        )
        self.similarity().add(sketches)
        return found

    def _join_targets(
        self, new: Sequence[tuple[tuple[int, str], Prepared]], numbers: dict[tuple[int, str], int]
    ) -> dict[tuple[int, str], int]:
        """The issue of each new hash that joins one: of a hash that is stored, or new in this batch too."""
        joins = {key: item.join.target for key, item in new if item.join is not None}
        stored = self._stored_hashes([(key[0], target) for key, target in joins.items()]) if joins else {}
        found = {}
        for key in joins:
            last = key
            for _ in joins:  # what it joins may itself join another
                if last in stored or last not in joins:
                    break
                last = (key[0], joins[last])
            issue = stored[last].issue_id if last in stored else numbers.get(last)
            if issue is not None and last != key:
                found[key] = issue
        return found

    def _update_issues(self, groups: Iterable[TouchedHash], strictly: bool) -> None:
        hash_rows, issue_rows, latest_rows, last_rows = [], [], [], []
        # In the order of the issues, as everybody who records does it; of equal times the later row counts.
        for group in sorted(groups, key=lambda group: (group.issue_id, group.latest_row)):
            latest = group.latest
            if latest is None:
                continue
            hash_rows.append(
                (group.count, group.users, group.first, group.first, group.last, group.last, group.hash_id)
            )
            issue_rows.append((group.count, group.issue_users, group.first, group.first, group.issue_id))
            before = group.last if strictly and not group.created else group.last + 1
            latest_rows.append((group.last, latest.rank, latest.release, latest.environment,
                                group.issue_id, before))  # fmt: skip
            last_rows.append((group.latest_row, group.issue_id, group.last))
        self.db.update_many(
            """UPDATE hashes SET count = count + ?, users = users + ?,
                 first_seen = CASE WHEN ? < first_seen THEN ? ELSE first_seen END,
                 last_seen = CASE WHEN ? > last_seen THEN ? ELSE last_seen END
               WHERE id = ?""",
            sorted(hash_rows, key=lambda row: row[-1]),
        )
        self.db.update_many(
            """UPDATE issues SET count = count + ?, users = users + ?,
                 first_seen = CASE WHEN ? < first_seen THEN ? ELSE first_seen END
               WHERE id = ?""",
            issue_rows,
        )
        self.db.update_many(
            """UPDATE issues SET last_seen = ?, level = ?, release = ?, environment = ?
               WHERE id = ? AND last_seen < ?""",
            latest_rows,
        )
        # `last_seen` may know of an event that is not stored: imported in part, or deleted.
        self.db.update_many(
            """UPDATE issues SET last_event = ?
               WHERE id = ? AND COALESCE((SELECT e.timestamp FROM events e WHERE e.id = last_event), ?) <= ?""",
            [(row, issue, moment, moment) for row, issue, moment in last_rows],
        )

    # Rows

    def _known(self, table: str, digests: Sequence[bytes]) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for part in chunks(digests):
            found.update(self.db.rows(f"SELECT digest, id FROM {table} WHERE digest IN ({marks(part)})", part))
        return found

    def _stacks(self, fresh: Sequence[Prepared]) -> dict[bytes, int]:
        """The row of every stack of the batch; new ones are stored and indexed."""
        wanted = {item.stack_digest: item for item in fresh if item.stack_digest is not None}
        found = self._known("stacks", list(wanted))
        new = {digest: item.stack for digest, item in wanted.items() if digest not in found and item.stack}
        if not new:
            return found
        stored, others = self._share("stacks", new)
        found.update(others)
        documents, words = [], []
        listed: set[Word] = set()
        for digest, stack_id in stored.items():
            found[digest] = stack_id
            static = codec.static_part(new[digest])
            documents.append((stack_id, stack_document(static)))
            found_words = stack_words(static)
            words += [(word, stack_id) for word in found_words]
            listed.update(found_words)
        self._list_words(listed)
        self.db.index("stack_index", documents)
        self.db.execute_many("INSERT INTO stack_words VALUES (?, ?) ON CONFLICT DO NOTHING", sorted(words))
        return found

    def _backgrounds(self, fresh: Sequence[Prepared]) -> dict[bytes, int]:
        """The row of every background of the batch; new ones are stored."""
        wanted = {item.background_digest: item.background for item in fresh if item.background}
        found = self._known("backgrounds", [digest for digest in wanted if digest])
        new = {digest: body for digest, body in wanted.items() if digest and body and digest not in found}
        if new:
            stored, others = self._share("backgrounds", new)
            found.update({**stored, **others})
        return found

    def _share(self, table: str, bodies: dict[bytes, bytes]) -> tuple[dict[bytes, int], dict[bytes, int]]:
        """Store parts that events share: the rows of those that are stored now, and of those that somebody else has
        stored meanwhile."""
        ids = dict(zip(sorted(bodies), count(self.db.allocate(table, len(bodies))), strict=False))
        stored = self.db.execute_many(
            f"INSERT INTO {table} (id, digest, body) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            [(row, digest, codec.shrink(bodies[digest], codec.STACK)) for digest, row in ids.items()],
        )
        if stored == len(ids):
            return ids, {}
        known = self._known(table, list(ids))
        others = {digest: row for digest, row in known.items() if row != ids[digest]}
        return {digest: row for digest, row in ids.items() if digest not in others}, others

    def _insert_rows(
        self,
        rows: Sequence[tuple[int, Prepared, TouchedHash]],
        projects: dict[str, int],
        stacks: dict[bytes, int],
        backgrounds: dict[bytes, int],
    ) -> None:
        hot, bodies, documents, pairs = [], [], [], set()
        for row, item, group in rows:
            project = projects[item.project]
            stack = stacks[item.stack_digest] if item.stack_digest else None
            background = backgrounds[item.background_digest] if item.background_digest else None
            hot.append((row, project, item.key, group.hash_id, stack, background,
                        item.timestamp, item.received_at, item.rank))  # fmt: skip
            bodies.append((row, item.payload))
            documents.append((row, f"{item.document} {hash_token(group.hash_id)}"))
            if stack is not None:
                pairs.add((stack, group.hash_id))
        self.db.execute_many("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", hot)
        self.db.execute_many("INSERT INTO payloads VALUES (?, ?)", bodies)
        self.db.index("event_index", documents)
        unseen = pairs - self._pairs
        self.db.execute_many("INSERT INTO stack_hashes VALUES (?, ?) ON CONFLICT DO NOTHING", sorted(unseen))
        self._pairs |= unseen

    def _insert_files(self, rows: Sequence[tuple[int, Prepared, TouchedHash]], now: int) -> None:
        """Which contents the events name: what no row names is garbage."""
        files = [
            (row, file["name"], file["content_type"], file["kind"], file["size"], bytes.fromhex(file["digest"]), now)
            for row, item, _ in rows
            for file in item.files
            if "digest" in file
        ]
        self.db.execute_many(
            """INSERT INTO attachments (event, name, content_type, kind, size, digest, created_at)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            files,
        )

    # Words and users

    def _insert_words(self, rows: Sequence[tuple[int, Prepared, TouchedHash]]) -> None:
        pairs: list[tuple[int, int]] = []
        listed: set[Word] = set()
        people: dict[tuple[int, int], TouchedHash] = {}
        for _, item, group in rows:
            hash_id = group.hash_id
            known = self._seen.get(hash_id)
            if known is None:
                known = self._seen[hash_id] = set()
            listed.update(item.scattered)
            if not known.issuperset(item.words):
                new = set(item.words).difference(known)
                known |= new
                listed |= new
                pairs += [(word, hash_id) for word in new]
                self._seen_count += len(new)
            if item.user is not None and ~item.user not in known:
                known.add(~item.user)
                people[hash_id, item.user] = group
                self._seen_count += 1
        self._add_users(people)
        self._list_words(listed)
        pairs.sort()
        self.db.execute_many("INSERT INTO hash_words VALUES (?, ?) ON CONFLICT DO NOTHING", pairs)

    def _add_users(self, people: dict[tuple[int, int], TouchedHash]) -> None:
        """Count each person once for a hash, and once for the issue however many hashes were merged into it."""
        new = self.db.insert_new(
            'INSERT INTO hash_users (hash_id, "user") VALUES (?, ?) ON CONFLICT DO NOTHING', sorted(people)
        )
        merged = self._merged({people[pair].issue_id for pair in new})
        counted: set[tuple[int, int]] = set()
        fresh = set(new)
        for hash_id, user in new:
            group = people[hash_id, user]
            group.users += 1
            if group.issue_id in merged:
                if (group.issue_id, user) in counted or self._affected_before(group.issue_id, user, fresh):
                    continue
                counted.add((group.issue_id, user))
            group.issue_users += 1

    def _merged(self, issues: set[int]) -> set[int]:
        """Those of the issues that have several hashes."""
        found: set[int] = set()
        for part in chunks(sorted(issues)):
            rows = self.db.rows(
                f"SELECT issue_id FROM hashes WHERE issue_id IN ({marks(part)}) GROUP BY issue_id HAVING count(*) > 1",
                part,
            )
            found.update(issue for (issue,) in rows)
        return found

    def _affected_before(self, issue: int, user: int, new: set[tuple[int, int]]) -> bool:
        """Whether a hash of a merged issue had this person before the batch."""
        rows = self.db.rows(
            "SELECT h.id FROM hashes h JOIN hash_users u ON u.hash_id = h.id WHERE h.issue_id = ? AND u.user = ?",
            (issue, user),
        )
        return any((hash_id, user) not in new for (hash_id,) in rows)

    def _list_words(self, words: Iterable[Word]) -> None:
        new = set(words).difference(self._listed)
        self._listed |= new
        names = sorted(name for word in new if (name := word_name(word)))
        self.db.execute_many("INSERT INTO words VALUES (?, ?) ON CONFLICT DO NOTHING", names)

    # Counters

    def _count(
        self, rows: Sequence[tuple[int, Prepared, TouchedHash]], projects: dict[str, int], alerting: bool
    ) -> None:
        hours: dict[tuple[int, int], int] = {}
        minutes: dict[tuple[int, int], int] = {}
        totals: dict[tuple[int, int, int], int] = {}
        for _, item, group in rows:
            hour = item.timestamp // HOUR
            key = (group.hash_id, hour)
            hours[key] = hours.get(key, 0) + 1
            if alerting:
                key = (item.received_at // MINUTE, group.hash_id)
                minutes[key] = minutes.get(key, 0) + 1
            total = (projects[item.project], hour, item.rank)
            totals[total] = totals.get(total, 0) + 1
        for table, conflict, counts in (
            ("hash_hours", "hash_id, hour", hours),
            ("hash_minutes", "minute, hash_id", minutes),
            ("project_hours", "project_id, hour, level", totals),
        ):
            values = [(*key, count) for key, count in sorted(counts.items())]
            if values:
                self.db.execute_many(
                    f"INSERT INTO {table} VALUES ({marks(values[0])})"
                    f" ON CONFLICT ({conflict}) DO UPDATE SET count = {table}.count + excluded.count",
                    values,
                )

    # The answer

    def _report(
        self,
        batch: Sequence[Prepared],
        projects: dict[str, int],
        taken: dict[tuple[int, bytes], int | None],
        rows: Sequence[tuple[int, Prepared, TouchedHash]],
    ) -> list[Stored]:
        stored = {(projects[item.project], item.key): (row, group) for row, item, group in rows}
        known = self._issues_of([event for event in taken.values() if event is not None])
        announced: set[int] = set()
        report = []
        for item in batch:
            key = (projects[item.project], item.key)
            if key in stored:
                row, group = stored.pop(key)
                created = group.created and group.issue_id not in announced
                announced.add(group.issue_id)
                taken[key] = row
                known[row] = group.issue_id
                report.append(
                    Stored(
                        item.event_id,
                        group.issue_id,
                        created,
                        False,
                        item.grouping.hash,
                        item.timestamp,
                        row,
                        group.joined,
                    )
                )
                group.joined = None
            else:
                issue = known.get(taken[key] or 0)
                report.append(Stored(item.event_id, issue, False, True, item.grouping.hash, item.timestamp, taken[key]))
        return report

    def _issues_of(self, events: Sequence[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for part in chunks(events):
            found.update(
                self.db.rows(
                    f"SELECT e.id, h.issue_id FROM events e JOIN hashes h ON h.id = e.hash_id WHERE e.id IN ({marks(part)})",
                    part,
                )
            )
        return found
