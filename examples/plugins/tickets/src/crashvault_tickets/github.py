"""Issues on GitHub, and on what speaks its REST API (2022-11-28): Enterprise Server, Gitea, Forgejo.

The ticket of an issue is found by its label, whose list is up to date at once; the index of the search is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

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
    Verdict,
    judge_status,
    retry_after,
)  # fmt: skip
from crashvault.webhooks.bodies import json_bytes

from . import content

OPTIONS = {"token": "a token that may read and write issues", "labels": "more labels, with commas between"}


def build_requests(notification: Notification, target: Target, files: Sequence[File]) -> list[Step]:
    if notification.kind == TEST:
        return [lambda answers: _request(target, "GET", "")]
    return [step for issue in content.issues_of(notification) for step in _steps(notification, target, issue)]


def _steps(notification: Notification, target: Target, issue: Mapping[str, Any]) -> list[Step]:
    own, marker = content.label(issue), f"<!-- {notification.id} -->"
    places: dict[str, int] = {}

    def find(answers: Sequence[Response]) -> Request:
        places["tickets"] = len(answers)
        return _request(target, "GET", f"/issues?labels={own}&state=all&per_page=1&sort=created&direction=asc")

    def ticket(answers: Sequence[Response]) -> Any:
        found = content.readable(answers, places["tickets"], list)
        return found[0] if found else None

    def settle(answers: Sequence[Response]) -> Request | None:
        known = ticket(answers)
        if known is None:
            return None if notification.kind == RESOLVED else _created(notification, target, issue, own)
        state = {REGRESSION: "open", RESOLVED: "closed"}.get(notification.kind)
        if state is None or known["state"] == state:
            return None
        return _request(target, "PATCH", f"/issues/{int(known['number'])}", {"state": state})

    def look(answers: Sequence[Response]) -> Request | None:
        known = ticket(answers)
        if known is None or notification.kind != REGRESSION:
            return None
        places["comments"] = len(answers)
        return _request(
            target, "GET", f"/issues/{int(known['number'])}/comments?per_page=20&since={_since(notification)}"
        )

    def tell(answers: Sequence[Response]) -> Request | None:
        if "comments" not in places:
            return None
        comments = content.readable(answers, places["comments"], list)
        if any(marker in str(one.get("body")) for one in comments):
            return None
        text = f"It is back.\n\n{_fenced(content.stack(notification))}\n{marker}"
        return _request(target, "POST", f"/issues/{int(ticket(answers)['number'])}/comments", {"body": text})

    return [find, settle, look, tell]


def _since(notification: Notification) -> str:
    """Comments from before the message was queued are not its own."""
    return f"{notification.at[:19]}Z"


def _created(notification: Notification, target: Target, issue: Mapping[str, Any], own: str) -> Request:
    rows = [f"- **{name}**: {_code(value)}" for name, value in content.facts(issue, notification)]
    body = "\n".join([*rows, "", _fenced(content.stack(notification)), "", "Opened by Crashvault."])
    fields = {"title": content.title(issue), "body": body, "labels": content.labels(target.options, own)}
    return _request(target, "POST", "/issues", fields)


def _code(text: str) -> str:
    """As it is: nobody is mentioned, nothing is linked, whatever an event says."""
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks} {text} {ticks}" if "`" in text else f"`{text}`"


def _fenced(text: str) -> str:
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=2))
    return f"{ticks}\n{text}\n{ticks}"


def _request(target: Target, method: str, path: str, fields: Mapping[str, Any] | None = None) -> Request:
    headers = {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "crashvault-tickets",
        "Authorization": f"Bearer {target.options['token']}",
        **({"Content-Type": content.JSON} if fields is not None else {}),
    }
    body = b"" if fields is None else json_bytes(fields)
    return Request(method, target.url.rstrip("/") + path, headers, body, once=method == "POST")


def judge(response: Response, now: float) -> Verdict:
    """GitHub refuses with 403 who asks too often, and says when to come back."""
    headers = response.headers
    limited = response.status == 403 and ("retry-after" in headers or headers.get("x-ratelimit-remaining") == "0")
    if not limited:
        return judge_status(response, now)
    reset = headers.get("x-ratelimit-reset", "")
    after = retry_after(headers.get("retry-after"), now)
    return Verdict(
        False, True, "GitHub's rate limit", max(0.0, float(reset) - now) if after is None and reset.isdigit() else after
    )


def check(target: Target) -> None:
    if not re.fullmatch(r"https?://[^/?#\s]+(/[^/?#\s]+)*/repos/[^/?#\s]+/[^/?#\s]+/?", target.url):
        raise InvalidError("that is no repository", "Write it as https://api.github.com/repos/OWNER/NAME")
    if not target.options.get("token", "").isascii() or not target.options.get("token"):
        raise InvalidError("GitHub wants a token", "Give it with --option token=…")
    if unknown := sorted(set(target.options) - set(OPTIONS)):
        raise InvalidError(f"there is no option {unknown[0]!r}", f"There are: {', '.join(OPTIONS)}")


PROVIDER = Provider(
    name="github", title="GitHub issues", build_requests=build_requests, check=check, judge=judge, options=OPTIONS,
    secret_options=frozenset({"token"}), secret_url=False,
)  # fmt: skip
