"""Vaults of the earlier JSON format, imported on first use.

`issues.json` holds the issues, `events/YYYY/MM/DD/<id>.json` an event each, `attachments/` files, `config.json`
settings and `webhooks`. All of it comes in with one transaction, so a process that is killed leaves the old vault as it
was, and the next one begins again; the old files are moved to `legacy/` after the commit. Doing it twice changes
nothing, because issues are found by their hash and events by their id.

An old fingerprint is the beginning of the SHA-1 of a message. That hash stays the first of its issue; the hashes by
which events are grouped today point at the same issue where they are still free, so that a crash which comes again
finds its old issue.
"""

from __future__ import annotations

import contextlib
import json
import mimetypes
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha1
from typing import TYPE_CHECKING, Any, NamedTuple

from ..clock import to_iso
from ..errors import CrashvaultError, InvalidError, StoreError
from ..grouping import group
from ..ingest.fields import dashed, microseconds
from ..ingest.normalize import normalize
from ..models import DEFAULT_LEVEL, DEFAULT_PROJECT, SEVERITIES, STATUSES, Event, Grouping
from . import codec
from .blobs import clean_name
from .document import trim_caches
from .importing import Entry, FileRecord, HashRecord, Importing, IssueRecord
from .recording import Prepared, prepare
from .webhooks import DEFAULTS

if TYPE_CHECKING:
    from .store import Store

ISSUES, EVENTS, ATTACHMENTS, CONFIG, MOVED = "issues.json", "events", "attachments", "config.json", "legacy"
WEBHOOKS_SETTING = "legacy.webhooks"  # those that could not be used
CONFIG_SETTING = "legacy.config"  # what else the old configuration said
UNREADABLE_SETTING = "legacy.unreadable"  # [path, why] of each file, for `doctor`
REASON = "legacy_unreadable"

_LARGEST = 64 << 20  # bytes of one JSON file
_BATCH = 500
_YEAR = re.compile(r"\d{4}")
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.ASCII)
# Keys of an old issue and event that have a place of their own; all others are kept in the context.
_ISSUE_KEYS = frozenset({"id", "fingerprint", "fp", "title", "status", "created_at", "first_seen", "last_seen", "count",
                         "event_count", "severity", "assigned", "tags", "updated_at", "resolved_at", "level"})  # fmt: skip
_EVENT_KEYS = frozenset({"event_id", "id", "issue_id", "message", "stacktrace", "stack", "timestamp", "level", "tags",
                         "context", "host", "pid", "source", "line", "column", "release", "environment", "user",
                         "attachments", "fingerprint", "fp", "url", "exception", "frames", "breadcrumbs", "platform",
                         "trace_id", "span_id"})  # fmt: skip


class Report(NamedTuple):
    """What the import of an old vault did."""

    issues: int
    events: int
    attachments: int
    unreadable: list[tuple[str, str]]  # path below the vault's directory, and why
    moved_to: str


class _Issue(NamedTuple):
    """An old issue, read."""

    number: int | None
    fingerprint: str
    title: str
    status: str
    created_at: int
    first_seen: int
    last_seen: int
    changed_at: int
    resolved_at: int | None
    severity: str | None
    assigned: str | None
    level: str
    tags: list[str]
    rest: dict[str, Any]


def pending(home: str) -> bool:
    """Whether there is an old vault in this directory. Asked on every start, so it costs two system calls."""
    if os.path.exists(os.path.join(home, ISSUES)):
        return True
    folder = os.path.join(home, EVENTS)
    return os.path.isdir(folder) and any(_YEAR.fullmatch(name) for name in os.listdir(folder))


def import_legacy(store: Store, now: int) -> Report | None:
    """Bring the old vault in `store.home` in; None where another process has just done it. Raises StoreError."""
    with store.writing():
        if not pending(store.home):
            return None
        run = _Run(store, now)
        run.all()
    folder = _move(store.home)
    return Report(run.issues, run.events, run.attachments, run.unreadable, folder)


