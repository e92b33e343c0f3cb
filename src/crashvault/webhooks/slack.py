"""Slack: an incoming webhook, or with a bot's token and a channel the Web API, which takes files too.

Limits and formats, as Slack documents them:

- blocks: https://docs.slack.dev/reference/block-kit/blocks (50 in a message; header 150 characters; section text
  3,000, fields 10 of 2,000 each; context 10 elements); buttons 75 characters, addresses 3,000;
- escaping: https://docs.slack.dev/messaging/formatting-message-text#escaping (only &, < and >);
- incoming webhooks and their errors: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks;
- https://docs.slack.dev/reference/methods/chat.postMessage, /files.getUploadURLExternal and /files.completeUploadExternal.

Blocks of more than about 13,000 characters in all are refused (https://github.com/slackapi/bolt-js/issues/2509).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..errors import InvalidError
from .base import File, Notification, Provider, Request, Response, Step, Target, Verdict, judge_status, retry_after
from .bodies import JSON, content_type, file_name, json_bytes, parsed_object, post, within
from .cutting import Escape, fit, fit_end
from .message import Fact, Message, message
from .targets import check_target

OPTIONS = {
    "token": "a bot's token (xoxb-…) with chat:write, and files:write for --attach; the address is then https://slack.com/api",
    "channel": "where the bot posts: a channel's id (C0123456789) or name",
}
HEADER, SECTION, FIELD, FIELDS, FALLBACK, TEXT = 150, 3_000, 2_000, 10, 3_000, 40_000

_CULPRIT, _TEXT, _STACK, _VALUE, _LABEL = 300, 2_500, 2_900, 300, 75  # ours, so that all of them stay below 13,000
_FILES, _FILE, _TOGETHER = 10, 20 << 20, 50 << 20
_FORM, _JSON = "application/x-www-form-urlencoded", f"{JSON}; charset=utf-8"

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKUP = re.compile(r"[*_~`]|:[\w+-]+:")  # the last are emoji
_ERROR = re.compile(r"[a-z_]{2,60}")
# Errors of the Web API that pass by themselves: https://docs.slack.dev/reference/methods/chat.postMessage#errors
RETRIED = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
                     "team_added_to_org", "external_channel_migrating", "rollup_error"})  # fmt: skip
# Errors that only files have; a message goes without them.
_ONLY_FILES = frozenset({"file_uploads_disabled", "file_uploads_except_images_disabled", "file_upload_size_restricted",
                         "storage_limit_reached", "blocked_file_type", "slack_connect_file_upload_sharing_blocked",
                         "slack_connect_blocked_file_type"})  # fmt: skip


def escape(text: str) -> str:
    """Text that means nothing but itself in Slack's mrkdwn, save for `*`, `_`, `~` and backticks: see `literal`."""
    return text.translate(_ENTITIES)


def literal(text: str, limit: int) -> str:
    """A line that Slack shows as it is: as code, where it holds what would be taken for markup."""
    if not _MARKUP.search(text):
        return fit(text, limit, escape)
    return f"`{fit(text.replace('`', 'ˋ'), limit - 2, escape)}`"


def _code(text: str) -> str:
    """What may stand between three backticks."""
    return escape(text.replace("```", "ˋˋˋ"))


def payload(shown: Message, note: str = "") -> dict[str, Any]:
    """A message as blocks: the title on top, the rest beside a bar in the level's colour."""
    parts = list(_blocks(shown, note))
    blocks = [_plain("header", shown.heading, HEADER)]
    colour = {"color": shown.colour, "fallback": fit(shown.plain, FALLBACK, _code), "blocks": parts}
    return {
        "text": fit(shown.plain, FALLBACK, _code),
        "blocks": blocks,
        "attachments": [colour],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _blocks(shown: Message, note: str) -> Any:
    yield _context(f"*{literal(shown.kind, _CULPRIT)}*", *([literal(shown.culprit, _CULPRIT)] if shown.culprit else []))
    if shown.text:
        yield {"type": "section", "text": {"type": "plain_text", "text": fit(shown.text, _TEXT), "emoji": False}}
    if shown.facts:
        yield {"type": "section", "fields": [_field(fact) for fact in shown.facts[:FIELDS]]}
    if shown.facts[FIELDS:]:
        yield {"type": "section", "fields": [_field(fact) for fact in shown.facts[FIELDS : 2 * FIELDS]]}
    if shown.stack:
        yield _mrkdwn("section", f"```\n{fit_end(shown.stack, _STACK, _code)}\n```")
    if shown.links:
        yield {"type": "actions", "elements": [_button(link.title, link.url) for link in shown.links]}
    last = [f"`{fit(shown.command.replace('`', 'ˋ'), _CULPRIT, escape)}`"] if shown.command else []
    yield _context(*last, literal(shown.footer, _CULPRIT), *([literal(note, _CULPRIT)] if note else []))


def _plain(kind: str, text: str, limit: int, shorten: Escape = str) -> dict[str, Any]:
    return {"type": kind, "text": {"type": "plain_text", "text": fit(text, limit, shorten), "emoji": False}}


def _mrkdwn(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(*texts: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True} for text in texts]}


def _field(fact: Fact) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": f"*{fact.name}*\n{literal(fact.value, _VALUE)}", "verbatim": True}


