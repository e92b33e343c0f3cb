"""Clusters that happen together: in the same trace, on the same host in the same minute, in the same minute."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from typing import NamedTuple

from ..clock import MINUTE
from .observations import Observation
from .significance import RATE, corrected, fisher

LEAST = 3  # units that two clusters share
LEAST_SHARE = 0.2  # of the units of the rarer one
LEAST_LIFT = 2.0
MOST_CLUSTERS = 40
_ORDERED = 0.8  # share of the units in which one comes before the other, from which on that is said

# The closest relation first: of a pair only that is told.
_KINDS: dict[str, Callable[[Observation], Hashable | None]] = {
    "trace": lambda item: item.trace,
    "host and minute": lambda item: (item.host, item.at // MINUTE) if item.host else None,
    "minute": lambda item: item.at // MINUTE,
}


class Together(NamedTuple):
    """Two clusters that meet more often than chance would have it."""

    left: int
    right: int
    kind: str  # trace, host and minute, or minute
    together: int  # units (traces, minutes) in which both happened
    left_total: int
    right_total: int
    lift: float
    p: float
    q: float
    first: int | None  # which of the two mostly comes first


def together(groups: Sequence[Sequence[Observation]]) -> list[Together]:
    """Pairs of groups that happen together, each by the closest relation that holds; the surest first."""
    groups = groups[:MOST_CLUSTERS]
    tested = [item for kind, unit in _KINDS.items() for item in _pairs(groups, kind, unit)]
    chances = corrected([item.p for item in tested])
    found: dict[tuple[int, int], Together] = {}
    for item, q in zip(tested, chances, strict=True):
        if q <= RATE and _counts(item):
            found.setdefault((item.left, item.right), item._replace(q=q))
    return sorted(found.values(), key=lambda item: (item.p, item.left, item.right))


def _pairs(groups: Sequence[Sequence[Observation]], kind: str, unit: Callable[[Observation], Hashable | None]) -> list[Together]:  # fmt: skip
    units = [_earliest(group, unit) for group in groups]
    total = len(set().union(*units)) if units else 0
    found = []
    for left, right in combinations(range(len(groups)), 2):
        shared = units[left].keys() & units[right].keys()
        if shared:
            one, other = len(units[left]), len(units[right])
            p = fisher(len(shared), one, other - len(shared), total - one)
            lift = len(shared) * total / (one * other)
            first = _first(left, right, [units[left][key] - units[right][key] for key in shared])
            found.append(Together(left, right, kind, len(shared), one, other, lift, p, 1.0, first))
    return found


def _earliest(group: Sequence[Observation], unit: Callable[[Observation], Hashable | None]) -> dict[Hashable, int]:
    """When each unit first saw a group."""
    found: dict[Hashable, int] = {}
    for item in group:
        key = unit(item)
        if key is not None:
            found[key] = min(found.get(key, item.at), item.at)
    return found


def _counts(item: Together) -> bool:
    return (
        item.together >= LEAST
        and item.lift >= LEAST_LIFT
        and item.together >= LEAST_SHARE * min(item.left_total, item.right_total)
    )


def _first(left: int, right: int, delays: Sequence[int]) -> int | None:
    before = sum(delay < 0 for delay in delays) / len(delays)
    after = sum(delay > 0 for delay in delays) / len(delays)
    return left if before >= _ORDERED else right if after >= _ORDERED else None
