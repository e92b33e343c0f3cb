"""Microsoft Teams: an Adaptive Card by the webhook of a workflow, or a MessageCard by an old connector.

Limits and formats, as Microsoft documents them:

- a message has at most 28 KB: https://learn.microsoft.com/en-us/microsoftteams/limits-specifications-teams;
- workflows: https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
  (the `message` with one attachment), which also says that a connector answers 200 when Teams said 429;
- https://adaptivecards.io/explorer/RichTextBlock.html: its text runs know no Markdown, so nothing in them is markup;
- https://learn.microsoft.com/en-us/outlook/actionable-messages/message-card-reference of the old format.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import InvalidError
from .base import RETRIED, File, Notification, Provider, Response, Step, Target, Verdict, judge_status
from .bodies import JSON, json_bytes, parsed_object, post
from .cutting import fit, fit_end
from .message import Message, message
from .targets import check_target

OPTIONS = {"format": "card, the default, for a workflow; connector for the old incoming webhooks of Microsoft 365"}
SIZE = 28_000  # bytes of a whole message

_TITLE, _CULPRIT, _TEXT, _VALUE, _SUMMARY = 300, 300, 2_000, 300, 300
_STACKS = (6_000, 3_000, 1_500, 500, 0)  # characters, until the message fits
_TYPE = "application/vnd.microsoft.card.adaptive"
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+\-!|~>]")
_FAILED = re.compile(rb"endpoint returned HTTP error (\d{3})")
_CODE = re.compile(r"[A-Za-z]{3,60}")


def build_requests(notification: Notification, target: Target, files: Sequence[File]) -> list[Step]:
    return [lambda _: post(target, JSON, json_bytes(_content(notification, target)))]


def _content(notification: Notification, target: Target) -> dict[str, Any]:
    if target.rendered is not None:
        return rendered(target.rendered, _is_connector(target))
    shown = message(notification)
    make = connector_card if _is_connector(target) else card
    for most in _STACKS:
        made = make(shown, most)
        if len(json_bytes(made)) <= SIZE:
            break
    return made


def _is_connector(target: Target) -> bool:
    return target.options.get("format") == "connector"


def rendered(text: str, connector: bool) -> dict[str, Any]:
    """A template's output: a message, a card alone, or else the text of one."""
    found = parsed_object(text)
    if found is None:
        shown = fit(text, SIZE - 1_000, measure=lambda part: len(json_bytes(part)))
        found = {"text": shown} if connector else _adaptive([{"type": "TextBlock", "text": shown, "wrap": True}])
    return _message(found) if found.get("type") == "AdaptiveCard" else found


def _message(content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "attachments": [{"contentType": _TYPE, "contentUrl": None, "content": content}]}


def _adaptive(body: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    schema = "http://adaptivecards.io/schemas/adaptive-card.json"
    return {"$schema": schema, "type": "AdaptiveCard", "version": "1.4", "body": body, **more}


def card(shown: Message, most: int) -> dict[str, Any]:
    """An Adaptive Card, with at most that many characters of the stack trace."""
    actions = [{"type": "Action.OpenUrl", "title": link.title, "url": link.url} for link in shown.links]
    more = {"fallbackText": fit(shown.plain, _SUMMARY), "msteams": {"width": "Full"}}
    return _message(_adaptive(list(_body(shown, most)), **more, **({"actions": actions} if actions else {})))


def _body(shown: Message, most: int) -> Iterator[dict[str, Any]]:
    yield _rich(_run(fit(shown.kind, _CULPRIT), isSubtle=True))
    heading = _run(fit(shown.heading, _TITLE), weight="Bolder", size="Large", color=_tone(shown.colour))
    yield _rich(heading, spacing="None")
    if shown.culprit:
        yield _rich(_run(fit(shown.culprit, _CULPRIT), isSubtle=True), spacing="None")
    for line in fit(shown.text, _TEXT).split("\n") if shown.text else ():
        yield _rich(_run(line or " "), spacing="None")
    for number, fact in enumerate(shown.facts):
        runs = _run(f"{fact.name}: ", weight="Bolder"), _run(fit(fact.value, _VALUE))
        yield _rich(*runs, spacing="None" if number else "Medium")
    if shown.stack and most:
        yield {"type": "Container", "style": "emphasis", "items": list(_stack(fit_end(shown.stack, most)))}
    last = " · ".join(filter(None, [shown.footer, shown.command]))
    yield _rich(_run(fit(last, _CULPRIT), isSubtle=True, size="Small"))


def _stack(text: str) -> Iterator[dict[str, Any]]:
    """A line for each, for a run of text shows no line breaks."""
    for line in text.split("\n"):
        yield _rich(_run(_indented(line), fontType="Monospace", size="Small"), spacing="None")


def _indented(line: str) -> str:
    """A line whose indentation is seen, since hard blanks make it; never empty."""
    bare = line.lstrip(" \t")
    return "\u00a0" * (len(line) - len(bare)) + bare or "\u00a0"


def _rich(*runs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs), **more}


