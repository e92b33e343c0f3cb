"""Issues in Jira: Cloud (`/rest/api/2/search/jql`, basic authentication) and Data Center (`/rest/api/2/search`, a token).

Text goes in as wiki markup of version 2 of the REST API, inside of noformat, in which nothing is markup.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from crashvault.errors import InvalidError
from crashvault.webhooks.base import (
    REGRESSION,
    RESOLVED,
    TEST,
    File,
    Notification,
    Provider,
    Request,
    Response,
    Step,
    Target,
)  # fmt: skip
from crashvault.webhooks.bodies import json_bytes

from . import content

OPTIONS = {
    "project": "the key of the project",
    "token": "an API token, or a personal access token where api is server",
    "user": "the mail address that the API token belongs to",
    "type": "the type of issues; Bug without it",
    "labels": "more labels, with commas between",
    "api": "cloud, or server for Data Center; cloud without it",
}
_TOLD = {REGRESSION: "It is back.", RESOLVED: "It was resolved in Crashvault."}


def build_requests(notification: Notification, target: Target, files: Sequence[File]) -> list[Step]:
    if notification.kind == TEST:
        return [lambda answers: _request(target, "GET", f"/project/{target.options['project']}")]
    return [step for issue in content.issues_of(notification) for step in _steps(notification, target, issue)]


def _steps(notification: Notification, target: Target, issue: Mapping[str, Any]) -> list[Step]:
    own, places = content.label(issue), {"tickets": 0}

    def find(answers: Sequence[Response]) -> Request:
        places["tickets"] = len(answers)
        jql = f'project = "{target.options["project"]}" AND labels = "{own}" ORDER BY created ASC'
        asked = urlencode({"jql": jql, "fields": "status", "maxResults": 1})
        return _request(target, "GET", f"/search{'' if _is_server(target) else '/jql'}?{asked}")

    def ticket(answers: Sequence[Response]) -> str | None:
        found = content.readable(answers, places["tickets"], dict)["issues"]
        return str(found[0]["key"]) if found else None

    def create(answers: Sequence[Response]) -> Request | None:
        if ticket(answers) is not None or notification.kind == RESOLVED:
            return None
        return _created(notification, target, issue, own)

    def look(answers: Sequence[Response]) -> Request | None:
        known = ticket(answers)
        if known is None or notification.kind not in _TOLD:
            return None
        places["comments"] = len(answers)
        return _request(target, "GET", f"/issue/{known}/comment?orderBy=-created&maxResults=20")

    def tell(answers: Sequence[Response]) -> Request | None:
        if "comments" not in places:
            return None
        comments = content.readable(answers, places["comments"], dict)["comments"]
        if any(notification.id in str(one.get("body")) for one in comments):
            return None
        stack = _noformat(content.stack(notification)) if notification.kind == REGRESSION else ""
        text = f"{_TOLD[notification.kind]}\n\n{stack}\n{notification.id}"
        return _request(target, "POST", f"/issue/{ticket(answers)}/comment", {"body": text})

    return [find, create, look, tell]


def _created(notification: Notification, target: Target, issue: Mapping[str, Any], own: str) -> Request:
    rows = "\n".join(f"{name}: {value}" for name, value in content.facts(issue, notification))
    fields = {
        "project": {"key": target.options["project"]},
        "issuetype": {"name": target.options.get("type", "Bug")},
        "summary": content.title(issue),
        "description": f"{_noformat(rows)}\n{_noformat(content.stack(notification))}\nOpened by Crashvault.",
        "labels": [one.replace(" ", "-") for one in content.labels(target.options, own)],
    }
    return _request(target, "POST", "/issue", {"fields": fields})


def _noformat(text: str) -> str:
    return f"{{noformat}}\n{text.replace('{noformat', '{ noformat')}\n{{noformat}}"


def _is_server(target: Target) -> bool:
    return target.options.get("api") == "server"


def _request(target: Target, method: str, path: str, fields: Mapping[str, Any] | None = None) -> Request:
    token = target.options["token"]
    basic = base64.b64encode(f"{target.options.get('user', '')}:{token}".encode()).decode()
    headers = {
        "Accept": content.JSON,
        "X-Atlassian-Token": "no-check",
        "Authorization": f"Bearer {token}" if _is_server(target) else f"Basic {basic}",
        **({"Content-Type": content.JSON} if fields is not None else {}),
    }
    url = f"{target.url.rstrip('/')}/rest/api/2{path}"
    return Request(method, url, headers, b"" if fields is None else json_bytes(fields), once=method == "POST")


def check(target: Target) -> None:
    options = target.options
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise InvalidError(f"there is no option {unknown[0]!r}", f"There are: {', '.join(OPTIONS)}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,49}", options.get("project", "")):
        raise InvalidError("Jira wants the key of a project", "Give it with --option project=OPS")
    if not options.get("token") or not options["token"].isascii():
        raise InvalidError("Jira wants a token", "Give it with --option token=…")
    if options.get("api", "cloud") not in ("cloud", "server"):
        raise InvalidError(f"there is no api {options['api']!r}", "Use cloud or server")
    if not _is_server(target) and not options.get("user"):
        raise InvalidError("Jira Cloud wants to know whose token it is", "Give the mail address with --option user=…")


PROVIDER = Provider(
    name="jira", title="Jira", build_requests=build_requests, check=check, options=OPTIONS,
    secret_options=frozenset({"token"}), secret_url=False,
)  # fmt: skip
