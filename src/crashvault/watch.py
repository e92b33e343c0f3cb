"""Alerts: looking at those that are due, telling people, trying rules on what is past.

Whoever records marks alerts as due; whoever holds the lease looks at them: the server once a second, without a server
the command that recorded. State, history and deliveries are written in one transaction, so that an alert that
was seen is told, and told once.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import clock, core, lifecycle
from .alerts.condition import Compare, Condition, Spike, atoms, facts, only_facts, parse
from .alerts.counters import HOURS, Series, series_of
from .alerts.evaluate import Verdict, evaluate, holds_by_itself, next_look, shown_span
from .alerts.life import FIRED, FIRING, OK, Change, Terms, step
from .alerts.replay import Happening, Past, replay
from .alerts.spike import WEEKS
from .announce import PUSH, announce_alert
from .clock import DAY, HOUR, MINUTE, to_iso
from .errors import CrashvaultError, InvalidError
from .hooking import tell_alert
from .logs import log, log_debug
from .models import SEVERITIES
from .query.tree import Pattern, Term, all_of
from .storage.alerts import Alert, Entry, Mute, Rule
from .storage.document import user_identities, word_of
from .storage.store import Store
from .tally import rule_node
from .units import parse_span

DESKTOP = "desktop"
TARGETS = (DESKTOP, PUSH)  # of alerts, beside the names of webhooks
SERVER_LEASE = "server"
LEASE = "alerts"
DEFAULT_COOLDOWN = 10 * MINUTE
DEFAULT_LINGER = MINUTE
HISTORY_KEPT = 90 * DAY
_FORGET_EVERY = 10 * MINUTE
_BY = ("issue", "project")
_EVENTS_AT_ONCE = 1_000
_LOOK = 0.5  # seconds
_AGAIN = 2.0  # seconds after the vault could not be read
_LEASE_LASTS = 15 * clock.SECOND


class Told(NamedTuple):
    """Something that happened to an alert, in the shape that people get it in."""

    rule: Rule
    alert: dict[str, Any]


class Watch:
    """Looks at alerts again and again, with what it has read of their rules."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version: str | None = None
        self._rules: dict[int, tuple[Rule, Condition, list[Series]]] = {}
        self._forgot = 0

    def look(self, now: int) -> list[Told]:
        """Look at every alert that is due; what people were told of, for those who tell it by other means than webhooks."""
        store = self._store
        if not store.alerts.version():
            return []
        told: list[Told] = []
        while (due := store.alerts.earliest_due()) is not None and due <= now:
            with store.writing():
                self._read_rules()
                quiet = {mute.rule_id for mute in store.alerts.mutes(now) if not mute.query}
                by_rule: dict[int, list[Alert]] = {}
                for alert in store.alerts.due(now):
                    by_rule.setdefault(alert.rule_id, []).append(alert)
                for rule, alerts in by_rule.items():
                    told += self._settle(rule, alerts, rule in quiet, now)
        for one in told:
            if one.alert["state"] == "firing":
                tell_alert(store.home, one.alert)
        if now - self._forgot > _FORGET_EVERY:
            self._forget(now)
        return told

    def _read_rules(self) -> None:
        version = self._store.alerts.version()
        if version != self._version:
            self._rules = {
                rule.id: (rule, condition, series_of(condition))
                for rule in self._store.alerts.rules()
                for condition in (parse(rule.condition),)
            }
            self._version = version

    def _settle(self, rule_id: int, alerts: Sequence[Alert], quiet: bool, now: int) -> list[Told]:
        """Look at alerts of one rule, and keep what has become of them."""
        if rule_id not in self._rules:  # removed, while its events were being recorded
            self._store.alerts.settle((), alerts)
            return []
        rule, condition, series = self._rules[rule_id]
        counters = self._store.alerts.counters(rule_id, alerts, series, now)
        told: list[Told] = []
        changed: list[Alert] = []
        unchanged: list[Alert] = []
        for alert in alerts:
            known = counters[alert.group]
            found = alert
            for moment in (*_missed(alert, series, rule), now):
                verdict = evaluate(condition, known, moment)
                life, changes = step(found.life, verdict.holds, moment, terms_of(rule), quiet=quiet)
                if changes:
                    told += self._changed(rule, condition, found, changes, verdict, moment, quiet)
                reason = alert.reason if life.state == OK else verdict.reason
                found = found._replace(life=life, reason=reason)
            found = found._replace(due_at=next_look(condition, known, found.life.state == OK, now))
            is_same = found.life == alert.life and found.reason == alert.reason and found.due_at is None
            (unchanged if is_same else changed).append(found)
        self._store.alerts.settle(changed, unchanged)
        return told

    def _changed(
        self,
        rule: Rule,
        condition: Condition,
        alert: Alert,
        changes: Iterable[Change],
        verdict: Verdict,
        now: int,
        quiet: bool,
    ) -> list[Told]:
        """Keep and tell what has happened to an alert."""
        told = []
        for change in changes:
            # What happened at one moment is over at once; that is no news.
            tell = change.tell and (change.what == FIRED or not only_facts(condition))
            kept = "yes" if tell else "muted" if quiet else "cooldown" if change.what == FIRED else "no"
            self._store.alerts.note(alert, now, change.what, kept, dict(verdict.numbers), verdict.reason)
            if tell:
                told.append(Told(rule, _news(rule, alert, change, verdict, now)))
                news, event = told[-1].alert, alert.event
                announce_alert(self._store, news, now, to=rule.notify, issue=alert.issue_id, event=event)
        return told

    def _forget(self, now: int) -> None:
        self._forgot = now
        with self._store.writing():
            self._read_rules()
            for rule, _, series in self._rules.values():
                self._store.alerts.forget(rule.id, series, now, now - HISTORY_KEPT)


