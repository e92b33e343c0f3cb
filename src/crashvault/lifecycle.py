"""Changing an issue's state: state and activity together, on an open transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .announce import announce_resolved
from .clock import from_iso
from .errors import InvalidError, NotFoundError
from .hooking import tell_resolved
from .models import SEVERITIES, STATUSES
from .releases import in_next, may_reopen, shown
from .storage.recording import Prepared, Stored
from .storage.store import Store
from .storage.triage import ends_of, shown_until
from .units import parse_span

MAX_TITLE = 200
MAX_COMMENT = 20_000
MAX_TAG = 200
SYSTEM = "crashvault"
NEXT = "next"  # in the place of a release: the one that comes after


class Until(NamedTuple):
    """What ends that an issue is ignored; whichever comes first."""

    at: int | None = None  # microseconds
    events: int | None = None  # so many more
    users: int | None = None  # so many more


class Change(NamedTuple):
    """One change of one issue."""

    issue: int
    field: str  # status, severity, assigned, title or tag
    before: Any  # None: there was no value, or no such tag
    after: Any


def reopen_regressed(store: Store, stored: Iterable[Stored], prepared: Iterable[Prepared], now: int) -> set[int]:
    """Reopen the resolved issues that came back with these events; their ids. Joins the open transaction.

    An event that happened before the issue was resolved, and only arrives now, is no regression; nor is one of a
    release older than the one in which the issue was resolved.
    """
    events: dict[int, list[tuple[int, str | None]]] = {}
    for item, draft in zip(stored, prepared, strict=True):
        if item.issue_id is not None and not item.duplicate and not item.issue_created:
            events.setdefault(item.issue_id, []).append((item.timestamp, draft.release))
    regressed = {
        issue
        for issue, resolved_at, resolved_in in store.triage.resolved(list(events))
        if any(moment > resolved_at and may_reopen(resolved_in, release) for moment, release in events[issue])
    }
    for issue in sorted(regressed):
        store.triage.update(issue, now, status="open", is_regressed=1, resolved_at=None, resolved_in=None)
        store.triage.log(issue, now, SYSTEM, "regression", {"status": ["resolved", "open"]})
    return regressed


def note_joins(store: Store, stored: Iterable[Stored], now: int) -> None:
    """Write down which new hashes became members of an issue by similarity. Joins the open transaction."""
    for item in stored:
        if item.joined is not None and item.issue_id is not None:
            member, join = item.joined
            data = {"joined": f"#{member}", "alike": f"{join.score:.1%}", "because of": "; ".join(join.reasons)}
            store.triage.log(item.issue_id, now, SYSTEM, "join", data)


def set_status(store: Store, issues: Sequence[int], status: str, actor: str, now: int) -> list[int]:
    """Give issues a status; the ids of those it changed. Raises InvalidError, NotFoundError."""
    return _changed(change_issues(store, issues, {"status": status}, actor, now))


def resolve_in(store: Store, issues: Sequence[int], release: str, actor: str, now: int) -> list[int]:
    """Resolve issues as mended in a release, or in the one that comes next: what older ones report does not reopen them.

    `release` is its name, or NEXT: the one after that of the issue's latest event. Raises InvalidError, NotFoundError.
    """
    with store.writing():
        changed = set_status(store, issues, "resolved", actor, now)
        require(store, issues)
        for issue, latest in store.triage.values(issues, "release").items():
            if release == NEXT and not latest:
                raise InvalidError(f"issue {issue} has no release that another could follow", "Name one: --in RELEASE")
            wanted = in_next(latest) if release == NEXT else release
            if store.triage.values([issue], "resolved_in")[issue] != wanted:
                store.triage.update(issue, now, resolved_in=wanted)
                store.triage.log(issue, now, actor, "resolved_in", {"release": [None, shown(wanted)]})
                changed = [*changed, issue]
    return list(dict.fromkeys(changed))


def until(time: str | None, events: int | None, users: int | None, now: int) -> Until:
    """What people give: a time or span, and numbers. Raises InvalidError."""
    at = None
    if time:
        try:
            at = from_iso(time)
        except ValueError:
            at = now + parse_span(time)
    if at is None and events is None and users is None:
        raise InvalidError("nothing would end that it is ignored", "Give a time, a number of events, or of users")
    return Until(at, events, users)


def ignore_until(store: Store, issues: Sequence[int], until: Until, actor: str, now: int) -> list[int]:
    """Ignore issues until a time, or until they have got more events or users. Raises InvalidError, NotFoundError."""
    if until.at is not None and until.at <= now:
        raise InvalidError("that time is past", "Give a time to come, such as 7d or 2026-12-01")
    if any(number is not None and number < 1 for number in (until.events, until.users)):
        raise InvalidError("so few events or users cannot be waited for", "Give a number from 1")
    with store.writing():
        changed = set_status(store, issues, "ignored", actor, now)
        for found in store.issues.by_ids(list(dict.fromkeys(issues))):
            ends = {
                "at": until.at,
                "count": None if until.events is None else found.count + until.events,
                "users": None if until.users is None else found.users + until.users,
            }
            text = json.dumps({name: value for name, value in ends.items() if value is not None})
            if text != found.ignored_until:
                store.triage.update(found.id, now, ignored_until=text)
                store.triage.log(
                    found.id,
                    now,
                    actor,
                    "ignored_until",
                    {name: value for name, value in (shown_until(text) or {}).items() if value is not None},
                )
                changed = [*changed, found.id]
    return list(dict.fromkeys(changed))


def end_ignoring(store: Store, now: int) -> list[int]:
    """Open the issues whose time of being ignored is over; their ids. Joins the open transaction, if there is one."""
    over = [issue for issue, until, count, users in store.triage.ignored_until() if _is_over(until, count, users, now)]
    if over:
        with store.writing():
            for issue in over:
                store.triage.update(issue, now, status="open", ignored_until=None)
                store.triage.log(issue, now, SYSTEM, "status", {"status": ["ignored", "open"]})
    return over


def _is_over(until: str, count: int, users: int, now: int) -> bool:
    ends = ends_of(until)
    reached = (("at", now), ("count", count), ("users", users))
    return any(ends.get(name) is not None and value >= ends[name] for name, value in reached)


def set_severity(store: Store, issues: Sequence[int], severity: str, actor: str, now: int) -> list[int]:
    return _changed(change_issues(store, issues, {"severity": severity}, actor, now))


def set_title(store: Store, issue: int, title: str, actor: str, now: int) -> list[int]:
    return _changed(change_issues(store, [issue], {"title": title}, actor, now))


def assign(store: Store, issues: Sequence[int], user: str | None, actor: str, now: int) -> list[int]:
    """Give issues to somebody, or to nobody (None)."""
    return _changed(change_issues(store, issues, {"assigned": user}, actor, now))


def _changed(changes: Iterable[Change]) -> list[int]:
    return list(dict.fromkeys(change.issue for change in changes))


def comment(store: Store, issue: int, text: str, actor: str, now: int) -> None:
    if not text.strip() or len(text) > MAX_COMMENT:
        raise InvalidError(
            f"a comment has 1 to {MAX_COMMENT} characters", "Give a text, or - to read it from standard input"
        )
    with store.writing():
        require(store, [issue])
        store.triage.update(issue, now)
        store.triage.log(issue, now, actor, "comment", {"text": text})


# Changing many at once


def change_issues(
    store: Store,
    issues: Sequence[int],
    fields: Mapping[str, Any],
    actor: str,
    now: int,
    *,
    tags: Sequence[str] = (),
    untags: Sequence[str] = (),
    dry_run: bool = False,
) -> list[Change]:
    """Set fields and tags of issues, all or none, each change with its activity; what changed, in order.

    `fields` may have status, severity, assigned (None: nobody) and title. With `dry_run` nothing is
    written, and the answer is what would change. Raises InvalidError, NotFoundError.
    """
    values = {field: _CHECKS[field](value) for field, value in fields.items()}
    tags, untags = [_checked_tag(tag) for tag in tags], [_checked_tag(tag) for tag in untags]
    if dry_run:
        return _planned(store, issues, values, tags, untags)
    with store.writing():
        changes = _planned(store, issues, values, tags, untags)
        for change in changes:
            _apply(store, change, actor, now)
        resolved = [one.issue for one in changes if (one.field, one.after) == ("status", "resolved")]
        announce_resolved(store, resolved, now)
        tell_resolved(store, resolved)
    return changes


def _planned(
    store: Store, issues: Sequence[int], values: Mapping[str, Any], tags: Sequence[str], untags: Sequence[str]
) -> list[Change]:
    issues = list(dict.fromkeys(issues))
    require(store, issues)
    before = {field: store.triage.values(issues, field) for field in values}
    held = store.triage.tags(issues) if tags or untags else set()
    changes = []
    for issue in issues:
        changes += [Change(issue, field, before[field][issue], value) for field, value in values.items()]
        changes += [Change(issue, "tag", None, tag) for tag in dict.fromkeys(tags) if (issue, tag) not in held]
        changes += [Change(issue, "tag", tag, None) for tag in dict.fromkeys(untags) if (issue, tag) in held]
    return [change for change in changes if change.before != change.after]


def _apply(store: Store, change: Change, actor: str, now: int) -> None:
    issue, field, before, after = change
    if field != "tag":
        store.triage.update(issue, now, **{field: after}, **_ALSO.get(field, _nothing_else)(after, now))
    elif after is not None:
        store.triage.tag(issue, after)
        store.triage.update(issue, now)
    else:
        store.triage.untag(store.merging.members(issue), before)
        store.triage.update(issue, now)
    store.triage.log(issue, now, actor, field, {field: [before, after]})


def _checked_status(status: str) -> str:
    if status not in STATUSES:
        raise InvalidError(f"there is no status {status!r}", f"Use one of: {', '.join(STATUSES)}")
    return status


def _checked_severity(severity: str | None) -> str | None:
    if severity is not None and severity not in SEVERITIES:
        raise InvalidError(f"there is no severity {severity!r}", f"Use one of: {', '.join(SEVERITIES)}")
    return severity


def _checked_title(title: str) -> str:
    title = " ".join(title.split())
    if not title or len(title) > MAX_TITLE:
        raise InvalidError("a title has 1 to 200 characters", "Give a shorter one" if title else "Give one")
    return title


def _checked_user(user: str | None) -> str | None:
    if user is not None and (not user.strip() or len(user) > 200):
        raise InvalidError(f"{user!r} is not a name", "Give a name, or --none")
    return user.strip() if user else None


def _checked_tag(tag: str) -> str:
    tag = " ".join(tag.split())
    if not tag or len(tag) > MAX_TAG or not tag.isprintable():
        raise InvalidError(f"{tag[:MAX_TAG]!r} is not a tag", "Use a word, such as db, or a pair, such as region=eu")
    return tag


def _nothing_else(value: Any, now: int) -> dict[str, Any]:
    return {}


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "status": _checked_status,
    "severity": _checked_severity,
    "assigned": _checked_user,
    "title": _checked_title,
}
# What changes together with a field.
_ALSO: dict[str, Callable[[Any, int], dict[str, Any]]] = {
    "status": lambda status, now: {
        "resolved_at": now if status == "resolved" else None,
        "resolved_in": None,
        "ignored_until": None,
        "is_regressed": 0,
    },
    "title": lambda title, now: {"title_fixed": 1},
}


# Merging


def merge(store: Store, target: int, others: Sequence[int], actor: str, now: int, *, learn: bool = True) -> list[int]:
    """Make issues part of another, all or none; those that were not part of it before.

    The target keeps its title, status, severity and assignee; counts, times and latest release are those
    of all events together. With `learn` similarity takes it for somebody's word on these issues. Raises NotFoundError,
    and InvalidError for an issue that cannot be merged.
    """
    others = list(dict.fromkeys(others))
    with store.writing():
        require(store, [target])
        present = store.triage.values(others, "merged_into")
        others = [issue for issue in others if issue not in present or present[issue] != target]
        require(store, others)
        _check_mergeable(store, target, others)
        for issue in others:
            if learn:
                store.similarity.judge(target, issue, True, now)
            store.merging.merge(target, issue)
        if others:
            store.triage.update(target, now)
            store.triage.log(target, now, actor, "merge", {"merged": ", ".join(f"#{issue}" for issue in others)})
    return others


def _check_mergeable(store: Store, target: int, others: Sequence[int]) -> None:
    if target in others:
        raise InvalidError(f"issue {target} cannot be merged into itself", "Name other issues behind the first")
    projects = store.merging.projects([target, *others])
    foreign = [issue for issue in others if projects[issue] != projects[target]]
    if foreign:
        raise InvalidError(f"issue {foreign[0]} is of another project than {target}", "Merge issues of one project")


def unmerge(store: Store, issue: int, actor: str, now: int, *, learn: bool = True) -> int:
    """Take an issue out of the one it was merged into, as it was before; that one's id. Raises InvalidError, NotFoundError.

    With `learn` the two are kept apart from now on: similarity never makes them one again.
    """
    with store.writing():
        homeless = store.merging.homeless(issue)
        if homeless:
            root = homeless[1]
            store.merging.revive(issue, *homeless, now)
        else:
            _check_merged(store, issue)
            root = store.merging.unmerge(issue)
        if learn:
            store.similarity.judge(root, issue, False, now)
        store.triage.update(root, now)
        store.triage.log(root, now, actor, "unmerge", {"unmerged": f"#{issue}"})
        store.triage.log(issue, now, actor, "unmerge", {"from": f"#{root}"})
    return root


def _check_merged(store: Store, issue: int) -> None:
    if _found(store, [issue], "merged_into")[issue] is not None:
        return
    inside = [member for member in store.merging.members(issue) if member != issue]
    hint = f"It has others in it: crashvault unmerge {inside[0]}" if inside else f"See: crashvault show {issue}"
    raise InvalidError(f"issue {issue} was not merged into another", hint)


def require(store: Store, issues: Sequence[int]) -> None:
    """Raises NotFoundError for issues that do not exist, and InvalidError for one that was merged into another."""
    for issue, into in _found(store, issues, "merged_into").items():
        if into is not None:
            root = store.merging.root(issue)
            hint = f"Use {root}, or take them apart: crashvault unmerge {issue}"
            raise InvalidError(f"issue {issue} was merged into #{root}", hint)


def _found(store: Store, issues: Sequence[int], field: str) -> dict[int, Any]:
    """A field of issues that all must exist."""
    found = store.triage.values(issues, field)
    missing = [str(issue) for issue in dict.fromkeys(issues) if issue not in found]
    if missing:
        raise NotFoundError(f"there is no issue {', '.join(missing)}", "See: crashvault list --status all")
    return found
