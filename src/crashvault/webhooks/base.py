"""What a provider is given and what it answers: a notification, where it goes, and the requests that carry it.

A provider is one file with one `Provider` in it. It decides how a message looks and fits into the limits of
its service; claiming, retrying, rate limits, templates, signing and sending are done once, for all of them,
in `notify`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

EVENT, NEW_ISSUE, REGRESSION, RESOLVED, ALERT, SUMMARY, TEST = KINDS = (
    "event", "new-issue", "regression", "resolved", "alert", "summary", "test",
)  # fmt: skip
# What a webhook can be asked to tell; a summary and a test come without being asked for.
CHOICES = (EVENT, NEW_ISSUE, REGRESSION, RESOLVED, ALERT)

RETRIED = frozenset({408, 409, 425, 429})  # of the 4xx; every 5xx is retried too


class Held(NamedTuple):
    """What the rate limit held back, of one issue, in a summary."""

    issue: Mapping[str, Any]  # in the interface's shape
    events: int


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to people. Events, issues and alerts are in the shapes of the interface."""

    id: str  # the idempotency key: the same in each attempt
    kind: str  # one of KINDS
    at: str  # when it was queued, ISO 8601
    project: str
    event: Mapping[str, Any] | None = None
    issue: Mapping[str, Any] | None = None
    alert: Mapping[str, Any] | None = None  # name, condition, state, severity, group, value, since
    links: Mapping[str, str] = field(default_factory=dict)  # issue, event: addresses; cli: a command
    levels: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # level → (emoji, colour as #rrggbb)
    count: int = 1  # events of the issue that this message stands for
    held: Sequence[Held] = ()  # of a summary


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes with a message; its content is read only by a provider that sends it."""

    name: str
    content_type: str
    size: int  # bytes
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook's messages go, and what its owner wants of them."""

    url: str = field(repr=False)  # as are headers and options, since secrets are in them
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)  # the provider's own
    rendered: str | None = None  # what the webhook's template made of the notification


class Request(NamedTuple):
    """One HTTP request. Signatures are added to it where the provider asks for them."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    once: bool = False  # whether it makes something anew each time, so that it must not be repeated unseen

    def __repr__(self) -> str:
        """Without the address and headers, in which secrets are."""
        return f"<{self.method} of {len(self.body)} bytes>"


class Command(NamedTuple):
    """A Python module that sends by itself, in a process of its own. Its hosts are checked beforehand.

    Where private addresses are allowed it is called with `--allow-private`. What it prints is the body of the answer.
    """

    module: str
    hosts: Sequence[str]
    stdin: bytes

    def __repr__(self) -> str:
        """Without what is handed over, in which secrets are."""
        return f"<python -m {self.module}, given {len(self.stdin)} bytes>"


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # at most the first 64 KiB

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


# What is sent, once the answers to the steps before it are known; None: there is nothing to send here.
Step: TypeAlias = Callable[[Sequence[Response]], "Request | Command | None"]


class Verdict(NamedTuple):
    """What an answer means for the delivery."""

    delivered: bool
    retry: bool = False
    reason: str = ""  # for people; never with a secret in it
    after: float | None = None  # seconds that the service wants to be left alone
    gone: bool = False  # whether nothing will ever be taken there again, so that the webhook is of no more use


def judge_status(response: Response, now: float) -> Verdict:
    """By the status alone: 2xx is delivered; 408, 409, 425, 429 and 5xx are tried again. `now` in Unix seconds."""
    status = response.status
    if 200 <= status < 300:
        return Verdict(True)
    retry = status in RETRIED or status >= 500
    after = retry_after(response.headers.get("retry-after"), now) if retry else None
    return Verdict(False, retry, f"HTTP {status}", after)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header: a number or a date (RFC 9110, section 10.2.3). None of what is neither."""
    if not value:
        return None
    try:
        found = float(value)
    except ValueError:
        try:
            found = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return max(0.0, found) if isfinite(found) else None


@dataclass(frozen=True, slots=True)
class Provider:
    """One service."""

    name: str  # the word of `webhook add`
    title: str
    build_requests: Callable[[Notification, Target, Sequence[File]], list[Step]]
    check: Callable[[Target], None]  # raises InvalidError for a target that this service cannot have
    judge: Callable[[Response, float], Verdict] = judge_status
    options: Mapping[str, str] = field(default_factory=dict)  # name → what it is for
    secret_options: frozenset[str] = frozenset()  # those that are never shown
    signed: bool = False  # whether its receiver can verify signatures
    # What a request becomes just before it goes, by the target, the webhook's secrets and the time in Unix seconds.
    seal: Callable[[Request, Target, Sequence[str], int], Request] | None = None
    takes_files: Callable[[Target], bool] = lambda target: False
    secret_url: bool = True  # whether the address itself is a secret, so that only its host is shown