class _Run:
    """One import, inside its transaction."""

    def __init__(self, store: Store, now: int) -> None:
        self.store, self.now, self.home = store, now, store.home
        self.writes = Importing(store.db, fresh=True)
        self.ranks = store.levels.ranks()
        self.project = store.projects.ids([DEFAULT_PROJECT], now)[DEFAULT_PROJECT]
        self.encode = codec.fast_encoder()
        self.issues = self.events = self.attachments = 0
        self.unreadable: list[tuple[str, str]] = []
        self._hashes: dict[int, str] = {}  # the old hash of each issue, by its number in the old vault
        self._placed: dict[int, int] = {}  # its number here
        self._rest: dict[int, dict[str, Any]] = {}
        self._last_seen: dict[int, int] = {}  # by number here

    def all(self) -> None:
        for issue in self._read_issues():
            self._place(issue)
        self._owners = _owners(os.path.join(self.home, ATTACHMENTS))
        batch: list[tuple[dict[str, Any], str]] = []
        for path in self._event_files():
            raw = self._read(path)
            if isinstance(raw, dict):
                batch.append((raw, path))
            elif raw is not None:
                self._note(path, "it holds no JSON object")
            if len(batch) >= _BATCH:
                self._store(batch)
                batch = []
        self._store(batch)
        for place, moment in self._last_seen.items():
            self.writes.widen(place, moment)
        self._issue_files()
        self._keep_config()
        self._keep_notes()

    # Reading

    def _read(self, path: str) -> Any:
        """A JSON file's value; None, and a note, where it cannot be read."""
        try:
            if os.path.getsize(path) > _LARGEST:
                raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
            with open(path, "rb") as file:
                return json.loads(file.read().decode("utf-8-sig", "replace"))
        except (OSError, ValueError, RecursionError) as error:
            self._note(path, str(error) or type(error).__name__)
            return None

    def _note(self, path: str, why: str) -> None:
        self.unreadable.append((os.path.relpath(path, self.home), why[:300]))

    def _read_issues(self) -> Iterator[_Issue]:
        path = os.path.join(self.home, ISSUES)
        found = self._read(path) if os.path.exists(path) else []
        if isinstance(found, dict) and isinstance(found.get("issues"), list | dict):
            found = found["issues"]
        if isinstance(found, dict):
            found = [{"id": key, **value} if isinstance(value, dict) else value for key, value in found.items()]
        if found is not None and not isinstance(found, list):
            self._note(path, "it holds neither a list nor an object of issues")
            return
        issues = []
        for place, given in enumerate(found or ()):
            if isinstance(given, dict):
                issues.append(self._issue(given))
            else:
                self._note(path, f"issue {place} is not an object")
        # Numbers in order, so that the sequence goes on behind the largest; those without one come last.
        yield from sorted(issues, key=lambda issue: (issue.number is None, issue.number or 0))

    def _issue(self, given: dict[str, Any]) -> _Issue:
        title = _text(given.get("title")) or _text(given.get("message")) or "(no title)"
        created_at = _moment(given.get("created_at"), _moment(given.get("first_seen"), self.now))
        first_seen = _moment(given.get("first_seen"), created_at)
        status = (_text(given.get("status")) or "open").casefold()
        resolved_at = _moment(given.get("resolved_at"), _moment(given.get("updated_at"), created_at))
        level, severity = _text(given.get("level")), _text(given.get("severity")).casefold()
        return _Issue(
            number=_number(given.get("id")),
            fingerprint=_text(given.get("fingerprint") or given.get("fp")).lower(),
            title=title,
            status=_STATUS_NAMES.get(status, status if status in STATUSES else "open"),
            created_at=created_at,
            first_seen=first_seen,
            last_seen=_moment(given.get("last_seen"), first_seen),
            changed_at=_moment(given.get("updated_at"), created_at),
            resolved_at=resolved_at if status == "resolved" else None,
            severity=severity if severity in SEVERITIES else None,
            assigned=_text(given.get("assigned")) or None,
            level=level.casefold(),
            tags=[_text(tag) for tag in given.get("tags") or () if _text(tag)]
            if isinstance(given.get("tags"), list)
            else [],
            rest={key: value for key, value in given.items() if key not in _ISSUE_KEYS},
        )

    def _event_files(self) -> Iterator[str]:
        """Every event's file, in the order of days."""
        for folder, folders, names in os.walk(os.path.join(self.home, EVENTS)):
            folders.sort()
            yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".json"))

    # Issues

    def _place(self, issue: _Issue) -> int:
        digest, place = self._known(_old_hash(issue))
        if issue.number is not None and place in self._placed.values():  # two issues of one message
            digest, place = self._known(_made_up(f"{issue.fingerprint} {issue.number}", issue.fingerprint))
        if place is None:
            place = self.writes.place(self._record(issue, digest)).issue
            self.issues += 1
        if issue.number is not None:
            self._hashes[issue.number], self._placed[issue.number] = digest, place
            if issue.rest:
                self._rest[issue.number] = issue.rest
        self._last_seen[place] = max(issue.last_seen, self._last_seen.get(place, 0))
        return place

    def _known(self, digest: str) -> tuple[str, int | None]:
        """A hash and the issue it leads to."""
        key = bytes.fromhex(digest)
        return digest, self.writes.known_hashes(self.project, [key]).get(key)

    def _record(self, issue: _Issue, digest: str) -> IssueRecord:
        title = " ".join(issue.title.split())[:200] or "(no title)"
        old = HashRecord(
            bytes.fromhex(digest), issue.number, "legacy",
            json.dumps([issue.title, "It comes from an earlier version, which grouped by message.",
                        [["message", issue.title]]], ensure_ascii=False),
            title, "", issue.first_seen, issue.last_seen, issue.created_at,
        )  # fmt: skip
        activity = []
        if issue.rest:
            activity = [Entry(issue.changed_at, "crashvault", "legacy", json.dumps(issue.rest, ensure_ascii=True))]
        return IssueRecord(
            number=issue.number, project=self.project,
            state={"title": title, "title_fixed": 0, "culprit": "", "status": issue.status, "severity": issue.severity,
                   "assigned": issue.assigned, "is_regressed": 0, "resolved_at": issue.resolved_at, "resolved_in": None,
                   "ignored_until": None, "category": None},
            latest={"level": self.ranks.get(issue.level, self.ranks[DEFAULT_LEVEL]), "release": None, "environment": None},
            # Its events say what was last seen of it; what the issue itself says is put in afterwards.
            first_seen=issue.first_seen, last_seen=0, created_at=issue.created_at,
            changed_at=max(issue.changed_at, issue.created_at), tags=issue.tags, activity=activity, hashes=[old], files=[],
        )  # fmt: skip

    def _home_of(self, raw: dict[str, Any], event: Event) -> tuple[int, str]:
        """Issue and old hash of an event; an event whose issue is unknown brings one."""
        number = _number(raw.get("issue_id"))
        if number is None or number not in self._hashes:
            issue = self._issue({"id": number, "title": event["message"], "created_at": to_iso(event["timestamp"]),
                                 "fingerprint": raw.get("fingerprint") or raw.get("fp")})  # fmt: skip
            placed = self._place(issue)
            return placed, self._hashes.get(number, _old_hash(issue)) if number is not None else _old_hash(issue)
        return self._placed[number], self._hashes[number]

    # Events

    def _store(self, batch: list[tuple[dict[str, Any], str]]) -> None:
        trim_caches()
        prepared = []
        for raw, path in batch:
            try:
                prepared.append(self._prepared(raw, path))
            except StoreError:
                raise
            except Exception as error:  # one event must never cost the vault
                self._note(path, f"{type(error).__name__}: {error}")
        ids = {DEFAULT_PROJECT: self.project}
        stored = self.store.recording.append(prepared, ids, self.now, imported=True)
        self.events += sum(not one.duplicate for one in stored)

    def _prepared(self, raw: dict[str, Any], path: str) -> Prepared:
        event = self._event(raw, path)
        issue, old = self._home_of(raw, event)
        grouping = self._grouping(event, issue, old)
        return prepare(event, codec.compressed(codec.split(event, self.encode)), grouping, self.ranks[event["level"]])

    def _event(self, raw: dict[str, Any], path: str) -> Event:
        """An old event made regular; what has no place of its own stays in its context."""
        stem = os.path.splitext(os.path.basename(path))[0]
        given = str(raw.get("event_id") or raw.get("id") or stem)
        rest = {key: value for key, value in raw.items() if key not in _EVENT_KEYS}
        known = {key: value for key, value in raw.items()
                 if key in _EVENT_KEYS and key not in ("id", "issue_id", "attachments", "fingerprint", "fp")}  # fmt: skip
        known["event_id"] = _event_id(given)
        if known["event_id"].replace("-", "") != given.replace("-", "").lower():
            rest["event_id"] = given
        issue_rest = self._rest.pop(_number(raw.get("issue_id")) or -1, None)  # with the first event of an issue
        if issue_rest:
            rest["issue"] = issue_rest
        if rest:
            context = known.get("context")
            known["context"] = {
                **(context if isinstance(context, dict) else {"context": context} if context else {}),
                "legacy": rest,
            }
        moment = _moment(raw.get("timestamp"), _file_moment(path, self.now))
        known["timestamp"] = to_iso(moment)
        event = normalize(known, received_at=max(moment, 0), levels=self.ranks, project=DEFAULT_PROJECT)
        files = list(self._event_attachments(event["event_id"], given))
        if files:
            event["attachments"] = files  # type: ignore[typeddict-item]
        return event

    def _grouping(self, event: Event, issue: int, old: str) -> Grouping:
        """How the event is grouped today, as long as that leads to its old issue; else its old hash."""
        found = group(event)
        digest = bytes.fromhex(found.hash)
        owner = self.writes.known_hashes(self.project, [digest]).get(digest)
        if owner is None:
            moment = event["timestamp"]
            explanation = json.dumps([found.key, found.reason, found.parts], ensure_ascii=False)
            self.writes.add_hash(issue, self.project, HashRecord(
                digest, None, found.algorithm, explanation, found.title, found.culprit, moment, moment, self.now
            ))  # fmt: skip
        elif owner != issue:
            return found._replace(hash=old, algorithm="legacy")
        return found

    # Attachments

    def _event_attachments(self, event_id: str, given: str) -> Iterator[dict[str, Any]]:
        for owner in dict.fromkeys((event_id, given)):
            for path in self._owners.pop(owner, ()):
                file = self._blob(path)
                if file:
                    yield file

    def _blob(self, path: str) -> dict[str, Any] | None:
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        try:
            with open(path, "rb") as file:
                found = self.store.blobs.put(file, clean_name(os.path.basename(path)), kind)
        except (OSError, CrashvaultError) as error:
            self._note(path, str(error))
            return None
        self.attachments += 1
        return dict(found)

    def _issue_files(self) -> None:
        """Files that belong to an issue; whose owner nobody knows stay in `legacy/`."""
        for owner, paths in sorted(self._owners.items()):
            number = self._placed.get(_number(owner) or 0)
            if number is None and not self._known_event(owner):
                for path in paths:
                    self._note(path, "it belongs to no event or issue that is there")
            for path in paths if number is not None else ():
                file = self._blob(path)
                if file and number is not None:
                    self.writes.add_files("issue_id", number, [FileRecord(
                        file["name"], file["content_type"], file["kind"], file["size"], bytes.fromhex(file["digest"]), self.now
                    )])  # fmt: skip

    def _known_event(self, owner: str) -> bool:
        """Whether the owner is an event that was imported before, with its files."""
        key = bytes.fromhex(_event_id(owner).replace("-", ""))
        return bool(self.writes.known_events(self.project, [key]))

    # The rest

    def _keep_config(self) -> None:
        from ..config import SETTINGS

        path = os.path.join(self.home, CONFIG)
        config = self._read(path) if os.path.exists(path) else None
        if not isinstance(config, dict):
            return
        webhooks = self._keep_webhooks(config.get("webhooks"), path)
        others = {key: value for key, value in config.items() if key != "webhooks" and key not in SETTINGS}
        for key, value in ((WEBHOOKS_SETTING, webhooks), (CONFIG_SETTING, others)):
            if value:
                self.store.settings.set(key, json.loads(json.dumps(value, ensure_ascii=True)), self.now)

    def _keep_webhooks(self, given: Any, path: str) -> list[Any]:
        """Make the old webhooks real ones; those that cannot be used are the answer."""
        entries = given if isinstance(given, list) else [given] if given else []
        return [entry for place, entry in enumerate(entries) if not self._keep_webhook(path, place, entry)]

    def _keep_webhook(self, path: str, place: int, entry: Any) -> bool:
        from ..webhooks.old import old_webhook

        try:
            fields = old_webhook(entry, self.ranks)
            known = self.store.webhooks.list()
            if any((one.type, one.url) == (fields["type"], fields["url"]) for one in known):
                return True  # imported before
            name, taken = fields["name"], {webhook.name.casefold() for webhook in known}
            names = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
            free = next(one for one in names if one.casefold() not in taken)
            self.store.webhooks.add({**DEFAULTS, **fields, "name": free}, self.now)
        except InvalidError as error:
            self._note(path, f"webhook {place}: {error.message}")
            return False
        return True

    def _keep_notes(self) -> None:
        before = [tuple(entry) for entry in self.store.settings.get(UNREADABLE_SETTING, [])]
        new = [entry for entry in self.unreadable if entry not in before]
        if new:
            self.store.settings.set(UNREADABLE_SETTING, [list(entry) for entry in (*before, *new)], self.now)
            self.store.ledger.add(Counter({(REASON, "legacy", "file"): len(new)}), self.now)


