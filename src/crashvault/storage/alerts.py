"""Alert rules, what they have counted, where their alerts stand, and what happened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..clock import HOUR, MINUTE
from ..errors import ConflictError, NotFoundError
from . import named
from .sqlite import SQLite, chunks, marks

if TYPE_CHECKING:
    from ..alerts.counters import Counters, Series
    from ..alerts.life import Life

_VERSION = "alerts"  # of meta
_COUNTS, _MEMBERS = ("alert_counts", "bucket", "count"), ("alert_members", "member", "bucket")
_DUE = (
    "(due_at BETWEEN 0 AND ? OR due_at > ?)"  # what is due in the far future was put there by a clock that went wrong
)
_FURTHEST = 2 * MINUTE  # from now that an alert is due, see `next_look`
_AT_ONCE = 1_000  # alerts that are looked at in one transaction


class Rule(NamedTuple):
    id: int
    name: str
    condition: str
    query: str
    project: str  # empty: all
    by: str  # empty, issue, project or tag.KEY
    notify: tuple[str, ...]
    severity: str
    hold: int  # microseconds, as the next two: see alerts.life
    linger: int
    cooldown: int
    created_at: int


class Mute(NamedTuple):
    id: int
    rule_id: int
    query: str  # empty: the whole rule
    until: int | None
    created_at: int


class Alert(NamedTuple):
    """Where a rule and one of its groups stand."""

    rule_id: int
    group: str
    counted_since: int
    last_at: int | None
    issue_id: int | None
    event: int | None
    life: Life
    reason: str
    due_at: int | None  # a time; 0: at once; None: after an event; below 0: after so many of them


class Entry(NamedTuple):
    """One line of the history."""

    rule: str
    group: str
    at: int
    what: str
    told: str
    numbers: dict[str, float]
    reason: str
    issue_id: int | None


class Seen(NamedTuple):
    """The last event that a rule has counted in a group."""

    at: int
    issue: int | None
    event: int | None
    events: int  # of the batch


Place = tuple[int, str]  # rule and group


class Additions(NamedTuple):
    """What a batch adds to counters."""

    counts: Mapping[tuple[int, str, str, int], int]  # rule, group, series, bucket
    members: Mapping[tuple[int, str, str, int], int]  # rule, group, series, member → bucket
    seen: Mapping[Place, Seen]


_RULE = "id, name, condition, query, project, grouped_by, notify, severity, hold, linger, cooldown, created_at"
_ALERT = (
    "rule_id, grp, counted_since, last_at, issue_id, event, state, since, held_at, told_at, is_told, reason, due_at"
)


class Alerts:
    def __init__(self, db: SQLite) -> None:
        self.db = db
        self.counted = 0  # alerts that this process has marked to be looked at

    # Rules

    def add(self, fields: Mapping[str, Any], now: int) -> Rule:
        """Keep a new rule; `fields` are those of Rule from `name` to `cooldown`. Raises InvalidError, ConflictError."""
        name = named.checked_name(fields["name"], "an alert")
        with self.db.writing():
            if self.db.row("SELECT 1 FROM alert_rules WHERE name = ?", (name,)):
                raise ConflictError(
                    f"there is an alert {name!r} already", f"Choose another name, or: crashvault alert remove {name}"
                )
            row = self.db.value(
                """INSERT INTO alert_rules (name, condition, query, project, grouped_by, notify, severity, hold, linger,
                                            cooldown, created_at)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id""",
                (name, fields["condition"], fields["query"], fields["project"], fields["by"], json.dumps(list(fields["notify"])),
                 fields["severity"], fields["hold"], fields["linger"], fields["cooldown"], now),
            )  # fmt: skip
            named.advance(self.db, _VERSION)
            return self.get(int(row))

    def remove(self, rule: int) -> None:
        with self.db.writing():
            for table in ("alert_mutes", "alerts", "alert_counts", "alert_members", "alert_history"):
                self.db.execute(f"DELETE FROM {table} WHERE rule_id = ?", (rule,))
            self.db.execute("DELETE FROM alert_rules WHERE id = ?", (rule,))
            named.advance(self.db, _VERSION)

    def rules(self) -> list[Rule]:
        return [_rule(row) for row in self.db.rows(f"SELECT {_RULE} FROM alert_rules ORDER BY id")]

    def get(self, rule: int) -> Rule:
        """Raises NotFoundError."""
        row = self.db.row(f"SELECT {_RULE} FROM alert_rules WHERE id = ?", (rule,))
        if row is None:
            raise NotFoundError(f"there is no alert {rule}", "See: crashvault alert list")
        return _rule(row)

    def require(self, which: str) -> Rule:
        """The one that a person means by its name or number. Raises NotFoundError that names the nearest."""
        return named.meant(self.rules(), which, "alert")

    def version(self) -> str:
        """Changes whenever one of them does; empty while there never was one."""
        return named.version(self.db, _VERSION)

    # Mutes

    def mute(self, rule: int, query: str, until: int | None, now: int) -> Mute:
        """Keep a rule, or what a query finds, quiet; another mute of the same query is replaced."""
        with self.db.writing():
            self.db.execute("DELETE FROM alert_mutes WHERE rule_id = ? AND query = ?", (rule, query))
            row = self.db.value(
                "INSERT INTO alert_mutes (rule_id, query, until, created_at) VALUES (?, ?, ?, ?) RETURNING id",
                (rule, query, until, now),
            )
            named.advance(self.db, _VERSION)
        return Mute(int(row), rule, query, until, now)

    def unmute(self, rule: int) -> int:
        """Take all mutes of a rule back; how many there were."""
        with self.db.writing():
            count = self.db.execute("DELETE FROM alert_mutes WHERE rule_id = ?", (rule,))
            named.advance(self.db, _VERSION)
        return count

    def mutes(self, now: int) -> list[Mute]:
        """Those that have not ended."""
        rows = self.db.rows(
            "SELECT id, rule_id, query, until, created_at FROM alert_mutes WHERE until IS NULL OR until > ? ORDER BY id",
            (now,),
        )
        return [Mute(*row) for row in rows]

    # Counting; joins the open transaction

    def count(self, added: Additions) -> None:
        """Add what a batch has brought, and mark its alerts to be looked at."""
        self.db.execute_many(
            """INSERT INTO alert_counts VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (rule_id, grp, series, bucket) DO UPDATE SET count = alert_counts.count + excluded.count""",
            [(*key, count) for key, count in sorted(added.counts.items())],
        )
        self.db.execute_many(
            """INSERT INTO alert_members VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (rule_id, grp, series, member) DO UPDATE SET bucket = excluded.bucket
                 WHERE alert_members.bucket < excluded.bucket""",
            [(*key, bucket) for key, bucket in sorted(added.members.items())],
        )
        self.counted += len(added.seen)
        self.db.execute_many(
            """INSERT INTO alerts (rule_id, grp, counted_since, last_at, issue_id, event, due_at) VALUES (?, ?, ?, ?, ?, ?, 0)
               ON CONFLICT (rule_id, grp) DO UPDATE SET last_at = excluded.last_at, issue_id = excluded.issue_id,
                 event = excluded.event, due_at = CASE WHEN alerts.due_at < ? THEN alerts.due_at + ? ELSE 0 END""",
            [
                (rule, group, seen.at, seen.at, seen.issue, seen.event, -seen.events, seen.events)
                for (rule, group), seen in sorted(added.seen.items())
            ],
        )

    def watch_from(self, rule: int, group: str, now: int) -> None:
        """Look at an alert that no event has reached yet."""
        self.db.execute(
            "INSERT INTO alerts (rule_id, grp, counted_since, due_at) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING",
            (rule, group, now),
        )

    def learn(self, rule: int, series: str, past: Mapping[str, Mapping[int, int]]) -> None:
        """Take over what a series has counted before the rule was made: group → bucket → events."""
        for group, buckets in past.items():
            self.db.execute_many(
                "INSERT INTO alert_counts VALUES (?, ?, ?, ?, ?)",
                [(rule, group, series, bucket, count) for bucket, count in sorted(buckets.items())],
            )
            first, last = min(buckets), max(buckets)
            self.db.execute(
                """INSERT INTO alerts (rule_id, grp, counted_since, last_at) VALUES (?, ?, ?, ?)
                   ON CONFLICT (rule_id, grp) DO UPDATE SET counted_since = excluded.counted_since""",
                (rule, group, first * HOUR, last * HOUR),
            )

    def openings(self, start: int) -> dict[int, str]:
        """Rows of the events that opened an issue, or brought one back, since a time: row → what it was."""
        opened = self.db.rows(
            """SELECT min(e.id) FROM issues i JOIN hashes h ON h.home_issue_id = i.id JOIN events e ON e.hash_id = h.id
               WHERE i.created_at >= ? GROUP BY i.id""",
            (start,),
        )
        returned = self.db.rows(
            """SELECT min(e.id) FROM activity a JOIN hashes h ON h.issue_id = a.issue_id JOIN events e ON e.hash_id = h.id
               WHERE a.kind = 'regression' AND a.at >= ? AND e.received_at = a.at GROUP BY a.id""",
            (start,),
        )
        return {row: "new issue" for (row,) in opened} | {row: "regression" for (row,) in returned}

    def known_release(self, issue: int, word: int) -> bool:
        """Whether an event of the issue had this word, be it a release."""
        return bool(
            self.db.row(
                """SELECT 1 FROM hashes h JOIN hash_words w ON w.hash_id = h.id AND w.word = ?
                   WHERE h.issue_id = ? LIMIT 1""",
                (word, issue),
            )
        )

    # Evaluating

    def is_due(self, now: int) -> bool:
        """Whether an alert must be looked at now."""
        return bool(self.db.row(f"SELECT 1 FROM alerts WHERE {_DUE} LIMIT 1", (now, now + _FURTHEST)))

    def due(self, now: int) -> list[Alert]:
        rows = self.db.rows(
            f"SELECT {_ALERT} FROM alerts WHERE {_DUE} ORDER BY due_at LIMIT {_AT_ONCE}",
            (now, now + _FURTHEST),
        )
        return [_alert(row) for row in rows]

    def counters(self, rule: int, alerts: Sequence[Alert], series: Sequence[Series], now: int) -> dict[str, Counters]:
        """What is known of alerts of one rule, as far back as its series reach, by group."""
        from ..alerts.counters import Counters

        groups = {alert.group: Counters(alert.counted_since, alert.last_at) for alert in alerts}
        found = {**groups, **{part: groups[group] for part, group in self._merged(rule, list(groups)).items()}}
        for part in chunks(list(found)):
            for one in series:
                of_members = one.what in ("users", "hosts")
                table, key, value = _MEMBERS if of_members else _COUNTS
                rows = self.db.rows(
                    f"""SELECT grp, {key}, {value} FROM {table}
                        WHERE rule_id = ? AND grp IN ({marks(part)}) AND series = ? AND bucket > ?""",
                    (rule, *part, one.name, now // one.width - one.slices),
                )
                for group, left, right in rows:
                    counters = found[group]
                    kept = counters.members if of_members else counters.buckets
                    known = kept.setdefault(one.name, {})
                    known[left] = max(right, known.get(left, right)) if of_members else right + known.get(left, 0)
        return groups

    def _merged(self, rule: int, groups: Sequence[str]) -> dict[str, str]:
        """Of a rule that counts by issue: the groups whose issue was merged into another → the group of that one.

        They stay apart, as hashes do, so that nothing has to be undone when issues are unmerged.
        """
        if not self.db.row("SELECT 1 FROM alert_rules WHERE id = ? AND grouped_by = 'issue'", (rule,)):
            return {}
        found: dict[str, str] = {}
        for part in chunks([int(group) for group in groups]):
            rows = self.db.rows(
                f"""SELECT DISTINCT home_issue_id, issue_id FROM hashes
                    WHERE issue_id IN ({marks(part)}) AND home_issue_id <> issue_id""",
                part,
            )
            found.update((str(home), str(issue)) for home, issue in rows)
        return found

    # Merging; joins the open transaction

    def join(self, target: int, other: int) -> None:
        """Have alerts of an issue that was merged away go on as those of the other; one that fires goes on firing."""
        into = self._by_issue(target)
        for alert in self._by_issue(other).values():
            mine = into.get(alert.rule_id)
            self.db.execute("DELETE FROM alerts WHERE rule_id = ? AND grp = ?", (alert.rule_id, alert.group))
            one = alert if mine is None else _joined(mine, alert)
            self._put(one._replace(group=str(target), issue_id=target))

    def part(self, issue: int, root: int) -> None:
        """Have an issue that was unmerged alerts of its own again: people know of those of the other."""
        for alert in self._by_issue(root).values():
            self._put(alert)
            self._put(
                alert._replace(group=str(issue), issue_id=issue, event=None, life=alert.life._replace(is_told=False))
            )

    def _by_issue(self, issue: int) -> dict[int, Alert]:
        rows = self.db.rows(
            f"""SELECT {_ALERT} FROM alerts
                WHERE grp = ? AND rule_id IN (SELECT id FROM alert_rules WHERE grouped_by = 'issue')""",
            (str(issue),),
        )
        return {alert.rule_id: alert for alert in map(_alert, rows)}

    def _put(self, alert: Alert) -> None:
        """Keep an alert as it is, to be looked at soon."""
        self.counted += 1
        key = (alert.rule_id, alert.group)
        self.db.execute("DELETE FROM alerts WHERE rule_id = ? AND grp = ?", key)
        self.db.execute(
            f"INSERT INTO alerts ({_ALERT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (*key, alert.counted_since, alert.last_at, alert.issue_id, alert.event, *alert.life, alert.reason),
        )

    def settle(self, changed: Sequence[Alert], unchanged: Sequence[Alert]) -> None:
        """Keep what alerts are by now; of the unchanged only when to look at them again."""
        self.db.execute_many(
            """UPDATE alerts SET last_at = ?, state = ?, since = ?, held_at = ?, told_at = ?, is_told = ?, reason = ?, due_at = ?
               WHERE rule_id = ? AND grp = ?""",
            [(alert.last_at, *alert.life, alert.reason, alert.due_at, alert.rule_id, alert.group) for alert in changed],
        )
        self.db.execute_many(
            "UPDATE alerts SET due_at = ? WHERE rule_id = ? AND grp = ?",
            [(alert.due_at, alert.rule_id, alert.group) for alert in unchanged],
        )

    def note(self, alert: Alert, at: int, what: str, told: str, numbers: Mapping[str, float], reason: str) -> None:
        self.db.execute(
            """INSERT INTO alert_history (rule_id, grp, at, what, told, numbers, reason, issue_id)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            (alert.rule_id, alert.group, at, what, told, json.dumps(numbers), reason, alert.issue_id),
        )

    def forget(self, rule: int, series: Iterable[Series], now: int, history_before: int) -> None:
        """Remove what has left every window of a rule, and alerts that have long been over."""
        wanted = list(series)
        for one in wanted:
            table = "alert_members" if one.what in ("users", "hosts") else "alert_counts"
            self.db.execute(
                f"DELETE FROM {table} WHERE rule_id = ? AND series = ? AND bucket <= ?",
                (rule, one.name, now // one.width - one.slices),
            )
        longest = max((one.width * one.slices for one in wanted), default=0)
        self.db.execute(
            "DELETE FROM alerts WHERE rule_id = ? AND grp <> '' AND state = 'ok' AND last_at < ? AND COALESCE(due_at, -1) < 0",
            (rule, now - longest),
        )
        self.db.execute("DELETE FROM alert_history WHERE rule_id = ? AND at < ?", (rule, history_before))

    # Reading

    def alerts(self, rule: int | None = None, state: str | None = None) -> list[Alert]:
        """Those that exist, of a rule or in a state, the youngest change first."""
        where, values = ["TRUE"], list[Any]()
        for column, value in (("rule_id", rule), ("state", state)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        rows = self.db.rows(
            f"SELECT {_ALERT} FROM alerts WHERE {' AND '.join(where)} ORDER BY since DESC, grp LIMIT 1000", values
        )
        return [_alert(row) for row in rows]

    def history(self, rule: int | None, limit: int, before: int | None = None) -> list[tuple[int, Entry]]:
        """What happened, latest first, each with its number."""
        where, values = ["TRUE"], list[Any]()
        for condition, value in (("h.rule_id = ?", rule), ("h.id < ?", before)):
            if value is not None:
                where.append(condition)
                values.append(value)
        rows = self.db.rows(
            f"""SELECT h.id, r.name, h.grp, h.at, h.what, h.told, h.numbers, h.reason, h.issue_id
                FROM alert_history h JOIN alert_rules r ON r.id = h.rule_id
                WHERE {" AND ".join(where)} ORDER BY h.id DESC LIMIT ?""",
            (*values, limit),
        )
        return [(row[0], _entry(row[1:])) for row in rows]


def _rule(row: Sequence[Any]) -> Rule:
    return Rule(*row)._replace(notify=tuple(json.loads(row[6])))


def _alert(row: Sequence[Any]) -> Alert:
    from ..alerts.life import Life

    state, since, held_at, told_at, is_told, reason, due_at = row[6:]
    rule, group, counted_since, last_at, issue, event = row[:6]
    life = Life(state, since, held_at, told_at, bool(is_told))
    return Alert(rule, group, counted_since, last_at, issue, event, life, reason, due_at)


def _joined(one: Alert, other: Alert) -> Alert:
    """What two alerts of a rule are together: the one that is further on, with what people were told last."""
    from ..alerts.life import STATES

    ahead = max(one, other, key=lambda alert: (STATES.index(alert.life.state), alert.life.is_told, alert.last_at or 0))
    told = [alert.life.told_at for alert in (one, other) if alert.life.told_at is not None]
    latest = max(one, other, key=lambda alert: alert.last_at or 0)
    return ahead._replace(
        counted_since=min(one.counted_since, other.counted_since),
        last_at=latest.last_at,
        event=latest.event,
        life=ahead.life._replace(told_at=max(told, default=None)),
    )


def _entry(row: Sequence[Any]) -> Entry:
    rule, group, at, what, told, numbers, reason, issue = row
    return Entry(rule, group, at, what, told, json.loads(numbers), reason, issue)
