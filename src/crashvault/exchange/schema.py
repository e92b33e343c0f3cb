"""What items of an import must look like. Checked by type before anything else sees them.

An event that does not fit is not refused: it goes through normalizing again, as if it had just arrived.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, TypedDict, Union, get_type_hints

import msgspec
from msgspec import Meta, Struct

from .. import models

_DEPTH = 9  # of mappings and lists inside each other in free data; normalizing keeps 8

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=20_000)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Sha1 = Annotated[str, Meta(pattern=r"^[0-9a-f]{40}$")]
Number = Annotated[int, Meta(ge=1, le=2**40)]


class Header(Struct):
    crashvault: int
    issue_count: int | None = None
    event_count: int | None = None


class Project(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    created_at: str | None = None


class Level(Struct):
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    rank: Annotated[int, Meta(ge=0, le=1000)]
    color: Annotated[str, Meta(max_length=60)] | None = None
    emoji: Annotated[str, Meta(max_length=20)] | None = None


class Setting(Struct):
    key: Name
    value: Any


class Verdict(Struct):
    project: Annotated[str, Meta(min_length=1, max_length=100)]
    one: Sha1
    other: Sha1
    same: bool
    at: str
    score: Annotated[float, Meta(ge=0, le=1)] | None = None


class File(Struct):
    digest: Digest
    name: Annotated[str, Meta(max_length=300)]
    size: Annotated[int, Meta(ge=0)]
    content_type: Annotated[str, Meta(max_length=200)] = "application/octet-stream"
    kind: Annotated[str, Meta(max_length=200)] = "event.attachment"
    created_at: str | None = None
    home: Number | None = None


class Activity(Struct):
    at: str
    actor: Text
    kind: Name
    data: dict[str, Any]
    home: Number | None = None


class EvictedHour(Struct):
    hour: str
    level: Name
    count: Annotated[int, Meta(ge=1, le=2**40)]


class Hash(Struct):
    hash: Sha1
    first_seen: str
    last_seen: str
    home: Number | None = None
    algorithm: Name = "imported"
    key: str = ""
    reason: str = ""
    parts: list[tuple[str, str]] = []
    title: Text = ""
    culprit: Text = ""
    created_at: str | None = None
    evicted: list[EvictedHour] = []
    users: list[Annotated[str, Meta(pattern=r"^[0-9a-f]{14}$")]] = []


class State(Struct, kw_only=True):
    """What is said of an issue itself."""

    title: Text
    first_seen: str
    last_seen: str
    created_at: str
    id: Number | None = None
    title_fixed: bool = False
    culprit: Text = ""
    status: Literal["open", "resolved", "ignored"] = "open"
    severity: Literal["low", "medium", "high", "critical"] | None = None
    assigned: Text | None = None
    level: str = models.DEFAULT_LEVEL
    release: Text | None = None
    environment: Text | None = None
    is_regressed: bool = False
    changed_at: str | None = None
    resolved_at: str | None = None
    resolved_in: Text | None = None
    ignored_until: Text | None = None
    category: Text | None = None
    tags: list[Name] = []


class Merged(State, kw_only=True):
    """An issue that was merged into another."""

    into: Number | None = None


class Issue(State, kw_only=True):
    project: Annotated[str, Meta(min_length=1, max_length=100)]
    hashes: Annotated[list[Hash], Meta(min_length=1)]
    activity: list[Activity] = []
    attachments: list[File] = []
    own_tags: list[Name] | None = None  # without those of the merged ones
    merged: list[Merged] = []


class Attachment(Struct):
    digest: Digest
    data: bytes  # base64 in the file


def _free(depth: int) -> Any:
    """Any JSON value that is nested at most so deep."""
    plain: Any = Union[None, bool, int, float, str]  # noqa: UP007  (built at run time)
    value: Any = plain
    for _ in range(depth):
        value = Union[plain, list[value], dict[str, value]]  # noqa: UP007
    return value


@cache
def event_form() -> type[Struct]:
    """What an event item must look like: with a normalized event whose times are text and whose free data is bounded.

    A struct, because msgspec keeps what it makes of a struct's types, and of other types not.
    """
    event = _bounded(models.Event, _parts(), timestamp=str, received_at=str)
    return msgspec.defstruct("EventForm", [("event", event), ("hash", Sha1 | None, None), ("files", list[File], [])])


def _parts() -> dict[Any, Any]:
    """The types of an event's parts, each with what takes its place."""
    replaced: dict[Any, Any] = dict.fromkeys(
        (models.Frame, models.ExceptionInfo, models.AttachmentInfo, models.EventError)
    )
    for part in replaced:
        replaced[part] = _bounded(part, replaced)
    return replaced


def _bounded(kind: Any, replaced: dict[Any, Any], **other: Any) -> Any:
    return _mapping(kind.__name__, {**_hints(kind, replaced), **other})


def _mapping(name: str, hints: dict[str, Any]) -> Any:
    return TypedDict(name, hints, total=False)  # type: ignore[operator]


def _hints(kind: Any, replaced: dict[Any, Any]) -> dict[str, Any]:
    return {key: _bounded_hint(hint, replaced) for key, hint in get_type_hints(kind).items()}


def _bounded_hint(hint: Any, replaced: dict[Any, Any]) -> Any:
    if hint is Any:
        return _free(_DEPTH)
    if replaced.get(hint) is not None:
        return replaced[hint]
    arguments = getattr(hint, "__args__", None)
    if not arguments:
        return hint
    inner = tuple(_bounded_hint(argument, replaced) for argument in arguments)
    if type(hint).__name__ == "UnionType":
        return Union[inner]  # noqa: UP007
    return hint.__origin__[inner if len(inner) > 1 else inner[0]]
