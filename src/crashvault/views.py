"""Issues and events as every front end shows them: a query narrowed by options, rows in their documented shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .clock import DAY, to_iso
from .errors import QueryError
from .output.shapes import event_shape, issue_shape
from .query.tree import Everything, Node, Term, all_of, fields_used

_TAGS_FROM = 5  # events of an issue whose tags are shown
_TAGS_COUNTED = 100  # events whose tags are counted
_DAYS = 14  # of the sparkline


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
    into = store.issues.get(issue).merged_into
    found = shown_issues(store, [issue], now)[0]
    since = now - now % DAY - (_DAYS - 1) * DAY
    hours = store.issues.hours(issue, since, now)
    latest = shown_events(store, store.issues.latest_events(issue)) if into is None else []
    activity = [entry._asdict() | {"at": to_iso(entry.at)} for entry in store.triage.activity(issue)]
    return {
        **found,
        "events_per_day": [sum(hours[start : start + 24]) for start in range(0, len(hours), 24)],
        "tag_counts": _tag_counts(store, issue),
        "evicted": store.issues.evicted(issue),
        "hashes": [item._asdict() for item in store.issues.hashes(issue)],
        "latest_event": latest[0] if latest else None,
        "notes": [entry for entry in activity if entry["kind"] == "comment"],
        "activity": activity,
        "attachments": [file.info() for file in store.attachments.of_issue(issue)],
        "merged": [member for member in store.merging.members(issue) if member != issue],
        "merged_into": None if into is None else store.merging.root(into),
    }


def _tag_counts(store: Any, issue: int) -> dict[str, int]:
    """How many of the latest events have each tag, the commonest first."""
    counts: dict[str, int] = {}
    for item in store.events.load(store.issues.latest_events(issue, _TAGS_COUNTED)):
        for tag in item.event.get("tags", ()):
            counts[tag] = counts.get(tag, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1])[:20])
