"""How likely two stacks come from the same bug: features of the pair, and a small model of steps over them.

The model is additive, so that every point of a score has a reason: each feature adds what its step says, the
sum goes through the logistic function. Steps only rise, hence nothing is more like a stack than itself. Its
weights are fitted by `benchmarks/similarity` and lie in `similarity.json`.
"""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from .alignment import Rarity, alignment, common_prefix, nearest_common, weights
from .sketch import Sketch

MEMBERS = 8  # of a group that are compared
_TOP = 3

Features = dict[str, float | None]  # 0 (nothing in common) to 1 (equal); None: neither has any


class Steps(NamedTuple):
    """What one feature adds: `values[i]` from `cuts[i - 1]` on; `missing` where neither stack has it."""

    cuts: tuple[float, ...]
    values: tuple[float, ...]
    missing: float


class Sum(NamedTuple):
    """An additive score: where it begins, and what each feature adds."""

    bias: float
    steps: dict[str, Steps]


class Model(NamedTuple):
    """Where no source lines are known the other features say more, so there is a sum for that."""

    with_lines: Sum
    without_lines: Sum  # where it is not known whether the lines are the same
    threshold: float  # from here on two are taken for one


class Match(NamedTuple):
    """How alike two are, and why: feature and its value, what counts most first."""

    score: float  # 0 to 1
    features: Features
    gains: dict[str, float]

    def reasons(self, limit: int = 4) -> list[str]:
        """What speaks for it, in words; the strongest first."""
        order = sorted(self.gains, key=lambda name: -self.gains[name])
        telling = [name for name in order if self.features[name] and self.gains[name] > 0]
        if "value" in telling and "message" in telling:
            telling.remove("message")  # the same to the letter says it already
        return [_described(name, self.features[name] or 0.0) for name in telling[:limit]]


# ------------------------------------------------------------------ features


def rarities(total: int, counts: Mapping[int, int]) -> Rarity:
    """Inverse document frequency: `total` groups, of which `counts` have a frame."""
    known: dict[int, float] = {}

    def rarity(frame: int) -> float:
        found = known.get(frame)
        if found is None:
            found = known[frame] = 1 + math.log((total + 1) / (min(counts.get(frame, 0), total) + 1))
        return found

    return rarity


def features(left: Sketch, right: Sketch, rarity: Rarity) -> Features:
    """The pair's features; the order of the two plays no part."""
    return {
        "types": _types(left.types, right.types),
        "message": _share(left.words, right.words),
        "value": None if not (left.value or right.value) else float(left.value == right.value),
        "own alignment": _aligned(left.own, right.own, rarity),
        "alignment": _aligned(left.frames, right.frames, rarity),
        "cosine": _cosine(left.frames, right.frames, rarity),
        "prefix": _prefix(left.frames, right.frames, rarity),
        "top": _top(left.own, right.own),
        "nearest": _nearest(left.own, right.own),
        "rarest": _rarest(left.frames, right.frames, rarity),
        "line": _line(left, right),
    }


def _types(left: Sequence[int], right: Sequence[int]) -> float | None:
    if not left and not right:
        return None
    if left[:1] == right[:1]:
        return 1.0
    return 0.5 if set(left) & set(right) else 0.0


def _share(left: Sequence[int], right: Sequence[int]) -> float | None:
    """Twice what both have, of what they have together (Dice)."""
    if not left and not right:
        return None
    return 2 * len(set(left) & set(right)) / (len(set(left)) + len(set(right)))


def _aligned(left: Sequence[int], right: Sequence[int], rarity: Rarity) -> float | None:
    return alignment(left, right, rarity) if left or right else None


def _cosine(left: Sequence[int], right: Sequence[int], rarity: Rarity) -> float | None:
    if not left and not right:
        return None
    one, other = set(left), set(right)
    common = _squares(one & other, rarity)
    return min(1.0, common / math.sqrt(_squares(one, rarity) * _squares(other, rarity))) if common else 0.0


def _squares(frames: Iterable[int], rarity: Rarity) -> float:
    return sum(rarity(frame) ** 2 for frame in frames)


def _prefix(left: Sequence[int], right: Sequence[int], rarity: Rarity) -> float | None:
    """The weight of the common frames at the crash, as a share of the heavier stack."""
    if not left or not right:
        return None if not left and not right else 0.0
    count = common_prefix(left, right)
    heavier = max(sum(weights(left, rarity)), sum(weights(right, rarity)))
    return min(1.0, sum(weights(left[:count], rarity)) / heavier)


def _top(left: Sequence[int], right: Sequence[int]) -> float | None:
    """How many of the three frames nearest the crash are equal, from the crash on."""
    if not left and not right:
        return None
    if left == right:
        return 1.0
    return common_prefix(left[:_TOP], right[:_TOP]) / _TOP


def _nearest(left: Sequence[int], right: Sequence[int]) -> float | None:
    if not left and not right:
        return None
    distance = nearest_common(left, right)
    return 0.0 if distance is None else 1 / (1 + distance)


def _rarest(left: Sequence[int], right: Sequence[int], rarity: Rarity) -> float | None:
    """The rarest frame that both have, against the rarest of either."""
    if not left and not right:
        return None
    common = max(map(rarity, set(left) & set(right)), default=0.0)
    return common / max(map(rarity, (*left, *right)))


