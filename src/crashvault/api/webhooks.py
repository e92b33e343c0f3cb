"""Webhooks and their deliveries: the same that `crashvault webhook` does."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, to_builtins

from .. import core
from ..errors import NotFoundError
from ..notify import manage
from ..notify.service import ALLOW_PRIVATE
from ..output.shapes import listing
from ..storage.outbox import STATES
from ..storage.webhooks import Webhook
from ..webhooks.base import EVENT, NEW_ISSUE, REGRESSION
from .administration import whole_vault
from .endpoints import Answer, Call, Endpoint, Parameter
from .schemas import NewWebhook, Preview, RetryAll, WebhookChange

_LIMIT = Parameter("limit", "How many at most.", "integer", 50, least=1)
_BEFORE = Parameter("cursor", "Where to go on: next_cursor of the answer before.", "integer", None, most=1 << 62)


def webhooks(call: Call) -> dict[str, Any]:
    whole_vault(call)
    found = manage.shapes(call.store)
    return listing(found, len(found), None)


def webhook(call: Call) -> dict[str, Any]:
    return manage.shape(call.store, _known(call))


def add_webhook(call: Call) -> dict[str, Any]:
    whole_vault(call)
    given = _given(call.body)
    return _made(call, manage.add(call.store, given.pop("type"), given, allow_private=_allow_private(call)))


def change_webhook(call: Call) -> dict[str, Any]:
    found = _known(call)
    given = _given(call.body)
    for ours, theirs in (("rotate_secret", "rotate"), ("drop_old_secret", "drop_old")):
        given[theirs] = given.pop(ours, False)
    return _made(call, manage.edit(call.store, found, given, allow_private=_allow_private(call)))


def remove_webhook(call: Call) -> Answer:
    call.store.webhooks.remove(_known(call).id)
    return Answer(None, 204)


def test_webhook(call: Call) -> dict[str, Any]:
    found = _known(call)
    verdict, status = manage.test(call.store, found)
    return {"webhook": found.name, "delivered": verdict.delivered, "status": status, "reason": verdict.reason or None}


def preview_webhook(call: Call) -> dict[str, Any]:
    found = _known(call)
    row = call.store.events.resolve(call.body.event)
    return {"webhook": found.name, "requests": manage.preview(call.store, found, row, call.body.on or "")}


def deliveries(call: Call) -> dict[str, Any]:
    whole_vault(call)
    query, store = call.query, call.store
    only = store.webhooks.require(query["webhook"]).id if query["webhook"] else None
    found, total = store.outbox.list(webhook=only, state=query["state"], limit=query["limit"], before=query["cursor"])
    after = str(found[-1].id) if len(found) == query["limit"] else None
    return listing(manage.delivery_shapes(store, found), total, after)


def retry_delivery(call: Call) -> dict[str, Any]:
    whole_vault(call)
    call.store.outbox.retry(call.path["delivery"], call.now)
    return {"retried": 1}


def retry_deliveries(call: Call) -> dict[str, Any]:
    whole_vault(call)
    only = call.store.webhooks.require(call.body.webhook).id if call.body.webhook else None
    return {"retried": call.store.outbox.retry_all(call.now, only)}


def _known(call: Call) -> Webhook:
    whole_vault(call)
    name = call.path["webhook"]
    if "\0" in name:
        raise NotFoundError("there is no such webhook")
    return call.store.webhooks.require(name)


def _given(body: Any) -> dict[str, Any]:
    return {name: value for name, value in to_builtins(body).items() if value is not UNSET and value is not None}


def _made(call: Call, made: manage.Made) -> dict[str, Any]:
    return manage.shape(call.store, made.webhook) | ({"secret": made.secret} if made.secret else {})


def _allow_private(call: Call) -> bool:
    return bool(core.get_setting(call.store, ALLOW_PRIVATE)[0])


_DELIVERIES = (
    Parameter("webhook", "Only those of this webhook."), Parameter("state", "Only those in this state.", choices=STATES),
    _LIMIT, _BEFORE,
)  # fmt: skip
KINDS_OF_EVENTS = (EVENT, NEW_ISSUE, REGRESSION)
ENDPOINTS = (
    Endpoint("GET", "/api/v1/webhooks", "admin", webhooks, "Webhooks, and how it goes; without their secrets.", "Items", tag="webhooks"),
    Endpoint("POST", "/api/v1/webhooks", "admin", add_webhook, "Make a webhook; a secret that was made up is told in this answer and never again.", "Webhook", body=NewWebhook, status=201, writes=True, tag="webhooks"),
    Endpoint("GET", "/api/v1/webhooks/deliveries", "admin", deliveries, "Deliveries, the latest first.", "Items", _DELIVERIES, tag="webhooks"),
    Endpoint("POST", "/api/v1/webhooks/deliveries/retry", "admin", retry_deliveries, "Try all deliveries again that were given up.", "Retried", body=RetryAll, writes=True, tag="webhooks"),
    Endpoint("POST", "/api/v1/webhooks/deliveries/{delivery:id}/retry", "admin", retry_delivery, "Try a delivery again that was given up.", "Retried", writes=True, tag="webhooks"),
    Endpoint("GET", "/api/v1/webhooks/{webhook:name}", "admin", webhook, "One webhook, by its name.", "Webhook", tag="webhooks"),
    Endpoint("PATCH", "/api/v1/webhooks/{webhook:name}", "admin", change_webhook, "Change a webhook; what is absent stays.", "Webhook", body=WebhookChange, writes=True, tag="webhooks"),
    Endpoint("DELETE", "/api/v1/webhooks/{webhook:name}", "admin", remove_webhook, "Remove a webhook with its deliveries.", "", status=204, writes=True, tag="webhooks"),
    Endpoint("POST", "/api/v1/webhooks/{webhook:name}/test", "admin", test_webhook, "Send a test message now.", "Tested", writes=True, tag="webhooks"),
    Endpoint("POST", "/api/v1/webhooks/{webhook:name}/preview", "admin", preview_webhook, "What would be sent for a stored event; nothing is.", "Previewed", body=Preview, writes=True, tag="webhooks"),
)  # fmt: skip
