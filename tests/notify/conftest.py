"""A vault, a receiver on this machine, a clock that is set by hand, and a sender between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.notify.receiver import Receiver

from crashvault import clock, core, pipeline
from crashvault.notify import manage
from crashvault.notify.sender import Sender
from crashvault.outbound import Outbound
from crashvault.storage.store import Store
from crashvault.storage.webhooks import Webhook


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_790_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += int(seconds * clock.SECOND)


class Post:
    """A vault with one webhook to the receiver, and what sends its deliveries."""

    def __init__(self, home: Path, receiver: Receiver, time: Clock) -> None:
        self.home = home
        self.receiver = receiver
        self.time = time
        self.store: Store = core.open_vault(str(home))
        self.outbound = Outbound(allow_private=True)
        self.outcomes: list[str] = []
        self.sender = self.another("first")

    def another(self, holder: str) -> Sender:
        told = lambda webhook, outcome: self.outcomes.append(outcome)
        return Sender(self.store, self.outbound, holder, told=told, spread=lambda: 1.0)

    def hook(self, **given: Any) -> Webhook:
        given = {"url": self.receiver.url, "timeout": 20, **given}
        return manage.add(self.store, given.pop("type", "http"), given, allow_private=True).webhook

    def record(self, *messages: str, **more: Any) -> list[Any]:
        """An event of an issue of its own for each message; the same message is the same issue."""
        raws = [{"message": message, "fingerprint": [message], **more} for message in messages]
        return pipeline.record_events(self.store, raws, received_at=self.time.now)

    def drain(self, webhook: int = 1) -> int:
        return self.sender.drain(webhook)

    def titles(self) -> list[str]:
        return [one.title for one in self.receiver.arrived]

    def states(self) -> list[str]:
        found, _ = self.store.outbox.list(limit=1_000)
        return [one.state for one in reversed(found)]

    def webhook(self) -> Webhook:
        return self.store.webhooks.get(1)

    def dropped(self) -> dict[str, int]:
        return {drop.reason: drop.count for drop in self.store.ledger.list()}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "now", found)
    return found


@pytest.fixture
def post(tmp_path: Path, receiver: Receiver, time: Clock) -> Iterator[Post]:
    found = Post(tmp_path / "vault", receiver, time)
    yield found
    found.outbound.close()
    found.store.close()
