"""Events of a file made ready to be stored, without the database: checked, split, compressed, put into words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec

from .. import clock
from ..errors import InvalidError
from ..ingest.limits import DEFAULT_LIMITS
from ..ingest.normalize import normalize
from ..models import DEFAULT_LEVEL, DEFAULT_PROJECT, Event, Grouping
from ..storage import codec
from ..storage.projects import check_name
from ..storage.recording import Prepared, prepare
from . import schema

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_HASH = re.compile(r"[0-9a-f]{40}").fullmatch
_REQUIRED = ("event_id", "timestamp", "received_at", "level", "project", "message")
_LARGEST = DEFAULT_LIMITS.event * 5 // 4  # bytes; somewhat more than any event that was normalized


class FileEvent(NamedTuple):
    """An event as a file has it, checked."""

    event: Event
    key: bytes  # the event id's 16 bytes
    hash: str | None  # of its grouping
    files: list[tuple[str, str, str, int, bytes]]  # attached later than it came


class EventReader:
    """Reads the event items of one file. `ranks`: the levels that the vault knows by now."""

    def __init__(self, ranks: dict[str, int], project: str | None, now: int, encode: Callable[[Any], bytes]) -> None:
        self.ranks = ranks
        self._project = project
        self._now = now
        self._encode = encode
        self._form = schema.event_form()
        self._projects: set[str] = set()
        self.repaired = 0  # events that did not have the form of a stored one

    def rank(self, level: str) -> int:
        """The rank of a level's name; `level-35` is how one without a name is written."""
        if level.startswith("level-") and level[6:].isdigit() and len(level) < 10:
            return int(level[6:])
        return self.ranks.get(level, self.ranks[DEFAULT_LEVEL])

    def read(self, body: dict[str, Any], strict: bool) -> FileEvent:
        """Raises ValueError for an item that holds no event. `strict`: it was decoded from JSON in UTF-8."""
        raw, digest = body.get("event"), body.get("hash")
        if not isinstance(raw, dict):
            raise ValueError('an event item needs an "event"')
        if digest is not None and not (isinstance(digest, str) and _HASH(digest)):
            raise ValueError("a hash has 40 hexadecimal digits")
        event = (self._whole(raw) if strict or _is_encodable(raw) else None) or self._repaired(raw)
        key = bytes.fromhex(event["event_id"].replace("-", ""))
        return FileEvent(event, key, digest, _files(body))

    def prepare(self, given: FileEvent, grouping: Grouping) -> Prepared:
        """All the work on an event that needs no database."""
        event, parts = given.event, self._parts(given.event)
        if parts is None:
            event = self._repaired({**event, "timestamp": clock.to_iso(event["timestamp"])})
            parts = codec.split(event, self._encode)
        return prepare(event, codec.compressed(parts), grouping, self.rank(event["level"]))

    def _parts(self, event: Event) -> codec.Parts | None:
        """What the event is stored as; None where it is too large."""
        parts = codec.split(event, self._encode)
        size = len(parts.payload) + len(parts.stack or b"") + len(parts.background or b"")
        return parts if size <= _LARGEST else None

    def _whole(self, raw: dict[str, Any]) -> Event | None:
        """The event, if it has the form of a stored one; `raw` itself is changed and used."""
        try:
            msgspec.convert({"event": raw}, self._form)
            if not all(key in raw for key in _REQUIRED) or not _ID(raw["event_id"]):
                return None
            if raw["level"] not in self.ranks and not raw["level"].startswith("level-"):
                return None
            times = clock.from_iso(raw["timestamp"]), clock.from_iso(raw["received_at"])
            project = self._checked_project(raw["project"])
        except (msgspec.ValidationError, RecursionError, ValueError, InvalidError):
            return None
        raw["timestamp"], raw["received_at"] = times
        raw["project"] = project
        return cast(Event, raw)

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


def _files(body: dict[str, Any]) -> list[tuple[str, str, str, int, bytes]]:
    if "files" not in body:
        return []
    try:
        files = msgspec.convert(body["files"], list[schema.File])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    return [(file.name, file.content_type, file.kind, file.size, bytes.fromhex(file.digest)) for file in files]
