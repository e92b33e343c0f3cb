"""Webhooks over HTTP: the same as on the command line, for administrators alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.notify.receiver import Receiver

from crashvault import core
from crashvault.notify.service import deliver_briefly

BASE = "/api/v1/webhooks"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("CRASHVAULT_WEBHOOK_ALLOW_PRIVATE", "true")
    found = Receiver()
    yield found
    found.close()


def test_a_webhook_s_life(api: Any, receiver: Receiver) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = {"type": "http", "url": f"{receiver.url}/T0SECRETSECRET", "name": "ci", "secret": secret, "on": ["new-issue", "resolved"],
            "events": ">=error", "headers": {"X-Key": "hushhush"}, "rate_limit": "30/minute", "pause": 5}  # fmt: skip
    made = api.client.post(BASE, json=body)
    assert made.status_code == 201, made.text
    found = made.json()
    assert (
        found["name"] == "ci" and found["on"] == ["new-issue", "resolved"] and found["headers"] == {"X-Key": "[hidden]"}
    )
    assert found["url"].endswith("/…") and "secret" not in found
    listed = api.client.get(BASE)
    assert listed.json()["items"] == [found] and api.client.get(f"{BASE}/ci").json() == found
    changed = api.client.patch(
        f"{BASE}/ci", json={"rotate_secret": True, "query": "tag:db", "rate_limit": "none", "name": "build"}
    )
    new = changed.json()["secret"]
    assert new.startswith("whsec_") and changed.json()["secrets"] == 2 and changed.json()["rate_limit"] is None
    assert api.client.patch(f"{BASE}/build", json={"query": "", "drop_old_secret": True}).json()["query"] is None
    (receipt,) = api.record({"message": "broken"})
    preview = api.client.post(f"{BASE}/build/preview", json={"event": receipt.event_id[:8]})
    assert "broken" in preview.json()["requests"][0]["body"]
    tested = api.client.post(f"{BASE}/build/test")
    assert tested.json() == {"webhook": "build", "delivered": True, "status": 200, "reason": None}
    receiver.answer(404)
    assert deliver_briefly(api.node.home) == 1
    (delivery,) = api.client.get(f"{BASE}/deliveries", params={"state": "failed"}).json()["items"]
    assert delivery["event_id"] == receipt.event_id and delivery["status"] == 404 and delivery["attempts"] == 1
    assert api.client.post(f"{BASE}/deliveries/{delivery['id']}/retry").json() == {"retried": 1}
    assert api.client.post(f"{BASE}/deliveries/retry", json={}).json() == {"retried": 0}
    assert deliver_briefly(api.node.home) == 1
    assert api.client.get(f"{BASE}/deliveries").json()["items"][0]["state"] == "delivered"
    for answer in (
        made,
        listed,
        preview,
        tested,
        api.client.get(f"{BASE}/deliveries"),
        api.client.get(f"{BASE}/build"),
    ):
        assert not any(word in answer.text for word in (secret, new, "SECRET", "hushhush"))
    assert api.client.patch(f"{BASE}/build", json={"enabled": False}).json()["status"] == "disabled"
    assert api.client.delete(f"{BASE}/build").status_code == 204
    assert api.client.get(f"{BASE}/build").status_code == 404
    assert api.client.get(f"{BASE}/deliveries").json()["total"] == 0


def test_a_server_is_not_used_to_reach_inside(api: Any) -> None:
    for url in ("http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data", "http://[::1]/", "http://localhost/"):
        answer = api.client.post(BASE, json={"type": "http", "url": url})
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "refused_address"
    with api.store as store:
        core.set_setting(store, "webhook.allow_private", "true", 0)
    made = api.client.post(BASE, json={"type": "http", "url": "http://127.0.0.1:1/"})
    assert made.status_code == 201
    with api.store as store:
        core.unset_setting(store, "webhook.allow_private")
    tested = api.client.post(f"{BASE}/http/test").json()
    assert not tested["delivered"] and "this machine" in tested["reason"]


def test_pages_of_deliveries(api: Any) -> None:
    api.client.post(BASE, json={"type": "http", "url": "https://x.example/"})
    api.record(*({"message": "m", "fingerprint": [str(number)]} for number in range(5)))
    seen, cursor = [], None
    while True:
        page = api.client.get(
            f"{BASE}/deliveries", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        ).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("body, status", [
    ({"type": "pager", "url": "https://x.example/"}, 400), ({"type": "http"}, 422), ({"type": "http", "url": "x"}, 400),
    ({"type": "http", "url": "https://x.example/", "events": "loud"}, 400),
    ({"type": "http", "url": "https://x.example/", "color": "red"}, 422),
    ({"type": "slack", "url": "https://discord.com/api/webhooks/1/x"}, 400),
])  # fmt: skip
def test_wrong_ones(api: Any, body: dict[str, Any], status: int) -> None:
    assert api.client.post(BASE, json=body).status_code == status
    assert api.client.get(BASE).json()["items"] == []
