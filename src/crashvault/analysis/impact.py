"""How much a cluster matters: frequency × level × users × recency, each part from 0 to 1 and shown."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..clock import DAY

HALF_LIFE = 3 * DAY  # after which what was last seen then counts half
FLOOR = 0.05  # of a part, so that nothing is multiplied away
_HIGHEST_RANK = 50


class Weight(NamedTuple):
    """What is known of a cluster."""

    events: int
    level: int  # rank of its most severe event
    users: int
    last_seen: int
    known_users: bool  # whether its events say who they happened to


class Impact(NamedTuple):
    score: float  # 0 to 100
    frequency: float
    level: float
    users: float
    recency: float


def impact(item: Weight, most_events: int, most_users: int, now: int) -> Impact:
    """The impact of a cluster beside the largest ones. Counts weigh by their logarithm: ten times as many is one step."""
    frequency = _share(item.events, most_events)
    level = max(FLOOR, min(1.0, item.level / _HIGHEST_RANK))
    # Where nobody is known, the part says nothing for or against the cluster.
    users = _share(item.users, most_users) if item.known_users else 0.5
    recency = max(FLOOR, 0.5 ** (max(0, now - item.last_seen) / HALF_LIFE))
    score = 100 * frequency * level * users * recency
    return Impact(*(round(value, 3) for value in (score, frequency, level, users, recency)))


def _share(count: int, most: int) -> float:
    return max(FLOOR, math.log1p(count) / math.log1p(most)) if most else FLOOR
