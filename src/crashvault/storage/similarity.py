"""What hashes look like, which of them share rare frames, and what people said about pairs of them.

A hash has one sketch, made of its first event. Those of hashes that are older than the index, or came by import,
are made when they are first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ..errors import StoreError
from ..grouping import NO_RULES, Rules, compile_rules, group
from ..grouping.rules import apply_frame_rules
from ..grouping.similarity import MEMBERS, Match, Rarity, compare_groups, rarities
from ..grouping.sketch import Sketch, load, sketch_of
from ..models import Event
from .loading import Loader
from .settings import Settings
from .sqlite import SQLite, chunks, marks

RAREST = 14  # traits by which others are looked for
COMMON = 300  # hashes that share a trait; more than that say nothing
CANDIDATES = 16  # hashes that are compared
_LOOKED_AT = 2_000  # rows of the index
_PAIRS = 64  # of hashes that one verdict is kept for
_AT_ONCE = 200  # sketches a transaction
_OWN_MEMBERS = 4  # of an issue that others are looked for by

Progress = Callable[[int], object]


class Group(NamedTuple):
    """An issue as similarity sees it."""

    issue: int
    hashes: tuple[bytes, ...]  # of its members below
    members: tuple[Sketch, ...]  # some of its hashes


class Verdict(NamedTuple):
    """What somebody said of two hashes, the smaller first."""

    one: bytes
    other: bytes
    same: bool
    score: float | None  # how alike they were
    at: int


class HashRow(NamedTuple):
    """A grouping hash, and where it leads."""

    id: int
    project: int
    hash: str  # 40 hex digits
    issue: int
    algorithm: str


class Similarity:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    # The index. Writing methods join the open transaction.

    def add(self, rows: Iterable[tuple[int, int, Sketch | None]]) -> None:
        """Index hashes: (id, project, sketch); those without a sketch are noted down for later."""
        sketches, traits, pending = [], [], []
        counts: dict[tuple[int, int], int] = {}
        for hash_id, project, sketch in rows:
            if sketch is None:
                pending.append((hash_id,))
                continue
            sketches.append((hash_id, project, sketch.dump()))
            for trait in sketch.traits():
                traits.append((project, trait, hash_id))
                counts[project, trait] = counts.get((project, trait), 0) + 1
        self.db.execute_many("INSERT INTO unsketched VALUES (?) ON CONFLICT DO NOTHING", pending)
        self.db.execute_many("INSERT INTO sketches VALUES (?, ?, ?)", sketches)
        self.db.execute_many("INSERT INTO traits VALUES (?, ?, ?)", sorted(traits))
        self.db.execute_many(
            "INSERT INTO trait_counts VALUES (?, ?, ?) ON CONFLICT (project_id, trait)"
            " DO UPDATE SET hashes = trait_counts.hashes + excluded.hashes",
            [(*key, count) for key, count in sorted(counts.items())],
        )

    def has_room(self, issue: int, more: int = 0) -> bool:
        """Whether another hash of an issue would ever be compared: of many, those that came first stand for all."""
        present = self.db.rows("SELECT 1 FROM hashes WHERE issue_id = ? LIMIT ?", (issue, MEMBERS))
        return len(present) + more < MEMBERS

    def pending(self) -> int:
        """Hashes without a sketch."""
        return int(self.db.value("SELECT count(*) FROM unsketched"))

    def fill(self, rules: Rules = NO_RULES, limit: int | None = None, progress: Progress | None = None) -> int:
        """Sketch hashes that have none, some hundred a transaction; how many."""
        done = 0
        while limit is None or done < limit:
            size = _AT_ONCE if limit is None else min(_AT_ONCE, limit - done)
            with self.db.writing():
                count = self._fill_some(rules, size)
            if not count:
                break
            done += count
            if progress:
                progress(count)
        return done

    def _fill_some(self, rules: Rules, size: int) -> int:
        ids = [row for (row,) in self.db.rows("SELECT hash_id FROM unsketched ORDER BY hash_id LIMIT ?", (size,))]
        self._sketch(ids, rules)
        return len(ids)

    def _sketch(self, ids: Sequence[int], rules: Rules) -> None:
        """Sketch some hashes that have none. Joins the open transaction."""
        first = self.db.rows(
            f"""SELECT h.id, h.project_id, (SELECT min(e.id) FROM events e WHERE e.hash_id = h.id)
                FROM hashes h WHERE h.id IN ({marks(ids)}) AND h.id NOT IN (SELECT hash_id FROM sketches)
                AND (SELECT count(*) FROM (SELECT 1 FROM hashes o WHERE o.issue_id = h.issue_id AND o.id < h.id
                                           LIMIT {MEMBERS}) AS older) < {MEMBERS}""",
            ids,
        )
        events = {item.row: item for item in Loader(self.db).load([row for _, _, row in first if row is not None])}
        found = []
        for hash_id, project, row in first:
            if row in events:
                event = apply_frame_rules(rules, events[row].event)
                decided = group(event, rules)
                found.append((hash_id, project, sketch_of(event, decided)))
        self.add(found)
        self.db.execute(f"DELETE FROM unsketched WHERE hash_id IN ({marks(ids)})", ids)

    # Looking up

    def total(self, project: int) -> int:
        """Hashes in the index of a project."""
        return int(self.db.value("SELECT count(*) FROM sketches WHERE project_id = ?", (project,)))

    def rarity(self, project: int, sketches: Iterable[Sketch]) -> Rarity:
        """What each frame of some sketches counts for in a project."""
        traits = {trait for sketch in sketches for trait in (*sketch.frames, *sketch.own)}
        return rarities(self.total(project), self.counts(project, traits))

    def counts(self, project: int, traits: Iterable[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for part in chunks(list(set(traits))):
            found.update(
                self.db.rows(
                    f"SELECT trait, hashes FROM trait_counts WHERE project_id = ? AND trait IN ({marks(part)})",
                    (project, *part),
                )
            )
        return found

    def near(self, project: int, sketch: Sketch) -> list[int]:
        """The hashes that share the most of a sketch's rare traits, by id, the most promising first."""
        counts = self.counts(project, sketch.traits())
        rare = _rarest(counts)
        weight = rarities(max(counts.values(), default=0), counts)
        scores: dict[int, float] = {}
        rows = self.db.rows(
            f"SELECT trait, hash_id FROM traits WHERE project_id = ? AND trait IN ({marks(rare)})", (project, *rare)
        )
        for trait, hash_id in rows:
            scores[hash_id] = scores.get(hash_id, 0.0) + weight(trait) ** 2
        return sorted(scores, key=lambda hash_id: (-scores[hash_id], hash_id))[:CANDIDATES]

    def groups(self, hash_ids: Sequence[int]) -> list[Group]:
        """The issues that hashes belong to, each with some of its members; in the order of the hashes."""
        if not hash_ids:
            return []
        issues = dict(self.db.rows(f"SELECT id, issue_id FROM hashes WHERE id IN ({marks(hash_ids)})", hash_ids))
        return self.of_issues(list(dict.fromkeys(issues[hash_id] for hash_id in hash_ids if hash_id in issues)))

    def of_issues(self, issues: Sequence[int]) -> list[Group]:
        """Issues with the sketches of their oldest hashes; without those that have none."""
        found: dict[int, list[tuple[bytes, Sketch]]] = {}
        for issue in issues:
            rows = self.db.rows(
                """SELECT h.hash, s.body FROM hashes h JOIN sketches s ON s.hash_id = h.id
                   WHERE h.issue_id = ? ORDER BY h.id LIMIT ?""",
                (issue, MEMBERS),
            )
            found[issue] = [(digest, _readable(body)) for digest, body in rows]
        return [
            Group(issue, tuple(digest for digest, _ in pairs), tuple(sketch for _, sketch in pairs))
            for issue, pairs in found.items()
            if pairs
        ]

    def like(self, issue: int, limit: int = 5, least: float = 0.0) -> list[tuple[int, Match]]:
        """The issues of the same project most like one, with how and why; those that somebody kept apart too."""
        project = self.db.value("SELECT project_id FROM issues WHERE id = ?", (issue,))
        own = self.of_issues([issue])
        if not own:
            return []
        members = own[0].members[:_OWN_MEMBERS]
        near = dict.fromkeys(hash_id for member in members for hash_id in self.near(project, member))
        groups = [group for group in self.groups(list(near)) if group.issue != issue]
        rarity = self.rarity(project, (sketch for group in (*own, *groups) for sketch in group.members))
        found = [(group.issue, compare_groups(members, group.members, rarity)) for group in groups]
        found.sort(key=lambda pair: (-pair[1].score, pair[0]))
        return [pair for pair in found if pair[1].score >= least][:limit]

    def projects(self, project: str | None = None) -> list[int]:
        """The projects that have issues to compare, or the one of that name."""
        rows = self.db.rows("SELECT id FROM projects WHERE ?1 IS NULL OR name = ?1 ORDER BY id", (project,))
        return [row for (row,) in rows]

    def issues(self, project: int) -> list[int]:
        """The listed issues of a project."""
        rows = self.db.rows(
            "SELECT id FROM issues WHERE project_id = ? AND merged_into IS NULL ORDER BY id", (project,)
        )
        return [row for (row,) in rows]

    # History, for trying other rules

    def hash_rows(self, project: int) -> list[HashRow]:
        """The hashes of a project that have had events."""
        rows = self.db.rows(
            "SELECT id, project_id, hash, issue_id, algorithm FROM hashes WHERE project_id = ? AND count > 0 ORDER BY id",
            (project,),
        )
        return [HashRow(row, number, digest.hex(), issue, algorithm) for row, number, digest, issue, algorithm in rows]

    def latest_events(self, hash_ids: Sequence[int], limit: int) -> list[tuple[int, Event]]:
        """The latest events of each hash, as (hash, event)."""
        owners = {
            row: hash_id
            for hash_id in hash_ids
            for (row,) in self.db.rows(
                "SELECT id FROM events WHERE hash_id = ? ORDER BY timestamp DESC, id DESC LIMIT ?", (hash_id, limit)
            )
        }
        return [(owners[item.row], item.event) for item in Loader(self.db).load(list(owners))]

    # What people said

    def note_verdict(
        self, project: int, ones: Sequence[bytes], others: Sequence[bytes], same: bool, score: float | None, now: int
    ) -> None:
        """Keep that two groups of hashes are the same, or are not; the last word on a pair counts."""
        pairs = ((min(one, other), max(one, other)) for one in ones for other in others if one != other)
        rows = [
            (project, one, other, int(same), score if place == 0 else None, now)
            for place, (one, other) in enumerate(islice(pairs, _PAIRS))
        ]
        self.db.execute_many(
            """INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project_id, one, other) DO UPDATE
               SET same = excluded.same, score = excluded.score, at = excluded.at""",
            rows,
        )

    def judge(self, one: int, other: int, same: bool, now: int) -> None:
        """Keep what a person said of two issues that stand apart, with how alike they are."""
        revisit_sketches(self.db, "issue_id IN (?, ?) AND home_issue_id = issue_id", (one, other))
        project = int(self.db.value("SELECT project_id FROM issues WHERE id = ?", (one,)))
        pending = self.db.rows(
            "SELECT u.hash_id FROM hashes h JOIN unsketched u ON u.hash_id = h.id WHERE h.issue_id IN (?, ?) LIMIT ?",
            (one, other, _AT_ONCE),
        )
        if pending:
            self._sketch([row for (row,) in pending], compile_rules(Settings(self.db).get("grouping.rules", [])))
        groups = {group.issue: group for group in self.of_issues([one, other])}
        score = None
        if len(groups) == 2:
            left, right = groups[one].members, groups[other].members
            score = compare_groups(left, right, self.rarity(project, (*left, *right))).score
        self.note_verdict(project, self._hashes_of(one), self._hashes_of(other), same, score, now)

    def _hashes_of(self, issue: int) -> list[bytes]:
        rows = self.db.rows("SELECT hash FROM hashes WHERE issue_id = ? ORDER BY id LIMIT ?", (issue, MEMBERS))
        return [digest for (digest,) in rows]

    def kept_apart(self, project: int, hashes: Sequence[bytes]) -> set[bytes]:
        """The hashes that somebody has said are not the same as one of these."""
        found: set[bytes] = set()
        for part in chunks(hashes, 400):
            for one, other in self.db.rows(
                f"""SELECT one, other FROM verdicts WHERE project_id = ? AND same = 0 AND one IN ({marks(part)})
                    UNION SELECT other, one FROM verdicts WHERE project_id = ? AND same = 0 AND other IN ({marks(part)})""",
                (project, *part, project, *part),
            ):
                found.add(other if one in part else one)
        return found

    def splits(self, project: int) -> list[tuple[bytes, bytes]]:
        """Pairs of hashes that somebody took apart."""
        return self.db.rows("SELECT one, other FROM verdicts WHERE project_id = ? AND same = 0", (project,))

    def verdicts(self) -> Iterator[tuple[str, Verdict]]:
        """All of them, each with the name of its project."""
        for project, one, other, same, score, at in self.db.stream(
            """SELECT p.name, v.one, v.other, v.same, v.score, v.at FROM verdicts v JOIN projects p ON p.id = v.project_id
               ORDER BY p.name, v.one, v.other"""
        ):
            yield project, Verdict(one, other, bool(same), score, at)

    def take_verdicts(self, project: int, verdicts: Iterable[Verdict]) -> None:
        """Take over what was said elsewhere: the later word counts, and of two at once that for keeping apart."""
        self.db.execute_many(
            """INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project_id, one, other) DO UPDATE
               SET same = excluded.same, score = excluded.score, at = excluded.at
               WHERE (excluded.at, -excluded.same, COALESCE(excluded.score, -1))
                   > (verdicts.at, -verdicts.same, COALESCE(verdicts.score, -1))""",
            [(project, *verdict) for verdict in verdicts],
        )

    def scores(self, project: int) -> tuple[list[float], list[float]]:
        """How alike those were that people merged, and those that they took apart."""
        rows = self.db.rows("SELECT same, score FROM verdicts WHERE project_id = ? AND score IS NOT NULL", (project,))
        return [score for same, score in rows if same], [score for same, score in rows if not same]

    # Acts of `dedup`. Joins the open transaction.

    def note_act(self, actor: str, now: int, done: str) -> None:
        self.db.execute("INSERT INTO dedups (at, actor, done) VALUES (?, ?, ?)", (now, actor, done))

    def take_act(self) -> str | None:
        """What the last act did, which is forgotten thereby."""
        return self.db.value("DELETE FROM dedups WHERE id = (SELECT max(id) FROM dedups) RETURNING done")

    def add_alias(self, project: int, digest: bytes, like: int, algorithm: str, explanation: str, now: int) -> int:
        """One more hash that leads to an issue, named as the hash `like` is; its id."""
        hash_id = self.db.allocate("hashes", 1)
        self.db.execute(
            """INSERT INTO hashes (id, project_id, hash, issue_id, home_issue_id, algorithm, grouping, title, culprit,
                                   first_seen, last_seen, created_at)
               SELECT ?, project_id, ?, issue_id, home_issue_id, ?, ?, title, culprit, first_seen, last_seen, ?
               FROM hashes WHERE id = ?""",
            (hash_id, digest, algorithm, explanation, now, like),
        )
        self.add([(hash_id, project, None)])
        return hash_id

    def drop_aliases(self, hash_ids: Sequence[int]) -> int:
        """Take hashes away that no event has had; how many."""
        free = [hash_id for (hash_id,) in self.db.rows(
            f"SELECT id FROM hashes WHERE count = 0 AND id IN ({marks(hash_ids)})", hash_ids)]  # fmt: skip
        forget_sketches(self.db, free)
        self.db.execute(f"DELETE FROM hashes WHERE id IN ({marks(free)})", free)
        return len(free)


