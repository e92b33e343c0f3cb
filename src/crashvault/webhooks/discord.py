"""Discord: an embed by webhook, with files.

Limits and formats, as Discord documents them:

- embeds: https://docs.discord.com/developers/resources/message#embed-object-embed-limits (title 256 characters,
  description 4,096, 25 fields of 256 and 1,024, footer 2,048, author 256, in all 6,000);
- https://docs.discord.com/developers/resources/webhook#execute-webhook (content 2,000; `wait` makes errors known);
- files: https://docs.discord.com/developers/reference#uploading-files (10 files, 10 MiB a file by default);
- rate limits: https://docs.discord.com/developers/topics/rate-limits (`retry_after` in the body).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .base import File, Notification, Provider, Response, Step, Target, Verdict, judge_status
from .bodies import JSON, Part, file_part, form, json_bytes, parsed_object, post, within
from .cutting import fit, fit_end, units
from .message import Message, message
from .targets import check_target

CONTENT, TITLE, DESCRIPTION, FIELDS, NAME, VALUE, FOOTER, AUTHOR, ALL = (
    2_000,
    256,
    4_096,
    25,
    256,
    1_024,
    2_048,
    256,
    6_000,
)

_CULPRIT, _TEXT, _SHOWN_VALUE, _COMMAND = 300, 1_500, 200, 200
_FILES, _FILE, _TOGETHER = 10, 10 << 20, (10 << 20) - (64 << 10)

_INLINE = re.compile(r"[\\*_~`|<\[\]()@]|(?<![^\n])[ \t]*[>#-]|(?<![^\n])[ \t]*\d{1,9}\.", re.A)
_NOBODY: dict[str, Any] = {"parse": []}  # is mentioned
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
_ERRORS = {
    10003: "unknown channel",
    10015: "unknown webhook",
    30046: "too many edits",
    40005: "request too large",
    50006: "empty message",
    50027: "invalid webhook token",
    50035: "invalid form body",
    220001: "a webhook of a forum needs a thread",
}


def escape(text: str) -> str:
    """Text that means nothing but itself in Discord's Markdown."""
    return _INLINE.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", text)


def _code(text: str) -> str:
    """What may stand between backticks."""
    return text.replace("`", "ˋ")


def embed(shown: Message, at: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": fit(shown.heading, TITLE, escape),
        "author": {"name": fit(shown.kind, AUTHOR)},
        "color": int(shown.colour[1:], 16),
        "fields": [
            {"name": fact.name, "value": fit(fact.value, _SHOWN_VALUE, escape), "inline": units(fact.value) < 40}
            for fact in shown.facts[:FIELDS]
        ],
        "footer": {"text": fit(shown.footer, _CULPRIT)},
        "timestamp": at,
    }
    if shown.url:
        made["url"] = shown.url
    description = _description(shown, min(DESCRIPTION, ALL - size(made)))
    return {**made, "description": description} if description else made


def size(made: dict[str, Any]) -> int:
    """How much of the limit on everything together an embed takes."""
    texts = [made["title"], made.get("description", ""), made["author"]["name"], made["footer"]["text"]]
    return sum(units(text) for text in texts) + sum(units(one["name"]) + units(one["value"]) for one in made["fields"])


def _description(shown: Message, limit: int) -> str:
    culprit = f"**{fit(shown.culprit, _CULPRIT, escape)}**" if shown.culprit else ""
    above = "\n".join(filter(None, [culprit, fit(shown.text, _TEXT, escape)]))
    command = f"`{fit(shown.command, _COMMAND, _code)}`" if shown.command else ""
    links = " · ".join(f"[{link.title}]({link.url})" for link in shown.links)
    below = " · ".join(filter(None, [links if len(links) < limit // 2 else "", command]))
    room = limit - units(above) - units(below) - len("\n```\n\n```\n")
    stack = f"```\n{fit_end(shown.stack, room, _code)}\n```" if shown.stack and room > len("…\nx") else ""
    return "\n".join(filter(None, [above, stack, below]))


def build_requests(notification: Notification, target: Target, files: Sequence[File]) -> list[Step]:
    def send(_: object) -> Any:
        kind, body = JSON, json_bytes(_content(notification, target))
        taken = within(files, each=_FILE, together=_TOGETHER, count=_FILES)
        if taken:
            named = [file_part(f"files[{number}]", file) for number, file in enumerate(taken)]
            kind, body = form(notification.id, [Part("payload_json", JSON, body), *named])
        return post(target, kind, body, url=_waiting(target.url))

    return [send]


def _content(notification: Notification, target: Target) -> dict[str, Any]:
    if target.rendered is None:
        made: dict[str, Any] = {"embeds": [embed(message(notification), notification.at)]}
    else:
        made = parsed_object(target.rendered) or {"content": fit(target.rendered, CONTENT)}
    return {"allowed_mentions": _NOBODY, **made}


def _waiting(url: str) -> str:
    """The address with `wait=true`: without it a message that Discord drops is answered as if it were taken."""
    parts = urlsplit(url)
    query = [*(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "wait"), ("wait", "true")]
    return parts._replace(query=urlencode(query)).geturl()


def judge(response: Response, now: float) -> Verdict:
    verdict = judge_status(response, now)
    body = response.json()
    if verdict.delivered or not isinstance(body, dict):
        return verdict
    code = body.get("code")
    if isinstance(code, int) and 0 < code < 10_000_000:
        verdict = verdict._replace(reason=f"{verdict.reason}: {_ERRORS.get(code, f'Discord says {code:d}')}")
    after = body.get("retry_after")
    if response.status == 429 and isinstance(after, (int, float)) and 0 <= after < 86_400:
        verdict = verdict._replace(after=max(float(after), verdict.after or 0.0))
    return verdict


def check(target: Target) -> None:
    check_target(target, "discord")


PROVIDER = Provider(
    name="discord",
    title="Discord",
    build_requests=build_requests,
    check=check,
    judge=judge,
    takes_files=lambda target: True,
)
