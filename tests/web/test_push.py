"""Alerts on a phone: subscribing, a message of the real server that the device decrypts, and the notification that shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.devices import Device, signer
from tests.notify.receiver import Receiver
from tests.server.conftest import core_now
from tests.web.conftest import add_user

from crashvault import core

pytestmark = pytest.mark.xdist_group("chromium")


@pytest.fixture
def service() -> Iterator[Receiver]:
    """The push service."""
    found = Receiver()
    yield found
    found.close()


def subscribe(visitor: Any, device: Device, endpoint: str) -> Any:
    return visitor.post("/push", endpoint=endpoint, **device.keys)


def test_from_an_event_to_the_device(
    serve: Callable[..., Any], visitor: Callable[..., Any], service: Receiver, tmp_path: Path
) -> None:
    home = tmp_path / "vault"
    with core.open_vault(str(home)) as store:
        core.set_setting(store, "webhook.allow_private", "true", core_now())
    server = serve(home=home)
    somebody, device = visitor(server), Device()
    said = somebody.client.get("/push").json()
    assert subscribe(somebody, device, service.url).status_code == 200
    rule = {"name": "disk", "condition": "count >= 3 in 1m", "notify": ["push"]}
    assert server.post("/api/v1/alerts", json=rule).status_code == 201
    for _ in range(3):
        server.post("/api/v1/events", json={"message": "disk full", "level": "critical"})
    (arrived,) = service.wait(1)
    told = device.read(arrived.body)
    assert told["title"] == "🚨 disk" and "count >= 3 in 1m" in told["body"]
    assert signer(arrived.headers).key == said["key"]
    page = somebody.client.get("/alerts").text
    assert "Devices that are told of alerts" in page and device.keys["auth"] not in page and service.url not in page
    number = page.partition('name="device" value="')[2].partition('"')[0]
    assert somebody.post("/push/device", device=number, action="test").status_code == 303
    assert device.read(service.wait(2)[1].body)["title"].endswith("Crashvault can reach you here")
    service.answer(410)
    answer = somebody.post("/push/device", device=number, action="test")
    assert answer.status_code == 400 and "unsubscribed" in answer.text
    assert "Devices that are told" not in somebody.client.get("/alerts").text


def test_one_has_only_ones_own_devices(serve: Callable[..., Any], visitor: Callable[..., Any]) -> None:
    server = serve("--auth", "required")
    device, endpoint = Device(), "https://push.example/send/1"
    people = {}
    for name in ("ana", "bob"):
        add_user(server, name, "viewer")
        people[name] = visitor(server)
        people[name].log_in(name)
    ana, bob = people["ana"], people["bob"]
    assert visitor(server).client.get("/push").status_code == 303
    made = subscribe(ana, device, endpoint)
    assert made.json() == {"device": "ana - a browser"}
    number = ana.client.get("/alerts").text.partition('name="device" value="')[2].partition('"')[0]
    assert "Devices that are told" not in bob.client.get("/alerts").text
    assert bob.post("/push/device", device=number, action="remove").status_code == 400
    bob.post("/push/device", endpoint=endpoint)
    assert "ana - a browser" in ana.client.get("/alerts").text
    for wrong in (
        {"endpoint": "http://127.0.0.1/", **device.keys},
        {"endpoint": endpoint},
        {},
        {"endpoint": "x", **device.keys},
    ):
        refused = ana.post("/push", **wrong)
        assert refused.status_code == 400 and refused.json()["error"], wrong
    assert ana.client.post("/push", data={"endpoint": endpoint, **device.keys}).status_code == 403  # no token
    ana.post("/push/device", endpoint=endpoint, action="remove")
    assert "Devices that are told" not in ana.client.get("/alerts").text


def test_a_new_subscription_takes_the_place_of_the_old(server: Any, visitor: Callable[..., Any]) -> None:
    somebody, device = visitor(server), Device()
    subscribe(somebody, device, "https://push.example/1")
    token = somebody.client.get("/push").json()["csrf"]
    fields = {"csrf": token, "endpoint": "https://push.example/2", "instead": "https://push.example/1", **device.keys}
    assert somebody.client.post("/push", data=fields).status_code == 200
    assert len(server.get("/api/v1/webhooks").json()["items"]) == 1


def test_a_message_becomes_a_notification(server: Any, look: Callable[..., Any]) -> None:
    server.post("/api/v1/events", json={"message": "x"})
    window = look(server, "Pixel 7", service_workers="allow")
    window.context.grant_permissions(["notifications"], origin=server.url)
    page = window.page
    cdp = window.context.new_cdp_session(page)
    registrations: list[Any] = []
    cdp.on("ServiceWorker.workerRegistrationUpdated", lambda told: registrations.extend(told["registrations"]))
    cdp.send("ServiceWorker.enable")
    page.goto("/alerts")
    page.evaluate(ACTIVE)
    message = {
        "title": "🚨 disk",
        "body": "Alert in default\n23 events",
        "tag": "alert disk",
        "url": f"{server.url}/issues/1",
    }

    def shown(data: str, title: str) -> list[Any]:
        """What shows once one of that title does: title, body, tag, data of each. The browser may lose a message."""
        for _ in range(5):
            number = next(one["registrationId"] for one in registrations if one["scopeURL"] == f"{server.url}/")
            cdp.send("ServiceWorker.deliverPushMessage", {"origin": server.url, "registrationId": number, "data": data})
            found = page.evaluate(SHOWN, title)
            if found:
                return list(found)
        raise AssertionError(f"{title} does not show")

    assert shown(json.dumps(message), "🚨 disk") == [
        ["🚨 disk", "Alert in default\n23 events", "alert disk", {"url": f"{server.url}/issues/1"}]
    ]
    again = json.dumps({**message, "title": "🚨 disk again"})
    assert len(shown(again, "🚨 disk again")) == 1  # in place of the one before
    assert ["Crashvault", "no JSON", "", {"url": "/issues"}] in shown("no JSON", "Crashvault")
    assert window.wrong == [] and window.foreign == []


ACTIVE = """async () => {
  const { active } = await navigator.serviceWorker.ready;
  if (active.state !== "activated") await new Promise((done) => active.addEventListener("statechange", done, { once: true }));
}"""
SHOWN = """async (title) => {
  const worker = await navigator.serviceWorker.ready;
  for (let turn = 0; turn < 100; turn += 1) {
    const shown = await worker.getNotifications();
    if (shown.some((one) => one.title === title)) return shown.map((one) => [one.title, one.body, one.tag, one.data]);
    await new Promise((done) => setTimeout(done, 50));
  }
  return null;
}"""


def test_the_button_subscribes_with_the_key_of_the_vault(
    server: Any, visitor: Callable[..., Any], look: Callable[..., Any]
) -> None:
    """Up to the browser's push service, which is on the network; what it would give stands in for it."""
    device, key = Device(), visitor(server).client.get("/push").json()["key"]
    window = look(server, "Pixel 7", service_workers="allow")
    window.context.grant_permissions(["notifications"], origin=server.url)
    window.context.add_init_script(
        """(([endpoint, keys]) => {
            const made = { endpoint, toJSON: () => ({ endpoint, keys }), unsubscribe: async () => { localStorage.removeItem("key"); return true; } };
            PushManager.prototype.subscribe = async (given) => { localStorage.setItem("key", given.applicationServerKey); return made; };
            PushManager.prototype.getSubscription = async () => (localStorage.getItem("key") ? made : null);
        })""" + f"({json.dumps(['https://push.example/send/1', device.keys])})"
    )  # fmt: skip
    page = window.page
    page.goto("/alerts")
    page.get_by_role("button", name="Tell me of alerts here").click()
    page.get_by_text("This device is told of alerts").wait_for()
    assert page.evaluate("localStorage.getItem('key')") == key
    page.get_by_text("Chrome on Android").wait_for()
    (hook,) = server.get("/api/v1/webhooks").json()["items"]
    assert hook["type"] == "push" and hook["on"] == ["alert"] and hook["url"] == "https://push.example/…"
    page.get_by_role("button", name="Not any more").click()
    page.get_by_role("button", name="Tell me of alerts here").wait_for()
    assert server.get("/api/v1/webhooks").json()["items"] == []
    assert window.wrong == []
