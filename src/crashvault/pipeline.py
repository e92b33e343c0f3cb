"""The way of one event: parse, normalize, scrub, group; then store, all of a batch in one transaction.

What an event costs is paid before the transaction begins. Nobody is told that an event was accepted
before the transaction is committed, and one event that cannot be stored never takes others with it.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from . import clock, hooking, lifecycle, plugins
from .announce import announce_events
from .config import SETTINGS
from .errors import InvalidError, StoreError, TransientError
from .grouping import Rules, compile_rules, group
from .ingest.normalize import new_event_id, normalize
from .ingest.scrub import ScrubPolicy, policy_from, remember_clean, scrub
from .logs import log_debug, timed
from .models import DEFAULT_LEVEL, DEFAULT_PROJECT, AttachmentInfo, Event, Grouping
from .storage import codec
from .storage.document import trim_caches
from .storage.explaining import Join
from .storage.recording import Prepared, Stored, prepare
from .storage.store import Store

if TYPE_CHECKING:
    from .grouping.sketch import Sketch
    from .joining import Joiner
    from .plugins.loading import Plugins
    from .tally import Mark, Tally
    from .telling import Recorded

ATTEMPTS = 5  # at a transaction that others are in the way of
TILE = 32  # events that take each step together
MANY = 8  # events in a batch from which the fast encoder is worth importing


class Receipt(NamedTuple):
    """What became of one event that was handed in."""

    event_id: str
    issue_id: int | None  # None when the event was not stored
    issue_created: bool
    transition: str  # new, regression, repeated, duplicate, dropped
    fingerprint: str  # the grouping hash, 40 hex digits
    error: str = ""  # why it was dropped
    code: str = ""  # the same for programs


class Policy(NamedTuple):
    """What the vault's settings say about recording."""

    levels: dict[str, int]
    scrub: ScrubPolicy
    rules: Rules
    join: bool  # new hashes may join an issue by similarity
    threshold: float  # from which on


Raw = dict[str, Any] | Callable[[], dict[str, Any]]


class Incoming(NamedTuple):
    """An event as it was handed in.

    A function in the place of the raw event is called when its turn has come: an event that is decoded,
    prepared and freed before the next ones costs half of what it costs among hundreds of others.
    """

    raw: Raw
    project: str = DEFAULT_PROJECT
    source: str = "api"  # the door it came through, for the ledger of drops
    files: Sequence[AttachmentInfo] = ()  # attachments already in the blob store
    event_id: str = ""  # for an event that brings none; without it it gets a random one


class _Draft:
    """An event on its way, with its place in what was handed in."""

    __slots__ = ("cut", "event", "event_id", "files", "grouping", "join", "mark", "parts", "place", "prepared", "project", "raw", "redacted", "sketch", "source")  # fmt: skip

    event: Event
    grouping: Grouping
    sketch: Sketch | None  # only where nobody has had its hash
    join: Join | None
    parts: codec.Parts
    prepared: Prepared
    mark: Mark | None  # what alert rules want of it
    redacted: int  # secrets taken out of it
    cut: Sequence[str]  # reasons why parts of it were cut or nulled

    def __init__(self, place: int, incoming: Incoming) -> None:
        self.place = place
        self.raw, self.project, self.source, self.files, self.event_id = incoming


def record_events(
    store: Store,
    raws: Sequence[Raw],
    *,
    source: str = "api",
    project: str = DEFAULT_PROJECT,
    attachments: Mapping[int, Sequence[AttachmentInfo]] | None = None,
    received_at: int | None = None,
) -> list[Receipt]:
    """Record events that came together through one door; see `record`.

    `raws` are event bodies as the HTTP interface takes them; they are changed on the way. `attachments` are
    files already in the blob store, by the index of their event.
    """
    files = attachments or {}
    incoming = [Incoming(raw, project, source, files.get(place, ())) for place, raw in enumerate(raws)]
    return record(store, incoming, received_at=received_at)


def record(store: Store, incoming: Sequence[Incoming], *, received_at: int | None = None) -> list[Receipt]:
    """Record a batch of events and return a receipt for each, in order, after they are durably stored.

    Raises StoreError when the vault cannot take anything.
    """
    trim_caches()
    now = clock.now() if received_at is None else received_at
    batch = [_Draft(place, item) for place, item in enumerate(incoming)]
    tally = _tally_of(store, now)
    asked = hooking.asked(store.home)
    desk = _Desk(store, load_policy(store), tally, now, len(batch), asked)
    with timed("prepare events", count=len(batch)), _collector_paused():
        drafts = [draft for start in range(0, len(batch), TILE) for draft in desk.prepare(batch[start : start + TILE])]
    receipts = desk.dropped
    with timed("store events", count=len(drafts)):
        receipts.update(_store(store, drafts, desk.counts, tally, now))
    if asked:
        hooking.tell_recorded(asked, store.home, _recorded(batch, receipts))
    return [receipts[place] for place in range(len(batch))]


