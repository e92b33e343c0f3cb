"""What comes beside envelopes: minidumps and late attachments as forms, check-ins as addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from crashvault.ingest.fields import dashed
from crashvault.ingest.multipart import Part, read_form
from crashvault.ingest.native import LARGEST_ATTACHMENT, MOST_ATTACHMENTS, BodyError, parse_json
from crashvault.ingest.normalize import new_event_id
from crashvault.ingest.telemetry import Attachment, Upload, UploadedEvent, add_check_in, attachment, hex_id

MINIDUMP_FIELD = "upload_file_minidump"
_MAGIC = (b"MDMP", b"PMDM")  # of either byte order
_MOST_DEPTH = 8
_SENTRY_FIELD = re.compile(r"sentry((?:\[[^\[\]]{1,200}\])+)")

Fields = dict[str, Any]


def upload_of_minidump(body: bytes, content_type: str) -> Upload:
    """A crash as Breakpad and Crashpad report it; the dump is a file of the event. Raises BodyError.

    Fields beside the dump are the event's: `sentry` as JSON, `sentry[release]` and the like; others are its context.
    """
    if body[:4] in _MAGIC:
        parts = [Part(MINIDUMP_FIELD, "minidump.dmp", "", body)]
    else:
        parts = read_form(body, content_type)
    dump = next((part for part in parts if part.name == MINIDUMP_FIELD), None)
    if dump is None or dump.data[:4] not in _MAGIC:
        raise BodyError("bad_minidump", "The body has no minidump", f"Send it as the file {MINIDUMP_FIELD}")
    payload = _payload(part for part in parts if part.filename is None)
    payload = {"message": "Minidump received", "level": "fatal", "platform": "native"} | payload
    payload["event_id"] = hex_id(payload.get("event_id"), 32) or new_event_id().replace("-", "")
    upload = Upload(size=len(body), event_id=payload["event_id"])
    files = [dump, *(part for part in parts if part.filename is not None and part is not dump)]
    kept = tuple(_files(upload, files, dump))
    upload.events.append(UploadedEvent(payload, True, {}, kept))
    return upload


def _payload(parts: Iterable[Part]) -> Fields:
    """The event's payload from the fields of a form that are no files."""
    payload: Fields = {}
    others: Fields = {}
    for part in parts:
        if part.name == "sentry":
            given = parse_json(part.data)
            payload |= given if type(given) is dict else {}
        elif found := _SENTRY_FIELD.fullmatch(part.name):
            _put(payload, found[1][1:-1].split("][")[:_MOST_DEPTH], _decoded(part))
        elif part.name:
            others[part.name[:200]] = _decoded(part)
    if others:
        extra = payload.get("extra")
        payload["extra"] = others | (extra if isinstance(extra, dict) else {})
    return payload


def _put(target: Fields, path: list[str], value: str) -> None:
    for name in path[:-1]:
        inner = target.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        target = inner
    target[path[-1]] = value


def _decoded(part: Part) -> str:
    return part.data.decode("utf-8", "replace")


def upload_of_attachments(body: bytes, content_type: str, event_id: str) -> Upload:
    """Files of an event that came earlier. Raises BodyError."""
    own = hex_id(event_id, 32)
    if own is None:
        raise BodyError("bad_event_id", "The address names no event", "An event id has 32 hexadecimal digits")
    upload = Upload(size=len(body), event_id=own)
    files = [part for part in read_form(body, content_type) if part.filename is not None]
    upload.late_attachments += [(dashed(own), file) for file in _files(upload, files, None)]
    return upload


def _files(upload: Upload, parts: list[Part], dump: Part | None) -> list[Attachment]:
    """Files within their limits; what is over them is counted."""
    if len(parts) > MOST_ATTACHMENTS:
        upload.drops.append(("too_many", "attachment", len(parts) - MOST_ATTACHMENTS))
    kept = []
    for part in parts[:MOST_ATTACHMENTS]:
        if len(part.data) > LARGEST_ATTACHMENT:
            upload.drops.append(("too_large", "attachment", 1))
            continue
        kind = "event.minidump" if part is dump else "event.attachment"
        kept.append(attachment(part.filename or part.name, part.content_type, kind, part.data))
    return kept


def upload_of_check_in(body: bytes, monitor: str, told: Mapping[str, str], received_at: int) -> Upload:
    """A run of a scheduled job, from an address and its query; a body in JSON may say more. Raises BodyError."""
    given = parse_json(body) if body.strip() else {}
    payload: Fields = {"monitor_slug": monitor, **(given if type(given) is dict else {}), **told}
    payload["check_in_id"] = hex_id(payload.get("check_in_id"), 32) or new_event_id().replace("-", "")
    duration = payload.get("duration")
    if isinstance(duration, str):
        payload["duration"] = float(duration) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", duration, re.ASCII) else None
    upload = Upload(size=len(body), event_id=payload["check_in_id"])
    if not add_check_in(upload, payload, received_at):
        raise BodyError("bad_check_in", "The check-in has no status", "Add ?status=in_progress, ok or error")
    return upload