# Values of old files


_STATUS_NAMES = {
    "closed": "resolved",
    "done": "resolved",
    "fixed": "resolved",
    "muted": "ignored",
    "wontfix": "ignored",
}


def _text(value: Any) -> str:
    """A value as text that can be stored."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd").strip()


def _number(value: Any) -> int | None:
    """An issue's number."""
    text = _text(value).removeprefix("#")
    return int(text) if text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) > 0 else None


def _moment(value: Any, default: int) -> int:
    """A time, ISO or seconds, in microseconds."""
    found = microseconds(value)
    return default if found is None else found


def _file_moment(path: str, now: int) -> int:
    """When an event without a time happened: as its file was written."""
    with contextlib.suppress(OSError):
        return min(now, int(os.stat(path).st_mtime * 1_000_000))
    return now


def _old_hash(issue: _Issue) -> str:
    """The whole SHA-1 whose beginning the old fingerprint is, or one made up that begins like it."""
    digest = sha1(issue.title.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    if not issue.fingerprint or digest.startswith(issue.fingerprint):
        return digest
    return _made_up(issue.fingerprint, issue.fingerprint)


def _made_up(text: str, beginning: str) -> str:
    digest = sha1(f"legacy {text}".encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    start = beginning[:8] if re.fullmatch(r"[0-9a-f]{8}", beginning[:8]) else ""
    return start + digest[len(start) :]


def _event_id(given: str) -> str:
    """An event id as it was, or one that is always the same for the same text."""
    text = given.strip().lower()
    if _ID.fullmatch(text):
        return dashed(text.replace("-", ""))
    digest = sha1(f"legacy event {given}".encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return dashed(f"{digest[:12]}5{digest[13:16]}8{digest[17:32]}")


def _owners(root: str) -> dict[str, list[str]]:
    """Attached files by the event id or issue number that stands in their path."""
    found: dict[str, list[str]] = {}
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = os.path.join(folder, name)
            found.setdefault(_owner(os.path.relpath(path, root)), []).append(path)
    return found


def _owner(path: str) -> str:
    """The event id in a file's path, else the folder it lies in, which may be an issue's number."""
    found = _ID.search(path.lower())
    if found:
        return dashed(found[0].replace("-", ""))
    return path.replace(os.sep, "/").split("/")[0] if os.sep in path else re.split(r"[_.-]", path)[0]


# Afterwards


def _move(home: str) -> str:
    """The old files out of the way, the one by which an old vault is known last; the folder they went to."""
    folder = next(name for name in _folders() if not any(
        os.path.exists(os.path.join(home, name, item)) and os.path.exists(os.path.join(home, item))
        for item in (ISSUES, EVENTS, ATTACHMENTS)
    ))  # fmt: skip
    target = os.path.join(home, folder)
    os.makedirs(target, mode=0o700, exist_ok=True)
    _rewrite_config(home, folder)
    for item in (ATTACHMENTS, EVENTS, ISSUES):
        with contextlib.suppress(FileNotFoundError):  # another process moves too
            os.rename(os.path.join(home, item), os.path.join(target, item))
    return folder


def _folders() -> Iterator[str]:
    yield MOVED
    number = 2
    while True:
        yield f"{MOVED}-{number}"
        number += 1


def _rewrite_config(home: str, folder: str) -> None:
    """The old configuration goes along; what this version knows of it stays in force."""
    from ..config import SETTINGS

    path = os.path.join(home, CONFIG)
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(config, dict) or set(config) <= set(SETTINGS):
        return
    kept = {key: value for key, value in config.items() if key in SETTINGS}
    _write(os.path.join(home, folder, CONFIG), config)
    _write(path, kept)


def _write(path: str, value: Mapping[str, Any]) -> None:
    part = f"{path}.tmp"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