def _line(left: Sketch, right: Sketch) -> float | None:
    """Whether the source line is the same. Line numbers move from release to release: other ones tell only in one."""
    if left.line and right.line:
        return float(left.line == right.line)
    if not left.spot or not right.spot:
        return None
    if left.spot == right.spot:
        return 1.0
    return 0.0 if left.release == right.release else None


def undecided(left: Iterable[Sketch], right: Iterable[Sketch]) -> bool:
    """Whether all pairs have other messages, and none is known to crash on the same line: that is for people to decide."""
    return all(one.words != other.words and _line(one, other) != 1 for one, other in product(left, right))


_WORDS: dict[str, tuple[str, ...]] = {
    # feature: what it is called when whole, and when in part
    "types": ("the same exception type", "a related exception type"),
    "message": ("the same message but for values", "{:.0%} of the message's words"),
    "value": ("the same message to the letter",),
    "own alignment": ("the same own frames in the same order", "{:.0%} of the weight of own frames in the same order"),
    "alignment": ("the same frames in the same order", "{:.0%} of the weight of all frames in the same order"),
    "cosine": ("the same set of frames", "{:.0%} alike by their frames' rarity"),
    "prefix": ("the same frames from the crash to the entry", "the same frames at the crash, {:.0%} of the weight"),
    "top": ("the same own frames at the crash", "the same own frame at the crash"),
    "nearest": ("the same innermost own frame", "an own frame near the crash in common"),
    "rarest": ("their rarest frame in common", "a rare frame in common"),
    "line": ("the same source line",),
}


def _described(name: str, value: float) -> str:
    words = _WORDS[name]
    return words[0] if value >= 1 else words[-1].format(value)


# ------------------------------------------------------------------ the model


@cache
def shipped() -> Model:
    """The model that this version comes with."""
    with open(os.path.join(os.path.dirname(__file__), "similarity.json"), encoding="utf-8") as file:
        return model_from(json.load(file))


def model_from(data: Mapping[str, Any]) -> Model:
    return Model(_sum(data["with lines"]), _sum(data["without lines"]), float(data["threshold"]))


def _sum(data: Mapping[str, Any]) -> Sum:
    steps = {
        name: Steps(tuple(part["cuts"]), tuple(part["values"]), part["missing"]) for name, part in data["steps"].items()
    }
    return Sum(float(data["bias"]), steps)


def compare(left: Sketch, right: Sketch, rarity: Rarity, model: Model | None = None) -> Match:
    """How alike two stacks are. Bounded time: a sketch has at most 48 frames, each twice at most."""
    model = model or shipped()
    found = features(left, right, rarity)
    bias, parts = model.without_lines if found["line"] is None else model.with_lines
    gains = {name: _gain(steps, found[name]) for name, steps in parts.items()}
    return Match(_logistic(bias + sum(gains.values())), found, gains)


def _gain(steps: Steps, value: float | None) -> float:
    return steps.missing if value is None else steps.values[bisect_right(steps.cuts, value)]


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def compare_group(sketch: Sketch, members: Sequence[Sketch], rarity: Rarity, model: Model | None = None) -> Match:
    """How alike a stack is to a group: the mean over its members; reasons are those of the nearest one."""
    matches = [compare(sketch, member, rarity, model) for member in members[:MEMBERS]]
    best = max(matches, key=lambda match: match.score)
    return best._replace(score=sum(match.score for match in matches) / len(matches))


def compare_groups(
    left: Sequence[Sketch], right: Sequence[Sketch], rarity: Rarity, model: Model | None = None
) -> Match:
    """How alike two groups are: the mean over pairs of their members."""
    matches = [compare_group(sketch, right, rarity, model) for sketch in left[:MEMBERS]]
    best = max(matches, key=lambda match: match.score)
    return best._replace(score=sum(match.score for match in matches) / len(matches))


# ------------------------------------------------------------------ what people said


PRIOR = 20  # pairs that the shipped threshold is believed to have been right about
PRECISION = 0.93  # wanted of what is joined
ENOUGH = 5  # merges by hand below the threshold before it is lowered
_LOWEST = 0.5


def calibrated(threshold: float, merged: Sequence[float], split: Sequence[float]) -> float:
    """The threshold of a vault in which people merged pairs of these scores, and took others apart.

    It rises past the pairs that were taken apart until what is left would have been right in 93 of 100
    cases, counting the shipped threshold as 20 pairs of which one was wrong. It falls to the fifth highest
    merge below it if nothing as high was ever taken apart.
    """
    for candidate in sorted({threshold, *(math.nextafter(score, 2.0) for score in split if score >= threshold)}):
        wrong = sum(score >= candidate for score in split)
        right = sum(score >= candidate for score in merged)
        if (right + PRIOR - 1) / (right + wrong + PRIOR) >= PRECISION:
            raised = candidate
            break
    else:
        raised = 1.0
    if raised > threshold:
        return raised
    below = sorted((score for score in merged if _LOWEST <= score < threshold), reverse=True)
    if len(below) >= ENOUGH and not any(score >= below[ENOUGH - 1] for score in split):
        return below[ENOUGH - 1]
    return threshold


__all__ = [
    "Features",
    "Match",
    "Model",
    "Steps",
    "calibrated",
    "compare",
    "compare_group",
    "compare_groups",
    "features",
    "rarities",
    "shipped",
    "undecided",
]
