"""Fitting the model of `crashvault.grouping.similarity`: boosted steps over features that may only rise.

Each round looks for the feature and the cut at which a step lowers the logistic loss most (Newton's step, as
in gradient boosting), takes a fraction of it, and goes on. What is added up is one staircase for a feature.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

from crashvault.grouping.similarity import Features

ROUNDS = 160
RATE = 0.3
RIDGE = 4.0  # weight of pairs that say nothing, in every step
_MOST_CUTS = 16


class Row(NamedTuple):
    features: Features
    same: bool
    weight: float


def fit(rows: Sequence[Row]) -> dict[str, Any]:
    """The model's bias and steps, as JSON holds them."""
    names = list(rows[0].features)
    cuts = {name: _cuts([row.features[name] for row in rows]) for name in names}
    # A feature's bin: 0 for missing, then from below the first cut to above the last.
    bins = [
        [0 if (value := row.features[name]) is None else 1 + bisect_right(cuts[name], value) for row in rows]
        for name in names
    ]
    total = sum(row.weight for row in rows)
    share = sum(row.weight for row in rows if row.same) / total
    bias = math.log(share / (1 - share))
    scores = [bias] * len(rows)
    values = {name: [0.0] * (len(cuts[name]) + 2) for name in names}
    for _ in range(ROUNDS):
        slopes, curves = _derivatives(rows, scores)
        best = max(
            (_best_step(column, len(cuts[name]) + 2, slopes, curves), index)
            for index, (name, column) in enumerate(zip(names, bins, strict=True))
        )
        (gain, cut, low, high, missing), index = best
        if gain <= 0:
            break
        steps = values[names[index]]
        change = [RATE * (missing if place == 0 else low if place <= cut else high) for place in range(len(steps))]
        for place, amount in enumerate(change):
            steps[place] += amount
        for number, place in enumerate(bins[index]):
            scores[number] += change[place]
    return {"bias": round(bias, 4), "steps": {name: _staircase(cuts[name], values[name]) for name in names}}


def _cuts(values: Sequence[float | None]) -> list[float]:
    """Up to 16 places at which the values are split into equal shares."""
    present = sorted(value for value in values if value is not None)
    if not present:
        return []
    found = {present[len(present) * part // (_MOST_CUTS + 1)] for part in range(1, _MOST_CUTS + 1)}
    distinct = sorted(set(present))
    if len(distinct) <= _MOST_CUTS:
        found = set(distinct)
    return sorted(round(value, 4) for value in found if value > distinct[0])


def _derivatives(rows: Sequence[Row], scores: Sequence[float]) -> tuple[list[float], list[float]]:
    slopes, curves = [], []
    for row, score in zip(rows, scores, strict=True):
        chance = 1 / (1 + math.exp(-score))
        slopes.append(row.weight * (row.same - chance))
        curves.append(row.weight * chance * (1 - chance))
    return slopes, curves


def _best_step(
    column: Sequence[int], size: int, slopes: Sequence[float], curves: Sequence[float]
) -> tuple[float, int, float, float, float]:
    """(gain, last bin below the step, value below, above, and where the feature is missing)."""
    slope, curve = [0.0] * size, [0.0] * size
    for place, one, other in zip(column, slopes, curves, strict=True):
        slope[place] += one
        curve[place] += other
    best = (0.0, 0, 0.0, 0.0, 0.0)
    below_slope = below_curve = 0.0
    all_slope, all_curve = sum(slope[1:]), sum(curve[1:])
    missing = slope[0] / (curve[0] + RIDGE)
    for cut in range(1, size - 1):
        below_slope += slope[cut]
        below_curve += curve[cut]
        low = below_slope / (below_curve + RIDGE)
        high = (all_slope - below_slope) / (all_curve - below_curve + RIDGE)
        if high < low:
            continue  # more alike must not count for less
        neither = min(max(missing, low), high)
        gain = low * below_slope + high * (all_slope - below_slope) + neither * slope[0]
        if gain > best[0]:
            best = (gain, cut, low, high, neither)
    return best


def _staircase(cuts: Sequence[float], values: Sequence[float]) -> dict[str, Any]:
    """Steps with equal neighbours joined."""
    kept_cuts: list[float] = []
    kept = [round(values[1], 3)]
    for cut, value in zip(cuts, values[2:], strict=True):
        if round(value, 3) != kept[-1]:
            kept_cuts.append(cut)
            kept.append(round(value, 3))
    return {"cuts": kept_cuts, "values": kept, "missing": round(values[0], 3)}
