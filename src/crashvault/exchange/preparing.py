"""Events of a file made ready to be stored, without the database: checked, split, compressed, put into words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

import msgspec

from .. import clock
from ..errors import InvalidError
from ..grouping import group
from ..ingest.limits import DEFAULT_LIMITS
from ..ingest.normalize import normalize
from ..models import DEFAULT_LEVEL, DEFAULT_PROJECT, Event, Grouping
from ..storage import codec
from ..storage.projects import check_name
from ..storage.recording import Prepared, prepare
from . import schema
from .reading import Item

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_HASH = re.compile(r"[0-9a-f]{40}").fullmatch
_REQUIRED = ("event_id", "timestamp", "received_at", "level", "project", "message")
_LARGEST = DEFAULT_LIMITS.event * 5 // 4  # bytes; somewhat more than any event that was normalized
_SHARED_KEPT = 1000


class ReadyEvent(NamedTuple):
    """An event of a file, ready to be stored but for its grouping where the file has none."""

    prepared: Prepared
    hash: str | None  # of its grouping
    files: list[tuple[str, str, str, int, bytes]]  # attached later than it came


class EventReader:
    """Reads the event items of one file. `ranks`: the levels that the vault knows by now."""

    def __init__(self, ranks: dict[str, int], project: str | None, now: int) -> None:
        self.ranks = ranks
        self._project = project
        self._now = now
        self._encode = codec.fast_encoder()
        self._projects: set[str] = set()
        self._shared: dict[bytes | None, bytes | None] = {}  # stacks and backgrounds, so that neighbours have the same
        self.repaired = 0  # events that did not have the form of a stored one

    def about(self) -> tuple[dict[str, int], str | None, int]:
        """What makes another reader like this one."""
        return self.ranks, self._project, self._now

    def rank(self, level: str) -> int:
        """The rank of a level's name; `level-35` is how one without a name is written."""
        if level.startswith("level-") and level[6:].isdigit() and len(level) < 10:
            return int(level[6:])
        return self.ranks.get(level, self.ranks[DEFAULT_LEVEL])

    def read(self, item: Item) -> ReadyEvent:
        """All the work on an event that needs no database. Raises ValueError for an item that holds no event."""
        ready = self._as_written(item.text) if item.text is not None else None
        if ready is not None:
            return ready
        body, strict = item.decoded()
        raw, digest = body.get("event"), body.get("hash")
        if not isinstance(raw, dict):
            raise ValueError('an event item needs an "event"')
        if digest is not None and not (isinstance(digest, str) and _HASH(digest)):
            raise ValueError("a hash has 40 hexadecimal digits")
        event = (self._whole(raw) if strict or _is_encodable(raw) else None) or self._repaired(raw)
        files = _files(body["files"]) if "files" in body else []
        return ReadyEvent(self._prepared(event, self._parts(event), digest), digest, files)

    def _as_written(self, text: bytes) -> ReadyEvent | None:
        """A line as our own exports have it, decoded and checked in one go; None for any other."""
        try:
            line: Any = self._decode_line(text)
            if line.hash is None:
                return None
            self._check(line.event)
        except (ValueError, RecursionError, InvalidError):
            return None
        files = _converted(line.files)
        return ReadyEvent(self._prepared(line.event, self._parts(line.event), line.hash), line.hash, files)

    @cached_property
    def _decode_line(self) -> Callable[[bytes], object]:
        return msgspec.json.Decoder(schema.event_form()).decode

    def _prepared(self, event: Event, parts: codec.Parts | None, digest: str | None) -> Prepared:
        if parts is None:
            event = self._repaired({**event, "timestamp": clock.to_iso(event["timestamp"])})
            parts = codec.split(event, self._encode)
        return prepare(event, codec.compressed(parts), imported_grouping(digest or ""), self.rank(event["level"]))

    def _parts(self, event: Event) -> codec.Parts | None:
        """What the event is stored as; None where it is too large."""
        parts = codec.split(event, self._encode)
        if _size(parts) > _LARGEST:
            return None
        if len(self._shared) > _SHARED_KEPT:
            self._shared.clear()
        share = self._shared.setdefault
        return parts._replace(
            stack=share(parts.stack_digest, parts.stack),
            background=share(parts.background_digest, parts.background),
        )

    def _check(self, event: dict[str, Any]) -> None:
        """Whether an event whose members have the right types can be stored as it is; makes its times numbers."""
        if not all(key in event for key in _REQUIRED) or not _ID(event["event_id"]):
            raise ValueError("not all that an event has")
        if "exceptions" in event and "frames" in event:
            raise ValueError("two stacks")
        if event["level"] not in self.ranks and not event["level"].startswith("level-"):
            raise ValueError("an unknown level")
        times = clock.from_iso(event["timestamp"]), clock.from_iso(event["received_at"])
        project = self._checked_project(event["project"])
        event["timestamp"], event["received_at"] = times
        event["project"] = project

    def _whole(self, raw: dict[str, Any]) -> Event | None:
        """The event, if it has the form of a stored one."""
        try:
            found: Any = msgspec.convert({"event": raw}, schema.event_form())
            self._check(found.event)
        except (msgspec.ValidationError, RecursionError, ValueError, InvalidError):
            return None
        return cast(Event, found.event)

    def _checked_project(self, name: str) -> str:
        name = self._project or name
        if name not in self._projects:
            check_name(name)
            self._projects.add(name)
        return name

    def _repaired(self, raw: dict[str, Any]) -> Event:
        """Anything else is normalized as if it had just arrived, but at the time the file says."""
        self.repaired += 1
        try:
            received_at = (
                clock.from_iso(raw["received_at"]) if isinstance(raw["received_at"], str) else raw["received_at"]
            )
        except (KeyError, ValueError):
            received_at = self._now
        if type(received_at) is not int or not 0 <= received_at <= self._now:
            received_at = self._now
        name = raw.get("project")
        try:
            project = self._checked_project(name if isinstance(name, str) else DEFAULT_PROJECT)
        except InvalidError:
            project = DEFAULT_PROJECT
        known = {key: value for key, value in raw.items() if key not in ("project", "received_at")}
        digest = hashlib.sha1(
            repr(sorted(known.items(), key=str)).encode("utf-8", "replace"), usedforsecurity=False
        ).hexdigest()
        return normalize(
            known, received_at=received_at, levels=self.ranks, project=project, new_id=lambda: _uuid(digest)
        )


