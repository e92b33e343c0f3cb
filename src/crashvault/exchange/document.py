"""The lossless interchange format: what each kind of item looks like on its way out.

An export begins with a header, and goes on with items of these kinds, in this order: project, level, setting,
verdict, issue, attachment, event. An item only needs what stands before it. Times are ISO 8601 with six digits; the
number of an issue is only a name inside the file, since across vaults an issue is (project, fingerprint).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from .. import __version__
from ..clock import HOUR, to_iso
from ..config import SETTINGS
from ..errors import NotFoundError
from ..output.shapes import event_shape
from ..storage.exporting import Exporting, Selection
from ..storage.splicing import SplicedEvent, Splicer
from ..storage.store import Store

FORMAT_VERSION = 1
KINDS = ("project", "level", "setting", "verdict", "issue", "attachment", "event")
# What of an attachment is encoded at once; a multiple of three, so that the pieces of base64 fit together.
PIECE = 3 << 18
_TIMES = ("first_seen", "last_seen", "created_at", "changed_at", "resolved_at")

Progress = Callable[[int], object]


class Source(NamedTuple):
    """What an export is made of."""

    store: Store
    reads: Exporting
    selection: Selection
    now: int
    query: str  # as people would write it; empty for the whole vault

    def shapes(self) -> Iterator[dict[str, Any]]:
        """The events of the export in their documented shape."""
        for item in self.store.events.loader.stream(self.reads.event_rows(self.selection)):
            yield event_shape(item.event, item.issue_id, item.fingerprint)

    def issue_shapes(self) -> Iterator[dict[str, Any]]:
        """Their issues, as in the lossless format."""
        return issues(self)


def header(source: Source) -> dict[str, Any]:
    """The first line: format version, when, what, and how much, by which a file that was cut is known."""
    selection = source.selection
    return {
        "crashvault": FORMAT_VERSION,
        "exported_at": to_iso(source.now),
        "version": __version__,
        "query": source.query or None,
        "issue_count": selection.issue_count,
        "event_count": selection.event_count,
    }


def projects(source: Source) -> Iterator[dict[str, Any]]:
    for project in source.store.projects.list():
        yield {"name": project.name, "created_at": to_iso(project.created_at)}


def levels(source: Source) -> Iterator[dict[str, Any]]:
    for level in source.store.levels.list():
        yield {"name": level.name, "rank": level.rank, "color": level.colour, "emoji": level.emoji}


def settings(source: Source) -> Iterator[dict[str, Any]]:
    """Shared settings, with the whole vault only. Webhooks, keys and users hold secrets and are not among them."""
    if source.selection.rows is None:
        for key, value in source.store.settings.all().items():
            if key in SETTINGS and SETTINGS[key].shared:
                yield {"key": key, "value": value}


def verdicts(source: Source) -> Iterator[dict[str, Any]]:
    """What people said of pairs of hashes, with the whole vault only."""
    if source.selection.rows is None:
        for project, said in source.store.similarity.verdicts():
            yield {"project": project, "one": said.one.hex(), "other": said.other.hex(), "same": said.same,
                   "score": said.score, "at": to_iso(said.at)}  # fmt: skip


def issues(source: Source) -> Iterator[dict[str, Any]]:
    names = source.store.levels.names()
    for issue in source.reads.issues(source.selection):
        issue["activity"] = [
            _with_home({"at": to_iso(at), "actor": actor, "kind": kind, "data": json.loads(data)}, home)
            for at, actor, kind, data, home in issue["activity"]
        ]
        issue["hashes"] = [_hash(found, names) for found in issue["hashes"]]
        issue["attachments"] = [
            _with_home({**file_item(file), "created_at": to_iso(file["created_at"])}, file["home"])
            for file in issue["attachments"]
        ]
        merged = [_state(member, names) for member in issue.pop("merged")]
        for member in merged:
            del member["project"], member["count"]
        yield _state(issue, names) | ({"merged": merged} if merged else {})


def _state(issue: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    issue["level"] = names.get(issue["level"], f"level-{issue['level']}")
    issue["title_fixed"] = bool(issue["title_fixed"])
    issue["is_regressed"] = bool(issue["is_regressed"])
    issue["tags"] = sorted(issue["tags"])
    return _with_iso_times(issue)


def _with_home(item: dict[str, Any], home: int | None) -> dict[str, Any]:
    """A part of an issue; with the number of another one that it belonged to before a merge."""
    return item if home is None else {**item, "home": home}


def _hash(found: dict[str, Any], levels: dict[int, str]) -> dict[str, Any]:
    key, reason, parts = json.loads(found.pop("grouping"))
    found["hash"] = found["hash"].hex()
    if "evicted" in found:
        lost = found["evicted"]
        found["evicted"] = [{"hour": to_iso(hour * HOUR), "level": levels.get(rank, f"level-{rank}"), "count": count}
                            for hour, rank, count in lost.hours]  # fmt: skip
        found["users"] = [f"{user:014x}" for user in lost.users]
    return _with_iso_times({**found, "key": key, "reason": reason, "parts": parts})


def _with_iso_times(item: dict[str, Any]) -> dict[str, Any]:
    for key in _TIMES:
        if item.get(key) is not None:
            item[key] = to_iso(item[key])
    return item


def file_item(file: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of attachments as events name their files."""
    return {key: file[key].hex() if key == "digest" else file[key]
            for key in ("name", "content_type", "size", "digest", "kind")}  # fmt: skip


def attachments(source: Source) -> Iterator[tuple[dict[str, Any], Iterator[str]]]:
    """What is known of each content, and the content in base64, in pieces. One that is gone is left out."""
    blobs = source.store.blobs
    for digest in source.reads.digests(source.selection):
        try:
            with blobs.open(digest.hex()) as file:
                pieces = iter(lambda: file.read(PIECE), b"")
                yield {"digest": digest.hex()}, (base64.b64encode(piece).decode() for piece in pieces)
        except NotFoundError:
            continue


def events(source: Source) -> Iterator[list[bytes]]:
    """The items of events as JSON, some hundred at a time."""
    for part in Splicer(source.store.db).stream(source.reads.event_rows(source.selection)):
        files = source.reads.files([item.row for item in part])
        yield [_event(item, files.get(item.row)) for item in part]


def _event(item: SplicedEvent, files: list[dict[str, Any]] | None) -> bytes:
    later = b""
    if files is not None:
        found = [file_item(file) for file in files]
        if item.attachments is None or found != json.loads(bytes(item.attachments)):
            later = b',"files":' + msgspec.json.encode(found)
    return b'{"hash":"%s","event":%s%s}' % (item.fingerprint.encode(), item.text, later)
