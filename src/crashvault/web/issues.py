"""The list of issues and the page of one: reading, and triage by the functions that the HTTP interface has."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

from .. import core, lifecycle, suggesting
from ..api import reading, triage
from ..api.schemas import Batch, Comment, IgnoredUntil, IssueChange, Merge
from ..clock import DAY, to_iso
from ..errors import InvalidError, NotFoundError, QueryError
from ..exchange.markdown import escape as escaped_markdown
from ..exchange.markdown import fenced
from ..models import SEVERITIES
from ..views import events_per_day, issue_page, narrowed, shown_issues
from .pages import Moved, Page, Reply, Sent, Shown, Visit, local_path
from .rendering import link, quoted

PAGE = 40  # issues at once
_SHARED = 200  # characters of a shared text that are searched for
_OUR_PAGES = re.compile(r"https?://[^\s/]+/(?:issues/\d+|events/[0-9a-f-]+)\b")
_SUSPECT_SECONDS = 5.0  # for git
_SORTS = {
    "last_seen": "Last seen", "created_at": "New first", "events": "Most events", "users": "Most users",
    "priority": "Priority",
}  # fmt: skip
_SEARCHES = (
    ("Open", ""), ("New", "is:new"), ("Regressed", "is:regressed"), ("Unassigned", "is:open is:unassigned"),
    ("Resolved", "is:resolved"), ("Ignored", "is:ignored"), ("All", "is:open,resolved,ignored"),
)  # fmt: skip
# What a button of the list or of the page does, as the fields of a change.
_ACTIONS: dict[str, dict[str, Any]] = {
    "resolve": {"status": "resolved"},
    "resolve-in": {"status": "resolved"},  # and a release
    "ignore": {"status": "ignored"},
    "ignore-until": {"status": "ignored"},  # and what ends it
    "reopen": {"status": "open"},
}


# The list


def first(visit: Visit) -> Reply:
    return Moved("/issues")


def issues(visit: Visit) -> Reply:
    query, project = visit.asked("query"), visit.asked("project")
    sort = visit.asked("sort") if visit.asked("sort") in _SORTS else "last_seen"
    context = {
        "query": query, "project": project, "sort": sort, "sorts": _SORTS, "searches": _SEARCHES,
        "saved": visit.store.searches.list(), "projects": [one.name for one in visit.store.projects.list()],
        "people": visit.store.suggestions.people(""), "error": None, "page": None, "items": [], "next": "",
        "days": {}, "shown_from": visit.asked("cursor"),
    }  # fmt: skip
    try:
        return Shown("issues.html", {**context, **_found(visit, query, project, sort)})
    except (QueryError, NotFoundError) as error:
        return Shown("issues.html", {**context, "error": error}, error.status)


def _found(visit: Visit, query: str, project: str, sort: str) -> dict[str, Any]:
    store, cursor = visit.store, visit.asked("cursor") or None
    if project:
        store.projects.require(project)
    search = store.search(visit.now)
    node, _ = narrowed(search, query, project=project or None)
    page = issue_page(store, search, node, ("page", query, project), sort=sort, limit=PAGE, cursor=cursor)
    following = link("/issues", query=query, project=project, sort=sort, cursor=page.next_cursor)
    return {
        "page": page,
        "items": shown_issues(store, page.ids, visit.now, with_tags=False),  # the list does not show them
        "days": events_per_day(store, page.ids, visit.now),
        "next": following if page.next_cursor else "",
    }


def share(visit: Visit) -> Reply:
    """What another app shares: a page of ours is opened, any other text is searched for."""
    given = [visit.asked(name).strip() for name in ("url", "text", "title")]
    for text in given:
        found = _OUR_PAGES.search(text)
        if found and urlsplit(found[0]).netloc == visit.request.url.netloc:
            return Moved(local_path(urlsplit(found[0]).path))
    lines = [line.strip() for text in (given[1], given[2], given[0]) for line in text.splitlines() if line.strip()]
    if not lines:
        return Moved("/issues")
    return Moved(link("/issues", query=f"{quoted(lines[0][:_SHARED])} is:open,resolved,ignored"))


def change_many(visit: Visit) -> Reply:
    """What was chosen in the list, or all that its query finds."""
    back = local_path(visit.field("back", "/issues"))
    action, everything = visit.field("action"), visit.field("everything") == "yes"
    ids: list[int] = [] if everything else [int(text) for text in visit.fields("id") if text.isdecimal()]
    if not ids and not everything:
        raise InvalidError("no issue was chosen", "Choose some in the list first")
    if action == "merge":
        _merge(visit, ids[0], ids[1:])
        return Moved(f"/issues/{ids[0]}")
    fields: dict[str, Any] = _fields(visit, action)
    chosen: dict[str, Any] = {"query": visit.field("query") or "is:open"} if everything else {"ids": ids}
    triage.batch(visit.call._replace(body=Batch(**chosen, **fields)))
    return Moved(back)


def _fields(visit: Visit, action: str) -> dict[str, Any]:
    if action in _ACTIONS:
        return _ACTIONS[action]
    if action == "assign":
        return {"assigned": _person(visit)}
    if action == "severity":
        return {"severity": visit.field("severity") or None}
    if action == "delete":
        return {"delete": True}
    raise InvalidError(f"there is no action {action[:40]!r}")


def _person(visit: Visit) -> str | None:
    """Who was named; `me` is whoever is logged in."""
    name = visit.field("assigned").strip()
    return (visit.actor if name == "me" else name) or None


def save_search(visit: Visit) -> Reply:
    query = visit.field("query")
    visit.store.search(visit.now).parse(query)
    visit.store.searches.save(visit.field("name"), query, visit.actor, visit.now)
    return Moved(link("/issues", query=query))


def remove_search(visit: Visit) -> Reply:
    visit.store.searches.remove(visit.call.path["search"])
    return Moved("/issues")


def complete(visit: Visit) -> Reply:
    """What the text before the cursor may become, for the query box."""
    found = list(suggesting.query(visit.store.suggestions, visit.asked("text")[-500:]))[:20]
    return Sent(json.dumps(found).encode(), "application/json")


# One issue


def issue(visit: Visit) -> Reply:
    details = reading.issue(visit.call._replace(query={"fields": None}))
    context: dict[str, Any] = {"issue": details, "event": None, "severities": SEVERITIES, "days": _days(visit)}
    if details["merged_into"] is None:
        chosen = visit.asked("event") or details["latest_event"]["event_id"]
        context["event"] = event_of(visit, chosen)
        if context["event"]["issue_id"] != details["id"]:
            raise NotFoundError(f"there is no event {chosen[:40]!r} in this issue")
    context["people"] = visit.store.suggestions.people("")
    context["has_repository"] = bool(_repository(visit))
    return Shown("issue.html", context)


def event_of(visit: Visit, event: str) -> dict[str, Any]:
    """An event whole, as the HTTP interface gives it."""
    call = visit.call._replace(path={"event": event}, query={"fields": None})
    return reading.event(call)


def _days(visit: Visit) -> list[str]:
    """The days of the chart."""
    return [to_iso(visit.now - back * DAY)[:10] for back in range(13, -1, -1)]


def suspects(visit: Visit) -> Reply:
    """The commits that probably brought it, which git is asked for after the page is there."""
    issue_id, directory = visit.call.path["issue"], _repository(visit)
    visit.store.issues.get(issue_id)
    if not directory:
        raise NotFoundError("no repository is known here", "Name one on the machine of the server: server.repository")
    from ..analysis.batch import suspects_of

    end = time.monotonic() + _SUSPECT_SECONDS
    found = suspects_of(visit.store, issue_id, directory, lambda: time.monotonic() > end)
    return Shown("suspects.html", {"found": found, "directory": directory, "issue_id": issue_id})


def _repository(visit: Visit) -> str:
    return str(core.get_setting(visit.store, "server.repository")[0])


def change_one(visit: Visit) -> Reply:
    issue_id, action = visit.call.path["issue"], visit.field("action")
    back = local_path(visit.field("back") or f"/issues/{issue_id}")
    call = visit.call
    if action == "comment":
        triage.comment(call._replace(body=Comment(visit.field("text"))))
    elif action == "merge":
        given = " ".join(visit.fields("others")).replace("#", " ").replace(",", " ")
        _merge(visit, issue_id, [int(text) for text in given.split() if text.isdecimal()])
    elif action == "unmerge":
        triage.unmerge(call)
    elif action == "delete":
        triage.delete(call)
        return Moved("/issues")
    elif action == "title":
        triage.change(call._replace(body=IssueChange(title=visit.field("title"))))
    elif action == "tag":
        lifecycle.change_issues(call.store, [issue_id], {}, visit.actor, call.now, tags=[visit.field("tag")])
    elif action == "untag":
        lifecycle.change_issues(call.store, [issue_id], {}, visit.actor, call.now, untags=[visit.field("tag")])
    else:
        triage.change(call._replace(body=_change(visit, action)))
    return Moved(back)


def _change(visit: Visit, action: str) -> IssueChange:
    """A change of state; with the release in which it is resolved (`next`, or a name), or what ends that it is ignored."""
    more: dict[str, Any] = {}
    if action == "resolve-in" and visit.field("release").strip():
        more["resolved_in"] = visit.field("release").strip()
    if action == "ignore-until":
        time, events, users = (visit.field(name).strip() or None for name in ("time", "events", "users"))
        more["ignored_until"] = IgnoredUntil(time, _number(events), _number(users))
    return IssueChange(**_fields(visit, action), **more)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not 0 < int(text[:12]) <= 1_000_000_000:
        raise InvalidError(f"{text[:40]!r} is no number that could be waited for", "Give one from 1")
    return int(text)


def _merge(visit: Visit, target: int, others: list[int]) -> None:
    if not others:
        raise InvalidError("one issue cannot be merged", "Name others, such as 12, 15")
    path = {**visit.call.path, "issue": target}
    triage.merge(visit.call._replace(path=path, body=Merge(others)))


# As text


def stack(visit: Visit) -> Reply:
    """The stack trace alone, as it would be printed."""
    event = event_of(visit, visit.call.path["event"])
    return Sent((event["stacktrace"] or event["message"]).encode("utf-8", "replace"), "text/plain; charset=utf-8")


def markdown(visit: Visit) -> Reply:
    """An issue in a few lines for a ticket or a chat."""
    details = reading.issue(visit.call._replace(query={"fields": None}))
    event = event_of(visit, visit.asked("event")) if visit.asked("event") else details["latest_event"]
    lines = [f"**#{details['id']} {escaped_markdown(details['title'])}**", ""]
    facts = {
        "status": details["status"], "level": details["level"], "events": details["count"], "users": details["users"],
        "first seen": details["first_seen"], "last seen": details["last_seen"], "release": details["release"],
        "environment": details["environment"], "link": f"{str(visit.request.base_url).rstrip('/')}/issues/{details['id']}",
    }  # fmt: skip
    lines += [f"- {name}: {escaped_markdown(value)}" for name, value in facts.items() if value]
    if event and (event["stacktrace"] or event["message"]):
        lines += ["", fenced(event["stacktrace"] or event["message"])]
    return Sent("\n".join([*lines, ""]).encode("utf-8", "replace"), "text/markdown; charset=utf-8")


PAGES = (
    Page("GET", "/", "read", first),
    Page("GET", "/issues", "read", issues),
    Page("POST", "/issues", "write", change_many, writes=True),
    Page("GET", "/share", "read", share),
    Page("GET", "/issues/complete", "read", complete),
    Page("POST", "/searches", "write", save_search, writes=True),
    Page("POST", "/searches/{search:id}/remove", "write", remove_search, writes=True),
    Page("GET", "/issues/{issue:id}", "read", issue),
    Page("POST", "/issues/{issue:id}", "write", change_one, writes=True),
    Page("GET", "/issues/{issue:id}/markdown", "read", markdown),
    Page("GET", "/issues/{issue:id}/suspects", "read", suspects),
    Page("GET", "/events/{event}/stack", "read", stack),
)
__all__ = ["PAGES", "event_of"]
