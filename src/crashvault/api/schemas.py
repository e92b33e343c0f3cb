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


class IgnoredUntil(Strict):
    """What ends that an issue is ignored; whichever comes first."""

    time: Annotated[str, Meta(min_length=1, max_length=40)] | None = None  # ISO 8601, or a span such as 7d
    events: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None  # so many more
    users: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None


class IssueChange(Strict):
    """What to change of an issue; what is absent stays."""

    status: Status | UnsetType = UNSET
    severity: Severity | UnsetType | None = UNSET
    title: Name | UnsetType = UNSET
    assigned: Name | UnsetType | None = UNSET
    resolved_in: Name | UnsetType = UNSET  # a release that mends it, or next; with status resolved
    ignored_until: IgnoredUntil | UnsetType = UNSET  # with status ignored
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


Kind = Literal["event", "new-issue", "regression", "resolved", "alert"]
Kinds = Annotated[list[Kind], Meta(min_length=1, max_length=10)]
Address = Annotated[str, Meta(min_length=1, max_length=4_000)]
Secret = Annotated[str, Meta(min_length=8, max_length=200)]
Text = Annotated[str, Meta(max_length=10_000)]
Template = Annotated[str, Meta(max_length=100_000)]
Pairs = dict[Annotated[str, Meta(min_length=1, max_length=200)], Annotated[str, Meta(max_length=4_000)]]


class _WebhookFields(Strict):
    secret: Secret | None = None
    on: Kinds | None = None
    events: Text | None = None  # levels: error,critical or >=error
    query: Text | None = None
    project: Annotated[str, Meta(max_length=100)] | None = None
    template: Template | None = None
    rate_limit: Annotated[str, Meta(max_length=40)] | None = None
    pause: Annotated[int, Meta(ge=0, le=86_400)] | None = None  # seconds
    attach: bool | None = None
    headers: Pairs | None = None
    options: Pairs | None = None
    timeout: Annotated[int, Meta(ge=1, le=30)] | None = None  # seconds
    max_attempts: Annotated[int, Meta(ge=1, le=50)] | None = None


class NewWebhook(_WebhookFields, kw_only=True):
    """A webhook to be made."""

    type: Annotated[str, Meta(min_length=1, max_length=40)]
    url: Address
    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    enabled: bool = True


class WebhookChange(_WebhookFields):
    """What to change of a webhook; what is absent or null stays, and an empty text takes a limit away."""

    url: Address | None = None
    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    enabled: bool | None = None
    rotate_secret: bool = False  # sign with a new secret, and with the old one as well
    drop_old_secret: bool = False


class Preview(Strict):
    event: Annotated[str, Meta(min_length=1, max_length=36)]  # its id, or a unique beginning of it
    on: Literal["event", "new-issue", "regression"] | None = None


class RetryAll(Strict):
    webhook: Annotated[str, Meta(max_length=100)] | None = None  # only those of this one


Length = Annotated[str, Meta(max_length=40)]


class _AlertFields(Strict):
    condition: Annotated[str, Meta(min_length=1, max_length=500)]
    query: Annotated[str, Meta(max_length=10_000)] = ""
    project: Annotated[str, Meta(max_length=100)] = ""
    by: Annotated[str, Meta(max_length=200)] | None = None  # issue, project or tag.KEY; "": all together
    notify: Annotated[list[Name], Meta(max_length=50)] = []  # webhooks' names, desktop
    severity: Severity | None = None
    hold: Length | None = None  # fire only when it has held for so long
    linger: Length | None = None  # over when it has not held for so long
    cooldown: Length | None = None  # tell of it at most once in that time


