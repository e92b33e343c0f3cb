"""Whether a difference is more than chance: Fisher's exact test, and Benjamini and Hochberg's correction.

Fisher's test is exact for the small counts that vaults are full of, where chi-square is not. Its tail is summed only
as far as it adds anything, so it is quick for large counts too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma

RATE = 0.05  # of false discoveries among all that is said to stand out
_NEGLIGIBLE = 1e-12  # of the sum so far


def fisher(inside: int, inside_total: int, outside: int, outside_total: int) -> float:
    """How likely chance alone puts so many of what has a property inside (one-sided).

    `inside` of `inside_total` have it, and `outside` of `outside_total`. P(X >= inside) of the hypergeometric
    distribution with these margins.
    """
    having, total = inside + outside, inside_total + outside_total
    if not inside or not having or not outside_total:
        return 1.0
    term = exp(
        _choose(inside_total, inside) + _choose(outside_total, outside) - _choose(total, having)
    )  # fmt: skip
    if inside * total <= having * inside_total:  # no more than expected: the tail is most of it
        return 1.0
    summed, k = term, inside
    while k < min(having, inside_total):
        # P(k + 1) / P(k) of the hypergeometric distribution
        term *= (inside_total - k) * (having - k) / ((k + 1) * (outside_total - having + k + 1))
        summed += term
        k += 1
        if term < summed * _NEGLIGIBLE:
            break
    return min(1.0, summed)


def smallest(having: int, inside_total: int, outside_total: int) -> float:
    """The smallest p that these margins allow: a test that cannot become significant need not be counted (Tarone)."""
    inside = min(having, inside_total)
    return fisher(inside, inside_total, having - inside, outside_total)


def _choose(n: int, k: int) -> float:
    """The logarithm of n over k."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def corrected(chances: Sequence[float]) -> list[float]:
    """p-values → q-values: the rate of false discoveries when everything up to here is believed (Benjamini, Hochberg 1995)."""
    count = len(chances)
    order = sorted(range(count), key=chances.__getitem__, reverse=True)
    found, least = [1.0] * count, 1.0
    for position, index in enumerate(order):
        least = min(least, chances[index] * count / (count - position))
        found[index] = least
    return found
