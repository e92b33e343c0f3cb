"""The outbox: deliveries that are to be made, and those that were, as rows that name events and issues.

Whoever records adds rows in the transaction of the event. A sender leases a webhook, claims what is due, sends, and
writes down what became of it. A row that was claimed by somebody who is gone is claimed again, with the same key.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidError, NotFoundError
from .sqlite import SQLite, chunks, marks

QUEUED, DELIVERING, RETRY, HELD, DELIVERED, FAILED, MERGED = STATES = (
    "queued", "delivering", "retry", "held", "delivered", "failed", "merged",
)  # fmt: skip
WAITING = (QUEUED, DELIVERING, RETRY, HELD)
ERASED = ("event_deleted", "webhook", "delivery")  # in the ledger
_OF_EVENTS = ("event", "new-issue")  # before which nothing of their issue waits for its time


class Wanted(NamedTuple):
    """What a webhook is to be told."""

    webhook: int
    kind: str
    issue: int | None = None
    event: int | None = None  # its row
    count: int = 1  # type: ignore[assignment]  # a column, not the method of tuples
    pause: int = 0  # microseconds since the issue's last message before which this one is not sent, but grows
    alert: str | None = None  # JSON


class Delivery(NamedTuple):
    id: int
    webhook_id: int
    key: bytes
    kind: str
    state: str
    issue_id: int | None
    event: int | None
    alert: str | None
    count: int  # type: ignore[assignment]  # a column, not the method of tuples
    queued_at: int
    due_at: int
    started_at: int | None
    attempts: int
    status: int | None
    reason: str | None
    ended_at: int | None
    summary_id: int | None

    @property
    def message_id(self) -> str:
        """The idempotency id."""
        return f"msg_{self.key.hex()}"


class Result(NamedTuple):
    """What became of an attempt."""

    delivery: int
    state: str
    due_at: int
    attempts: int
    status: int | None
    reason: str | None
    ended_at: int | None


_COLUMNS = ", ".join(f"o.{name}" for name in Delivery._fields)
_INSERT = """INSERT INTO outbox (webhook_id, key, kind, state, issue_id, event, alert, count, queued_at, due_at)
             VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)"""


class Outbox:
    def __init__(self, db: SQLite) -> None:
        self.db = db
        self.added = 0  # by this store: whether there is something that its process could send

    # Queueing, on the transaction of what is told

    def add(self, wanted: Sequence[Wanted], now: int) -> None:
        """Queue deliveries. Those with a `pause` join the message about their issue that still waits, if there is one."""
        rows: list[tuple[Any, ...]] = []
        for one in wanted:
            due = now
            if one.pause:
                if self._joined(one):
                    continue
                self.db.execute_many(_INSERT, rows)  # where the issue's last message is looked for
                rows = []
                due = self._after_pause(one, now)
            elif one.issue is not None and one.kind not in _OF_EVENTS:  # what waits is of before, and is told first
                self._release(one.webhook, one.issue, now)
            rows.append((one.webhook, os.urandom(16), one.kind, one.issue, one.event, one.alert, one.count, now, due))
        self.db.execute_many(_INSERT, rows)
        self.added += len(wanted)

    def _joined(self, one: Wanted) -> bool:
        return bool(
            self.db.execute(
                """UPDATE outbox SET count = count + ?, event = ?
                   WHERE issue_id = ? AND webhook_id = ? AND kind = ? AND state = 'queued' AND started_at IS NULL""",
                (one.count, one.event, one.issue, one.webhook, one.kind),
            )
        )

    def _after_pause(self, one: Wanted, now: int) -> int:
        last = self.db.value(
            "SELECT max(due_at) FROM outbox WHERE issue_id = ? AND webhook_id = ?", (one.issue, one.webhook)
        )
        return now if last is None else max(now, min(last, now) + one.pause)

    def _release(self, webhook: int, issue: int, now: int) -> None:
        self.db.execute(
            """UPDATE outbox SET due_at = ?1
               WHERE issue_id = ?2 AND webhook_id = ?3 AND state = 'queued' AND started_at IS NULL AND due_at > ?1""",
            (now, issue, webhook),
        )

    # Sending, by whoever has the lease of the webhook

    def next_due(self) -> dict[int, int]:
        """When each enabled webhook has something to send: webhook → microseconds."""
        rows = self.db.rows(
            """SELECT w.id, (SELECT min(due_at) FROM outbox o WHERE o.webhook_id = w.id
                             AND o.state IN ('queued', 'retry', 'held')), COALESCE(w.silent_until, 0)
               FROM webhooks w WHERE w.enabled = 1"""
        )
        begun = self.db.rows(
            """SELECT id FROM webhooks w WHERE enabled = 1 AND COALESCE(silent_until, 0) = 0
               AND EXISTS (SELECT 1 FROM outbox o WHERE o.webhook_id = w.id AND o.state = 'delivering')"""
        )
        found = {webhook: max(due, silent_until) for webhook, due, silent_until in rows if due is not None}
        return {**dict.fromkeys((webhook for (webhook,) in begun), 0), **found}

    def recover(self, webhook: int) -> None:
        """What somebody who is gone had claimed waits again. For the one who has just taken the lease."""
        self.db.execute(
            """UPDATE outbox SET state = CASE WHEN attempts > 0 THEN 'retry' ELSE 'queued' END
               WHERE webhook_id = ? AND state = 'delivering'""",
            (webhook,),
        )

    def due(self, webhook: int, now: int, limit: int) -> list[Delivery]:
        """What is to be sent now, in order; what has to wait behind a retry of its issue is put off until that is due."""
        rows = self.db.rows(
            f"""SELECT {_COLUMNS}, (SELECT max(b.due_at) FROM outbox b
                  WHERE b.issue_id = o.issue_id AND b.webhook_id = o.webhook_id AND b.state = 'retry' AND b.id < o.id)
                FROM outbox o WHERE o.webhook_id = ? AND o.state IN ('queued', 'retry') AND o.due_at <= ?
                ORDER BY o.id LIMIT ? {self.db.for_update("o")}""",
            (webhook, now, limit),
        )
        blocked = [(row[-1], row[0]) for row in rows if row[-1] is not None and row[-1] > now]
        self.db.execute_many("UPDATE outbox SET due_at = ? WHERE id = ?", blocked)
        gone = {delivery for _, delivery in blocked}
        return [Delivery(*row[:-1]) for row in rows if row[0] not in gone]

    def exists(self, delivery: int) -> bool:
        return self.db.row("SELECT 1 FROM outbox WHERE id = ?", (delivery,)) is not None

    def begin(self, deliveries: Sequence[int], now: int) -> None:
        self.db.execute_many(
            "UPDATE outbox SET state = 'delivering', started_at = ? WHERE id = ?", [(now, one) for one in deliveries]
        )

    def finish(self, results: Sequence[Result]) -> None:
        """Write down what became of deliveries that were begun."""
        self.db.execute_many(
            """UPDATE outbox SET state = ?, due_at = ?, attempts = ?, status = ?, reason = ?, ended_at = ?
               WHERE id = ? AND state = 'delivering'""",
            [(*result[1:], result.delivery) for result in results],
        )

    def put_off(self, deliveries: Sequence[int], due_at: int) -> None:
        self.db.execute_many("UPDATE outbox SET due_at = ? WHERE id = ?", [(due_at, one) for one in deliveries])

    def drop(self, deliveries: Sequence[int]) -> Counter[tuple[str, str, str]]:
        """Forget deliveries whose event or issue is gone; the count for the ledger."""
        dropped = self.db.execute_many("DELETE FROM outbox WHERE id = ?", [(one,) for one in deliveries])
        return Counter({ERASED: dropped} if dropped else {})

    # What a rate limit holds back

    def held(self, webhook: int) -> tuple[int, int]:
        """How many deliveries are held back, and when their summary is due."""
        row = self.db.row(
            "SELECT count(*), COALESCE(min(due_at), 0) FROM outbox WHERE webhook_id = ? AND state = 'held'", (webhook,)
        )
        assert row is not None
        return row[0], row[1]

    def hold(self, deliveries: Sequence[int], until: int) -> None:
        self.db.execute_many(
            "UPDATE outbox SET state = 'held', due_at = ?, reason = 'rate limit' WHERE id = ?",
            [(until, one) for one in deliveries],
        )

    def put_held_off(self, webhook: int, until: int) -> None:
        self.db.execute("UPDATE outbox SET due_at = ? WHERE webhook_id = ? AND state = 'held'", (until, webhook))

    def summarize(self, webhook: int, now: int) -> None:
        """Let one message take the place of all that are held back; a single one goes as it is."""
        held, _ = self.held(webhook)
        if held == 1:
            self.let_go(webhook, now)
            return
        summary = self.db.value(
            f"""{_INSERT.replace("VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)", "")}
                SELECT webhook_id, ?, 'summary', 'queued', NULL, NULL, NULL, sum(count), ?, ? FROM outbox
                WHERE webhook_id = ? AND state = 'held' GROUP BY webhook_id RETURNING id""",
            (os.urandom(16), now, now, webhook),
        )
        self.db.execute(
            "UPDATE outbox SET state = 'merged', summary_id = ?, ended_at = ? WHERE webhook_id = ? AND state = 'held'",
            (summary, now, webhook),
        )

    def let_go(self, webhook: int, now: int) -> None:
        """What is held back goes after all, each as it is."""
        self.db.execute(
            "UPDATE outbox SET state = 'queued', due_at = ?, reason = NULL WHERE webhook_id = ? AND state = 'held'",
            (now, webhook),
        )

    def summarized(self, summary: int) -> list[tuple[int, int]]:
        """What a summary tells: (issue, events), those with the most events first."""
        rows = self.db.rows(
            """SELECT issue_id, sum(count) FROM outbox WHERE summary_id = ? AND issue_id IS NOT NULL
               GROUP BY issue_id ORDER BY 2 DESC, 1""",
            (summary,),
        )
        return [(issue, events) for issue, events in rows]

    # Looking at them, and after them

    def get(self, delivery: int) -> Delivery:
        """Raises NotFoundError."""
        row = self.db.row(f"SELECT {_COLUMNS} FROM outbox o WHERE o.id = ?", (delivery,))
        if row is None:
            raise NotFoundError(f"there is no delivery {delivery}", "See: crashvault webhook deliveries")
        return Delivery(*row)

    def list(
        self, *, webhook: int | None = None, state: str | None = None, limit: int = 50, before: int | None = None
    ) -> tuple[list[Delivery], int]:
        """Deliveries, the latest first, and how many there are in all. `before`: only those queued before that one."""
        conditions, values = ["TRUE"], []
        for column, value in (("webhook_id", webhook), ("state", state)):
            if value is not None:
                conditions.append(f"o.{column} = ?")
                values.append(value)
        where = " AND ".join(conditions)
        total = self.db.value(f"SELECT count(*) FROM outbox o WHERE {where}", values)
        rows = self.db.rows(
            f"SELECT {_COLUMNS} FROM outbox o WHERE {where} AND o.id < ? ORDER BY o.id DESC LIMIT ?",
            [*values, before or 1 << 62, limit],
        )
        return [Delivery(*row) for row in rows], int(total)

    def counts(self) -> dict[int, dict[str, int]]:
        """How many deliveries each webhook has, by state."""
        found: dict[int, dict[str, int]] = {}
        for webhook, state, count in self.db.rows(
            "SELECT webhook_id, state, count(*) FROM outbox GROUP BY webhook_id, state"
        ):
            found.setdefault(webhook, {})[state] = count
        return found

    def retry(self, delivery: int, now: int) -> None:
        """Try a delivery again that was given up or waits. Raises NotFoundError, InvalidError."""
        with self.db.writing():
            found = self.get(delivery)
            if found.state not in (FAILED, RETRY):
                raise InvalidError(f"delivery {delivery} is {found.state}", "Only one that failed can be tried again")
            self._again("id = ?", delivery, now)

    def retry_all(self, now: int, webhook: int | None = None) -> int:
        """Try all again that were given up; how many those are."""
        with self.db.writing():
            if webhook is None:
                return self._again("state = ?", FAILED, now)
            return self._again("state = 'failed' AND webhook_id = ?", webhook, now)

    def _again(self, where: str, value: Any, now: int) -> int:
        changed = self.db.execute(
            f"UPDATE outbox SET state = 'retry', due_at = ?, attempts = 0, ended_at = NULL WHERE {where}", (now, value)
        )
        self.added += changed
        return changed

    def prune(self, before: int) -> int:
        """Forget deliveries that ended before a time; those that failed are for a person to decide."""
        old = "FROM outbox WHERE ended_at < ? AND state <> 'failed'"
        if not self.db.row(f"SELECT 1 {old} LIMIT 1", (before,)):
            return 0
        with self.db.writing():
            return self.db.execute(f"DELETE {old}", (before,))


def waiting(db: SQLite) -> int:
    """How many deliveries are still to be made."""
    return int(db.value(f"SELECT count(*) FROM outbox WHERE state IN ({_WAITING_SQL})"))


def awaited(db: SQLite, events: Sequence[int]) -> set[int]:
    """Which of the events deliveries still have to tell of."""
    found: set[int] = set()
    for part in chunks(events):
        sql = f"SELECT event FROM outbox WHERE event IN ({marks(part)}) AND state IN ({_WAITING_SQL})"
        found.update(event for (event,) in db.rows(sql, part))
    return found


def erase(db: SQLite, column: str, values: Sequence[Any]) -> Mapping[tuple[str, str, str], int]:
    """Remove the deliveries about events (`event`) or issues (`issue_id`) that go; the waiting ones, for the ledger."""
    assert column in ("event", "issue_id")
    dropped = 0
    for part in chunks(values):
        where = f"{column} IN ({marks(part)})"
        dropped += db.value(f"SELECT count(*) FROM outbox WHERE {where} AND state IN ({_WAITING_SQL})", part)
        db.execute(f"DELETE FROM outbox WHERE {where}", part)
    return {ERASED: dropped} if dropped else {}


_WAITING_SQL = ", ".join(f"'{state}'" for state in WAITING)


def alert_of(delivery: Delivery) -> dict[str, Any] | None:
    return None if delivery.alert is None else dict(json.loads(delivery.alert))
