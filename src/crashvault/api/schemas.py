"""The shapes of what is sent and answered, for checking bodies and for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Status = Literal["open", "resolved", "ignored"]
Severity = Literal["low", "medium", "high", "critical"]
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Tag = Annotated[str, Meta(min_length=1, max_length=200)]
Tags = Annotated[list[Tag], Meta(max_length=100)]
Ids = Annotated[list[Id], Meta(min_length=1, max_length=10_000)]
Scope = Literal["ingest", "read", "write", "admin"]


class Strict(Struct, forbid_unknown_fields=True):
    """A body in which a misspelt field is an error."""


class IssueChange(Strict):
    """What to change of an issue; what is absent stays."""

    status: Status | UnsetType = UNSET
    severity: Severity | UnsetType | None = UNSET
    title: Name | UnsetType = UNSET
    assigned: Name | UnsetType | None = UNSET
    tag: Tags | UnsetType = UNSET
    untag: Tags | UnsetType = UNSET


class Batch(Strict):
    """Change, or delete, the issues named or those that a query finds."""

    ids: Ids | UnsetType = UNSET
    query: Annotated[str, Meta(min_length=1, max_length=10_000)] | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    severity: Severity | UnsetType | None = UNSET
    assigned: Name | UnsetType | None = UNSET
    tag: Tags | UnsetType = UNSET
    untag: Tags | UnsetType = UNSET
    delete: bool = False
    dry_run: bool = False


class Comment(Strict):
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class Merge(Strict):
    """The issues that become part of the one in the address."""

    issues: Ids


class NewProject(Strict):
    name: Annotated[str, Meta(min_length=1, max_length=100)]


class NewKey(Strict):
    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=4)]
    project: Name | None = None
    expires: Annotated[str, Meta(max_length=20)] | None = None  # a span such as 90d


class NewPolicy(Strict):
    """How much to keep; `value` is a span such as 90d, a size such as 10GiB, or a number of events."""

    kind: Literal["max-age", "max-events", "max-events-per-issue", "max-size"]
    value: Annotated[str, Meta(min_length=1, max_length=40)]
    level: Name | None = None
    project: Name | None = None
    query: Annotated[str, Meta(max_length=10_000)] | None = None


class Error(Struct):
    code: str
    message: str
    details: list[dict[str, Any]]


class ErrorAnswer(Struct):
    error: Error


class Issue(Struct):
    id: int
    fingerprint: str
    title: str
    culprit: str | None
    status: Status
    level: str
    severity: str | None
    project: str
    count: int
    users: int
    first_seen: str
    last_seen: str
    created_at: str
    release: str | None
    environment: str | None
    assigned: str | None
    category: str | None
    tags: list[str]
    is_new: bool
    is_regressed: bool


class Frame(Struct):
    file: str | None
    line: int | None
    column: int | None
    function: str | None
    module: str | None
    in_app: bool | None
    pre_context: list[str]
    context_line: str | None
    post_context: list[str]
    vars: dict[str, Any] | None


class ExceptionOfEvent(Struct, rename={"kind": "type"}):
    kind: str | None
    value: str | None


class Event(Struct):
    event_id: str
    issue_id: int
    project: str
    timestamp: str
    received_at: str
    level: str
    message: str
    exception: ExceptionOfEvent | None
    exceptions: list[dict[str, Any]]
    stacktrace: str | None
    frames: list[Frame]
    tags: list[str]
    context: dict[str, Any]
    host: str | None
    pid: int | None
    release: str | None
    environment: str | None
    user: Any
    source: str | None
    platform: str | None
    trace_id: str | None
    span_id: str | None
    breadcrumbs: list[Any]
    attachments: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    fingerprint: str


class Issues(Struct):
    items: list[Issue]
    total: int
    next_cursor: str | None


class Events(Struct):
    items: list[Event]
    total: int
    next_cursor: str | None


class Changes(Struct):
    changed: list[dict[str, Any]]
    unchanged: list[int]
    dry_run: bool


class Items(Struct):
    items: list[dict[str, Any]]
    total: int
    next_cursor: str | None


class Stats(Struct):
    issues: int
    events: int
    by_status: dict[str, int]
    by_level: dict[str, int]
    by_project: dict[str, dict[str, int]]


class Trace(Struct):
    trace_id: str
    events: list[Event]
    spans: list[dict[str, Any]]


class Project(Struct):
    id: int
    name: str
    dsn: str
    created_at: str


class Key(Struct):
    id: int
    name: str
    prefix: str
    scopes: list[str]
    project: str | None
    status: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class MadeKey(Key):
    key: str  # told once


class Policy(Struct):
    kind: str
    value: str
    level: str | None
    project: str | None
    query: str | None


class Retention(Struct):
    items: list[Policy]
    total: int
    next_cursor: str | None
    stored_events: int
    bytes: int
    last_run: dict[str, Any] | None


class Asked(Struct):
    asked: bool


class RetentionReport(Struct):
    dry_run: bool
    evicted: int
    bytes: int
    freed_bytes: int
    stopped: bool
    policies: list[dict[str, Any]]
    issues: list[dict[str, Any]]


class Receipt(Struct):
    event_id: str
    issue_id: int | None
    issue_created: bool


class BatchReceipt(Struct):
    processed: int
    results: list[dict[str, Any]]


class NativeEvent(Struct):
    """An event as it is sent; the documentation of the HTTP interface tells of all fields."""

    message: str


class NativeBatch(Struct):
    events: list[dict[str, Any]]


NAMED: dict[str, Any] = {
    kind.__name__: kind
    for kind in (IssueChange, Batch, Comment, Merge, NewProject, NewKey, NewPolicy, Asked, Policy, Retention, RetentionReport, ErrorAnswer, Issue, Event, Issues, Events,
                 Changes, Items, Stats, Trace, Project, Key, MadeKey, Receipt, BatchReceipt, NativeEvent, NativeBatch)
}  # fmt: skip


def components() -> dict[str, Any]:
    """All schemas as OpenAPI 3.1 has them."""
    _, found = msgspec.json.schema_components(list(NAMED.values()), ref_template="#/components/schemas/{name}")
    return found
