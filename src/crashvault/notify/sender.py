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
from ..logs import log_debug
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
_ERROR_STATUS = 429

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

    def release(self, webhook: int) -> None:
        self._store.leases.release(lease_name(webhook), self._holder)

    # Claiming

    def _claim(self, webhook_id: int) -> _Claim | None:
        """What is to be sent next; None where somebody else sends, or nothing is to be sent at this time."""
        store = self._store
        if self._taken(webhook_id):
            return None
        with store.writing():
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
        due = outbox.due(webhook.id, now, limit)
        going: list[Delivery] = []
        waiting: list[Delivery] = []
        for one in due:
            behind = held and one.attempts == 0 and one.kind not in (SUMMARY, ALERT)
            (going if len(going) + 1 <= tokens and not behind else waiting).append(one)
        self._hold(webhook, waiting, summary_due if held else 0, tokens - len(going), now)
        self._store.webhooks.note(webhook.id, tokens=tokens - len(going), tokens_at=now)
        return going

    def _hold(self, webhook: Webhook, waiting: Sequence[Delivery], until: int, tokens: float, now: int) -> None:
        """Hold back what has no token: first attempts for a summary, others until there is one."""
        rate = parse_rate(webhook.rate_limit)
        if rate is None or not waiting:
            return
        token = schedule.next_token(now, tokens, rate)
        again = [one.id for one in waiting if one.attempts or one.kind in (SUMMARY, ALERT)]
        first = [one.id for one in waiting if not (one.attempts or one.kind in (SUMMARY, ALERT))]
        self._store.outbox.put_off(again, token)
        self._store.outbox.hold(first, until or max(token, now + schedule.hold_delay(rate)))
        held, due = self._store.outbox.held(webhook.id)
        if held and due <= now:  # it is time for the summary, but there was no token for it
            self._store.outbox.put_held_off(webhook.id, token)

    # Sending

    def _send(self, claim: _Claim) -> int:
        """Send what was claimed, and write down what became of it, now and then and at the end."""
        webhook, left = claim.webhook, list(claim.deliveries)
        reader = Reader(self._store, clock.now())
        notifications = reader.notifications(left)
        with_files = takes_files(webhook)
        blocked: set[int | None] = set()
        done: list[tuple[Delivery, Attempt]] = []
        gone: list[int] = []
        back: list[Delivery] = []
        written = time.monotonic()
        count = 0
        for one in left:
            notification = notifications.get(one.id)
            if notification is None:
                gone.append(one.id)
                continue
            if (
                self._stopping.is_set()
                or webhook.silent_until
                or (one.issue_id is not None and one.issue_id in blocked)
            ):
                back.append(one)
                continue
            files: Sequence[File] = reader.files(one, notification) if with_files else ()
            made = self._attempt(webhook, notification, files)
            count += 1
            done.append((one, made))
            webhook = self._after(webhook, made)
            if made.verdict.retry and one.attempts + 1 < webhook.max_attempts:
                blocked.add(one.issue_id)
            if time.monotonic() - written > _WRITTEN_AFTER:
                self._write(webhook, done)
                done, written = [], time.monotonic()
        self._write(webhook, done, back, gone)
        return count

    def _attempt(self, webhook: Webhook, notification: Notification, files: Sequence[File]) -> Attempt:
        made = attempt(webhook, notification, files, self._outbound)
        verdict = made.verdict
        self._told(webhook.name, DELIVERED if verdict.delivered else "retried" if verdict.retry else FAILED)
        log_debug("delivery", webhook=webhook.name, id=notification.id, status=made.status, reason=verdict.reason)
        return made

    def _after(self, webhook: Webhook, made: Attempt) -> Webhook:
        """The webhook as it is after an attempt: too many failures in a row, or a service that asks for time, silence it."""
        now = clock.now()
        verdict = made.verdict
        if verdict.delivered:
            return webhook._replace(failures=0, last_error=None, last_delivered_at=now)
        failures = webhook.failures + 1
        pause = schedule.probe_delay(failures) or 0
        if made.status == _ERROR_STATUS:
            pause = max(pause, schedule.asked_delay(verdict.after))
        return webhook._replace(
            failures=failures, last_error=verdict.reason, silent_until=now + pause if pause else None
        )  # fmt: skip

    def _write(
        self, webhook: Webhook, done: Sequence[tuple[Delivery, Attempt]], back: Sequence[Delivery] = (),
        gone: Sequence[int] = (),
    ) -> None:  # fmt: skip
        if not (done or back or gone):
            return
        store = self._store
        with store.writing():
            now = clock.now()
            store.leases.take(lease_name(webhook.id), self._holder, now, LEASE_LASTS)
            results = [_result(webhook, one, made, now, self._spread()) for one, made in done]
            store.outbox.finish([*results, *(_untouched(one) for one in back)])
            store.ledger.add(store.outbox.drop(gone), now)
            if done:
                store.webhooks.note(
                    webhook.id, failures=webhook.failures, silent_until=webhook.silent_until,
                    last_error=webhook.last_error, last_delivered_at=webhook.last_delivered_at,
                )  # fmt: skip


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
