"""Sizes such as 20MiB, rates such as 600/minute, and spans of time such as 90d, as people write them."""

from __future__ import annotations

import re
from typing import NamedTuple

from .clock import DAY, HOUR, MINUTE, SECOND
from .errors import InvalidError

_SIZES = {"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1_000, "m": 1 << 20, "mib": 1 << 20, "mb": 1_000_000,
          "g": 1 << 30, "gib": 1 << 30, "gb": 1_000_000_000}  # fmt: skip
_PERIODS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_PERIOD_NAMES = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day"}
_SPANS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "mo": 30 * DAY, "y": 365 * DAY}

_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s*([a-z]{0,3})")
_RATE = re.compile(r"(\d{1,9})\s*(?:/|per)\s*([a-z]+)")
_SPAN = re.compile(r"(\d{1,6})\s*(s|mo|m|h|d|w|y)")


class Rate(NamedTuple):
    """At most `limit` in `seconds`."""

    limit: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.limit}/{next(name for name, seconds in _PERIODS.items() if seconds == self.seconds)}"


def parse_size(text: str) -> int:
    """Bytes of `20MiB`, `512k`, `1.5 GB` or a plain number. Raises InvalidError."""
    found = _SIZE.fullmatch(text.strip().casefold())
    if not found or found[2] not in _SIZES:
        raise InvalidError(f"{text!r} is not a size", "Write it as 20MiB, 512KiB or a number of bytes")
    return int(float(found[1]) * _SIZES[found[2]])


def shown_size(size: int) -> str:
    """The largest binary unit that gives a whole number: 20971520 is `20MiB`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def parse_rate(text: str) -> Rate | None:
    """The rate of `600/minute` or `10/s`; None for `none` or nothing. Raises InvalidError."""
    folded = text.strip().casefold()
    if folded in ("", "none", "off"):
        return None
    found = _RATE.fullmatch(folded)
    period = found[2].removesuffix("s") or "s" if found else ""
    seconds = _PERIODS.get(_PERIOD_NAMES.get(period, period))
    if not found or not seconds or not int(found[1]):
        raise InvalidError(
            f"{text!r} is not a rate", "Write it as 600/minute, 10/second, 5000/hour or 100000/day, or none"
        )
    return Rate(int(found[1]), seconds)


def parse_span(text: str) -> int:
    """Microseconds of `30s`, `5m`, `2h`, `90d`, `2w`, `3mo` or `1y`. Raises InvalidError."""
    found = _SPAN.fullmatch(text.strip().casefold())
    if not found or not int(found[1]):
        raise InvalidError(f"{text!r} is not a span of time", "Write it as 30m, 12h, 90d, 2w, 3mo or 1y")
    return int(found[1]) * _SPANS[found[2]]
