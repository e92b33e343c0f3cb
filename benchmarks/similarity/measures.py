"""Measures of grouping and of ranking over labelled crashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple


class Pairs(NamedTuple):
    """Pairs of crashes: that are together and should be, that are together, that should be."""

    right: int = 0
    together: int = 0
    wanted: int = 0

    def __add__(self, other: object) -> Pairs:
        assert isinstance(other, Pairs)
        return Pairs(self.right + other.right, self.together + other.together, self.wanted + other.wanted)

    @property
    def precision(self) -> float:
        return self.right / self.together if self.together else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def pairs(truth: Sequence[Hashable], groups: Sequence[Hashable]) -> Pairs:
    """Pairwise agreement of a grouping with the true one."""
    return Pairs(
        _count(zip(truth, groups, strict=True)),
        _count(groups),
        _count(truth),
    )


def _count(labels: Iterable[Hashable]) -> int:
    return sum(size * (size - 1) // 2 for size in Counter(labels).values())


def average_precision(ranked: Sequence[bool]) -> float:
    """Mean of the precision at each right one of a ranking."""
    found, total = 0, 0.0
    for place, right in enumerate(ranked, start=1):
        if right:
            found += 1
            total += found / place
    return total / found if found else 0.0
