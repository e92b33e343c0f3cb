"""Alerts on phones, from the event to what the device decrypts, through the queue that all webhooks have."""

from __future__ import annotations

from typing import Any

import pytest
from tests.devices import Device, signer

from crashvault import clock, core, users, watch
from crashvault.errors import ConflictError, InvalidError
from crashvault.notify import manage, push
from crashvault.outbound import RefusedAddressError
from crashvault.pipeline import record_events


@pytest.fixture
def phone(post: Any) -> Device:
    """A device of ana's at the local push service."""
    core.set_setting(post.store, "webhook.allow_private", "true", clock.now())
    device = Device()
    push.subscribe(post.store, "ana", {"endpoint": post.receiver.url, **device.keys}, "Chrome on Android", "")
    return device


def alert(post: Any, **given: Any) -> None:
    fields = watch.checked_rule(post.store, "many", post.time.now, condition="count >= 2 in 1m", **given)
    watch.add_rule(post.store, fields, post.time.now)


def crash(post: Any) -> None:
    """What reaches the alert, and what looks at it."""
    record_events(post.store, [{"message": "disk full"}] * 2, received_at=post.time.now)
    post.time.tick(1)
    watch.Watch(post.store).look(post.time.now)


def test_an_alert_arrives_on_the_phone(post: Any, phone: Device) -> None:
    post.hook(name="chat", url=f"http://127.0.0.1:{post.receiver.port}/chat")
    alert(post, notify=["push"])
    crash(post)
    (device,) = push.devices(post.store, "ana")
    assert device.name == "ana - Chrome on Android"
    for hook in post.store.webhooks.list():
        post.drain(hook.id)
    (arrived,) = [one for one in post.receiver.arrived if one.path == "/hook"]
    assert [one.json["type"] for one in post.receiver.arrived if one is not arrived] == ["crashvault.issue.new"]
    said = phone.read(arrived.body)
    assert said["title"] == "🚨 many" and "count >= 2 in 1m" in said["body"] and said["tag"] == "alert many"
    vapid = signer(arrived.headers)
    assert vapid.key == push.public_key(post.store) and vapid.claims["aud"] == f"http://127.0.0.1:{post.receiver.port}"


def test_without_a_name_devices_hear_of_alerts_and_of_nothing_else(post: Any, phone: Device) -> None:
    alert(post)
    crash(post)
    post.drain()
    assert [phone.read(one.body)["title"] for one in post.receiver.arrived] == ["🚨 many"]


def test_one_that_is_away_is_tried_again(post: Any, phone: Device) -> None:
    alert(post, notify=["push"])
    crash(post)
    post.receiver.answer(503, (429, {"Retry-After": "60"}), 201)
    for _ in range(3):
        post.drain()
        post.time.tick(3_600)
    first, second, third = post.receiver.arrived
    assert post.states() == ["delivered"] and len({one.body for one in (first, second, third)}) == 3
    assert phone.read(first.body) == phone.read(third.body) and first.headers["topic"] == third.headers["topic"]


@pytest.mark.parametrize("status", [404, 410])
def test_one_that_unsubscribed_is_forgotten(post: Any, phone: Device, status: int) -> None:
    alert(post, notify=["push"])
    crash(post)
    other = Device()
    push.subscribe(post.store, "bob", {"endpoint": f"{post.receiver.url}/bob", **other.keys}, "Firefox", "")
    post.receiver.answer(status)
    assert post.drain() == 1
    assert push.devices(post.store, "ana") == [] and post.states() == []
    assert [one.name for one in push.devices(post.store, "bob")] == ["bob - Firefox"]
    assert post.drain() == 0


def test_a_test_message_and_one_that_is_gone(post: Any, phone: Device) -> None:
    (device,) = push.devices(post.store, "ana")
    assert manage.test(post.store, device).verdict.delivered
    assert "Crashvault can reach you here" in phone.read(post.receiver.arrived[0].body)["title"]
    post.receiver.answer(410)
    assert manage.test(post.store, device).verdict.gone
    assert push.devices(post.store, "ana") == []


def test_devices_belong_to_people(post: Any, phone: Device) -> None:
    store, one = post.store, Device()
    push.subscribe(store, "bob", {"endpoint": post.receiver.url, **one.keys}, "Chrome on Android", "")
    assert push.devices(store, "ana") == []  # the browser is bob's now
    push.unsubscribe(store, "ana", post.receiver.url)
    assert len(push.devices(store, "bob")) == 1
    push.subscribe(store, "bob", {"endpoint": f"{post.receiver.url}/2", **one.keys}, "Chrome on Android", "")
    assert [device.name for device in push.devices(store, "bob")] == [
        "bob - Chrome on Android",
        "bob - Chrome on Android 2",
    ]
    users.add_user(store, "bob", "viewer", "four words in a row", post.time.now)
    users.set_password(store, store.users.require("bob"), "other words in a row", post.time.now)
    assert push.devices(store, "bob") == []
    push.subscribe(store, "bob", {"endpoint": post.receiver.url, **one.keys}, "Edge", "")
    users.remove_user(store, store.users.require("bob"))
    assert store.webhooks.list() == []
    for number in range(push.MOST_DEVICES):
        push.subscribe(store, "eve", {"endpoint": f"{post.receiver.url}/{number}", **one.keys}, "x", "")
    with pytest.raises(InvalidError, match="20 devices already"):
        push.subscribe(store, "eve", {"endpoint": f"{post.receiver.url}/more", **one.keys}, "x", "")


def test_nobody_subscribes_the_inside_of_a_network(post: Any) -> None:
    keys = Device().keys
    for endpoint in ("http://127.0.0.1/x", "https://169.254.169.254/latest", "https://[::1]/"):
        with pytest.raises(RefusedAddressError):
            push.subscribe(post.store, "ana", {"endpoint": endpoint, **keys}, "x", "")
    for wrong in ({**keys, "auth": "x"}, {**keys, "p256dh": ""}):
        with pytest.raises(InvalidError):
            push.subscribe(post.store, "ana", {"endpoint": "https://push.example/x", **wrong}, "x", "")


def test_the_key_stays_the_same_and_is_never_shown(post: Any, phone: Device) -> None:
    key = push.public_key(post.store)
    assert key == push.public_key(post.store)
    (device,) = push.devices(post.store, "ana")
    shown = str(manage.shape(post.store, device))
    assert device.secrets[0] not in shown and phone.keys["auth"] not in shown and "/hook" not in shown
    with pytest.raises(InvalidError, match="are not signed"):
        manage.edit(post.store, device, {"rotate": True}, allow_private=True)
    with pytest.raises(ConflictError):
        manage.add(
            post.store,
            "push",
            {"name": device.name, "url": post.receiver.url, "options": phone.keys},
            allow_private=True,
        )


def test_what_a_browser_is_called() -> None:
    for agent, name in (
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/129.0 Safari/537.36 Edg/129.0", "Edge on Windows"), ("", "a browser"),
    ):  # fmt: skip
        assert push.device_name(agent) == name
