"""What webhooks are told: deliveries queued in the transaction that stores what they tell.

Nothing is sent here. With no webhook this costs one look at a number for each batch.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import InvalidError, StoreError
from .logs import log

if TYPE_CHECKING:
    from .storage.outbox import Wanted
    from .storage.recording import Prepared, Stored
    from .storage.store import Store
    from .storage.webhooks import Webhook

# As in webhooks.base, which takes long to import, and this is imported by all who record.
EVENT, NEW_ISSUE, REGRESSION, RESOLVED, ALERT = "event", "new-issue", "regression", "resolved", "alert"
PUSH = "push"  # the type of webhooks that are phones and browsers, and the name of all of them together


class _News(NamedTuple):
    """Something that happened to an issue."""

    kind: str
    issue: int
    event: int  # its row
    rank: int  # of its level
    project: str


def announce_events(
    store: Store, stored: Sequence[Stored], prepared: Sequence[Prepared], regressed: set[int], now: int
) -> None:
    """Queue what webhooks should hear of a batch that was just stored. Joins the open transaction."""
    hooks = store.webhooks.listening()
    if not hooks:
        return
    news = list(_news(stored, prepared, regressed))
    if not news:
        return
    first = [one for one in news if one.kind != EVENT]
    wanted = []
    for hook in hooks:
        of_interest = news if EVENT in hook.kinds else first
        if of_interest:
            wanted += _told(store, hook, of_interest, now)
    store.outbox.add(wanted, now)


def announce_resolved(store: Store, issues: Iterable[int], now: int) -> None:
    """Queue what webhooks should hear of issues that were just resolved. Joins the open transaction."""
    hooks = [hook for hook in store.webhooks.listening() if RESOLVED in hook.kinds]
    if not hooks:
        return
    found = store.issues.by_ids(list(issues))
    news = [_News(RESOLVED, issue.id, issue.last_event, issue.level, issue.project) for issue in found]
    wanted = [one._replace(event=None) for hook in hooks for one in _told(store, hook, news, now)]
    store.outbox.add(wanted, now)


def announce_alert(
    store: Store,
    alert: Mapping[str, Any],
    now: int,
    *,
    to: Collection[str] = (),
    issue: int | None = None,
    event: int | None = None,
) -> None:
    """Queue what webhooks should hear of an alert. Joins the open transaction.

    `alert` has name, condition, state, severity, group, value, since and, where it is about one, project. `to` are the
    names of the webhooks that it goes to (`push`: all devices); without, to all that hear of alerts. `event` is the row of the last event.
    """
    from .storage.outbox import Wanted

    project = alert.get("project")
    hooks = [
        hook
        for hook in store.webhooks.listening()
        if (_is_meant(hook, to) if to else ALERT in hook.kinds and (not hook.project or hook.project == project))
    ]
    text = json.dumps(alert, ensure_ascii=False)
    store.outbox.add([Wanted(hook.id, ALERT, issue, event, alert=text) for hook in hooks], now)


def _is_meant(hook: Webhook, to: Collection[str]) -> bool:
    """Whether a webhook is named, or is one of the devices that `push` stands for."""
    return hook.name in to or (PUSH in to and hook.type == PUSH)


def _news(stored: Sequence[Stored], prepared: Sequence[Prepared], regressed: set[int]) -> Iterable[_News]:
    """What is new in a batch: of each issue that came back, one event is the one that brought it back."""
    told: set[int] = set()
    for item, draft in zip(stored, prepared, strict=True):
        if item.duplicate or item.issue_id is None or item.row is None:
            continue
        kind = EVENT
        if item.issue_created:
            kind = NEW_ISSUE
        elif item.issue_id in regressed and item.issue_id not in told:
            kind = REGRESSION
            told.add(item.issue_id)
        yield _News(kind, item.issue_id, item.row, draft.rank, draft.project)


def _told(store: Store, hook: Webhook, news: Sequence[_News], now: int) -> list[Wanted]:
    """What one webhook wants to hear of. A filter that cannot be applied any more costs neither event nor message."""
    try:
        return _wanted(store, hook, news, now)
    except StoreError:
        raise
    except Exception as error:
        log("error", "a webhook's filter cannot be applied", webhook=hook.name, error=repr(error))
        return _wanted(store, hook._replace(query="", levels=""), news, now)


def _wanted(store: Store, hook: Webhook, news: Sequence[_News], now: int) -> list[Wanted]:
    """What one webhook wants to hear of: an event that is more than that as what it is, the others of an issue as one."""
    from .storage.outbox import Wanted  # not needed where there is no webhook, and this is imported by all who record

    heard = [one for one in news if one.kind in hook.kinds or (EVENT in hook.kinds and one.kind != RESOLVED)]
    if hook.levels:
        ranks = heard_ranks(hook.levels, store.levels.ranks())
        heard = [one for one in heard if one.rank in ranks]
    if hook.project:
        heard = [one for one in heard if one.project == hook.project]
    if hook.query and heard:
        search = store.search(now)
        fitting = set(search.filter(search.parse(hook.query), [one.event for one in heard]))
        heard = [one for one in heard if one.event in fitting]
    found: list[Wanted] = []
    joined: dict[int, int] = {}  # issue → where in `found`
    for one in heard:
        if one.kind in hook.kinds and one.kind != EVENT:
            found.append(Wanted(hook.id, one.kind, one.issue, one.event))
        elif not hook.pause:
            found.append(Wanted(hook.id, EVENT, one.issue, one.event))
        elif one.issue in joined:
            before = found[joined[one.issue]]
            found[joined[one.issue]] = before._replace(event=one.event, count=before.count + 1)
        else:
            joined[one.issue] = len(found)
            found.append(Wanted(hook.id, EVENT, one.issue, one.event, pause=hook.pause))
    return found


def heard_ranks(levels: str, ranks: dict[str, int]) -> frozenset[int]:
    """The ranks of `error,critical` or `>=error`. A level that was removed meanwhile is left out."""
    if levels.startswith(">="):
        least = ranks.get(levels[2:])
        return frozenset(rank for rank in ranks.values() if least is not None and rank >= least)
    return frozenset(ranks[name] for name in levels.split(",") if name in ranks)


def checked_levels(text: str, ranks: dict[str, int]) -> str:
    """`error, critical` or `>=error` as it is kept; nothing stands for all. Raises InvalidError."""
    folded = "".join(text.split()).casefold()
    if folded in ("", "all"):
        return ""
    names = [folded[2:]] if folded.startswith(">=") else folded.split(",")
    names = ["critical" if name == "fatal" else name for name in names]
    for name in names:
        if name not in ranks:
            raise InvalidError(
                f"there is no level {name!r}", f"Write error,critical or >=error; there are: {', '.join(ranks)}"
            )
    return f">={names[0]}" if folded.startswith(">=") else ",".join(dict.fromkeys(names))
