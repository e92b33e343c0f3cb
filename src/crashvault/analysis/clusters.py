"""Issues that look like one cause: similarity of stacks and messages, and clusters by it.

The measure: frames count by how rare they are (inverse document frequency) and how near the crash they are, since a
`main` that all share says nothing and the innermost frame most; the shared weight is set against the weight of both
(a weighted Jaccard index). Types of exceptions and the words of message templates are compared the same way. Another
measure can be put in its place: anything that gives two signatures a number from 0 to 1.

Pairs are only compared where they share something rare, so hundreds of issues take milliseconds. Clusters are joined
from the most similar pair on while their members are, on average, similar enough.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .signatures import Signature

THRESHOLD = 0.5
_FEW = 20  # documents, below which nothing can be learnt about what is rare
_COMPARED = 8  # members of a cluster that stand for it
_TOO_COMMON = 60  # issues with a feature, from which on it leads to no comparison
_NEAR = 0.85  # how much less each frame further from the crash weighs
_PARTS = {"frames": 0.6, "words": 0.25, "types": 0.15}

Score = Callable[[Signature, Signature], float]


class Cluster(NamedTuple):
    """Members by their position in what was given, the first one stands for all."""

    members: tuple[int, ...]
    similarity: float  # mean over pairs of members; 1 for a single one


def scorer(signatures: Sequence[Signature]) -> Score:
    """The measure, with rarities learnt from these signatures."""
    frames = _rarities([signature.frames for signature in signatures])
    words = _rarities([signature.words for signature in signatures])

    def score(left: Signature, right: Signature) -> float:
        parts = {
            "frames": _overlap(_weighted(left.frames, frames), _weighted(right.frames, frames)),
            "words": _overlap({word: words[word] for word in left.words}, {word: words[word] for word in right.words}),
            "types": _types(left.types, right.types),
        }
        known = {name: value for name, value in parts.items() if value is not None}
        weight = sum(_PARTS[name] for name in known)
        return round(sum(_PARTS[name] * value for name, value in known.items()) / weight, 9) if weight else 0.0

    return score


def _rarities(documents: Sequence[Sequence[str] | frozenset[str]]) -> Mapping[str, float]:
    counts = Counter(feature for document in documents for feature in set(document))
    total = max(len(documents), _FEW)
    return {feature: 1 + math.log((total + 1) / (count + 1)) for feature, count in counts.items()}


def _weighted(frames: Sequence[str], rarity: Mapping[str, float]) -> dict[str, float]:
    return {frame: rarity[frame] * _NEAR**distance for distance, frame in enumerate(frames)}


def _overlap(left: Mapping[str, float], right: Mapping[str, float]) -> float | None:
    """Shared weight of all weight; None where neither has any."""
    if not left and not right:
        return None
    shared = sum(min(left[key], right[key]) for key in left.keys() & right.keys())
    return min(1.0, round(shared / (sum(left.values()) + sum(right.values()) - shared), 9))


def _types(left: Sequence[str], right: Sequence[str]) -> float | None:
    if not left and not right:
        return None
    if left[:1] == right[:1]:
        return 1.0
    return 0.5 if set(left) & set(right) else 0.0


def clusters(
    signatures: Sequence[Signature], score: Score | None = None, threshold: float = THRESHOLD
) -> list[Cluster]:
    """Clusters of signatures, every one of which is in exactly one; those with more members first."""
    score = score or scorer(signatures)
    scores: dict[tuple[int, int], float] = {}

    def compared(left: int, right: int) -> float:
        key = (left, right) if left < right else (right, left)
        if key not in scores:
            scores[key] = score(signatures[key[0]], signatures[key[1]])
        return scores[key]

    pairs = sorted(((compared(left, right), left, right) for left, right in _candidates(signatures)),
                   key=lambda item: (-item[0], item[1], item[2]))  # fmt: skip
    home = list(range(len(signatures)))
    members = {index: [index] for index in home}
    for similarity, left, right in pairs:
        if similarity < threshold:
            break
        one, other = sorted((home[left], home[right]))
        if one != other and _linked(members[one], members[other], compared) >= threshold:
            members[one] += members.pop(other)
            for index in members[one]:
                home[index] = one
    found = [Cluster(tuple(sorted(group)), _cohesion(group, compared)) for group in members.values()]
    return sorted(found, key=lambda cluster: (-len(cluster.members), cluster.members))


def _candidates(signatures: Sequence[Signature]) -> Iterator[tuple[int, int]]:
    """Pairs that share something which is not common."""
    having: dict[tuple[str, str], list[int]] = {}
    for index, signature in enumerate(signatures):
        features = [("frame", frame) for frame in signature.frames]
        features += [("word", word) for word in signature.words] + [("template", signature.template)]
        for feature in features:
            having.setdefault(feature, []).append(index)
    seen: set[tuple[int, int]] = set()
    for indexes in having.values():
        if len(indexes) <= _TOO_COMMON:
            for position, left in enumerate(indexes):
                for right in indexes[position + 1 :]:
                    if (left, right) not in seen:
                        seen.add((left, right))
                        yield left, right


def _linked(one: Sequence[int], other: Sequence[int], compared: Callable[[int, int], float]) -> float:
    """Mean similarity between two clusters, by those that stand for them."""
    found = [compared(left, right) for left in one[:_COMPARED] for right in other[:_COMPARED]]
    return sum(found) / len(found)


def _cohesion(group: Sequence[int], compared: Callable[[int, int], float]) -> float:
    some = group[:_COMPARED]
    found = [compared(left, right) for position, left in enumerate(some) for right in some[position + 1 :]]
    return sum(found) / len(found) if found else 1.0
