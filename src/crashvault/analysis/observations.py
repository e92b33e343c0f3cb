"""What is kept of an event while many are looked at: little, so that twenty thousand fit into memory.

Attributes are what may stand out: pairs of a name and a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..clock import HOUR
from ..models import Event

HOUR_OF_DAY = "hour (UTC)"
_PLAIN = ("release", "environment", "host", "platform", "transaction", "logger")
# What the contexts of Sentry's SDKs call the surroundings of a program.
_SURROUNDINGS = {"os": ("name", "version"), "browser": ("name", "version"), "runtime": ("name", "version"),
                 "device": ("model",)}  # fmt: skip
_MOST_TAGS = 50
_LONGEST = 200  # characters of a value

Attribute = tuple[str, str]


class Observation(NamedTuple):
    """One event, as analysis sees it."""

    issue: int
    at: int  # microseconds
    attributes: tuple[Attribute, ...]
    user: str | None
    trace: str | None
    host: str | None


def observe(issue: int, event: Event) -> Observation:
    """What analysis keeps of an event."""
    return Observation(
        issue, event["timestamp"], tuple(dict.fromkeys(_attributes(event))), user_of(event), event.get("trace_id"),
        event.get("host"),
    )  # fmt: skip


def user_of(event: Event) -> str | None:
    """Who an event happened to, by the first name that they have."""
    user = event.get("user")
    if isinstance(user, dict):
        named = (user.get(key) for key in ("id", "email", "username", "ip_address"))
        user = next((value for value in named if value not in (None, "")), None)
    return None if user in (None, "", {}) else str(user)[:_LONGEST]


def _attributes(event: Event) -> Iterator[Attribute]:
    get: Mapping[str, Any] = event
    for name in _PLAIN:
        if get.get(name):
            yield name, str(get[name])[:_LONGEST]
    for tag in event.get("tags", ())[:_MOST_TAGS]:
        key, equals, value = tag.partition("=")
        yield (key[:_LONGEST], value[:_LONGEST]) if equals else ("tag", tag[:_LONGEST])
    user = user_of(event)
    if user:
        yield "user", user
    yield from _surroundings(event.get("context"))


def hour_of_day(at: int) -> Attribute:
    """The hour of a time in microseconds, as an attribute."""
    hour = at // HOUR % 24
    return HOUR_OF_DAY, f"{hour:02}:00–{(hour + 1) % 24:02}:00"


def _surroundings(context: Any) -> Iterator[Attribute]:
    if not isinstance(context, dict):
        return
    for name, keys in _SURROUNDINGS.items():
        box = context.get(name)
        if isinstance(box, dict):
            value = " ".join(str(box[key]) for key in keys if isinstance(box.get(key), str | int | float))
            if value:
                yield name, value[:_LONGEST]
