"""Changing issues: state, comments, merging, deleting; one or many, all or none."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from .. import lifecycle
from ..errors import NotFoundError
from ..views import issue_details, narrowed
from .endpoints import Answer, Call, Endpoint
from .errors import UnprocessableError
from .reading import known_event, known_issue
from .schemas import Batch, Comment, IssueChange, Merge

_FIELDS = ("status", "severity", "title", "assigned")


def change(call: Call) -> dict[str, Any]:
    issue, release = known_issue(call), call.body.resolved_in
    if release is not UNSET and call.body.status != "resolved":
        raise UnprocessableError(
            "The body is wrong", [{"field": "resolved_in", "message": "goes with status resolved"}]
        )
    ignored_until = call.body.ignored_until
    if ignored_until is not UNSET and call.body.status != "ignored":
        raise UnprocessableError(
            "The body is wrong", [{"field": "ignored_until", "message": "goes with status ignored"}]
        )
    with call.store.writing():
        _changed(call, [issue], call.body, dry_run=False)
        if ignored_until is not UNSET:
            until = lifecycle.until(ignored_until.time, ignored_until.events, ignored_until.users, call.now)
            lifecycle.ignore_until(call.store, [issue], until, call.access.name, call.now)
        if release is not UNSET:
            lifecycle.resolve_in(call.store, [issue], release, call.access.name, call.now)
    return issue_details(call.store, issue, call.now)


def delete(call: Call) -> Answer:
    call.store.deletion.issues([known_issue(call)], call.now)
    return Answer(None, 204)


def delete_event(call: Call) -> Answer:
    call.store.deletion.events([known_event(call).row], call.now)
    return Answer(None, 204)


def batch(call: Call) -> dict[str, Any]:
    body = call.body
    if (body.ids is UNSET) == (body.query is UNSET):
        raise UnprocessableError("The body is wrong", [{"field": "ids", "message": "give either ids or query"}])
    changes = any(getattr(body, name, UNSET) is not UNSET for name in (*_FIELDS, "tag", "untag"))
    if changes == body.delete:
        what = "delete goes alone" if body.delete else "say what to change"
        raise UnprocessableError("The body is wrong", [{"field": "delete", "message": what}])
    issues = _chosen(call)
    if not body.delete:
        return _changed(call, issues, body, dry_run=body.dry_run)
    if not body.dry_run:
        call.store.deletion.issues(issues, call.now)
    changed = [{"id": issue, "field": "deleted", "from": False, "to": True} for issue in issues]
    return {"changed": changed, "unchanged": [], "dry_run": body.dry_run}


def _chosen(call: Call) -> list[int]:
    body, store = call.body, call.store
    if body.query is not UNSET:
        search = store.search(call.now)
        node, _ = narrowed(search, body.query, project=call.access.project, open_by_default=False)
        return list(search.every_issue(node))
    issues = list(dict.fromkeys(body.ids))
    for found in store.issues.by_ids(issues):
        if call.access.project not in (None, found.project):
            raise NotFoundError(f"there is no issue {found.id}")
    lifecycle.require(store, issues)
    return issues


def _changed(call: Call, issues: list[int], body: Any, *, dry_run: bool) -> dict[str, Any]:
    fields = {name: value for name in _FIELDS if (value := getattr(body, name, UNSET)) is not UNSET}
    tags, untags = ([] if value is UNSET else value for value in (body.tag, body.untag))
    changes = lifecycle.change_issues(
        call.store, issues, fields, call.access.name, call.now, tags=tags, untags=untags, dry_run=dry_run
    )
    touched = {one.issue for one in changes}
    return {
        "changed": [{"id": one.issue, "field": one.field, "from": one.before, "to": one.after} for one in changes],
        "unchanged": [issue for issue in issues if issue not in touched],
        "dry_run": dry_run,
    }


def comment(call: Call) -> dict[str, Any]:
    issue = known_issue(call)
    lifecycle.comment(call.store, issue, call.body.text, call.access.name, call.now)
    return issue_details(call.store, issue, call.now)


def merge(call: Call) -> dict[str, Any]:
    target = known_issue(call)
    for found in call.store.issues.by_ids(call.body.issues):
        if call.access.project not in (None, found.project):
            raise NotFoundError(f"there is no issue {found.id}")
    lifecycle.merge(call.store, target, call.body.issues, call.access.name, call.now)
    return issue_details(call.store, target, call.now)


def unmerge(call: Call) -> dict[str, Any]:
    issue = known_issue(call)
    lifecycle.unmerge(call.store, issue, call.access.name, call.now)
    return issue_details(call.store, issue, call.now)


ENDPOINTS = (
    Endpoint("PATCH", "/api/v1/issues/{issue:id}", "write", change, "Change an issue; what is absent stays.", "Issue", body=IssueChange, writes=True),
    Endpoint("DELETE", "/api/v1/issues/{issue:id}", "write", delete, "Delete an issue with all its events.", "", status=204, writes=True),
    Endpoint("POST", "/api/v1/issues/batch", "write", batch, "Change or delete many issues in one step: all or none.", "Changes", body=Batch, writes=True),
    Endpoint("POST", "/api/v1/issues/{issue:id}/comments", "write", comment, "Write a comment on an issue.", "Issue", body=Comment, status=201, writes=True),
    Endpoint("POST", "/api/v1/issues/{issue:id}/merge", "write", merge, "Make other issues part of this one.", "Issue", body=Merge, writes=True),
    Endpoint("POST", "/api/v1/issues/{issue:id}/unmerge", "write", unmerge, "Take an issue out of the one it was merged into.", "Issue", writes=True),
    Endpoint("DELETE", "/api/v1/events/{event}", "write", delete_event, "Delete one event.", "", status=204, writes=True, tag="events"),
)  # fmt: skip
