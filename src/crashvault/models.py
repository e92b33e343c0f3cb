"""The words everybody uses: the shapes of an event and of its parts, levels, statuses, severities.

An event travels as a plain dictionary, because that is what plugins see, what JSON gives and what
costs nothing to import. A key that is absent means "not known"; `output.event_json` fills the
documented keys with null when an event is shown.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict


class Frame(TypedDict, total=False):
    """One line of a stack trace. Lists of frames run from the oldest call to the crash."""

    file: str | None
    line: int | None  # 1-based
    column: int | None  # 1-based
    function: str | None
    module: str | None
    in_app: bool
    pre_context: list[str]
    context_line: str | None
    post_context: list[str]
    vars: dict[str, Any]
    abs_path: str  # where the file lies on disk, if that is more than `file`
    package: str  # library or binary image of a native frame
    instruction_addr: str  # hexadecimal, for later symbolication
    count: int  # how many times a recursion repeats this frame, when collapsed


class ExceptionInfo(TypedDict, total=False):
    """One exception of a chain. Chains run from the root cause to the exception that was raised last."""

    type: str | None
    value: str | None
    module: str | None
    frames: list[Frame]
    mechanism: dict[str, Any]
    thread: str  # name or id of the thread or goroutine it was raised in


class AttachmentInfo(TypedDict, total=False):
    name: str
    content_type: str
    size: int  # bytes
    digest: str  # SHA-256 (hex) of the content, its address in the blob store
    kind: str  # Sentry's attachment_type, default "event.attachment"


class EventError(TypedDict, total=False):
    """What normalization had to cut, null or reinterpret."""

    field: str  # path of the part, e.g. "exceptions.0.frames.3.vars"
    reason: str  # one of ingest.limits.REASONS
    detail: str


class Event(TypedDict, total=False):
    """One normalized occurrence. Timestamps are integer microseconds since the epoch, UTC."""

    event_id: str  # uuid4, dashed
    project: str
    timestamp: int
    received_at: int
    level: str
    message: str
    exceptions: list[ExceptionInfo]
    frames: list[Frame]  # only of an event that has a stack but no exception
    stacktrace: str  # the text that was given, when the stack came as text
    tags: list[str]  # "db" or "region=eu", unique, in the order given
    context: dict[str, Any]
    host: str
    pid: int
    release: str
    environment: str
    user: str | dict[str, Any]
    source: str
    line: int
    column: int
    platform: str  # python, javascript, java, go, rust, ruby, php, csharp, native, elixir, other
    trace_id: str  # 32 hex digits
    span_id: str  # 16 hex digits
    breadcrumbs: list[dict[str, Any]]
    attachments: list[AttachmentInfo]
    errors: list[EventError]
    fingerprint: list[str]  # the client's own, may hold "{{ default }}"
    logger: str
    transaction: str
    request: dict[str, Any]
    sdk: dict[str, Any]
    modules: dict[str, str]
    threads: list[dict[str, Any]]
    dist: str
    debug_meta: dict[str, Any]


class Grouping(NamedTuple):
    """Which issue an event belongs to, and why."""

    hash: str  # SHA-1 of `key`, 40 hex digits
    algorithm: str  # name and version of what made the key, e.g. "v1"
    key: str  # the grouping key itself
    reason: str  # one sentence for people
    parts: tuple[tuple[str, str], ...]  # (what, value) pairs the key was made of, in order
    title: str
    culprit: str


STATUSES = ("open", "resolved", "ignored")
SEVERITIES = ("low", "medium", "high", "critical")
LEVEL_RANKS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
LEVEL_ALIASES = {"fatal": "critical"}  # other names
DEFAULT_LEVEL = "error"
LEVEL_LOOKS = {  # colour and emoji of the levels that are built in
    "debug": ("bright_black", "🔍"), "info": ("blue", "ℹ️"), "warning": ("yellow", "⚠️"), "error": ("red", "❌"),
    "critical": ("bold white on red", "🔥"),
}  # fmt: skip
COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")  # of levels, or #rrggbb
DEFAULT_PROJECT = "default"
