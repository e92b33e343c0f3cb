"""What an import writes beside events: issues with their state, hashes, tags, activity and files.

An issue is known by (project, hash). Where the vault has it already, the two become one in a way that does not
depend on which came first: of the two states the one with the later activity wins, times widen, activity is
united, and issues that are one in either vault are one afterwards.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .deletion import recompute_issue
from .evicted import Evicted, come_back, take_over
from .similarity import revisit_sketches
from .sqlite import SQLite, chunks, marks

# What people decide about an issue; taken as a whole from the state that wins.
STATE = ("title", "title_fixed", "culprit", "status", "severity", "assigned", "is_regressed", "resolved_at",
         "resolved_in", "ignored_until", "category")  # fmt: skip
# What its latest event says.
LATEST = ("level", "release", "environment")
_TIMES = ("first_seen", "last_seen", "created_at", "changed_at")


class IssueRecord(NamedTuple):
    """An issue of a file. Times in microseconds."""

    number: int | None  # in the file
    project: int
    state: dict[str, Any]  # STATE
    latest: dict[str, Any]  # LATEST
    first_seen: int
    last_seen: int
    created_at: int
    changed_at: int
    tags: list[str]
    activity: list[Entry]
    hashes: list[HashRecord]
    files: list[FileRecord]
    own_tags: list[str] | None = None  # without those of issues that were merged into it; None: all are its own
    into: int | None = None  # number of the issue that it was merged into
    merged: list[IssueRecord] = []  # those that were merged into it, with nothing but state and tags; the outer first


class Entry(NamedTuple):
    """One step in the history of an issue."""

    at: int
    actor: str
    kind: str
    data: str  # JSON
    home: int | None = None  # number of the issue it belonged to before any merge, if that is not the one it is in


class HashRecord(NamedTuple):
    digest: bytes
    home: int | None  # number of an issue in the file
    algorithm: str
    grouping: str  # JSON
    title: str
    culprit: str
    first_seen: int
    last_seen: int
    created_at: int
    evicted: Evicted | None = None


class FileRecord(NamedTuple):
    name: str
    content_type: str
    kind: str
    size: int
    digest: bytes
    created_at: int
    home: int | None = None  # as of an entry


class Placed(NamedTuple):
    """Where an issue of a file went."""

    issue: int
    created: bool
    changed: bool


class Importing:
    """Call its methods inside `writing()`. `fresh`: the vault had no issues, so the file's numbers are taken over."""

    def __init__(self, db: SQLite, fresh: bool | None = None) -> None:
        self.db = db
        self.fresh = not db.row("SELECT 1 FROM issues LIMIT 1") if fresh is None else fresh
        self._numbers: dict[int, int] = {}  # of the file → of the vault

    # Issues

    def known_hashes(self, project: int, digests: Sequence[bytes]) -> dict[bytes, int]:
        """The issue of each hash that the vault has."""
        found: dict[bytes, int] = {}
        for part in chunks(digests):
            found.update(self.db.rows(
                f"SELECT hash, issue_id FROM hashes WHERE project_id = ? AND hash IN ({marks(part)})", (project, *part)
            ))  # fmt: skip
        return found

    def place(self, record: IssueRecord) -> Placed:
        """Bring an issue in, or together with what the vault has of it."""
        known = self.known_hashes(record.project, [item.digest for item in record.hashes])
        targets = sorted(set(known.values()))
        # Where only issues that were merged into it are known, it comes in beside them, so that they can part again.
        own = [known[item.digest] for item in record.hashes
               if item.digest in known and item.home in (None, record.number)]  # fmt: skip
        issue = min(own) if own else self._create(record)
        others = [target for target in targets if target != issue]
        for other in others:
            self._join(issue, other)
        changed = self._combine(issue, record) or bool(others) if own else False
        if record.number is not None:
            self._numbers[record.number] = issue
        changed |= self._add_hashes(issue, record, known)
        places = {record.number: issue}
        for member in record.merged:
            changed |= self._place_member(places, record, member)
        changed |= self._add_activity(issue, record)
        changed |= bool(self.add_files("issue_id", issue, [file._replace(home=self._home_of(record, file.home))
                                                           for file in record.files]))  # fmt: skip
        return Placed(issue, not own, changed)

    def number(self, wanted: int | None) -> int:
        """A number for an issue: the file's own if it was never given here (or nothing was), else a new one."""
        if wanted is not None and wanted in self._numbers:
            return self._numbers[wanted]
        following = self.db.following("issues")
        if wanted is not None and (wanted >= following or (self.fresh and not self._taken(wanted))):
            self.db.skip_to("issues", max(following, wanted + 1))
            return wanted
        return self.db.allocate("issues", 1)

    def _taken(self, issue: int) -> bool:
        return bool(self.db.row(
            "SELECT 1 FROM issues WHERE id = ? UNION ALL SELECT 1 FROM hashes WHERE home_issue_id = ?", (issue, issue)
        ))  # fmt: skip

    def _create(self, record: IssueRecord) -> int:
        issue = self.number(record.number)
        fields = {**record.state, **record.latest, **{key: getattr(record, key) for key in _TIMES}}
        columns = ("id", "project_id", "count", "users", "last_event", *fields)
        self.db.execute(
            f"INSERT INTO issues ({', '.join(columns)}) VALUES ({marks(columns)})",
            (issue, record.project, 0, 0, 0, *fields.values()),
        )
        self._set_tags(issue, record.tags)
        return issue

    def _combine(self, issue: int, record: IssueRecord) -> bool:
        """One issue of two; whether that changed the vault's."""
        columns = (*STATE, *LATEST, *_TIMES)
        row = self.db.row(f"SELECT {', '.join(columns)} FROM issues WHERE id = ?", (issue,))
        assert row is not None
        mine = dict(zip(columns, row, strict=True))
        my_tags = self._tags(issue)
        theirs = {**record.state, **record.latest, **{key: getattr(record, key) for key in _TIMES}}
        merged = dict(mine)
        wins = _weight(theirs, STATE, _touched(theirs), record.tags) > _weight(mine, STATE, _touched(mine), my_tags)
        if wins:
            merged.update(record.state)
            self._set_tags(issue, record.tags)
        if _weight(theirs, LATEST, theirs["last_seen"]) > _weight(mine, LATEST, mine["last_seen"]):
            merged.update(record.latest)
        merged["first_seen"] = min(mine["first_seen"], theirs["first_seen"])
        merged["last_seen"] = max(mine["last_seen"], theirs["last_seen"])
        merged["created_at"] = min(mine["created_at"], theirs["created_at"])
        untouched = min(merged["created_at"], mine["changed_at"], theirs["changed_at"])
        merged["changed_at"] = max(_touched(mine), _touched(theirs)) or untouched
        self._update(issue, mine, merged)
        return merged != mine or (wins and sorted(set(record.tags)) != my_tags)

    def _update(self, issue: int, before: dict[str, Any], after: dict[str, Any]) -> None:
        changed = {key: value for key, value in after.items() if before[key] != value}
        if changed:
            columns = ", ".join(f"{key} = ?" for key in changed)
            self.db.execute(f"UPDATE issues SET {columns} WHERE id = ?", (*changed.values(), issue))

    def _tags(self, issue: int) -> list[str]:
        return [tag for (tag,) in self.db.rows("SELECT tag FROM issue_tags WHERE issue_id = ? ORDER BY tag", (issue,))]

    def _set_tags(self, issue: int, tags: Iterable[str]) -> None:
        self.db.execute("DELETE FROM issue_tags WHERE issue_id = ?", (issue,))
        rows = [(issue, tag) for tag in sorted(set(tags))]
        self.db.execute_many("INSERT INTO issue_tags (issue_id, tag) VALUES (?, ?)", rows)

    def _join(self, issue: int, other: int) -> None:
        """Make one issue of two that the file knows as one; the other waits, as after a merge by hand."""
        columns = ("project_id", *STATE, *LATEST, *_TIMES)
        row = self.db.row(f"SELECT {', '.join(columns)} FROM issues WHERE id = ?", (other,))
        assert row is not None
        fields = dict(zip(columns, row, strict=True))
        record = IssueRecord(
            number=None,
            project=fields["project_id"],
            state={key: fields[key] for key in STATE},
            latest={key: fields[key] for key in LATEST},
            first_seen=fields["first_seen"],
            last_seen=fields["last_seen"],
            created_at=fields["created_at"],
            changed_at=fields["changed_at"],
            tags=self._tags(other),
            activity=[],
            hashes=[],
            files=[],
        )
        self._combine(issue, record)
        for table in ("hashes", "activity", "attachments"):
            self.db.execute(
                f"UPDATE {table} SET issue_id = ?, home_issue_id = COALESCE(home_issue_id, ?) WHERE issue_id = ?",
                (issue, other, other),
            )
        self.db.execute("UPDATE issues SET merged_into = ? WHERE id = ?", (issue, other))
        for number, target in self._numbers.items():
            if target == other:
                self._numbers[number] = issue
        recompute_issue(self.db, issue)

    # Issues that were merged away

    def _place_member(self, places: dict[int | None, int], record: IssueRecord, member: IssueRecord) -> bool:
        """Bring in what an issue that was merged away had of its own, for when it is taken out again; whether that
        changed something. `places`: what the numbers of the issues around it are here."""
        root = places[record.number]
        present = self._member_here(record, member)
        if present == root or (present is not None and not self._waits(present)):
            return False  # here it is an issue like any other, and decided about as one
        if present is not None:
            places.setdefault(member.number, present)
            return self._combine(present, member._replace(tags=self._tags(present)))
        issue = self._create(member)
        self.db.execute("UPDATE issues SET merged_into = ? WHERE id = ?", (places.get(member.into, root), issue))
        places.setdefault(member.number, issue)
        own = set(member.tags) - set(record.tags if record.own_tags is None else record.own_tags)
        self.db.execute_many(
            "UPDATE issue_tags SET home_issue_id = ? WHERE issue_id = ? AND tag = ? AND home_issue_id IS NULL",
            [(issue, root, tag) for tag in sorted(own)],
        )
        self.db.execute_many(
            """DELETE FROM issue_tags WHERE issue_id = ?1 AND tag = ?2
               AND EXISTS (SELECT 1 FROM issue_tags WHERE issue_id = ?3 AND tag = ?2 AND home_issue_id = ?1)""",
            [(issue, tag, root) for tag in sorted(own)],
        )
        if member.number is not None:
            self._numbers[member.number] = issue
        return True

    def _member_here(self, record: IssueRecord, member: IssueRecord) -> int | None:
        """The issue that stands for it here: by its number where that was seen, by its hashes where they are known."""
        for item in record.hashes:
            if item.home == member.number:
                home = self.db.value(
                    """SELECT home_issue_id FROM hashes JOIN issues i ON i.id = home_issue_id
                       WHERE hashes.project_id = ? AND hash = ?""",
                    (record.project, item.digest),
                )
                if home is not None:
                    return int(home)
        return None

    def _waits(self, issue: int) -> bool:
        return self.db.value("SELECT merged_into FROM issues WHERE id = ?", (issue,)) is not None

    # Parts of an issue

    def add_hash(self, issue: int, project: int, item: HashRecord) -> None:
        """One more hash that leads to an issue."""
        self._insert_hashes([(self.db.allocate("hashes", 1), project, item.digest, issue, issue, item.algorithm,
                              item.grouping, item.title, item.culprit, item.first_seen, item.last_seen,
                              item.created_at)])  # fmt: skip

    def _insert_hashes(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.db.execute_many(
            """INSERT INTO hashes (id, project_id, hash, issue_id, home_issue_id, algorithm, grouping,
                                   title, culprit, first_seen, last_seen, created_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project_id, hash) DO NOTHING""",
            rows,
        )
        revisit_sketches(self.db, f"id IN ({marks(rows)})", [row[0] for row in rows])

    def _add_hashes(self, issue: int, record: IssueRecord, known: dict[bytes, int]) -> bool:
        new = [item for item in record.hashes if item.digest not in known]
        first = self.db.allocate("hashes", len(new)) if new else 0
        rows = []
        for hash_id, item in enumerate(new, start=first):
            home = issue if item.home in (None, record.number) else self._home(item.home)
            rows.append((hash_id, record.project, item.digest, issue, home, item.algorithm, item.grouping, item.title,
                         item.culprit, item.first_seen, item.last_seen, item.created_at))  # fmt: skip
        self._insert_hashes(rows)
        for hash_id, item in enumerate(new, start=first):
            if item.evicted:  # of a hash that the vault knows, who can say which events were counted here too?
                take_over(self.db, record.project, issue, hash_id, item.evicted)
        widened = [self._widen_hash(record.project, item) for item in record.hashes if item.digest in known]
        return bool(new) or any(widened)

    def _home(self, number: int | None) -> int:
        """The number here of an issue that was merged away in the file's vault."""
        home = self.number(number)
        if number is not None:
            self._numbers[number] = home
        return home

    def _home_of(self, record: IssueRecord, number: int | None) -> int | None:
        """The same for a part that says so only where it is not the issue's own."""
        return None if number in (None, record.number) else self._home(number)

    def widen(self, issue: int, moment: int) -> None:
        """An issue was seen at that time, though there may be no event of it."""
        self.db.execute("UPDATE issues SET last_seen = ? WHERE id = ? AND last_seen < ?", (moment, issue, moment))

    def _widen_hash(self, project: int, item: HashRecord) -> bool:
        """A hash that both have; it is described as where it was made first. Whether that changed the vault's."""
        columns = "created_at, title, culprit, algorithm, grouping, first_seen, last_seen"
        where = "WHERE project_id = ? AND hash = ?"
        mine = self.db.row(f"SELECT {columns} FROM hashes {where}", (project, item.digest))
        assert mine is not None
        described = min(mine[:5], (item.created_at, item.title, item.culprit, item.algorithm, item.grouping))
        merged = (*described, min(mine[5], item.first_seen), max(mine[6], item.last_seen))
        if merged != mine:
            assignments = ", ".join(f"{column} = ?" for column in columns.split(", "))
            self.db.execute(f"UPDATE hashes SET {assignments} {where}", (*merged, project, item.digest))
        return merged != mine

    def _add_activity(self, issue: int, record: IssueRecord) -> bool:
        """Unite the logs, in the order of time."""
        if not record.activity:
            return False
        sql = "SELECT at, actor, kind, data, home_issue_id FROM activity WHERE issue_id = ? ORDER BY at, id"
        present = [Entry(*row) for row in self.db.rows(sql, (issue,))]
        missing = Counter(entry[:4] for entry in record.activity) - Counter(entry[:4] for entry in present)
        if not missing:
            return False
        added = [entry for entry in record.activity if _took(missing, entry[:4])]
        merged = [*present, *(entry._replace(home=self._home_of(record, entry.home)) for entry in added)]
        self.db.execute("DELETE FROM activity WHERE issue_id = ?", (issue,))
        self.db.execute_many(
            "INSERT INTO activity (issue_id, at, actor, kind, data, home_issue_id) VALUES (?, ?, ?, ?, ?, ?)",
            [(issue, *entry) for entry in sorted(merged, key=lambda entry: entry.at)],
        )
        return True

    def add_files(self, column: str, owner: int, files: Iterable[FileRecord]) -> int:
        added = 0
        for file in files:
            present = self.db.row(
                f"SELECT 1 FROM attachments WHERE {column} = ? AND digest = ? AND name = ?",
                (owner, file.digest, file.name),
            )
            if not present:
                self.db.execute(
                    f"""INSERT INTO attachments ({column}, name, content_type, kind, size, digest, created_at, home_issue_id)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                    (owner, *file),
                )
                added += 1
        return added

    # Events

    def attach(self, project: int, key: bytes, files: Iterable[FileRecord]) -> None:
        """Files that were attached to an event later than it came."""
        row = self.db.value("SELECT event FROM event_keys WHERE project_id = ? AND event_id = ?", (project, key))
        if row is not None:
            self.add_files("event", int(row), files)

    def known_events(self, project: int, keys: Sequence[bytes]) -> set[bytes]:
        """Which of the event ids are stored."""
        found: set[bytes] = set()
        for part in chunks(keys):
            found.update(key for (key,) in self.db.rows(
                f"SELECT event_id FROM event_keys WHERE project_id = ? AND event IS NOT NULL AND event_id IN ({marks(part)})",
                (project, *part),
            ))  # fmt: skip
        return found

    def forget_tombstones(self, project: int, keys: Sequence[bytes]) -> set[bytes]:
        """Let deleted events come back; which of these had been deleted."""
        where = "WHERE project_id = ? AND event IS NULL AND event_id IN"
        found: set[bytes] = set()
        for part in chunks(keys):
            given = (project, *part)
            found.update(
                key for (key,) in self.db.rows(f"SELECT event_id FROM event_keys {where} ({marks(part)})", given)
            )
            self.db.execute(f"DELETE FROM event_keys {where} ({marks(part)})", given)
        return found

    def come_back(self, project: int, events: Iterable[tuple[bytes, int, int]]) -> None:
        """Deleted events are about to be stored again: those evicted are counted no second time; see `evicted`."""
        come_back(self.db, project, events)

    # The rest of a vault

    def place_project(self, name: str, created_at: int | None, key: str) -> None:
        self.db.execute(
            "INSERT INTO projects (name, public_key, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
            (name, key, created_at or 0),
        )
        if created_at is not None:
            earlier = "" if self.fresh else " AND created_at > ?"
            parameters = (created_at, name) if self.fresh else (created_at, name, created_at)
            self.db.execute(f"UPDATE projects SET created_at = ? WHERE name = ?{earlier}", parameters)

    def place_level(self, name: str, rank: int, colour: str | None, emoji: str | None) -> None:
        """A level that is not here comes in, with the next free rank where its own is taken."""
        present = self.db.rows("SELECT name, rank FROM levels")
        ranks = {rank for _, rank in present}
        if name not in dict(present):
            free = next(number for distance in range(1001) for number in (rank + distance, rank - distance)
                        if 0 <= number <= 1000 and number not in ranks)  # fmt: skip
            self.db.execute("INSERT INTO levels VALUES (?, ?, ?, ?, 0)", (name, free, colour, emoji))
        elif self.fresh:
            self.db.execute("UPDATE levels SET colour = ?, emoji = ? WHERE name = ?", (colour, emoji, name))


def _touched(fields: dict[str, Any]) -> int:
    """When somebody last did something to an issue; 0 if nobody has."""
    return int(fields["changed_at"]) if fields["changed_at"] > fields["created_at"] else 0


def _weight(fields: dict[str, Any], keys: Sequence[str], moment: int, tags: Iterable[str] = ()) -> tuple[int, str]:
    """What of two states the heavier one wins by: its time, and among equals anything that both sides agree on."""
    return moment, json.dumps([*(fields[key] for key in keys), sorted(set(tags))])


def _took(missing: Counter[tuple[Any, ...]], entry: tuple[Any, ...]) -> bool:
    if missing[entry] <= 0:
        return False
    missing[entry] -= 1
    return True


__all__ = ["LATEST", "STATE", "Entry", "FileRecord", "HashRecord", "Importing", "IssueRecord", "Placed"]