def _recorded(batch: Sequence[_Draft], receipts: Mapping[int, Receipt]) -> Iterator[Recorded]:
    from .telling import Recorded

    for draft in batch:
        receipt = receipts[draft.place]
        if receipt.transition not in ("dropped", "duplicate"):
            yield Recorded(draft.project, receipt.event_id, receipt.transition)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Events are trees: looking for cycles among a batch of them finds nothing and costs a tenth of the work."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Desk:
    """The steps that each event of a batch takes before the transaction.

    A step is done for a tile of events before the next begins, so that its code and tables stay in the
    processor's cache, and the events do too.
    """

    def __init__(
        self, store: Store, policy: Policy, tally: Tally | None, now: int, size: int, plugins: Plugins | None = None
    ) -> None:
        self._store = store
        self._plugins = plugins
        self._policy = policy
        self._tally = tally
        self._now = now
        self._joiner: Joiner | None = None  # once a hash is new
        store.known.refresh()
        self._encode = codec.fast_encoder() if size >= MANY or "msgspec" in sys.modules else codec.encode_light
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.dropped: dict[int, Receipt] = {}

    def prepare(self, tile: Sequence[_Draft]) -> Sequence[_Draft]:
        """The events of a tile that can be stored; what each of them is made of is let go."""
        asked = (self._ask_plugins,) if self._plugins else ()
        reading = (self._read, self._split, self._scrub, *asked)
        for step in (*reading, self._group, self._join, self._compress, self._prepare):
            tile = self._through(step, tile)
        for draft in tile:
            del draft.event, draft.parts
        return tile

    def _through(self, step: Callable[[_Draft], None], tile: Sequence[_Draft]) -> Sequence[_Draft]:
        failed = False
        for draft in tile:
            try:
                step(draft)
            except StoreError:
                raise
            except Exception as error:
                self._drop(draft, error)
                failed = True
        return [draft for draft in tile if draft.place not in self.dropped] if failed else tile

    def _drop(self, draft: _Draft, error: Exception) -> None:
        known = isinstance(error, InvalidError)
        code = error.code if isinstance(error, InvalidError) else "internal_error"
        log_debug("event failed", place=draft.place, error=repr(error))
        self.counts[code, draft.source, "event"] += 1
        if isinstance(error, hooking.DroppedByPluginError):  # as somebody wants it: no failure
            self.dropped[draft.place] = _dropped(draft.event["event_id"], error.message, "")
            return
        event_id = "" if callable(draft.raw) else str(draft.raw.get("event_id") or "")
        self.dropped[draft.place] = _dropped(
            event_id, str(error) if known else f"{type(error).__name__}: {error}", code
        )

    def _read(self, draft: _Draft) -> None:
        raw = draft.raw() if callable(draft.raw) else draft.raw
        given = raw.pop("attachments", None)
        if self._plugins:
            raw = hooking.parsed(self._plugins, raw)
        new_id = (lambda: draft.event_id) if draft.event_id else new_event_id
        event = normalize(raw, received_at=self._now, levels=self._policy.levels, project=draft.project, new_id=new_id)
        if given or draft.files:
            _attach(self._store, event, given, draft.files)
        draft.event = event

    def _split(self, draft: _Draft) -> None:
        draft.parts = codec.split(draft.event, self._encode)

    def _scrub(self, draft: _Draft) -> None:
        parts, policy = draft.parts, self._policy.scrub
        draft.redacted = scrub(draft.event, policy, parts.stack_digest, parts.background_digest)
        if draft.redacted:
            parts = draft.parts = codec.split(draft.event, self._encode)
        remember_clean(policy, parts.stack_digest, parts.background_digest)
        draft.cut = [note.get("reason", "") for note in draft.event.get("errors", ())]

    def _ask_plugins(self, draft: _Draft) -> None:
        assert self._plugins is not None
        event, redacted = hooking.received(self._plugins, draft.event, self._policy.levels), draft.redacted
        if event is not draft.event:  # what a plugin says is scrubbed like what a client says
            draft.event = event
            self._split(draft)
            self._scrub(draft)
            draft.redacted += redacted

    def _group(self, draft: _Draft) -> None:
        draft.grouping = group(draft.event, self._policy.rules)

    def _join(self, draft: _Draft) -> None:
        draft.sketch = draft.join = None
        if self._joiner is None and not self._store.known.has(draft.event["project"], draft.grouping.hash):
            from .joining import Joiner

            policy = self._policy
            self._joiner = Joiner(self._store, policy.rules, policy.join, policy.threshold)
        if self._joiner is not None:
            draft.sketch, draft.join = self._joiner.look_up(draft.event, draft.grouping)

    def _compress(self, draft: _Draft) -> None:
        draft.parts = codec.compressed(draft.parts)

    def _prepare(self, draft: _Draft) -> None:
        levels = self._policy.levels
        rank = levels.get(draft.event["level"], levels[DEFAULT_LEVEL])
        draft.prepared = prepare(draft.event, draft.parts, draft.grouping, rank, draft.sketch, draft.join)
        draft.mark = self._tally.mark(draft.event, draft.prepared) if self._tally else None


