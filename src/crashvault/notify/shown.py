"""Webhooks and deliveries as people and programs see them: without anything that is secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..clock import to_iso
from ..errors import InvalidError
from ..plugins.parts import provider
from ..storage.outbox import DELIVERED, DELIVERING, FAILED, HELD, QUEUED, RETRY, Delivery
from ..storage.webhooks import Webhook
from ..webhooks.base import CHOICES, Provider

HIDDEN = "[hidden]"
_SHORTEST_SECRET = 6  # characters; shorter ones would be found everywhere
_TOKEN = 12  # characters of a part of an address that may be a secret by itself


def webhook_shape(webhook: Webhook, counts: Mapping[str, int], now: int) -> dict[str, Any]:
    """A webhook as the interface documents it; `counts` are its deliveries by state."""
    found = _provider(webhook)
    secret_options = found.secret_options if found else frozenset(webhook.options)
    return {
        "id": webhook.id,
        "name": webhook.name,
        "type": webhook.type,
        "url": shown_url(webhook),
        "on": [kind for kind in CHOICES if kind in webhook.kinds],
        "events": webhook.levels or None,
        "query": webhook.query or None,
        "project": webhook.project or None,
        "template": webhook.template or None,
        "rate_limit": webhook.rate_limit or None,
        "pause": webhook.pause // 1_000_000,
        "attach": webhook.attach,
        "headers": dict.fromkeys(webhook.headers, HIDDEN),
        "options": {name: HIDDEN if name in secret_options else value for name, value in webhook.options.items()},
        "secrets": len(webhook.secrets),
        "timeout": webhook.timeout,
        "max_attempts": webhook.max_attempts,
        "enabled": webhook.enabled,
        "status": status(webhook, now),
        "silent_until": _iso(webhook.silent_until) if status(webhook, now) in ("failing", "waiting") else None,
        "last_error": webhook.last_error,
        "last_delivered_at": _iso(webhook.last_delivered_at),
        "failures": webhook.failures,
        "deliveries": {
            "waiting": sum(counts.get(state, 0) for state in (QUEUED, DELIVERING, RETRY)),
            **{state: counts.get(state, 0) for state in (HELD, DELIVERED, FAILED)},
        },
        "created_at": to_iso(webhook.created_at),
    }


def status(webhook: Webhook, now: int) -> str:
    """disabled; failing: left alone after repeated failure; waiting: the service asked for time; else active."""
    if not webhook.enabled:
        return "disabled"
    if webhook.failing:
        return "failing"
    return "waiting" if webhook.silent_until and webhook.silent_until > now else "active"


def delivery_shape(delivery: Delivery, names: Mapping[int, str], event_id: str | None) -> dict[str, Any]:
    """A delivery as the interface documents it; `names` are those of the webhooks."""
    return {
        "id": delivery.id,
        "message_id": delivery.message_id,
        "webhook": names.get(delivery.webhook_id),
        "kind": delivery.kind,
        "state": delivery.state,
        "issue_id": delivery.issue_id,
        "event_id": event_id,
        "count": delivery.count,
        "queued_at": to_iso(delivery.queued_at),
        "due_at": to_iso(delivery.due_at) if delivery.state in (QUEUED, RETRY, HELD) else None,
        "attempts": delivery.attempts,
        "attempted_at": _iso(delivery.started_at),
        "status": delivery.status,
        "reason": delivery.reason,
        "ended_at": _iso(delivery.ended_at),
        "summary_id": delivery.summary_id,
    }


def shown_url(webhook: Webhook) -> str:
    """The address as far as it is no secret."""
    found = _provider(webhook)
    try:
        parts = urlsplit(webhook.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return HIDDEN
    if found is None or found.secret_url:
        return f"{parts.scheme}://{host}{port}/…" if found is None or found.name != "apprise" else f"{parts.scheme}://…"
    return f"{parts.scheme}://{host}{port}{parts.path}{'?…' if parts.query else ''}"


def secret_parts(webhook: Webhook) -> list[str]:
    """Everything in a webhook's configuration that nobody should read, the longest first."""
    found = {*webhook.secrets, *webhook.headers.values(), webhook.url}
    provider_found = _provider(webhook)
    found |= {
        value
        for name, value in webhook.options.items()
        if provider_found is None or name in provider_found.secret_options
    }
    if provider_found is None or provider_found.secret_url:
        path = webhook.url.partition("://")[2].partition("/")[2]
        found |= {path, *(part for part in re.split(r"[/?&=#:@]", path) if len(part) >= _TOKEN)}
    return sorted((secret for secret in found if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)


def _provider(webhook: Webhook) -> Provider | None:
    """None for a type that this version does not have, or not any more."""
    try:
        return provider(webhook.type)
    except (InvalidError, ImportError):
        return None


def _iso(at: int | None) -> str | None:
    return None if at is None else to_iso(at)