class NewAlert(_AlertFields, kw_only=True):
    """An alert rule to be made."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]


class TryAlert(_AlertFields):
    since: Length = "7d"


class TestAlert(Strict):
    since: Length = "24h"


class MuteAlert(Strict):
    span: Length | None = msgspec.field(default=None, name="for")
    until: Length | None = None
    query: Annotated[str, Meta(max_length=10_000)] = ""  # empty: the whole rule


class Alert(Struct):
    id: int
    name: str
    condition: str
    query: str | None
    project: str | None
    by: str | None
    notify: list[str]
    severity: str | None
    hold: str
    linger: str
    cooldown: str
    created_at: str
    state: Literal["ok", "pending", "firing"]
    firing: list[dict[str, Any]]
    muted: bool
    mutes: list[dict[str, Any]]


class TriedAlert(Struct):
    condition: str
    fired: int
    complete: bool
    items: list[dict[str, Any]]


class Webhook(Struct):
    id: int
    name: str
    type: str
    url: str
    on: list[str]
    events: str | None
    query: str | None
    project: str | None
    template: str | None
    rate_limit: str | None
    pause: int
    attach: bool
    headers: dict[str, str]
    options: dict[str, str]
    secrets: int
    timeout: int
    max_attempts: int
    enabled: bool
    status: Literal["active", "disabled", "failing", "waiting"]
    silent_until: str | None
    last_error: str | None
    last_delivered_at: str | None
    failures: int
    deliveries: dict[str, int]
    created_at: str


class Retried(Struct):
    retried: int


class Tested(Struct):
    webhook: str
    delivered: bool
    status: int | None
    reason: str | None


class Previewed(Struct):
    webhook: str
    requests: list[dict[str, Any]]


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


class Series(Struct):
    """Events in each hour or day from `since` on."""

    since: str
    until: str
    counts: list[int]
    total: int


class AskedSeries(Series):
    interval: Literal["hour", "day"]


class Stats(Struct):
    issues: int
    events: int
    by_status: dict[str, int]
    by_level: dict[str, int]
    by_project: dict[str, dict[str, int]]
    events_per_hour: Series
    events_per_day: Series
    first_hour: str
    top_issues: list[Issue]
    series: AskedSeries | UnsetType = UNSET


class Span(Struct):
    project: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    start: str
    end: str
    duration_ms: float
    name: str
    op: str | None
    kind: str | None
    status: str | None
    service: str | None
    release: str | None
    environment: str | None
    origin: str | None
    attributes: dict[str, Any]


class Trace(Struct):
    trace_id: str
    events: list[Event]
    spans: list[Span]
    next_cursor: str | None


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
    spans: int
    last_run: dict[str, Any] | None
    runs: list[dict[str, Any]]  # the latest, latest first


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


class SentryReceipt(Struct):
    """What Sentry's addresses answer; without an id where nothing has one."""

    id: str | UnsetType = UNSET


class SentryError(Struct):
    detail: str
    causes: list[str]


class Alive(Struct):
    status: str


class SpoolDepth(Struct):
    """What a node keeps until the database is back."""

    requests: int
    bytes: int
    oldest_seconds: float


class ReplicaState(Struct):
    """The copy of the database that answers queries."""

    status: Literal["ok", "stale", "away"]
    staleness_seconds: float


class Ready(Struct, kw_only=True):
    status: Literal["ok", "spooling", "failing"]
    reasons: list[str]
    spool: SpoolDepth | UnsetType = UNSET
    replica: ReplicaState | UnsetType = UNSET


class Health(Ready, kw_only=True):
    version: str
    uptime_seconds: float
    queue: int


class NativeFile(Struct):
    """A file of an event, its content in base64."""

    data: str
    name: str | UnsetType = UNSET
    content_type: str | UnsetType = UNSET


class NativeEvent(Struct):
    """An event as it is sent; it needs a message, an exception or a stack trace. What is wrong with a field is noted in the
    event's `errors`, and costs nothing else."""

    message: str | UnsetType = UNSET
    exception: ExceptionOfEvent | UnsetType = UNSET
    stacktrace: str | UnsetType = UNSET  # as the language writes it; or `stack`
    frames: list[dict[str, Any]] | UnsetType = UNSET
    level: str | UnsetType = UNSET
    tags: list[str] | dict[str, Any] | UnsetType = UNSET
    context: dict[str, Any] | UnsetType = UNSET
    source: str | UnsetType = UNSET  # or `url`
    line: int | UnsetType = UNSET  # or `lineno`
    column: int | UnsetType = UNSET  # or `colno`
    host: str | UnsetType = UNSET
    pid: int | UnsetType = UNSET
    release: str | UnsetType = UNSET
    environment: str | UnsetType = UNSET
    user: dict[str, Any] | str | UnsetType = UNSET
    timestamp: str | float | UnsetType = UNSET
    event_id: str | UnsetType = UNSET  # the same one twice is one event
    fingerprint: list[str] | UnsetType = UNSET
    breadcrumbs: list[dict[str, Any]] | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
    span_id: str | UnsetType = UNSET
    attachments: list[NativeFile] | UnsetType = UNSET


class NativeBatch(Struct):
    events: list[NativeEvent]


NAMED: dict[str, Any] = {
    kind.__name__: kind
    for kind in (IssueChange, Batch, Comment, Merge, NewProject, NewKey, ErrorAnswer, Issue, Event, Issues, Events,
                 Changes, Items, Stats, Trace, Project, Key, MadeKey, Receipt, BatchReceipt, NativeEvent, NativeBatch,
                 NewWebhook, WebhookChange, Preview, RetryAll, Webhook, Retried, Tested, Previewed,
                 NewAlert, TryAlert, TestAlert, MuteAlert, Alert, TriedAlert,
                 SentryReceipt, SentryError, Alive, Ready, Health)
}  # fmt: skip


def components() -> dict[str, Any]:
    """All schemas as OpenAPI 3.1 has them."""
    _, found = msgspec.json.schema_components(list(NAMED.values()), ref_template="#/components/schemas/{name}")
    return found
