"""A server delivers what it and others record, on several workers too, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.notify.receiver import Receiver

from crashvault import clock, core, pipeline
from crashvault.notify import manage


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("CRASHVAULT_WEBHOOK_ALLOW_PRIVATE", "true")
    found = Receiver()
    yield found
    found.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_arrives_is_told(serve: Callable[..., Any], receiver: Receiver, workers: int) -> None:
    server = serve("--workers", str(workers))
    assert (
        server.post(
            "/api/v1/webhooks", json={"type": "http", "url": receiver.url, "on": ["new-issue", "regression"]}
        ).status_code
        == 201
    )
    assert server.post("/api/v1/events", json={"message": "by HTTP"}).status_code == 201
    with core.open_vault(str(server.home)) as store:
        pipeline.record_events(store, [{"message": "by another process"}])
    assert {one.title for one in receiver.wait(2)} == {"by HTTP", "by another process"}
    data = receiver.arrived[0].json["data"]
    assert data["links"]["issue"] == f"{server.url}/issues/{data['issue']['id']}"
    receiver.answer(503)
    server.post("/api/v1/events", json={"message": "again"})
    first, second = receiver.wait(4)[2:]
    assert first.id == second.id
    for _ in range(500):  # counted a moment after the answer
        if 'outcome="delivered"' in (text := server.get("/metrics").text):
            break
    assert 'crashvault_webhook_attempts_total{outcome="retried",webhook="http"} 1.0' in text
    assert 'crashvault_webhook_up{webhook="http"} 1.0' in text
    assert server.stop() == 0
    with core.open_vault(str(server.home)) as store:
        assert {one.state for one in store.outbox.list()[0]} == {"delivered"}
        assert store.leases.live("webhook:1", clock.now()) is None


def test_a_slow_receiver_delays_neither_others_nor_the_end(serve: Callable[..., Any], receiver: Receiver) -> None:
    other = Receiver()
    server = serve()
    with core.open_vault(str(server.home)) as store:
        for url in (receiver.url, other.url):
            manage.add(store, "http", {"url": url, "timeout": 30}, allow_private=True)
    receiver.answer("slow")
    server.post("/api/v1/events", json={"message": "boom"})
    receiver.wait(1)
    other.wait(1)
    began = clock.now()
    assert server.stop() == 0
    assert clock.now() - began < 15 * clock.SECOND
    with core.open_vault(str(server.home)) as store:
        assert [one.state for one in store.outbox.list(webhook=2)[0]] == ["delivered"]
        assert store.leases.live("webhook:1", clock.now()) is None
    other.close()


def test_a_command_leaves_it_to_the_server(serve: Callable[..., Any], receiver: Receiver) -> None:
    from crashvault.notify.service import deliver_briefly

    server = serve()
    with core.open_vault(str(server.home)) as store:
        store.leases.seize("server", "somebody", clock.now(), 60 * clock.SECOND)
        manage.add(store, "http", {"url": receiver.url}, allow_private=True)
        pipeline.record_events(store, [{"message": "boom"}])
    assert deliver_briefly(str(server.home)) == 0
    receiver.wait(1)
