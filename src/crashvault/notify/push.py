"""Phones and browsers that are told by Web Push. Each is a webhook of type push, with all that webhooks have: its
deliveries are queued, tried again and listed as theirs are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import core
from ..announce import PUSH
from ..errors import InvalidError
from ..storage.store import Store
from ..storage.webhooks import Webhook
from . import manage
from .service import ALLOW_PRIVATE

MOST_DEVICES = 20  # of one person
_NAME = 60  # characters of what a device is called
# What tells browsers and systems apart in their own words, the particular before the general.
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"),
             ("Chrome", "Chrome"), ("Safari", "Safari"))  # fmt: skip
_SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"),
            ("CrOS", "ChromeOS"), ("Linux", "Linux"))  # fmt: skip


def public_key(store: Store) -> str:
    """What a browser needs to subscribe. Raises InvalidError where the extra is not installed."""
    from ..webhooks.push import check_installed, new_key
    from ..webhooks.push import public_key as public

    check_installed()
    return public(store.webhooks.push_key(new_key))


def devices(store: Store, user: str) -> list[Webhook]:
    """Those of one person."""
    return [one for one in _all(store) if one.options.get("user") == user]


def subscribe(store: Store, user: str, subscription: Mapping[str, str], device: str, contact: str) -> Webhook:
    """Tell a device from now on of alerts. Raises InvalidError for a subscription that cannot be one.

    `subscription` has endpoint, p256dh and auth; `device` says what it is. One that is known already, whosever it was,
    is replaced.
    """
    options = {"p256dh": subscription["p256dh"], "auth": subscription["auth"], "user": user}
    if contact:
        options["contact"] = contact
    allow_private = bool(core.get_setting(store, ALLOW_PRIVATE)[0])
    with store.writing():
        for known in _all(store):
            if known.url == subscription["endpoint"]:
                store.webhooks.remove(known.id)
        if len(devices(store, user)) >= MOST_DEVICES:
            raise InvalidError(f"you have {MOST_DEVICES} devices already", "Remove one of them first")
        given: dict[str, Any] = {
            "name": _free_name(store, f"{user} - {device}" if user else device), "url": subscription["endpoint"],
            "options": options, "on": ["alert"],
        }  # fmt: skip
        return manage.add(store, PUSH, given, allow_private=allow_private).webhook


def unsubscribe(store: Store, user: str, endpoint: str) -> None:
    """Tell a device no more. What is not there, or somebody else's, is left as it is."""
    for device in devices(store, user):
        if device.url == endpoint:
            store.webhooks.remove(device.id)


def device_name(user_agent: str) -> str:
    """`Chrome on Android`, from what a browser says of itself."""
    browser = next((name for word, name in _BROWSERS if f"{word}/" in user_agent), "a browser")
    system = next((name for word, name in _SYSTEMS if word in user_agent), "")
    return f"{browser} on {system}" if system else browser


def _all(store: Store) -> list[Webhook]:
    return [one for one in store.webhooks.list() if one.type == PUSH]


def _free_name(store: Store, wanted: str) -> str:
    """A name for a webhook: of what it may consist of, and that no other has."""
    plain = "".join(char if char.isalnum() or char in " .+@-_" else " " for char in wanted)
    base = " ".join(plain.split()).lstrip(" .+@-")[:_NAME].strip() or "browser"
    taken = {one.name.casefold() for one in store.webhooks.list()}
    number, name = 1, base
    while name.casefold() in taken:
        number += 1
        name = f"{base} {number}"
    return name
