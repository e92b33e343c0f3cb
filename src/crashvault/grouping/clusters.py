"""Which of many issues are near-duplicates: pairs by rare traits, then clusters in which all are alike on average."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice, product
from typing import NamedTuple

from .similarity import Match, Rarity, compare_groups, rarities, undecided
from .sketch import Sketch

_RAREST = 14  # traits of a stack by which others are looked for
_READ = 400  # places of the index that are read for one issue
_CANDIDATES = 8  # issues that one is compared with
_STACKS = 3  # of an issue that are compared
_LINKS = 16  # pairs of two clusters that are compared before they become one

Pair = tuple[int, int]  # places, the smaller first


class Cluster(NamedTuple):
    """Places of what is alike, in order, and the pairs that led to it, the strongest first."""

    places: tuple[int, ...]
    links: tuple[tuple[int, int, Match], ...]

    @property
    def score(self) -> float:
        """How alike the least alike pair is that led to it."""
        return min(match.score for _, _, match in self.links)


def clusters(
    groups: Sequence[Sequence[Sketch]],
    threshold: float,
    apart: Collection[Pair] = (),
    progress: Callable[[int], object] | None = None,
) -> list[Cluster]:
    """Clusters of groups (each the sketches of one issue) that are alike from `threshold` on.

    Pairs in `apart` never come together. Time grows with the number of groups, not with that of pairs.
    """
    stacks = [group[:_STACKS] for group in groups]
    counts = Counter(trait for group in stacks for sketch in group for trait in sketch.traits())
    rarity = rarities(sum(map(len, stacks)), counts)
    found: dict[Pair, Match] = {}
    for pair in _candidates(stacks, counts, rarity, progress):
        if pair not in found and pair not in apart and not undecided(stacks[pair[0]], stacks[pair[1]]):
            match = compare_groups(stacks[pair[0]], stacks[pair[1]], rarity)
            if match.score >= threshold:
                found[pair] = match
    return _joined(found, stacks, rarity, threshold, apart)


def _candidates(
    stacks: Sequence[Sequence[Sketch]], counts: Counter[int], rarity: Rarity, progress: Callable[[int], object] | None
) -> Iterator[Pair]:
    """Pairs of groups that share the most of their rare traits."""
    having: dict[int, list[int]] = {}
    for place, group in enumerate(stacks):
        shared: dict[int, float] = {}
        for sketch in group:
            read = 0
            for trait in sorted(sketch.traits(), key=counts.__getitem__)[:_RAREST]:
                others = having.get(trait, ())
                read += len(others)
                if read > _READ:
                    break
                weight = rarity(trait) ** 2
                for other in others:
                    shared[other] = shared.get(other, 0.0) + weight
        for other in sorted(shared, key=lambda other: (-shared[other], other))[:_CANDIDATES]:
            yield other, place
        for trait in {trait for sketch in group for trait in sketch.traits()}:
            having.setdefault(trait, []).append(place)
        if progress:
            progress(1)


def _joined(
    found: dict[Pair, Match],
    stacks: Sequence[Sequence[Sketch]],
    rarity: Rarity,
    threshold: float,
    apart: Collection[Pair],
) -> list[Cluster]:
    """Clusters by mean linkage: the strongest pairs first, and none that drags strangers along."""
    cluster_of: dict[int, list[int]] = {}
    links: dict[int, list[tuple[int, int, Match]]] = {}
    for (one, other), match in sorted(found.items(), key=lambda item: (-item[1].score, item[0])):
        left, right = cluster_of.setdefault(one, [one]), cluster_of.setdefault(other, [other])
        if left is right or not _are_one(left, right, found, stacks, rarity, threshold, apart):
            continue
        links[id(left)] = [*links.get(id(left), []), *links.pop(id(right), []), (one, other, match)]
        left += right
        cluster_of.update(dict.fromkeys(right, left))
    distinct = {id(members): members for members in cluster_of.values() if len(members) > 1}
    return sorted(Cluster(tuple(sorted(members)), tuple(links[key])) for key, members in distinct.items())


def _are_one(
    left: Sequence[int],
    right: Sequence[int],
    found: dict[Pair, Match],
    stacks: Sequence[Sequence[Sketch]],
    rarity: Rarity,
    threshold: float,
    apart: Collection[Pair],
) -> bool:
    """Whether the members of two clusters are alike on average, and nobody has kept any of them apart."""
    pairs = [(min(one, other), max(one, other)) for one, other in product(left, right)]
    if any(pair in apart or undecided(stacks[pair[0]], stacks[pair[1]]) for pair in pairs):
        return False
    total = 0.0
    looked_at = list(islice(pairs, _LINKS))
    for pair in looked_at:
        if pair not in found:
            found_now = compare_groups(stacks[pair[0]], stacks[pair[1]], rarity)
            total += found_now.score
        else:
            total += found[pair].score
    return total / len(looked_at) >= threshold
