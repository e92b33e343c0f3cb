"""The one clock. Times are integer microseconds since the epoch, UTC; people see ISO 8601 with a Z."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)


def now() -> int:
    """The time in microseconds since the epoch."""
    return time.time_ns() // 1000


def to_iso(microseconds: int) -> str:
    """`2026-11-23T18:47:03.120000Z`, always with six digits, so that text sorts as time does."""
    moment = _NAIVE_EPOCH + timedelta(microseconds=microseconds)
    return f"{moment.isoformat(timespec='microseconds')}Z" if moment.year >= 1000 else "1970-01-01T00:00:00.000000Z"


def from_iso(text: str) -> int:
    """Microseconds of an ISO 8601 time; without a zone it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
