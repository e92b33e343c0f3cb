"""Issues and events as every front end shows them: a query narrowed by options, rows in their documented shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import cursors
from .clock import DAY, HOUR, to_iso
from .errors import InvalidError, QueryError
from .models import STATUSES
from .output.shapes import TAGS_COUNTED, event_shape, issue_shape
from .query.tree import Everything, Node, Term, all_of, fields_used
from .storage.issues import Position
from .storage.triage import shown_until

_TAGS_FROM = 5  # events of an issue whose tags are shown
_DAYS = 14  # of the sparkline
_SIMILAR = 3  # issues named beside one
SHOWN_FROM = 0.3  # how alike these are at least
_TOP = 5  # issues with most events
_INTERVALS = {"hour": (HOUR, 24), "day": (DAY, _DAYS)}  # how long a bucket is, and how many there are unless asked
MOST_BUCKETS = 2_000


def narrowed(
    search: Any,
    query: str,
    *,
    project: str | None = None,
    status: str | None = None,
    level: str | None = None,
    tags: Sequence[str] = (),
    extra: Sequence[str] = (),
    open_by_default: bool = True,
) -> tuple[Node, bool]:
    """The query with what options add to it, and whether only open issues were meant for lack of a status."""
    parts: list[Node] = [search.parse(query)]
    parts += [_option(search, "tag", tag) for tag in tags]
    if level:
        parts.append(_option(search, "level", level))
    if project:
        parts.append(Term("project", None, "is", (project,)))
    parts += [search.parse(text) for text in extra]
    open_only = open_by_default and status is None and not fields_used(parts[0]) & {"status", "is", "issue"}
    if open_only:
        status = "open"
    if status and status != "all":
        parts.append(Term("status", None, "any", (status,)))
    return all_of(part for part in parts if not isinstance(part, Everything)), open_only


def _option(search: Any, field: str, value: str) -> Node:
    """An option's value as a term; an operator such as `>=error` works as in a query."""
    bare = value if field == "level" else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    try:
        return search.parse(f"{field}:{bare}")
    except QueryError as error:
        raise QueryError(error.message, f"{field}:{bare}", error.position, error.hint) from None


class Shown(NamedTuple):
    """A page of a listing: issues or rows of events, and what every listing tells."""

    ids: list[int]
    total: int
    total_exact: bool
    next_cursor: str | None


def issue_page(
    store: Any, search: Any, node: Node, asked: Sequence[str | None], *, sort: str = "last_seen",
    descending: bool = True, limit: int, offset: int = 0, cursor: str | None = None, paged: bool = True,
) -> Shown:  # fmt: skip
    """A page of issues, to be read in one view of the store.

    `asked` is what the node was made of: a cursor is good for nothing else. Raises InvalidError for a wrong one.
    """
    asked = ["issues", *asked, sort, str(descending)]
    after, total, exact = None, 0, True
    newest, began = store.events.newest_row(), search.now
    if cursor:
        key = str if sort in ("title", "status") else int
        values = cursors.decode(cursor, asked, (key, int, int, int, int, bool))
        after, (newest, began, total, exact) = Position(*values[:4]), values[2:]
    page = search.find_issues(node, sort, descending, limit + 1, offset, after, paged=paged)
    if after is None:
        total, exact = page.total, page.total_exact
    ids = page.ids[:limit]
    following = None
    if ids and len(page.ids) > limit:
        values = [store.issues.key(ids[-1], sort), ids[-1], newest, began, total, exact]
        following = cursors.encode(asked, values)
    return Shown(ids, total, exact, following)


def event_page(
    store: Any, search: Any, node: Node, asked: Sequence[str | None], *, limit: int, offset: int = 0,
    cursor: str | None = None,
) -> Shown:  # fmt: skip
    """A page of events, latest first; see `issue_page`. One for which many had to be read may be shorter than asked."""
    asked = ["events", *asked]
    before, total, exact = None, 0, True
    if cursor:
        *place, total, exact = cursors.decode(cursor, asked, (int, int, int, bool))
        before = (place[0], place[1])
    page = search.events(node, limit + 1, offset, before)
    if before is None:
        total, exact = page.total, page.total_exact
    rows = page.ids[:limit]
    further = page.further
    if rows and len(page.ids) > limit:
        further = (store.events.load(rows[-1:])[0].event["timestamp"], rows[-1])
    following = cursors.encode(asked, [*further, total, exact]) if further and limit else None
    return Shown(rows, total, exact, following)


def shown_issues(store: Any, ids: Sequence[int], now: int, *, with_tags: bool = True) -> list[dict[str, Any]]:
    """Issues in their documented shape."""
    fingerprints = store.issues.fingerprints(ids)
    levels = store.levels.names()
    tags = issue_tags(store, ids) if with_tags else {}
    return [
        issue_shape(
            issue,
            levels.get(issue.level, f"level-{issue.level}"),
            fingerprints.get(issue.id, ""),
            tags.get(issue.id, ()),
            now,
        )
        for issue in store.issues.by_ids(ids)
    ]


def issue_tags(store: Any, ids: Sequence[int]) -> dict[int, list[str]]:
    """The tags of issues: those that people gave them, then those of their latest events."""
    found = {issue: dict.fromkeys(tags) for issue, tags in store.issues.tags(ids).items()}
    rows = [row for issue in ids for row in store.issues.latest_events(issue, _TAGS_FROM)]
    for item in store.events.load(rows):
        found.setdefault(item.issue_id, {}).update(dict.fromkeys(item.event.get("tags", ())))
    return {issue: list(tags) for issue, tags in found.items()}