def _button(title: str, url: str) -> dict[str, Any]:
    return {**_plain("button", title, _LABEL), "url": url}


def build_requests(notification: Notification, target: Target, files: Sequence[File]) -> list[Step]:
    if not _has_bot(target):
        return [lambda _: post(target, JSON, json_bytes(_content(notification, target, "")))]
    files = within(files, each=_FILE, together=_TOGETHER, count=_FILES)
    uploads = [step for file in files for step in _upload(target, file)]
    return [*uploads, _message_step(notification, target), *([_share_step(target, files)] if files else [])]


def _content(notification: Notification, target: Target, note: str) -> dict[str, Any]:
    """The body of a message: what the template made of it, if there is one."""
    if target.rendered is None:
        return payload(message(notification), note)
    return rendered(target.rendered)


def rendered(text: str) -> dict[str, Any]:
    """A template's output: a payload of Slack's, or else the text of a message."""
    return parsed_object(text) or {"text": fit(text, TEXT)}


def _has_bot(target: Target) -> bool:
    return bool(target.options.get("token"))


def _call(target: Target, method: str, kind: str, body: bytes) -> Request:
    """A request to a method of the Web API, by the bot."""
    url = f"{target.url.rstrip('/')}/{method}"
    return post(target, kind, body, url=url, authorization=f"Bearer {target.options['token']}")


def _upload(target: Target, file: File) -> list[Step]:
    """Two steps: ask where to, and put it there. Nobody sees the file before it is shared."""

    def ask(_: Sequence[Response]) -> Request:
        body = urlencode({"filename": file_name(file), "length": file.size}, errors="replace")
        return _call(target, "files.getUploadURLExternal", _FORM, body.encode())

    def put(answers: Sequence[Response]) -> Request | None:
        found = _object(answers[-1])
        url = found.get("upload_url") if found.get("ok") is True else None
        return Request("POST", url, {"content-type": content_type(file)}, file.read()) if isinstance(url, str) else None

    return [ask, put]


def _message_step(notification: Notification, target: Target) -> Step:
    def send(answers: Sequence[Response]) -> Request:
        refused = next((error for answer in answers if (error := _error(answer))), "")
        body = {
            **_content(notification, target, f"Slack did not take the files: {refused}" if refused else ""),
            "channel": target.options["channel"],
            "metadata": {"event_type": "crashvault_notification", "event_payload": {"id": notification.id}},
        }
        return _call(target, "chat.postMessage", _JSON, json_bytes(body))

    return send


def _share_step(target: Target, files: Sequence[File]) -> Step:
    """Show the files that were taken, as answers to the message."""

    def share(answers: Sequence[Response]) -> Request | None:
        *before, posted = [found for answer in answers if (found := _object(answer))]
        shown = [
            {"id": found["file_id"], "title": file_name(file)}
            for found, file in zip(before, files, strict=False)
            if found.get("ok") is True and "file_id" in found
        ]
        body = {"files": shown, "channel_id": posted.get("channel"), "thread_ts": posted.get("ts")}
        return _call(target, "files.completeUploadExternal", _JSON, json_bytes(body)) if shown else None

    return share


def judge(response: Response, now: float) -> Verdict:
    """The Web API says in the body of a 200 what went wrong; an incoming webhook says it by its status and a word."""
    verdict = judge_status(response, now)
    error = _error(response)
    if not verdict.delivered:
        return verdict._replace(reason=f"{verdict.reason}: {error}") if error else verdict
    if not error:
        return verdict
    if _is_about_files(error, _object(response)):
        return Verdict(True, reason=f"Slack did not take the files: {error}")
    return Verdict(
        False, error in RETRIED, f"Slack says {error}", retry_after(response.headers.get("retry-after"), now)
    )


def _is_about_files(error: str, body: dict[str, Any]) -> bool:
    return error in _ONLY_FILES or (error == "missing_scope" and "files:write" in str(body.get("needed")))


def _error(response: Response) -> str:
    """The name of the error that an answer tells; "" without one. Nothing else of the answer may reach people."""
    body = _object(response)
    found = body.get("error") if body.get("ok") is False else None
    if found is None and response.status >= 400:
        found = response.body[:60].decode("ascii", "replace").strip()
    if found is None and body.get("ok") is not False:
        return ""
    return found if isinstance(found, str) and _ERROR.fullmatch(found) else "" if response.status >= 400 else "an error"


def _object(response: Response) -> dict[str, Any]:
    found = response.json()
    return found if isinstance(found, dict) else {}


def check(target: Target) -> None:
    check_target(target, "slack", OPTIONS)
    if bool(target.options.get("token")) != bool(target.options.get("channel")):
        raise InvalidError("a bot of Slack's needs both its token and a channel", "Give the options token and channel")
    if _has_bot(target) and not target.options["token"].isascii():
        raise InvalidError("that token is none of Slack's", "Take the Bot User OAuth Token, which begins with xoxb-")
    if _has_bot(target) and urlsplit(target.url).hostname == "hooks.slack.com":
        raise InvalidError("a bot does not post to an incoming webhook", "Use the address https://slack.com/api")


PROVIDER = Provider(
    name="slack",
    title="Slack",
    build_requests=build_requests,
    check=check,
    judge=judge,
    options=OPTIONS,
    secret_options=frozenset({"token"}),
    takes_files=_has_bot,
)
