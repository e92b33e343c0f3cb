"""Sparklines: a series of counts as a row of blocks."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(counts: Sequence[int]) -> str:
    """One block for each count; nothing is a blank, the largest is a full block."""
    top = max(counts, default=0)
    if top <= 0:
        return " " * len(counts)
    return "".join(" " if count <= 0 else BLOCKS[min(7, (count * 8 - 1) // top)] for count in counts)


def squeeze(counts: Sequence[int], width: int) -> list[int]:
    """At most `width` sums of neighbours, in order."""
    if len(counts) <= width:
        return list(counts)
    step = -(-len(counts) // width)
    return [sum(counts[start : start + step]) for start in range(0, len(counts), step)]
