"""A hash that nobody has had: is it an issue that is there, only looking a little different?

Asked before the transaction, and only for unknown hashes. What is found is a hash to join, not an issue: where
that hash is by the time of the transaction decides.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from .grouping import ALGORITHMS, Rules, group
from .grouping.rules import apply_frame_rules
from .grouping.similarity import Match, Rarity, calibrated, compare, compare_group, rarities, undecided
from .grouping.sketch import Sketch, sketch_of
from .models import Event, Grouping
from .storage.explaining import Join
from .storage.store import Store

_FILLED = 20  # sketches of older hashes that are made on the way
_MATES = 12  # hashes of the same batch that are compared
_LISTED = 40  # of them for one trait


class _Mate(NamedTuple):
    """An unknown hash that came earlier in the same batch."""

    hash: str
    sketch: Sketch


class Joiner:
    """Looks unknown hashes up for one batch of events."""

    def __init__(self, store: Store, rules: Rules, enabled: bool, threshold: float) -> None:
        self._store = store
        self._rules = rules
        self._enabled = enabled
        self._configured = threshold
        self._projects: dict[str, int | None] = {}
        self._thresholds: dict[int | None, float] = {}
        self._new: dict[tuple[str, str], tuple[Sketch, Join | None]] = {}
        self._mates: dict[tuple[str, int], list[_Mate]] = {}
        self._counts: dict[str, Counter[int]] = {}
        self._totals: dict[int, int] = {}
        self._filled = False

    def look_up(self, event: Event, grouping: Grouping) -> tuple[Sketch | None, Join | None]:
        """Sketch of an unknown hash, and what it joins; neither for one that is known, which costs nothing."""
        project, digest = event["project"], grouping.hash
        found = self._new.get((project, digest))
        if found is not None:
            return found
        if self._store.known.has(project, digest):
            return None, None
        if self._rules.frames:
            event = apply_frame_rules(self._rules, event)
        sketch = sketch_of(event, grouping)
        join = self._as_before(event, grouping)
        if join is None and self._enabled and can_join(sketch):
            join = self._join(project, digest, sketch)
        self._new[project, digest] = sketch, join
        self._remember(project, digest, sketch)
        return sketch, join

    def _as_before(self, event: Event, grouping: Grouping) -> Join | None:
        """The hash that an earlier algorithm gave such events, if the vault has it: their issue stays theirs."""
        for name in ALGORITHMS:
            if name == grouping.algorithm:
                continue
            earlier = group(event, self._rules._replace(frames=()), name).hash
            if earlier != grouping.hash and self._store.known.has(event["project"], earlier):
                return Join(earlier, 1.0, (f"the same key by algorithm {name}",))
        return None

    def _remember(self, project: str, digest: str, sketch: Sketch) -> None:
        mate = _Mate(digest, sketch)
        for trait in sketch.traits():
            listed = self._mates.setdefault((project, trait), [])
            if len(listed) < _LISTED:
                listed.append(mate)
        self._counts.setdefault(project, Counter()).update(sketch.traits())

    def _join(self, project: str, digest: str, sketch: Sketch) -> Join | None:
        project_id = self._project(project)
        apart: set[bytes] = set()
        if project_id is not None:
            apart = self._store.similarity.kept_apart(project_id, [bytes.fromhex(digest)])
        found = self._in_batch(project, project_id, sketch, apart)
        if project_id is not None:
            found += self._in_store(project, project_id, sketch, apart)
        target, match = max(found, key=lambda pair: pair[1].score, default=("", None))
        if match is None or match.score < self._threshold(project_id):
            return None
        return Join(target, match.score, tuple(match.reasons()))

    def _in_store(self, project: str, project_id: int, sketch: Sketch, apart: set[bytes]) -> list[tuple[str, Match]]:
        """The first hash of each issue that may be the one, with how alike the issue is."""
        repository = self._store.similarity
        self._fill()
        groups = repository.groups(repository.near(project_id, sketch))
        groups = [
            group
            for group in groups
            if all(map(can_join, group.members))
            and apart.isdisjoint(group.hashes)
            and not undecided([sketch], group.members)
        ]
        rarity = self._rarity(project, project_id, [sketch, *(member for group in groups for member in group.members)])
        return [(group.hashes[0].hex(), compare_group(sketch, group.members, rarity)) for group in groups]

    def _in_batch(
        self, project: str, project_id: int | None, sketch: Sketch, apart: set[bytes]
    ) -> list[tuple[str, Match]]:
        counts = self._counts.get(project)
        if not counts:
            return []
        shared = sorted((counts[trait], trait) for trait in sketch.traits() if trait in counts)
        mates = {
            mate.hash: mate for _, trait in shared for mate in self._mates[project, trait] if can_join(mate.sketch)
        }
        chosen = [
            mate
            for mate in mates.values()
            if bytes.fromhex(mate.hash) not in apart and not undecided([sketch], [mate.sketch])
        ][:_MATES]
        rarity = self._rarity(project, project_id, [sketch, *(mate.sketch for mate in chosen)])
        return [(mate.hash, compare(sketch, mate.sketch, rarity)) for mate in chosen]

    def _rarity(self, project: str, project_id: int | None, sketches: list[Sketch]) -> Rarity:
        frames = {frame for sketch in sketches for frame in (*sketch.frames, *sketch.own)}
        batch = self._counts.get(project, Counter())
        counts = {frame: batch[frame] for frame in frames}
        total = len(self._new)
        if project_id is not None:
            if project_id not in self._totals:
                self._totals[project_id] = self._store.similarity.total(project_id)
            total += self._totals[project_id]
            for frame, count in self._store.similarity.counts(project_id, frames).items():
                counts[frame] += count
        return rarities(total, counts)

    def _fill(self) -> None:
        if not self._filled:
            self._filled = True
            if self._store.similarity.pending():
                self._store.similarity.fill(self._rules, _FILLED)

    def _project(self, name: str) -> int | None:
        if name not in self._projects:
            found = self._store.projects.find(name)
            self._projects[name] = found.id if found else None
        return self._projects[name]

    def _threshold(self, project_id: int | None) -> float:
        """The configured threshold after what people merged and took apart in this project."""
        if project_id not in self._thresholds:
            scores = self._store.similarity.scores(project_id) if project_id is not None else ([], [])
            self._thresholds[project_id] = calibrated(self._configured, *scores)
        return self._thresholds[project_id]


def can_join(sketch: Sketch) -> bool:
    """Whether similarity may decide: there is a stack, and nobody has decided already."""
    return bool(sketch.frames) and not sketch.decided
