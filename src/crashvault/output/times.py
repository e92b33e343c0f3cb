"""Times as people like to read them."""

from __future__ import annotations

from ..clock import DAY, HOUR, MINUTE, SECOND, from_iso, now

_UNITS = ((365 * DAY, "y"), (DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"))


def ago(iso: str) -> str:
    """How long ago a time was: `5m ago`."""
    return f"{duration(max(0, now() - from_iso(iso)))} ago"


def duration(microseconds: int) -> str:
    """A length of time in its largest unit: `3h`."""
    for size, unit in _UNITS:
        if microseconds >= size:
            return f"{microseconds // size}{unit}"
    return "0s"


def counted(count: int, what: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def called(function: str) -> str:
    """A function as people write it: `pay()`; what already has brackets, or is no name, stays."""
    return f"{function}()" if function.replace("_", "a").replace(".", "a").isalnum() else function


def short(iso: str) -> str:
    """A time to the second: `2026-11-23T18:47:03Z`."""
    return f"{iso[:19]}Z" if iso else ""
