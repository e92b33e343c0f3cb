"""Finding issues that are the same crash, making them one, and taking that back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import lifecycle
from .errors import NotFoundError
from .grouping.clusters import clusters
from .grouping.similarity import calibrated
from .joining import can_join
from .storage.similarity import Group
from .storage.store import Store

Progress = Callable[[int], object]


class Duplicates(NamedTuple):
    """Issues of one project that are one crash, the oldest first: the others would become part of it."""

    issues: tuple[int, ...]
    score: float  # of the least alike pair that led to it
    reasons: tuple[str, ...]  # of the most alike pair


class Undone(NamedTuple):
    """What taking an act back did."""

    unmerged: list[int]
    aliases: int  # hashes that lead to an issue no more
    kept: int  # of what was done, what others have changed since


def threshold_of(store: Store, project: int, configured: float) -> float:
    """The threshold of a project: the configured one, after what people merged and took apart there."""
    return calibrated(configured, *store.similarity.scores(project))


def size(store: Store, project: str | None) -> int:
    """How many issues `find` will look at."""
    return sum(len(store.similarity.issues(number)) for number in store.similarity.projects(project))


def find(
    store: Store, project: str | None, configured: float, *, exact: bool, progress: Progress | None = None
) -> list[Duplicates]:
    """Near-duplicates in each project, or in the one of that name.

    `configured` is the threshold; without `exact` what people said about pairs moves it. Pairs that somebody
    took apart, and issues that a fingerprint or rule has decided, stay out.
    """
    found: list[Duplicates] = []
    for number in store.similarity.projects(project):
        issues = store.similarity.issues(number)
        groups = [group for group in store.similarity.of_issues(issues) if all(map(can_join, group.members))]
        if progress:
            progress(len(issues) - len(groups))
        threshold = configured if exact else threshold_of(store, number, configured)
        apart = _apart(store, number, groups)
        for cluster in clusters([group.members for group in groups], threshold, apart, progress):
            members = tuple(sorted(groups[place].issue for place in cluster.places))
            found.append(Duplicates(members, cluster.score, tuple(cluster.links[0][2].reasons())))
    return found


def _apart(store: Store, project: int, groups: Sequence[Group]) -> set[tuple[int, int]]:
    """Places of groups that somebody took apart."""
    place_of = {digest: place for place, group in enumerate(groups) for digest in group.hashes}
    pairs = ((place_of.get(one), place_of.get(other)) for one, other in store.similarity.splits(project))
    return {(min(one, other), max(one, other)) for one, other in pairs if one is not None and other is not None}


def apply(store: Store, found: Sequence[Duplicates], actor: str, now: int) -> int:
    """Make duplicates one issue each, all or none; how many issues became part of another."""
    merges: list[tuple[int, int]] = []
    with store.writing():
        for duplicates in found:
            target, *others = duplicates.issues
            merges += ((target, issue) for issue in lifecycle.merge(store, target, others, actor, now, learn=False))
        if merges:
            store.similarity.note_act(actor, now, json.dumps({"merges": merges, "aliases": []}))
    return len(merges)


def undo(store: Store, actor: str, now: int) -> Undone:
    """Take back the last act, as far as nobody has changed it since. Raises NotFoundError when there is none."""
    with store.writing():
        text = store.similarity.take_act()
        if text is None:
            raise NotFoundError("there is nothing to undo", "Take issues apart with: crashvault unmerge ISSUE")
        done = json.loads(text)
        parents = store.triage.values([issue for _, issue in done["merges"]], "merged_into")
        unmerged = []
        for target, issue in reversed(done["merges"]):
            if parents.get(issue) == target:
                lifecycle.unmerge(store, issue, actor, now, learn=False)
                unmerged.append(issue)
        gone = store.similarity.drop_aliases(done["aliases"])
    kept = len(done["merges"]) - len(unmerged) + len(done["aliases"]) - gone
    return Undone(unmerged, gone, kept)