def _missed(alert: Alert, series: Sequence[Series], rule: Rule) -> list[int]:
    """A moment that nobody looked at, just before the last event, if the alert was over by then.

    Without a server alerts are looked at when something is recorded, be it weeks later.
    """
    if alert.life.state != FIRING or alert.last_at is None:
        return []
    width = min([one.width for one in series], default=clock.SECOND)
    before = alert.last_at // width * width - 1
    return [before] if before - alert.life.held_at >= rule.linger else []


def terms_of(rule: Rule) -> Terms:
    return Terms(rule.hold, rule.linger, rule.cooldown)


def _news(rule: Rule, alert: Alert, change: Change, verdict: Verdict, now: int) -> dict[str, Any]:
    """An alert as people and webhooks get it."""
    return {
        "name": rule.name,
        "state": "firing" if change.what == "fired" else "resolved",
        "condition": rule.condition,
        "query": rule.query,
        "project": rule.project or None,
        "by": rule.by or None,
        "group": alert.group or None,
        "severity": rule.severity or None,
        "value": verdict.reason,
        "numbers": dict(verdict.numbers),
        "since": to_iso(alert.life.since if change.what == "resolved" else now),
        "at": to_iso(now),
        "issue_id": alert.issue_id,
    }


class Service:
    """A thread that looks at alerts again and again, as long as no other process does; for a server."""

    def __init__(
        self, open_store: Callable[[], Store], told: Callable[[str, str], object] = lambda name, state: None
    ) -> None:
        self._open_store = open_store
        self._told = told
        self._stopping = threading.Event()
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._thread = threading.Thread(target=self._run, name="crashvault-alerts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._open_store() as store:
                    self._serve(store)
                    store.leases.release(LEASE, self._holder)
            except Exception as error:
                log("error", "alerts cannot be looked at", error=repr(error))
                self._stopping.wait(_AGAIN)

    def _serve(self, store: Store) -> None:
        watch, asked, ours = Watch(store), 0, False
        while not self._stopping.wait(_LOOK):
            now = clock.now()
            if now - asked > _LEASE_LASTS // 3:
                asked, ours = now, store.leases.take(LEASE, self._holder, now, _LEASE_LASTS)
            if not ours:
                continue
            lifecycle.end_ignoring(store, now)
            told = watch.look(now)
            show_on_desktop(told)
            for one in told:
                self._told(one.rule.name, one.alert["state"])


def look_once(home: str) -> list[Told]:
    """What a command does about the alerts that its events have reached, where no server does."""
    with core.open_vault(home, create=False) as store:
        now = clock.now()
        if store.leases.live(SERVER_LEASE, now) is not None:
            return []
        return Watch(store).look(now)


def show_on_desktop(told: Iterable[Told]) -> None:
    """Alerts of rules that ask for it, on the screen of whoever runs this."""
    from .desktop import notify

    for one in told:
        if DESKTOP in one.rule.notify:
            what = "resolved" if one.alert["state"] == "resolved" else "alert"
            group = f" ({one.alert['group']})" if one.alert["group"] else ""
            try:
                notify(
                    f"{one.rule.name}: {what}", f"{one.alert['value']}{group}", urgent=one.rule.severity == "critical"
                )
            except CrashvaultError as error:
                log_debug("alert not shown", name=one.rule.name, error=error)


# Rules


def checked_rule(store: Store, name: str, now: int, **given: Any) -> dict[str, Any]:
    """The fields of a rule that people gave, as they are kept. Raises InvalidError, QueryError.

    `given`: condition, query, project, by, notify, severity, hold, linger, cooldown (microseconds); what is not given
    is as usual. Rules about things that happen to one issue are by issue, unless another grouping is asked for.
    """
    condition = parse(given["condition"])
    store.search(now).parse(given.get("query") or "")
    by = given.get("by") or ("issue" if facts(condition) and given.get("by") is None else "")
    if by and by not in _BY and not (by.startswith("tag.") and len(by) > 4):
        raise InvalidError(f"alerts cannot be grouped by {by!r}", "Use issue, project or tag.KEY, such as tag.region")
    severity = given.get("severity") or ""
    if severity and severity not in SEVERITIES:
        raise InvalidError(f"there is no severity {severity!r}", f"Use one of: {', '.join(SEVERITIES)}")
    project = given.get("project") or ""
    if project:
        store.projects.require(project)
    notify = list(dict.fromkeys(given.get("notify") or ()))
    for target in notify:
        if target == PUSH:
            from .webhooks.push import check_installed

            check_installed()
        elif target != DESKTOP:
            store.webhooks.require(target)
    return {
        "name": name,
        "condition": " ".join(given["condition"].split()),
        "query": given.get("query") or "",
        "project": project,
        "by": by,
        "notify": [target if target in TARGETS else store.webhooks.require(target).name for target in notify],
        "severity": severity,
        "hold": given.get("hold") or 0,
        "linger": DEFAULT_LINGER if given.get("linger") is None else given["linger"],
        "cooldown": DEFAULT_COOLDOWN if given.get("cooldown") is None else given["cooldown"],
    }


def add_rule(store: Store, fields: Mapping[str, Any], now: int) -> Rule:
    """Keep a rule that was checked. One about spikes learns from the past what is usual."""
    condition = parse(fields["condition"])
    past = _usual_past(store, condition, fields, now) if _has_spike(condition) else {}
    with store.writing():
        rule = store.alerts.add(fields, now)
        if not rule.by and holds_by_itself(condition):
            store.alerts.watch_from(rule.id, "", now)
        store.alerts.learn(rule.id, HOURS, past)
    return rule


def _has_spike(condition: Condition) -> bool:
    return any(isinstance(atom, Spike) for atom in atoms(condition))


def _usual_past(store: Store, condition: Condition, fields: Mapping[str, Any], now: int) -> dict[str, dict[int, int]]:
    """Events an hour of each group, as long back as a baseline looks."""
    found: dict[str, dict[int, int]] = {}
    for event in past_events(store, condition, fields, now - WEEKS * 7 * DAY, now):
        hours = found.setdefault(event.group, {})
        hours[event.at // HOUR] = hours.get(event.at // HOUR, 0) + 1
    return found


# What is past


def try_rule(store: Store, fields: Mapping[str, Any], start: int, now: int) -> Iterator[Happening]:
    """What a rule would have done since `start`; `fields` are those of a rule."""
    condition = parse(fields["condition"])
    series = series_of(condition)
    back = max((one.width * one.slices for one in series), default=0)
    events = past_events(store, condition, fields, start - back, now)
    terms = Terms(fields["hold"], fields["linger"], fields["cooldown"])
    return replay(condition, events, terms, start, now, alone=not fields["by"])


def past_events(store: Store, condition: Condition, fields: Mapping[str, Any], start: int, end: int) -> Iterator[Past]:
    """The events that a rule would have counted between two times of arrival, oldest first."""
    search = store.search(end)
    node = rule_node(search, fields["query"], fields["project"])
    needs_event = _needs_event(condition, fields["by"])
    openings = _openings(store, start, end) if facts(condition) else {}
    for part in _in_parts(search.every_event(node)):
        arrived = store.events.received_between(part, start, end)
        whole = (
            {item.row: item.event for item in store.events.load([row.row for row in arrived])} if needs_event else {}
        )
        for row in arrived:
            past = _past(row, whole.get(row.row, {}), fields["by"], openings)
            if past is not None:
                yield past


def _openings(store: Store, start: int, end: int) -> dict[int, frozenset[str]]:
    """What events were beside one more: those that opened an issue, or brought one back, perhaps in a new release."""
    found = {row: {what} for row, what in store.alerts.openings(start).items()}
    search = store.search(end)
    for item in store.events.load([row for row, what in found.items() if "regression" in what]):
        release = item.event.get("release")
        if release:
            same = all_of(
                [
                    search.parse(f"issue:{item.issue_id}"),
                    Term("release", None, "any", (Pattern((release.casefold(),)),)),
                ]
            )
            if next(iter(search.every_event(same)), None) == item.row:
                found[item.row].add("reappears in release")
    return {row: frozenset(what) for row, what in found.items()}


def _in_parts(rows: Iterable[int]) -> Iterator[list[int]]:
    part: list[int] = []
    for row in rows:
        part.append(row)
        if len(part) == _EVENTS_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _needs_event(condition: Condition, by: str) -> bool:
    """Whether more must be known of each event than its time, issue and project."""
    return by.startswith("tag.") or any(
        isinstance(atom, Compare) and atom.metric != "count" for atom in atoms(condition)
    )


def _past(row: Any, event: Mapping[str, Any], by: str, openings: Mapping[int, frozenset[str]]) -> Past | None:
    group: str | None = {"": "", "issue": str(row.issue), "project": row.project}.get(by)
    if group is None:
        start = f"{by[4:]}="
        group = next((tag[len(start) :] for tag in event.get("tags", ()) if tag.startswith(start)), None)
        if group is None:
            return None
    people = user_identities(event.get("user"))
    host = event.get("host")
    return Past(
        row.received_at,
        group,
        row.issue,
        frozenset({"count", *openings.get(row.row, ())}),
        word_of("user", people[0]) if people else None,
        word_of("host", host) if host else None,
    )


def start_of(since: str, now: int) -> int:
    """The moment of `24h` or of an ISO 8601 time. Raises InvalidError."""
    try:
        return clock.from_iso(since)
    except ValueError:
        return now - parse_span(since)


def end_of_mute(span: str | None, until: str | None, now: int) -> int | None:
    """When a mute ends; None: when it is taken back. Raises InvalidError."""
    if span and until:
        raise InvalidError("give a time or a span, not both", "Use --for 2h, or --until 2026-12-01T08:00")
    if span:
        return now + parse_span(span)
    if not until:
        return None
    try:
        end = clock.from_iso(until)
    except ValueError:
        raise InvalidError(f"{until!r} is not a time", "Write it as 2026-12-01T08:00:00Z") from None
    if end <= now:
        raise InvalidError(f"{until} is past", "Give a time to come")
    return end


def happening_shape(happening: Happening) -> dict[str, Any]:
    """What would have happened, in the shape of the history."""
    return {
        "at": to_iso(happening.at),
        "what": happening.what,
        "group": happening.group or None,
        "told": "yes" if happening.told else "cooldown" if happening.what == FIRED else "no",
        "reason": happening.reason,
        "numbers": dict(happening.numbers),
        "issue_id": happening.issue,
    }


def entry_shape(entry: Entry) -> dict[str, Any]:
    """One line of the history, as front ends show it."""
    return {
        "alert": entry.rule,
        "at": to_iso(entry.at),
        "what": entry.what,
        "group": entry.group or None,
        "told": entry.told,
        "reason": entry.reason,
        "numbers": entry.numbers,
        "issue_id": entry.issue_id,
    }


def mute_shape(mute: Mute) -> dict[str, Any]:
    return {"query": mute.query or None, "until": None if mute.until is None else to_iso(mute.until)}


def rule_shape(rule: Rule, alerts: Sequence[Alert], mutes: Sequence[Mute]) -> dict[str, Any]:
    """A rule as front ends show it, with where it stands."""
    firing = [alert for alert in alerts if alert.life.state == "firing"]
    whole = [mute for mute in mutes if mute.rule_id == rule.id and not mute.query]
    return {
        "id": rule.id,
        "name": rule.name,
        "condition": rule.condition,
        "query": rule.query or None,
        "project": rule.project or None,
        "by": rule.by or None,
        "notify": list(rule.notify),
        "severity": rule.severity or None,
        "hold": shown_span(rule.hold),
        "linger": shown_span(rule.linger),
        "cooldown": shown_span(rule.cooldown),
        "created_at": to_iso(rule.created_at),
        "state": "firing" if firing else "pending" if any(a.life.state == "pending" for a in alerts) else "ok",
        "firing": [
            {
                "group": alert.group or None,
                "since": to_iso(alert.life.since),
                "reason": alert.reason,
                "issue_id": alert.issue_id,
            }
            for alert in firing
        ],
        "muted": bool(whole),
        "mutes": [mute_shape(mute) for mute in mutes if mute.rule_id == rule.id],
    }
