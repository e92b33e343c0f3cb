"""The statistics, against exact arithmetic and against chance itself."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.analysis.significance import corrected, fisher, smallest


def exact(inside: int, inside_total: int, outside: int, outside_total: int) -> Fraction:
    """P(X >= inside) of the hypergeometric distribution, in whole numbers."""
    having, total = inside + outside, inside_total + outside_total
    ways = sum(
        comb(inside_total, k) * comb(outside_total, having - k) for k in range(inside, min(having, inside_total) + 1)
    )
    return Fraction(ways, comb(total, having))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60), st.integers(0, 60))
def test_fisher_is_exact(inside: int, without: int, outside: int, outside_without: int) -> None:
    table = (inside, inside + without, outside, outside + outside_without)
    found = fisher(*table)
    share = inside * (table[1] + table[3]) > (inside + outside) * table[1]
    assert found == pytest.approx(float(exact(*table)) if share else 1.0, rel=1e-9)


def test_fisher_on_a_table_of_the_literature() -> None:
    """Fisher's tea tasting: three of four cups told right; p = 17/70."""
    assert fisher(3, 4, 1, 4) == pytest.approx(17 / 70)


def test_fisher_stands_large_counts() -> None:
    assert 0 < fisher(9_000, 10_000, 500, 1_000_000) < 1e-300 or fisher(9_000, 10_000, 500, 1_000_000) == 0
    assert fisher(5_100, 10_000, 500_000, 1_000_000) < 0.05
    assert fisher(0, 10, 0, 10) == 1.0
    assert fisher(3, 3, 0, 0) == 1.0


@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 60))
def test_the_smallest_p_is_the_smallest(having: int, inside_total: int, outside_total: int) -> None:
    having = min(having, inside_total + outside_total)
    possible = [
        fisher(inside, inside_total, having - inside, outside_total)
        for inside in range(max(0, having - outside_total), min(having, inside_total) + 1)
    ]
    assert smallest(having, inside_total, outside_total) == pytest.approx(min(possible))


def test_correction_of_the_original_paper() -> None:
    """Benjamini and Hochberg 1995, section 4.2: of 15 p-values four are below 0.05 after correction."""
    chances = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
               0.7590, 1.0000]  # fmt: skip
    found = corrected(chances)
    assert sum(q <= 0.05 for q in found) == 4
    assert found[0] == pytest.approx(0.0015)
    assert corrected([]) == []


@given(st.lists(st.floats(0, 1), max_size=40))
def test_correction_keeps_the_order_and_never_helps(chances: list[float]) -> None:
    found = corrected(chances)
    assert all(q >= p * 0.999999 and q <= 1 for p, q in zip(chances, found, strict=True))
    order = sorted(range(len(chances)), key=chances.__getitem__)
    assert all(found[one] <= found[other] for one, other in pairwise(order))
