"""Reading an export into a vault. States, groupings and times are the file's: nothing is grouped, reopened or told anew.

`merge` commits batch by batch, and whoever runs it again finishes what was interrupted, since what is there already
is not imported twice. `replace` and `skip` are one transaction: the vault is what it was until all of it is in.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import IO, Any, NamedTuple

import msgspec

from .. import clock
from ..clock import HOUR
from ..config import SETTINGS, parse_value
from ..errors import InvalidError
from ..storage.document import names_of_words
from ..storage.evicted import Evicted
from ..storage.importing import Entry, FileRecord, HashRecord, Importing, IssueRecord
from ..storage.projects import check_name
from ..storage.recording import Prepared
from ..storage.similarity import Verdict
from ..storage.store import Store
from . import schema
from .helping import batches
from .preparing import EventReader, ReadyEvent, own_grouping
from .reading import ImportFile, Item

MODES = ("merge", "replace", "skip")
_AGAIN = "What stands before it is in the vault; run the import again with the whole file, nothing is imported twice"
_NOTHING = "Nothing was changed; get the file again"


class Imported(NamedTuple):
    """What an import did, or would do."""

    issues_created: int = 0
    issues_changed: int = 0
    issues_unchanged: int = 0
    events_added: int = 0
    events_known: int = 0  # they were there already
    events_skipped: int = 0  # of issues that `skip` leaves alone
    events_repaired: int = 0  # did not have the form of a stored event, and were normalized anew
    attachments: int = 0


def import_vault(
    store: Store,
    file: IO[bytes],
    *,
    name: str = "the file",
    mode: str = "merge",
    dry_run: bool = False,
    project: str | None = None,
    now: int,
    progress: Callable[[int], object] | None = None,
) -> Imported:
    """Bring an export (jsonl or json, gzip or not) into the vault.

    `name` is how errors call the file. `mode`: `merge` it with what is there; `replace` all issues and events; `skip`
    issues that are there already. `dry_run` only reads and checks. With `project` everything goes into that one.
    `progress` is told how many bytes of the file were read so far. Raises InvalidError that names the line for a file
    that is garbled or ends early.
    """
    if mode not in MODES:
        raise InvalidError(f"there is no import mode {mode!r}", f"Use one of: {', '.join(MODES)}")
    if project is not None:
        check_name(project)
    store.db.unmap()
    try:
        run = _Import(store, ImportFile(file, name), mode, dry_run, project, now)
        with run.whole():
            run.all(progress or (lambda position: None))
    except BaseException as error:
        store.recording.forget_seen()
        store.projects.forget()
        if isinstance(error, InvalidError):
            hint = _AGAIN if mode == "merge" and not dry_run else _NOTHING
            raise InvalidError(error.message, error.hint or hint) from error
        raise
    return run.done()


class _Import:
    """One import under way."""

    def __init__(
        self, store: Store, source: ImportFile, mode: str, dry_run: bool, project: str | None, now: int
    ) -> None:
        self.store, self.source, self.mode, self.dry_run, self.project, self.now = (
            store,
            source,
            mode,
            dry_run,
            project,
            now,
        )
        self.counts: dict[str, int] = dict.fromkeys(Imported._fields, 0)
        self.read = {"issue": 0, "event": 0}
        self.writes = Importing(store.db)
        self.events = EventReader(store.levels.ranks(), project, now)
        self._left_alone: set[tuple[str, bytes]] = set()  # hashes of issues that `skip` found
        self._ours: set[tuple[str, bytes]] = set()  # and of those that it made

    def whole(self) -> AbstractContextManager[None]:
        one_transaction = self.mode in ("replace", "skip") and not self.dry_run
        return self.store.writing() if one_transaction else nullcontext()

    def done(self) -> Imported:
        return Imported(**self.counts)

    def all(self, progress: Callable[[int], object]) -> None:
        if self.mode == "replace" and not self.dry_run:
            self.store.deletion.everything(self.now, with_reported=False)  # files have nothing of that
            self.store.recording.forget_seen()
            self.writes.fresh = True
        with closing(batches(self.source, self.events)) as found:
            for batch in found:
                take = _TAKES.get(batch.kind)
                if take is None:  # of a later version; what matters raises the format number
                    continue
                with names_of_words(batch.names):
                    take(self, batch.items)
                self.counts["events_repaired"] += batch.repaired
                progress(batch.position)
        self._check_counts()

    def _check_counts(self) -> None:
        header = self.source.header
        for kind, expected in (("issue", header.issue_count), ("event", header.event_count)):
            if expected is not None and self.read[kind] < expected:
                raise self.source.broken(f"the file ends early, with {self.read[kind]} of {expected} {kind}s")

    def _transaction(self) -> AbstractContextManager[None]:
        return nullcontext() if self.dry_run else self.store.writing()

    def _checked(self, item: Item, kind: type) -> Any:
        try:
            found: Any = msgspec.convert(item.body, kind)
            if kind is not schema.Attachment:
                msgspec.json.encode(item.body)  # text that has no UTF-8 cannot be stored
            return found
        except (msgspec.ValidationError, RecursionError, UnicodeEncodeError, OverflowError) as error:
            raise self._broken(item, str(error)) from error

    def _broken(self, item: Item, why: str) -> InvalidError:
        self.source.line = item.line
        return self.source.broken(why)

    def _moment(self, item: Item, text: str | None, default: int) -> int:
        if text is None:
            return default
        try:
            return clock.from_iso(text)
        except ValueError:
            raise self._broken(item, f"{text!r} is not a time") from None

    # What a vault has once

    def projects(self, items: Sequence[Item]) -> None:
        for item in items:
            given = self._checked(item, schema.Project)
            self._check_project(item, given.name)
            if self.project is None and not self.dry_run:
                created_at = self._moment(item, given.created_at, self.now)
                with self.store.writing():
                    self.writes.place_project(given.name, created_at, secrets.token_hex(16))

    def _check_project(self, item: Item, name: str) -> None:
        try:
            check_name(name)
        except InvalidError as error:
            raise self._broken(item, error.message) from error

    def levels(self, items: Sequence[Item]) -> None:
        for item in items:
            given = self._checked(item, schema.Level)
            if not self.dry_run:
                with self.store.writing():
                    self.writes.place_level(given.name, given.rank, given.color, given.emoji)
            self.events.ranks.setdefault(given.name, given.rank)
        if not self.dry_run:
            self.events.ranks = self.store.levels.ranks()

    def settings(self, items: Sequence[Item]) -> None:
        """Settings count for a vault that is filled from the file, and never over what was set here."""
        for item in items:
            given = self._checked(item, schema.Setting)
            setting = SETTINGS.get(given.key)
            if setting is None or not setting.shared or not self.writes.fresh or self.dry_run:
                continue
            value = given.value
            try:
                checked = parse_value(given.key, value if isinstance(value, str) else json.dumps(value))
            except (InvalidError, ValueError, RecursionError) as error:
                raise self._broken(item, str(error)) from error
            if self.store.settings.get(given.key) is None:
                self.store.settings.set(given.key, checked, self.now)

    def verdicts(self, items: Sequence[Item]) -> None:
        """Of two words on one pair the later one counts."""
        found: dict[str, list[Verdict]] = {}
        for item in items:
            given = self._checked(item, schema.Verdict)
            name = self.project or given.project
            self._check_project(item, name)
            one, other = sorted((bytes.fromhex(given.one), bytes.fromhex(given.other)))
            verdict = Verdict(one, other, given.same, given.score, self._moment(item, given.at, self.now))
            found.setdefault(name, []).append(verdict)
        if not self.dry_run:
            with self.store.writing():
                for name, project in self.store.projects.ids(set(found), self.now).items():
                    self.store.similarity.take_verdicts(project, found[name])

    # Issues

    def issues(self, items: Sequence[Item]) -> None:
        self.read["issue"] += len(items)
        records = [(name, self._record(item, given)) for item, name, given in map(self._issue, items)]
        with self._transaction():
            ids = self._project_ids({name for name, _ in records})
            for name, record in records:
                self._place(name, _in_project(record, ids.get(name, 0)))

    def _issue(self, item: Item) -> tuple[Item, str, schema.Issue]:
        given = self._checked(item, schema.Issue)
        name = self.project or given.project
        self._check_project(item, name)
        return item, name, given

    def _project_ids(self, names: set[str]) -> dict[str, int]:
        if not self.dry_run:
            return self.store.projects.ids(names, self.now)
        found = ((name, self.store.projects.find(name)) for name in names)
        return {name: project.id for name, project in found if project}

    def _place(self, name: str, record: IssueRecord) -> None:
        digests = [item.digest for item in record.hashes]
        known = self.writes.known_hashes(record.project, digests)
        if self.mode == "skip" and known:
            self._left_alone.update((name, digest) for digest in digests)
            self.counts["issues_unchanged"] += 1
            return
        self._ours.update((name, digest) for digest in digests)
        if self.dry_run:
            self.counts["issues_changed" if known and self.mode != "replace" else "issues_created"] += 1
            return
        placed = self.writes.place(record)
        what = "created" if placed.created else "changed" if placed.changed else "unchanged"
        self.counts[f"issues_{what}"] += 1

    def _record(self, item: Item, given: schema.Issue) -> IssueRecord:
        record = self._state(item, given)
        activity = [Entry(self._moment(item, entry.at, record.created_at), entry.actor, entry.kind,
                          json.dumps(entry.data, ensure_ascii=False), entry.home) for entry in given.activity]  # fmt: skip
        return record._replace(
            activity=activity,
            hashes=[self._hash(item, found) for found in given.hashes],
            files=[self._file(item, file) for file in given.attachments],
            own_tags=given.own_tags,
            merged=[self._state(item, member)._replace(into=member.into) for member in given.merged],
        )

    def _state(self, item: Item, given: schema.State) -> IssueRecord:
        created_at = self._moment(item, given.created_at, self.now)
        rank = self.events.rank(given.level)
        state = {key: getattr(given, key) for key in
                 ("title", "culprit", "status", "severity", "assigned", "resolved_in", "ignored_until", "category")}  # fmt: skip
        state |= {"title_fixed": int(given.title_fixed), "is_regressed": int(given.is_regressed),
                  "resolved_at": self._moment(item, given.resolved_at, 0) if given.resolved_at else None}  # fmt: skip
        return IssueRecord(
            number=given.id,
            project=0,
            state=state,
            latest={"level": rank, "release": given.release, "environment": given.environment},
            first_seen=self._moment(item, given.first_seen, self.now),
            last_seen=self._moment(item, given.last_seen, self.now),
            created_at=created_at,
            changed_at=self._moment(item, given.changed_at, created_at),
            tags=list(given.tags),
            activity=[],
            hashes=[],
            files=[],
        )

    def _hash(self, item: Item, given: schema.Hash) -> HashRecord:
        first_seen = self._moment(item, given.first_seen, self.now)
        return HashRecord(
            bytes.fromhex(given.hash), given.home, given.algorithm,
            json.dumps([given.key, given.reason, given.parts], ensure_ascii=False), given.title, given.culprit,
            first_seen, self._moment(item, given.last_seen, self.now), self._moment(item, given.created_at, first_seen),
            self._evicted(item, given),
        )  # fmt: skip

    def _evicted(self, item: Item, given: schema.Hash) -> Evicted | None:
        if not given.evicted:
            return None
        hours: Counter[tuple[int, int]] = Counter()
        for one in given.evicted:
            hours[self._moment(item, one.hour, self.now) // HOUR, self.events.rank(one.level)] += one.count
        return Evicted([(*key, count) for key, count in hours.items()], [int(user, 16) for user in given.users])

    def _file(self, item: Item, given: schema.File) -> FileRecord:
        return FileRecord(given.name, given.content_type, given.kind, given.size, bytes.fromhex(given.digest),
                          self._moment(item, given.created_at, self.now), given.home)  # fmt: skip

    # Attachments

    def attachments(self, items: Sequence[Item]) -> None:
        for item in items:
            given = self._checked(item, schema.Attachment)
            if hashlib.sha256(given.data).hexdigest() != given.digest:
                raise self._broken(item, f"the content of attachment {given.digest[:12]} is damaged")
            if not self.store.blobs.has(given.digest):
                self.counts["attachments"] += 1
                if not self.dry_run:
                    self.store.blobs.put(io.BytesIO(given.data), given.digest[:12])

    # Events

    def take_events(self, ready: Sequence[ReadyEvent]) -> None:
        self.read["event"] += len(ready)
        with self._transaction():
            ids = self._project_ids({one.prepared.project for one in ready})
            self._store([one for one in ready if self._wanted(one, ids)], ids)

    def _wanted(self, one: ReadyEvent, ids: dict[str, int]) -> bool:
        """Whether `skip` takes an event: not one of an issue that was there before."""
        if self.mode != "skip" or one.hash is None:
            return True
        key = (one.prepared.project, bytes.fromhex(one.hash))
        skipped = key in self._left_alone or (
            key not in self._ours and bool(self.writes.known_hashes(ids.get(key[0], 0), [key[1]]))
        )
        self.counts["events_skipped"] += skipped
        return not skipped

    def _store(self, ready: Sequence[ReadyEvent], ids: dict[str, int]) -> None:
        known = self._known(ready, ids)
        if self.dry_run:
            self.counts["events_known"] += len(known) if self.mode != "replace" else 0
            self.counts["events_added"] += len(ready) - (len(known) if self.mode != "replace" else 0)
            return
        fresh = [one for one in ready if (one.prepared.project, one.prepared.key) not in known]
        prepared = self._grouped(fresh, ids)
        for project, keys in _by_project((one.project, one.key) for one in prepared).items():
            deleted = self.writes.forget_tombstones(ids[project], keys)
            again = [one for one in prepared if one.project == project and one.key in deleted]
            self.writes.come_back(
                ids[project], [(bytes.fromhex(one.grouping.hash), one.timestamp, one.rank) for one in again]
            )
        stored = self.store.recording.append(prepared, ids, self.now, imported=True)
        added = sum(not one.duplicate for one in stored)
        self.counts["events_added"] += added
        self.counts["events_known"] += len(ready) - added
        for one in ready:
            if one.files:
                files = [FileRecord(*file, self.now) for file in one.files]
                self.writes.attach(ids[one.prepared.project], one.prepared.key, files)

    def _known(self, ready: Sequence[ReadyEvent], ids: dict[str, int]) -> set[tuple[str, bytes]]:
        found: set[tuple[str, bytes]] = set()
        for project, keys in _by_project((one.prepared.project, one.prepared.key) for one in ready).items():
            if project in ids:
                found.update((project, key) for key in self.writes.known_events(ids[project], keys))
        return found

    def _grouped(self, ready: Sequence[ReadyEvent], ids: dict[str, int]) -> list[Prepared]:
        """The events with their grouping: that of the file, and where the file has none for it, our own."""
        wanted: dict[str, set[bytes]] = {}
        for one in ready:
            if one.hash is not None:
                wanted.setdefault(one.prepared.project, set()).add(bytes.fromhex(one.hash))
        known = {(name, digest.hex()) for name, digests in wanted.items()
                 for digest in self.writes.known_hashes(ids[name], list(digests))}  # fmt: skip
        names = self.store.levels.names()
        return [
            one.prepared
            if (one.prepared.project, one.hash) in known
            else one.prepared._replace(grouping=own_grouping(one, names))
            for one in ready
        ]


_TAKES: dict[str, Callable[[_Import, Sequence[Any]], None]] = {
    "project": _Import.projects, "level": _Import.levels, "setting": _Import.settings,
    "verdict": _Import.verdicts, "issue": _Import.issues, "attachment": _Import.attachments, "event": _Import.take_events,
}  # fmt: skip


def _in_project(record: IssueRecord, project: int) -> IssueRecord:
    return record._replace(project=project, merged=[one._replace(project=project) for one in record.merged])


def _by_project(events: Iterable[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for project, key in events:
        found.setdefault(project, []).append(key)
    return found


__all__ = ["MODES", "Imported", "import_vault"]