def shown_events(store: Any, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Events in their documented shape."""
    return [event_shape(item.event, item.issue_id, item.fingerprint) for item in store.events.load(rows)]


def issue_details(store: Any, issue: int, now: int) -> dict[str, Any]:
    """Everything about an issue: its documented shape, and what only this view has."""
    kept = store.issues.get(issue)
    into = kept.merged_into
    found = shown_issues(store, [issue], now)[0]
    latest = shown_events(store, store.issues.latest_events(issue)) if into is None else []
    activity = [entry._asdict() | {"at": to_iso(entry.at)} for entry in store.triage.activity(issue)]
    return {
        **found,
        "events_per_day": events_per_day(store, [issue], now)[issue],
        "tag_counts": _tag_counts(store, issue),
        "evicted": store.issues.evicted(issue),
        "hashes": [item._asdict() for item in store.issues.hashes(issue)],
        "latest_event": latest[0] if latest else None,
        "notes": [entry for entry in activity if entry["kind"] == "comment"],
        "activity": activity,
        "ignored_until": shown_until(kept.ignored_until),
        "attachments": [file.info() for file in store.attachments.of_issue(issue)],
        "similar": similar_issues(store, issue, _SIMILAR) if into is None else [],
        "merged": [member for member in store.merging.members(issue) if member != issue],
        "merged_into": None if into is None else store.merging.root(into),
    }


def similar_issues(store: Any, issue: int, limit: int = 5, least: float = SHOWN_FROM) -> list[dict[str, Any]]:
    """The issues most like one, the most alike first, each with its score and what speaks for it."""
    found = store.similarity.like(issue, limit, least)
    shown = {other.id: other for other in store.issues.by_ids([number for number, _ in found])}
    return [
        {
            "id": number,
            "title": shown[number].title,
            "culprit": shown[number].culprit,
            "status": shown[number].status,
            "count": shown[number].count,
            "score": round(match.score, 4),
            "reasons": match.reasons(),
            "features": {name: None if value is None else round(value, 4) for name, value in match.features.items()},
        }
        for number, match in found
        if number in shown
    ]


def events_per_day(store: Any, issues: Sequence[int], now: int) -> dict[int, list[int]]:
    """Events of each issue on the last days, today the last."""
    return dict(store.issues.days(issues, now - (_DAYS - 1) * DAY, now))


_MOVERS_AMONG = 500  # issues seen last


def movers(store: Any, now: int, project: str | None = None) -> list[dict[str, Any]]:
    """Issues that come oftener, or less often, in the last 24 hours than in those before; the largest change first."""
    search = store.search(now)
    node, _ = narrowed(search, "", project=project, status="all")
    ids = search.find_issues(node, "last_seen", True, _MOVERS_AMONG).ids
    end = now // HOUR + 1
    recent, before = store.issues.counts(ids, end - 24, end), store.issues.counts(ids, end - 48, end - 24)
    changes = {issue: recent.get(issue, 0) - before.get(issue, 0) for issue in ids}
    chosen = sorted((issue for issue in ids if changes[issue]), key=lambda issue: -abs(changes[issue]))[: 2 * _TOP]
    shown = shown_issues(store, chosen, now, with_tags=False)
    return [{**one, "recent": recent.get(one["id"], 0), "before": before.get(one["id"], 0)} for one in shown]


def figures(store: Any, now: int, project: str | None = None) -> dict[str, Any]:
    """Totals and recent times, of the whole vault or of one project; from counters, to be read in one view."""
    chosen = store.projects.require(project).id if project else None
    totals = store.statistics.totals(chosen)
    names = store.levels.names()
    search = store.search(now)
    node, _ = narrowed(search, "", project=project)
    top = search.find_issues(node, sort="events", limit=_TOP).ids
    by_hour = series(store, now, "hour", project=project)
    return {
        "issues": totals.issues,
        "events": totals.events,
        "by_status": {status: totals.by_status.get(status, 0) for status in STATUSES},
        "by_level": {names.get(rank, f"level-{rank}"): count for rank, count in totals.by_level.items()},
        "by_project": {
            name: {"issues": issues, "events": events} for name, (issues, events) in totals.by_project.items()
        },
        "events_per_hour": by_hour,
        "events_per_day": series(store, now, "day", project=project),
        "first_hour": by_hour["since"],
        "top_issues": shown_issues(store, top, now, with_tags=False),
    }


def series(
    store: Any, now: int, interval: str, since: int | None = None, until: int | None = None, project: str | None = None
) -> dict[str, Any]:
    """Events in each hour or day (of UTC) that has a part of the time from `since` until before `until`.

    Without `until` it ends now, without `since` it begins a day or two weeks before. Raises InvalidError for a time
    that is empty or has too many buckets.
    """
    width, usual = _INTERVALS[interval]
    last = (now if until is None else until - 1) // width
    first = last - usual + 1 if since is None else since // width
    if not 0 < last - first + 1 <= MOST_BUCKETS:
        what = "is empty" if last < first else f"has more than {MOST_BUCKETS} of an {interval}"
        raise InvalidError(f"the time from since to until {what}", "Ask for a shorter time, or for interval=day")
    chosen = store.projects.require(project).id if project else None
    hours = width // HOUR
    counts = store.statistics.series(first * hours, (last + 1) * hours, hours, chosen)
    return {
        "since": to_iso(first * width),
        "until": to_iso(min(now, (last + 1) * width) if until is None else (last + 1) * width),
        "counts": counts,
        "total": sum(counts),
    }


def _tag_counts(store: Any, issue: int) -> dict[str, int]:
    """How many of the latest events have each tag, the commonest first."""
    counts: dict[str, int] = {}
    for item in store.events.load(store.issues.latest_events(issue, TAGS_COUNTED)):
        for tag in item.event.get("tags", ()):
            counts[tag] = counts.get(tag, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1])[:20])