def _rarest(counts: dict[int, int]) -> list[int]:
    """The traits by which to look, the rarest first, as far as they may be read."""
    found: list[int] = []
    rows = 0
    for count, trait in sorted((count, trait) for trait, count in counts.items())[:RAREST]:
        rows += count
        if count > COMMON or rows > _LOOKED_AT:
            break
        found.append(trait)
    return found


def _readable(body: bytes) -> Sketch:
    try:
        return load(body)
    except ValueError as error:
        raise StoreError(
            f"the index of similar issues is damaged ({error})",
            "Run: crashvault doctor, and bring a backup back with: crashvault restore",
        ) from error


def forget_sketches(db: SQLite, hash_ids: Sequence[int], again: bool = False) -> None:
    """Take hashes out of the index. With `again` they are sketched anew when that is needed. Joins the transaction."""
    for part in chunks(hash_ids):
        rows = db.rows(f"SELECT hash_id, project_id, body FROM sketches WHERE hash_id IN ({marks(part)})", part)
        traits = [(project, trait, hash_id) for hash_id, project, body in rows for trait in _readable(body).traits()]
        db.execute_many("DELETE FROM traits WHERE project_id = ? AND trait = ? AND hash_id = ?", traits)
        keys = [(project, trait) for project, trait, _ in traits]
        db.execute_many("UPDATE trait_counts SET hashes = hashes - 1 WHERE project_id = ? AND trait = ?", keys)
        db.execute_many("DELETE FROM trait_counts WHERE project_id = ? AND trait = ? AND hashes <= 0", keys)
        db.execute(f"DELETE FROM sketches WHERE hash_id IN ({marks(part)})", part)
        db.execute(f"DELETE FROM unsketched WHERE hash_id IN ({marks(part)})", part)
        if again:
            db.execute_many("INSERT INTO unsketched VALUES (?) ON CONFLICT DO NOTHING", [(one,) for one in part])


def revisit_sketches(db: SQLite, where: str, parameters: Sequence[object]) -> None:
    """Note down hashes that came by another way than recording. Joins the transaction."""
    db.execute(
        f"""INSERT INTO unsketched SELECT id FROM hashes WHERE {where} AND id NOT IN (SELECT hash_id FROM sketches)
            ON CONFLICT DO NOTHING""",
        parameters,
    )