def _run(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **more}


def _tone(colour: str) -> str:
    """The nearest of the colours that a card can name."""
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    if saturation < 0.2:
        return "Default"
    tones = ((25, "Attention"), (70, "Warning"), (170, "Good"), (290, "Accent"), (361, "Attention"))
    return next(tone for end, tone in tones if hue * 360 < end)


def escape(text: str) -> str:
    """Text that means nothing but itself in the Markdown of a MessageCard."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", text).replace("<", "&lt;")


def connector_card(shown: Message, most: int) -> dict[str, Any]:
    """A MessageCard, with at most that many characters of the stack trace."""
    facts = [{"name": fact.name, "value": fit(fact.value, _VALUE, escape)} for fact in shown.facts]
    stack = fit_end(shown.stack, most, escape) if shown.stack and most else ""
    text = "\n".join(filter(None, [fit(shown.text, _TEXT, escape), stack]))
    return {
        "@type": "MessageCard",
        "@context": "https://schema.org/extensions",
        "themeColor": shown.colour[1:],
        "summary": fit(shown.plain, _SUMMARY),
        "title": fit(shown.heading, _TITLE, escape),
        "sections": [
            {
                "activityTitle": fit(shown.kind, _CULPRIT, escape),
                "activitySubtitle": fit(shown.culprit, _CULPRIT, escape),
                "facts": facts,
                "text": "\n\n".join(_indented(line) for line in text.split("\n")),
                "markdown": True,
            },
            {"text": fit(" · ".join(filter(None, [shown.footer, shown.command])), _CULPRIT, escape), "markdown": True},
        ],
        "potentialAction": [
            {"@type": "OpenUri", "name": link.title, "targets": [{"os": "default", "uri": link.url}]}
            for link in shown.links
        ],
    }


def judge(response: Response, now: float) -> Verdict:
    """By the status; a connector answers 200 and says in its body what Teams answered."""
    verdict = judge_status(response, now)
    found = _FAILED.search(response.body)
    if verdict.delivered and found:
        status = int(found[1])
        return Verdict(False, status in RETRIED or status >= 500, f"Teams answered HTTP {status}")
    body = response.json()
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if not verdict.delivered and isinstance(code, str) and _CODE.fullmatch(code):
        return verdict._replace(reason=f"{verdict.reason}: {code}")
    return verdict


def check(target: Target) -> None:
    check_target(target, "teams", OPTIONS)
    if target.options.get("format", "card") not in ("card", "connector"):
        raise InvalidError("there is no such format of Teams' messages", "Use format=card or format=connector")


PROVIDER = Provider(
    name="teams",
    title="Microsoft Teams",
    build_requests=build_requests,
    check=check,
    judge=judge,
    options=OPTIONS,
)
