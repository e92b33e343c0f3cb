"""The way of one event: parse, normalize, scrub, group; then store, all of a batch in one transaction.

What an event costs is paid before the transaction begins. Nobody is told that an event was accepted
before the transaction is committed, and one event that cannot be stored never takes others with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from . import clock, lifecycle
from .errors import StoreError
from .grouping import Rules, compile_rules, group
from .ingest.normalize import normalize
from .ingest.scrub import ScrubPolicy, policy_from, scrub
from .logs import log_debug, timed
from .models import DEFAULT_LEVEL, DEFAULT_PROJECT, AttachmentInfo, Event
from .storage import codec
from .storage.document import trim_caches
from .storage.recording import Prepared, Stored, prepare
from .storage.store import Store

MANY = 8  # events in a batch from which the fast encoder is worth importing


class Receipt(NamedTuple):
    """What became of one event that was handed in."""

    event_id: str
    issue_id: int | None  # None when the event was not stored
    issue_created: bool
    transition: str  # new, regression, repeated, duplicate, dropped
    fingerprint: str  # the grouping hash, 40 hex digits
    error: str = ""  # why it was dropped


class Policy(NamedTuple):
    """What the vault's settings say about recording."""

    levels: dict[str, int]
    scrub: ScrubPolicy
    rules: Rules


class _Draft(NamedTuple):
    """An event on its way, with its place in what was handed in."""

    place: int
    prepared: Prepared
    redacted: int  # secrets taken out of it


def record_events(
    store: Store,
    raws: Sequence[dict[str, Any]],
    *,
    source: str = "api",
    project: str = DEFAULT_PROJECT,
    attachments: Mapping[int, Sequence[AttachmentInfo]] | None = None,
    received_at: int | None = None,
) -> list[Receipt]:
    """Record a batch of events and return a receipt for each, in order, after they are durably stored.

    `raws` are event bodies as the HTTP interface takes them; they are changed on the way. `source` names
    the door they came through, for the ledger of drops. `attachments` are files already in the blob store,
    by the index of their event. Raises StoreError when the vault cannot take anything.
    """
    trim_caches()
    now = clock.now() if received_at is None else received_at
    policy = load_policy(store)
    encode = codec.fast_encoder() if len(raws) >= MANY else codec.encode_light
    receipts: list[Receipt | None] = [None] * len(raws)
    counts: Counter[tuple[str, str, str]] = Counter()
    drafts: list[_Draft] = []
    for place, raw in enumerate(raws):
        files = attachments.get(place, ()) if attachments else ()
        try:
            prepared, redacted = _draft(store, raw, files, policy, project, now, encode)
        except StoreError:
            raise
        except Exception as error:
            log_debug("event failed", place=place, error=repr(error))
            counts["internal_error", source, "event"] += 1
            receipts[place] = _dropped(raw, f"{type(error).__name__}: {error}")
        else:
            drafts.append(_Draft(place, prepared, redacted))
    with timed("store events", count=len(drafts)):
        for place, receipt in _store(store, drafts, counts, source, now):
            receipts[place] = receipt
    return [receipt for receipt in receipts if receipt is not None]


def load_policy(store: Store) -> Policy:
    """The vault's present policy; compiled again only when its settings have changed."""
    levels = store.levels.ranks()
    settings = store.settings.all()
    key = (levels, settings)
    cached: tuple[Any, Policy] | None = getattr(store, "_policy", None)
    if cached is None or cached[0] != key:
        scrubbing = {
            name.removeprefix("scrub."): value for name, value in settings.items() if name.startswith("scrub.")
        }
        policy = Policy(levels, policy_from(scrubbing), compile_rules(settings.get("grouping.rules", [])))
        cached = (key, policy)
        store._policy = cached  # type: ignore[attr-defined]
    return cached[1]


def _draft(
    store: Store,
    raw: dict[str, Any],
    files: Sequence[AttachmentInfo],
    policy: Policy,
    project: str,
    now: int,
    encode: Callable[[Any], bytes],
) -> tuple[Prepared, int]:
    """One event, ready to be stored, and how many secrets were taken out of it."""
    given = raw.pop("attachments", None)
    event = normalize(raw, received_at=now, levels=policy.levels, project=project)
    if given or files:
        _attach(store, event, given, files)
    redacted = scrub(event, policy.scrub)
    rank = policy.levels.get(event["level"], policy.levels[DEFAULT_LEVEL])
    return prepare(event, codec.split(event, encode), group(event, policy.rules), rank), redacted


def _attach(store: Store, event: Event, given: Any, files: Sequence[AttachmentInfo]) -> None:
    """The content of attachments goes to the blob store before the event that names it."""
    found, wrong = store.blobs.take(given) if given else ([], [])
    event["attachments"] = [*files, *found]
    if wrong:
        event["errors"] = [*event.get("errors", ()), *wrong]


def _store(
    store: Store, drafts: Sequence[_Draft], counts: Mapping[tuple[str, str, str], int], source: str, now: int
) -> list[tuple[int, Receipt]]:
    """Store drafts in one transaction; where that fails for another reason than the store, in halves."""
    if not drafts and not counts:
        return []
    try:
        with store.writing():
            ids = store.projects.ids({draft.prepared.event["project"] for draft in drafts}, now)
            stored = store.recording.append([draft.prepared for draft in drafts], ids, now)
            regressed = lifecycle.reopen_regressed(store, stored, now)
            store.ledger.add(Counter(counts) + _cut(drafts, stored, source), now)
    except StoreError:
        store.recording.forget_seen()
        raise
    except Exception as error:
        store.recording.forget_seen()
        if len(drafts) <= 1:
            return _give_up(store, drafts, counts, source, now, error)
        middle = len(drafts) // 2
        return [
            *_store(store, drafts[:middle], counts, source, now),
            *_store(store, drafts[middle:], {}, source, now),
        ]
    return [(draft.place, _receipt(item, regressed)) for draft, item in zip(drafts, stored, strict=True)]


def _cut(drafts: Sequence[_Draft], stored: Sequence[Stored], source: str) -> Counter[tuple[str, str, str]]:
    """What was taken out of the events of a batch that are new in the store, by reason."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for draft, item in zip(drafts, stored, strict=True):
        if item.duplicate:
            continue
        if draft.redacted:
            counts["scrubbed", source, "event"] += draft.redacted
        for note in draft.prepared.event.get("errors", ()):
            reason = note.get("reason", "")
            if reason not in ("scrubbed", "reported"):
                counts[reason, source, "part of an event"] += 1
    return counts


def _give_up(
    store: Store,
    drafts: Sequence[_Draft],
    counts: Mapping[tuple[str, str, str], int],
    source: str,
    now: int,
    error: Exception,
) -> list[tuple[int, Receipt]]:
    """Count the one event that cannot be stored."""
    store.ledger.add({**counts, ("internal_error", source, "event"): len(drafts)}, now)
    reason = f"{type(error).__name__}: {error}"
    log_debug("event not stored", error=reason)
    return [(draft.place, _dropped(draft.prepared.event, reason)) for draft in drafts]


def _receipt(stored: Stored, regressed: set[int]) -> Receipt:
    if stored.duplicate:
        transition = "duplicate"
    elif stored.issue_created:
        transition = "new"
    else:
        transition = "regression" if stored.issue_id in regressed else "repeated"
    return Receipt(stored.event_id, stored.issue_id, stored.issue_created, transition, stored.fingerprint)


def _dropped(event: Mapping[str, Any], reason: str) -> Receipt:
    return Receipt(str(event.get("event_id") or ""), None, False, "dropped", "", reason)
