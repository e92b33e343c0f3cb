"""Grouping and ranking of labelled crashes, as the vault does it: one after another, in a random order.

A crash whose key is known goes where that key is. Another is compared with the groups it shares a frame or
its message with, and joins the nearest one if that is near enough. Each project is a vault of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from benchmarks.similarity.crashes import Crash, Project
from benchmarks.similarity.measures import Pairs, average_precision, pairs
from crashvault.grouping.similarity import Model, compare, compare_group, rarities, undecided
from crashvault.grouping.sketch import Sketch
from crashvault.storage.similarity import CANDIDATES, RAREST


class Figures(NamedTuple):
    """What a method reaches on some projects."""

    pairs: Pairs
    mean_f1: float  # of the projects' own
    joins: Pairs  # of the joins by similarity alone: right, made, 0


class Ranking(NamedTuple):
    mean_average_precision: float
    first_right: float
    queries: int


class _Vault:
    """The groups of one project as they grow."""

    def __init__(self) -> None:
        self.group_of: dict[str, int] = {}  # by key
        self.members: dict[int, list[Sketch]] = {}
        self.having: dict[int, set[int]] = {}  # groups that a frame or message is in
        self.counts: Counter[int] = Counter()
        self.keys = 0

    def add(self, crash: Crash, group: int) -> None:
        self.group_of[crash.key] = group
        self.members.setdefault(group, []).append(crash.sketch)
        traits = crash.sketch.traits()
        self.counts.update(traits)
        self.keys += 1
        for trait in traits:
            self.having.setdefault(trait, set()).add(group)

    def nearest(self, sketch: Sketch, model: Model) -> tuple[float, int]:
        """The score of the nearest group, and that group."""
        rarity = rarities(self.keys, self.counts)
        shared: dict[int, float] = {}
        for trait in sorted(sketch.traits(), key=self.counts.__getitem__)[:RAREST]:
            for group in self.having.get(trait, ()):
                shared[group] = shared.get(group, 0.0) + rarity(trait) ** 2
        candidates = sorted(shared, key=lambda group: (-shared[group], group))[:CANDIDATES]
        candidates = [group for group in candidates if not undecided([sketch], self.members[group])]
        return max(
            ((compare_group(sketch, self.members[group], rarity, model).score, group) for group in candidates),
            default=(0.0, 0),
        )


def streams(projects: Sequence[Project], seed: int = 1) -> list[list[Crash]]:
    """Each project's crashes in a random order."""
    found = []
    for project in projects:
        crashes = list(project.crashes)
        Random(f"{seed}/{project.name}").shuffle(crashes)
        found.append(crashes)
    return found


def assigned(crashes: Sequence[Crash], model: Model, threshold: float) -> tuple[list[int], Pairs]:
    """The group of each crash, and how many joins were right; a threshold above 1 leaves only the key."""
    vault = _Vault()
    groups: list[int] = []
    owners: dict[int, Counter[int]] = {}
    right = made = 0
    for place, crash in enumerate(crashes):
        group = vault.group_of.get(crash.key)
        if group is None:
            score, near = vault.nearest(crash.sketch, model) if threshold <= 1 else (0.0, 0)
            group = near if score >= threshold else place
            if group != place:
                made += 1
                right += owners[group].most_common(1)[0][0] == crash.bug
            vault.add(crash, group)
        owners.setdefault(group, Counter())[crash.bug] += 1
        groups.append(group)
    return groups, Pairs(right, made, 0)


def grouping(projects: Sequence[Project], model: Model, threshold: float) -> Figures:
    total, joins, scores = Pairs(), Pairs(), []
    for crashes in streams(projects):
        groups, made = assigned(crashes, model, threshold)
        found = pairs([crash.bug for crash in crashes], groups)
        total += found
        joins += made
        scores.append(found.f1)
    return Figures(total, sum(scores) / len(scores), joins)


def by_message(projects: Sequence[Project], with_type: bool) -> Figures:
    """The usual simple keys, for comparison: the message, or it with the type of the exception."""
    total, scores = Pairs(), []
    for crashes in streams(projects):
        labels = []
        for crash in crashes:
            last = crash.event["exceptions"][-1]
            labels.append((last.get("type") if with_type else "", last.get("value")))
        found = pairs([crash.bug for crash in crashes], labels)
        total += found
        scores.append(found.f1)
    return Figures(total, sum(scores) / len(scores), Pairs())


def ranking(projects: Sequence[Project], model: Model) -> Ranking:
    """For every crash of a bug that others have shown before: the bugs known so far, the likeliest first.

    Each earlier bug is scored by the most similar of its stacks, equal keys counting as equal stacks.
    """
    precisions, first, queries = 0.0, 0, 0
    for crashes in streams(projects):
        known: dict[int, list[Crash]] = {}
        counts: Counter[int] = Counter()
        keys = 0
        seen: set[tuple[int, Sketch]] = set()
        for crash in crashes:
            if crash.bug in known:
                rarity = rarities(keys, counts)
                ranked = sorted(
                    known,
                    key=lambda bug: (
                        -max(compare(crash.sketch, other.sketch, rarity, model).score for other in known[bug])
                    ),
                )
                hits = [bug == crash.bug for bug in ranked]
                precisions += average_precision(hits)
                first += hits[0]
                queries += 1
            if (crash.bug, crash.sketch) not in seen:
                seen.add((crash.bug, crash.sketch))
                known.setdefault(crash.bug, []).append(crash)
                counts.update(crash.sketch.traits())
                keys += 1
    return Ranking(precisions / max(1, queries), first / max(1, queries), queries)