def _is_encodable(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError, RecursionError):
        return False
    return True


def _uuid(digest: str) -> str:
    """An id made of an event's content, so that importing it again finds it."""
    digits = f"{digest[:12]}5{digest[13:16]}8{digest[17:32]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _files(given: Any) -> list[tuple[str, str, str, int, bytes]]:
    try:
        files = msgspec.convert(given, list[schema.File])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    return _converted(files)


def _converted(files: Sequence[schema.File]) -> list[tuple[str, str, str, int, bytes]]:
    return [(file.name, file.content_type, file.kind, file.size, bytes.fromhex(file.digest)) for file in files]


def _size(parts: codec.Parts) -> int:
    return len(parts.payload) + len(parts.stack or b"") + len(parts.background or b"")


def imported_grouping(digest: str) -> Grouping:
    """The grouping of an event whose issue is known."""
    return Grouping(digest, "imported", "", "", (), "", "")


def own_grouping(given: ReadyEvent, levels: Mapping[int, str]) -> Grouping:
    """How we would group an event; under the hash of the file, if it has one."""
    prepared = given.prepared
    event = codec.join(codec.expand(prepared.payload), prepared.stack, prepared.background)
    event["level"] = levels.get(prepared.rank, DEFAULT_LEVEL)
    found = group(event)
    if given.hash is not None and found.hash != given.hash:
        found = found._replace(hash=given.hash, algorithm="imported", reason="An import brought this hash.")
    return found