def _tally_of(store: Store, now: int) -> Tally | None:
    """What alert rules count; what knows of them is imported only where there are some."""
    if not store.alerts.version():
        return None
    from .tally import tally_of

    return tally_of(store, now)


def load_policy(store: Store) -> Policy:
    """The vault's present policy; compiled again only when its settings have changed."""
    levels = store.levels.ranks()
    settings = store.settings.all()
    key = (levels, settings, plugins.active())
    cached: tuple[Any, Policy] | None = getattr(store, "_policy", None)
    if cached is None or cached[0] != key:
        scrubbing = {
            name.removeprefix("scrub."): value for name, value in settings.items() if name.startswith("scrub.")
        }
        scrubbing, rules = hooking.more_rules(scrubbing, settings.get("grouping.rules", []))
        policy = Policy(levels, policy_from(scrubbing), compile_rules(rules), *_joining(settings))
        cached = (key, policy)
        store._policy = cached  # type: ignore[attr-defined]
    return cached[1]


def _joining(settings: Mapping[str, Any]) -> tuple[bool, float]:
    enabled, threshold = (
        settings.get(name, SETTINGS[name].default) for name in ("grouping.join", "grouping.threshold")
    )
    return enabled, threshold


def _attach(store: Store, event: Event, given: Any, files: Sequence[AttachmentInfo]) -> None:
    """The content of attachments goes to the blob store before the event that names it."""
    found, wrong = store.blobs.take(given) if given else ([], [])
    event["attachments"] = [*files, *found]
    if wrong:
        event["errors"] = [*event.get("errors", ()), *wrong]


def _store(
    store: Store,
    drafts: Sequence[_Draft],
    counts: Mapping[tuple[str, str, str], int],
    tally: Tally | None,
    now: int,
    attempts: int = ATTEMPTS,
) -> list[tuple[int, Receipt]]:
    """Store drafts in one transaction, again where others were in its way; where that fails for another reason than the store, in halves."""
    if not drafts and not counts:
        return []
    prepared, marks = [draft.prepared for draft in drafts], [draft.mark for draft in drafts]
    try:
        with store.writing(alone=False):
            ids = store.projects.ids({item.project for item in prepared}, now)
            reappeared = tally.reappearing(store, prepared, marks) if tally else set()
            stored = store.recording.append(prepared, ids, now)
            lifecycle.note_joins(store, stored, now)
            regressed = lifecycle.reopen_regressed(store, stored, prepared, now)
            lifecycle.end_ignoring(store, now)
            announce_events(store, stored, prepared, regressed, now)
            if tally:
                tally.count(store, stored, marks, prepared, regressed, reappeared, now)
            store.ledger.add(Counter(counts) + _cut(drafts, stored), now)
    except TransientError:
        store.recording.forget_seen()
        if attempts <= 1:
            raise
        return _store(store, drafts, counts, tally, now, attempts - 1)
    except StoreError:
        store.recording.forget_seen()
        raise
    except Exception as error:
        store.recording.forget_seen()
        if len(drafts) <= 1:
            return _give_up(store, drafts, counts, now, error)
        middle = len(drafts) // 2
        return [
            *_store(store, drafts[:middle], counts, tally, now),
            *_store(store, drafts[middle:], {}, tally, now),
        ]
    return [(draft.place, _receipt(item, regressed)) for draft, item in zip(drafts, stored, strict=True)]


def _cut(drafts: Sequence[_Draft], stored: Sequence[Stored]) -> Counter[tuple[str, str, str]]:
    """What was taken out of the events of a batch that are new in the store, by reason."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for draft, item in zip(drafts, stored, strict=True):
        if item.duplicate:
            continue
        if draft.redacted:
            counts["scrubbed", draft.source, "event"] += draft.redacted
        for reason in draft.cut:
            if reason not in ("scrubbed", "reported"):
                counts[reason, draft.source, "part of an event"] += 1
    return counts


def _give_up(
    store: Store,
    drafts: Sequence[_Draft],
    counts: Mapping[tuple[str, str, str], int],
    now: int,
    error: Exception,
) -> list[tuple[int, Receipt]]:
    """Count the one event that cannot be stored."""
    failed = Counter({("internal_error", draft.source, "event"): 1 for draft in drafts})
    store.ledger.add(Counter(counts) + failed, now)
    reason = f"{type(error).__name__}: {error}"
    log_debug("event not stored", error=reason)
    return [(draft.place, _dropped(draft.prepared.event_id, reason)) for draft in drafts]


def _receipt(stored: Stored, regressed: set[int]) -> Receipt:
    if stored.duplicate:
        transition = "duplicate"
    elif stored.issue_created:
        transition = "new"
    else:
        transition = "regression" if stored.issue_id in regressed else "repeated"
    return Receipt(stored.event_id, stored.issue_id, stored.issue_created, transition, stored.fingerprint)


def _dropped(event_id: str, error: str, code: str = "internal_error") -> Receipt:
    return Receipt(event_id, None, False, "dropped", "", error, code)
