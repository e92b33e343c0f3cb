"""Notifications of hostile events, as the vault would make them, and targets with secrets in all places."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any

from crashvault.grouping.strategies import group
from crashvault.ingest.normalize import normalize
from crashvault.models import LEVEL_RANKS
from crashvault.output.shapes import event_shape
from crashvault.webhooks.base import SUMMARY, File, Held, Notification, Target
from crashvault.webhooks.samples import LINKS, sample
from nasty import MARKUP, NASTY

NOW = 1_780_000_000_000_000
SECRET = "s3cr3t0Tok3n"
DEVICE = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"  # of RFC 8291
HUGE = "".join(f"word{number} <b>*x*</b> " for number in range(5_000))[:100_000]

# Each way in which a provider can be used: name, address, options.
WAYS: dict[str, tuple[str, str, dict[str, str]]] = {
    "http": ("http", f"https://hooks.example/{SECRET}", {}),
    "slack": ("slack", f"https://hooks.slack.com/services/T0/B0/{SECRET}", {}),
    "slack-bot": ("slack", "https://slack.com/api", {"token": f"xoxb-{SECRET}", "channel": "C0123456789"}),
    "discord": ("discord", f"https://discord.com/api/webhooks/1/{SECRET}?thread_id=5", {}),
    "teams": ("teams", f"https://prod.westeurope.logic.azure.com/workflows/1?sig={SECRET}", {}),
    "connector": ("teams", f"https://shop.webhook.office.com/webhookb2/{SECRET}", {"format": "connector"}),
    "apprise": ("apprise", f"ntfys://{SECRET}@ntfy.example.com/crashes", {}),
    "apprise-markdown": ("apprise", f"ntfys://{SECRET}@ntfy.example.com/crashes", {"format": "markdown"}),
    "push": ("push", f"https://push.example/{SECRET}", {"p256dh": DEVICE, "auth": f"{SECRET}AAAAAAAAAA"}),
}


def target(way: str, **more: Any) -> Target:
    name, url, options = WAYS[way]
    headers = {} if name == "apprise" else {"X-Team": f"header-{SECRET}"}
    return Target(url, headers, options, **more)


def files(*sizes: int) -> list[File]:
    return [
        File(f'../file {number} "€".txt\r\nX: y', "text/plain", size, functools.partial(bytes, size))
        for number, size in enumerate(sizes)
    ]


@functools.cache
def _event(name: str) -> dict[str, Any]:
    raw = HOSTILE[name]
    made = normalize(copy.deepcopy(raw), received_at=NOW, levels=LEVEL_RANKS, new_id=lambda: "7d3f2c9e-8c1b-4e0a-9d57-0b9a6f6f2f10")  # fmt: skip
    found = group(made)
    shape = event_shape(made, 7, found.hash)
    return {**shape, "title_": found.title, "culprit_": found.culprit}


HOSTILE: dict[str, dict[str, Any]] = {
    **NASTY,
    "100 kB message": {"message": HUGE},
    "100 kB value": {"exception": {"type": HUGE, "value": HUGE}, "release": HUGE, "host": HUGE, "tags": [HUGE] * 50},
    "100 kB of one letter": {"message": "x" * 100_000, "exception": {"type": "E", "value": "y" * 100_000}},
    "100 kB of emoji": {"message": "👩‍👩‍👧‍👦" * 9_000, "tags": ["👩‍👩‍👧‍👦" * 50]},
    "100 kB of markup": {"message": "<&>`*_~|[]()@#\\" * 7_000, "host": "<&>`*_~|\\" * 300},
    "backticks": {"message": "```` ``` ` `` " * 500, "stacktrace": "```\n" * 900, "host": "`", "release": "```"},
    "mentions": {"message": "@everyone <!channel> <@U1> <@&2> <#3> [x](javascript:alert(1))", "host": "@here"},
}


def hostile(name: str, kind: str) -> Notification:
    """A notification of that kind about a hostile event, with what is hostile in the issue and alert too."""
    event = dict(_event(name))
    title, culprit = event.pop("title_"), event.pop("culprit_")
    plain = sample(kind)
    long = (event["message"] or "") * 3
    changes: dict[str, Any] = {"links": {**LINKS, "event": "javascript:alert(1)", "cli": f"crashvault show 7 {title}"}}
    if plain.event:
        changes["event"] = event
    if plain.issue:
        issue = {**plain.issue, "title": title, "culprit": culprit, "assigned": title, "level": event["level"]}
        changes["issue"] = {**issue, "tags": event["tags"], "release": event["release"]}
    if plain.alert:
        changes["alert"] = {**plain.alert, "name": title, "condition": long, "group": title, "value": long}
    if kind == SUMMARY:
        changes["held"] = [Held({**sample("event").issue, "title": title}, 3)] * 500  # type: ignore[dict-item]
    levels = {**plain.levels, event["level"]: (MARKUP, MARKUP)}
    return dataclasses.replace(plain, project=f"shop {MARKUP}", levels=levels, **changes)
