"""A request with events that a server has accepted: how its body is read, and what becomes of it.

The events of one request keep their ids and times however often, and however much later, they are stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from . import clock
from .ingest import fields
from .ingest.fields import microseconds
from .ingest.limits import DEFAULT_LIMITS
from .ingest.native import BodyError, parse_json
from .ingest.sentry_event import to_raw
from .ingest.telemetry import Upload, UploadedEvent
from .pipeline import Receipt
from .storage.spool import Spool, Spooled

_OVERHEAD = 2_000  # bytes that a request takes beside its body


class Outcome(NamedTuple):
    """What became of one request."""

    event_id: str | None  # what the answer names
    receipts: list[Receipt]  # of its events, in order
    rejected: int = 0  # records that were no event and should have been
    message: str = ""  # why
    spooled: bool = False  # kept by this node until the database is back


class Spooling(NamedTuple):
    """How requests are kept while the database is away."""

    open: Callable[[], Spool]
    read: Callable[[Spooled], Callable[[int], Upload]]  # of a kept request; raises BodyError


class Job:
    """One request: how its body is read, and where it belongs."""

    __slots__ = ("accepted_at", "future", "key", "pack", "project", "read", "size", "source")

    def __init__(
        self,
        read: Callable[[int], Upload],
        size: int,
        project: str,
        source: str,
        pack: Callable[[], bytes] | None = None,
    ) -> None:
        self.pack = pack  # the request as the spool keeps it
        self.key = b""  # from which events without an id get theirs, the same with every attempt
        self.accepted_at = 0  # microseconds, of a request from the spool
        self.read = read  # called in the writing thread with the time in microseconds; raises BodyError
        self.size = size + _OVERHEAD  # bytes
        self.project = project
        self.source = source  # for the ledger: api, sentry, otlp …
        self.future: asyncio.Future[Outcome] | None = None


def raw_event(event: UploadedEvent, accepted_at: int = 0) -> Callable[[], dict[str, Any]]:
    read: Callable[[], dict[str, Any]]
    if isinstance(event.raw, bytes | memoryview):
        read = partial(_decoded, event)
    else:
        read = partial(_refused, event.raw) if isinstance(event.raw, BodyError) else partial(_shaped, event, event.raw)
    return partial(_timed, read, accepted_at) if accepted_at else read


def _timed(read: Callable[[], dict[str, Any]], accepted_at: int) -> dict[str, Any]:
    """An event from the spool: without a time of its own it has happened when it was accepted."""
    raw = read()
    if not raw.get("timestamp"):
        raw["timestamp"] = clock.to_iso(accepted_at)
    return raw


def own_id(job: Job, place: int) -> str:
    """The id of an event of a request that brings none, where the request may be tried again after it was stored."""
    if not job.key:
        return ""
    digest = hashlib.blake2b(b"%d" % place, key=job.key, digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def promised(job: Job) -> Outcome:
    """What is answered to a request that is spooled. Raises what reading it raises."""
    upload = job.read(job.accepted_at)
    receipts = [_promise(event, own_id(job, place)) for place, event in enumerate(upload.events)]
    return Outcome(upload.event_id, receipts, upload.rejected, upload.message, spooled=True)


def _promise(event: UploadedEvent, own_id: str) -> Receipt:
    try:
        raw = raw_event(event)()
    except BodyError as error:
        return Receipt("", None, False, "dropped", "", str(error), error.code)
    return Receipt(
        fields.event_id(raw.get("event_id"), fields.Notes(DEFAULT_LIMITS)) or own_id, None, False, "spooled", ""
    )


def _decoded(event: UploadedEvent) -> dict[str, Any]:
    payload = parse_json(event.raw)  # type: ignore[arg-type]
    if type(payload) is not dict:
        raise BodyError("not_an_object", "The event is no JSON object", "An event is an object: {…}")
    return _shaped(event, payload)


def _shaped(event: UploadedEvent, payload: dict[str, Any]) -> dict[str, Any]:
    if not event.sentry:
        return payload
    raw = to_raw(payload, envelope_header=event.header)
    moment = microseconds(raw.get("timestamp")) if event.drift else None
    if moment is not None:
        raw["timestamp"] = moment + event.drift
    return raw


def _refused(error: BodyError) -> dict[str, Any]:
    raise error


def packed(job: Job) -> Spooled:
    assert job.pack is not None
    return Spooled(job.key, job.accepted_at, job.project, job.source, job.pack())
