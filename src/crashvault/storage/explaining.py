"""Why the events of a hash are one, as the hash keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from ..models import Grouping


class Join(NamedTuple):
    """A hash that a new one is so much like that both are one issue."""

    target: str  # 40 hex digits
    score: float
    reasons: tuple[str, ...]


JOINED = "joined to"  # the part of an explanation from which on it is about similarity


def explanation(grouping: Grouping, join: Join | None = None) -> str:
    """Why events are together, as a hash keeps it."""
    parts = grouping.parts
    if join is not None:
        parts = (
            *parts,
            (JOINED, f"{join.target[:8]}, {join.score:.1%} alike"),
            *(("because of", reason) for reason in join.reasons),
        )
    return json.dumps([grouping.key, grouping.reason, parts], ensure_ascii=False)


def similarity_parts(parts: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """What of an explanation's parts is about similarity."""
    labels = [part[0] for part in parts]
    start = labels.index(JOINED) if JOINED in labels else len(parts)
    return [(what, value) for what, value in parts[start:]]
