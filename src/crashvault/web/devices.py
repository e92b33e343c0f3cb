"""Phones and browsers that are told of alerts: what a page and the service worker ask to subscribe and to end it."""

from __future__ import annotations

import json

from ..errors import CrashvaultError, InvalidError
from ..notify import manage, push
from ..storage.webhooks import Webhook
from .pages import Moved, Page, Reply, Sent, Visit, form_token


def state(visit: Visit) -> Reply:
    """The key to subscribe with, and a token for the form: the service worker has no page to take it from."""
    try:
        return _json({"key": push.public_key(visit.store), "csrf": form_token(visit)})
    except CrashvaultError as error:
        return _refused(error)


def subscribe(visit: Visit) -> Reply:
    given = {name: visit.field(name) for name in ("endpoint", "p256dh", "auth")}
    device = push.device_name(visit.request.headers.get("user-agent", ""))
    try:
        if visit.field("instead"):
            push.unsubscribe(visit.store, visit.user, visit.field("instead"))
        made = push.subscribe(visit.store, visit.user, given, device, _contact(visit))
    except CrashvaultError as error:
        return _refused(error)
    return _json({"device": made.name})


def change_device(visit: Visit) -> Reply:
    """Send a test to one of one's own devices, or tell it no more."""
    if visit.field("endpoint"):
        push.unsubscribe(visit.store, visit.user, visit.field("endpoint"))
        return _json({})
    device = _own(visit, visit.field("device"))
    if visit.field("action") == "remove":
        visit.store.webhooks.remove(device.id)
    elif visit.field("action") == "test":
        verdict, _ = manage.test(visit.store, device)
        if not verdict.delivered:
            raise InvalidError(f"the test did not get through: {verdict.reason}")
    else:
        raise InvalidError("there is no such action")
    return Moved("/alerts")


def _own(visit: Visit, number: str) -> Webhook:
    for device in push.devices(visit.store, visit.user):
        if str(device.id) == number:
            return device
    raise InvalidError("that is none of your devices", "Load the page again")


def _contact(visit: Visit) -> str:
    """Whom a push service may ask: where the dashboard is, if it is anywhere that others could reach."""
    address = str(visit.request.base_url)
    return address.rstrip("/") if address.startswith("https://") else ""


def _json(value: dict[str, str], status: int = 200) -> Sent:
    return Sent(json.dumps(value).encode(), "application/json", status=status)


def _refused(error: CrashvaultError) -> Sent:
    return _json({"error": str(error)}, error.status)


PAGES = (
    Page("GET", "/push", "read", state, writes=True),
    Page("POST", "/push", "read", subscribe, writes=True),
    Page("POST", "/push/device", "read", change_device, writes=True),
)
