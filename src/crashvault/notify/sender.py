"""The sender of one webhook: claims what is due, sends it in order, and writes down what became of it.

Whoever has the webhook's lease sends. A claim takes some deliveries at once, in one transaction, and what became of
them is written in one as well; a sender that is killed between leaves them to the next one, which sends them again
under the same ids. First attempts go in order. A delivery that has to be tried again holds back what comes after it
about the same issue, and nothing else.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import NamedTuple

from .. import clock
from ..logs import log, log_debug
from ..outbound import Outbound
from ..storage.outbox import DELIVERED, FAILED, QUEUED, RETRY, Delivery, Result
from ..storage.store import Store
from ..storage.webhooks import Webhook
from ..units import parse_rate
from ..webhooks.base import ALERT, SUMMARY, File, Notification
from . import holders, schedule
from .delivery import Attempt, attempt, takes_files
from .message import Reader

LEASE_LASTS = 30 * clock.SECOND
AT_ONCE = 50  # deliveries in one claim
_WRITTEN_AFTER = 0.5  # seconds after which what became of deliveries is written, be they few
_TOO_MANY = 429  # HTTP status

Outcome = Callable[[str, str], None]  # webhook, what became of an attempt


def lease_name(webhook: int) -> str:
    return f"webhook:{webhook}"


class _Claim(NamedTuple):
    webhook: Webhook
    deliveries: list[Delivery]


class Sender:
    """Sends for any webhook of one vault, one after the other; not to be used by two threads at once.

    `holder` names this sender among others; `told` is called with each outcome. `spread` gives random numbers from
    0 to 1.
    """

    def __init__(
        self,
        store: Store,
        outbound: Outbound,
        holder: str,
        *,
        stopping: Event | None = None,
        told: Outcome = lambda webhook, outcome: None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._outbound = outbound
        self._holder = holder
        self._stopping = stopping or Event()
        self._told = told
        self._spread = spread

    def drain(self, webhook: int) -> int:
        """Send what is due for a webhook until nothing is; how many attempts that took."""
        attempts = 0
        while not self._stopping.is_set():
            claim = self._claim(webhook)
            if not claim or not claim.deliveries:
                break
            attempts += self._send(claim)
        return attempts

    @property
    def is_stale(self) -> bool:
        """Whether the vault that this sender has open is not the one that is there."""
        return self._store.db.replaced()

    def release(self, webhook: int) -> None:
        self._store.leases.release(lease_name(webhook), self._holder)

    # Claiming

    def _claim(self, webhook_id: int) -> _Claim | None:
        """What is to be sent next; None where somebody else sends, or nothing is to be sent at this time."""
        store = self._store
        if self._taken(webhook_id):
            return None
        with store.writing(alone=False):
            now = clock.now()
            self._end_lease_of_the_dead(webhook_id, now)
            if not store.leases.take(lease_name(webhook_id), self._holder, now, LEASE_LASTS):
                return None
            store.outbox.recover(webhook_id)  # what was begun and not written down: by somebody who is gone
            webhook = store.webhooks.find(webhook_id)
            if webhook is None or not webhook.enabled or (webhook.silent_until or 0) > now:
                return None
            found = self._admitted(webhook, now)
            store.outbox.begin([one.id for one in found], now)
            return _Claim(webhook._replace(silent_until=None), found)

    def _taken(self, webhook: int) -> bool:
        """Whether somebody else sends, asked without waiting for those who write."""
        lease = self._store.leases.live(lease_name(webhook), clock.now())
        return lease is not None and lease.holder != self._holder and not holders.is_dead(lease.holder)

    def _end_lease_of_the_dead(self, webhook: int, now: int) -> None:
        lease = self._store.leases.live(lease_name(webhook), now)
        if lease is not None and lease.holder != self._holder and holders.is_dead(lease.holder):
            self._store.leases.release(lease.name, lease.holder)

    def _admitted(self, webhook: Webhook, now: int) -> list[Delivery]:
        """What is due and may go: all of it, or one where the webhook has failed, or what the rate limit allows."""
        limit = 1 if webhook.failing else AT_ONCE
        outbox = self._store.outbox
        rate = parse_rate(webhook.rate_limit)
        if rate is None:
            outbox.let_go(webhook.id, now)  # what was held back before the limit was lifted
            return outbox.due(webhook.id, now, limit)
        tokens = schedule.tokens_at(now, webhook.tokens, webhook.tokens_at, rate)
        held, summary_due = outbox.held(webhook.id)
        if held and summary_due <= now and tokens >= 1:
            outbox.summarize(webhook.id, now)
            held = 0
        going: list[Delivery] = []
        waiting: list[Delivery] = []
        for one in outbox.due(webhook.id, now, limit):
            behind = held and _may_be_held(one)
            (going if len(going) + 1 <= tokens and not behind else waiting).append(one)
        tokens -= len(going)
        token = schedule.next_token(now, tokens, rate)
        outbox.put_off([one.id for one in waiting if not _may_be_held(one)], token)
        until = max(token, summary_due if held else now + schedule.hold_delay(rate))
        outbox.hold([one.id for one in waiting if _may_be_held(one)], until)
        if held and until > summary_due:  # all are told together, once there is a token for that
            outbox.put_held_off(webhook.id, until)
        self._store.webhooks.note(webhook.id, tokens=tokens, tokens_at=now)
        return going

    # Sending

    def _send(self, claim: _Claim) -> int:
        """Send what was claimed, and write down what became of it, now and then and at the end."""
        reader = Reader(self._store, clock.now())
        notifications = reader.notifications(claim.deliveries)
        with_files = takes_files(claim.webhook)
        sent = _Round(claim.webhook)
        attempts = 0
        for one in claim.deliveries:
            notification = notifications.get(one.id)
            if notification is None or not self._store.outbox.exists(
                one.id
            ):  # its event was deleted, at the last moment too
                sent.gone.append(one.id)
            elif self._stopping.is_set() or sent.must_wait(one):
                sent.back.append(one)
            else:
                files: Sequence[File] = reader.files(one, notification) if with_files else ()
                made = self._attempt(sent.webhook, notification, files)
                sent.take(one, made, clock.now())
                attempts += 1
            if time.monotonic() - sent.since > _WRITTEN_AFTER:
                self._write(sent)
                sent = _Round(sent.webhook, sent.blocked)
        self._write(sent)
        return attempts

    def _attempt(self, webhook: Webhook, notification: Notification, files: Sequence[File]) -> Attempt:
        made = attempt(webhook, notification, files, self._outbound)
        verdict = made.verdict
        self._told(webhook.name, DELIVERED if verdict.delivered else "retried" if verdict.retry else FAILED)
        log_debug("delivery", webhook=webhook.name, id=notification.id, status=made.status, reason=verdict.reason)
        return made

    def _write(self, sent: _Round) -> None:
        webhook, store = sent.webhook, self._store
        if not (sent.done or sent.back or sent.gone):
            return
        with store.writing(alone=False):
            now = clock.now()
            store.leases.take(lease_name(webhook.id), self._holder, now, LEASE_LASTS)
            results = [_result(webhook, one, made, now, self._spread()) for one, made in sent.done]
            store.outbox.finish([*results, *(_untouched(one) for one in sent.back)])
            store.ledger.add(store.outbox.drop(sent.gone), now)
            if sent.done:
                store.webhooks.note(
                    webhook.id, failures=webhook.failures, silent_until=webhook.silent_until,
                    last_error=webhook.last_error, last_delivered_at=webhook.last_delivered_at,
                )  # fmt: skip
            if sent.ended:
                store.webhooks.remove(webhook.id)
                log(
                    "info",
                    "a webhook is gone for good, and was removed",
                    webhook=webhook.name,
                    reason=webhook.last_error,
                )


class _Round:
    """What became of some deliveries of one claim, and how their webhook is doing since."""

    def __init__(self, webhook: Webhook, blocked: set[int] | None = None) -> None:
        self.webhook = webhook
        self.blocked = blocked or set()  # issues that wait for a retry
        self.done: list[tuple[Delivery, Attempt]] = []
        self.back: list[Delivery] = []  # not tried
        self.gone: list[int] = []  # about something that is not there any more
        self.ended = False  # whether nobody is there any more
        self.since = time.monotonic()

    def must_wait(self, one: Delivery) -> bool:
        return self.ended or bool(self.webhook.silent_until) or one.issue_id in self.blocked

    def take(self, one: Delivery, made: Attempt, now: int) -> None:
        self.done.append((one, made))
        self.webhook = _after(self.webhook, made, now)
        self.ended = self.ended or made.verdict.gone
        if made.verdict.retry and one.issue_id is not None and one.attempts + 1 < self.webhook.max_attempts:
            self.blocked.add(one.issue_id)


def _after(webhook: Webhook, made: Attempt, now: int) -> Webhook:
    """The webhook as it is after an attempt: too many failures in a row, or a service that asks for time, silence it."""
    verdict = made.verdict
    if verdict.delivered:
        return webhook._replace(failures=0, last_error=None, last_delivered_at=now)
    failures = webhook.failures + 1
    pause = schedule.probe_delay(failures) or 0
    if made.status == _TOO_MANY:
        pause = max(pause, schedule.asked_delay(verdict.after))
    silent_until = now + pause if pause else None
    return webhook._replace(failures=failures, last_error=verdict.reason, silent_until=silent_until)


def _may_be_held(one: Delivery) -> bool:
    """Whether a delivery may be told in a summary: not what was tried before, nor what is more than one event."""
    return one.attempts == 0 and one.kind not in (SUMMARY, ALERT)


def _result(webhook: Webhook, one: Delivery, made: Attempt, now: int, spread: float) -> Result:
    verdict, attempts = made.verdict, one.attempts + 1
    if verdict.delivered:
        return Result(one.id, DELIVERED, now, attempts, made.status, None, now)
    if not verdict.retry or attempts >= webhook.max_attempts:
        return Result(one.id, FAILED, now, attempts, made.status, verdict.reason, now)
    due = now + schedule.retry_delay(attempts, spread, verdict.after)
    return Result(one.id, RETRY, due, attempts, made.status, verdict.reason, None)


def _untouched(one: Delivery) -> Result:
    """A delivery that was claimed and not tried waits as before."""
    state = RETRY if one.attempts else QUEUED
    return Result(one.id, state, one.due_at, one.attempts, one.status, one.reason, None)
