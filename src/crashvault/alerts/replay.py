"""A rule over events that are past: when it would have fired, and why."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..clock import SECOND
from .condition import Condition
from .counters import Counters, Series, series_of
from .evaluate import Verdict, evaluate, holds_by_itself, next_look
from .life import OK, Life, Terms, step


class Past(NamedTuple):
    """One event that a rule would have counted; they come in the order of arrival."""

    at: int  # microseconds
    group: str
    issue: int | None = None
    what: frozenset[str] = frozenset({"count"})
    user: int | None = None
    host: int | None = None


class Happening(NamedTuple):
    at: int
    group: str
    what: str  # fired or resolved
    told: bool
    numbers: Mapping[str, float]
    reason: str
    issue: int | None


class _Group:
    __slots__ = ("counters", "due", "issue", "life")

    def __init__(self, since: int) -> None:
        self.counters = Counters(since)
        self.life = Life()
        self.issue: int | None = None
        self.due: int | None = None


class _Replay:
    def __init__(self, condition: Condition, terms: Terms, start: int, end: int) -> None:
        self._condition = condition
        self._terms = terms
        self._start = start
        self._end = end
        self._series = series_of(condition)
        self.groups: dict[str, _Group] = {}
        self._due: list[tuple[int, str]] = []

    def group(self, name: str, at: int) -> _Group:
        found = self.groups.get(name)
        if found is None:
            found = self.groups[name] = _Group(at)
        return found

    def count(self, event: Past) -> None:
        group = self.group(event.group, event.at)
        add_past(group.counters, self._series, event)
        group.issue = event.issue
        if event.at >= self._start:  # evaluated at the end of its second, as the watch does
            self.look_at(event.group, min((event.at // SECOND + 1) * SECOND, self._end))

    def look_at(self, name: str, due: int) -> None:
        group = self.groups[name]
        if group.due is None or due < group.due:
            group.due = due
            heapq.heappush(self._due, (due, name))

    def until(self, at: int) -> Iterator[Happening]:
        """Everything that happens before a time."""
        while self._due and self._due[0][0] <= at:
            due, name = heapq.heappop(self._due)
            group = self.groups[name]
            if group.due != due:  # it was looked at earlier
                continue
            group.due = None
            yield from self._happenings(name, group, due)

    def _happenings(self, name: str, group: _Group, now: int) -> Iterator[Happening]:
        verdict: Verdict = evaluate(self._condition, group.counters, now)
        group.life, changes = step(group.life, verdict.holds, now, self._terms)
        for change in changes:
            yield Happening(now, name, change.what, change.tell, dict(verdict.numbers), verdict.reason, group.issue)
        following = next_look(self._condition, group.counters, group.life.state == OK, now)
        if following is not None:
            self.look_at(name, following)


def replay(
    condition: Condition, events: Iterable[Past], terms: Terms, start: int, end: int, *, alone: bool
) -> Iterator[Happening]:
    """What would have happened between two times.

    Events before `start` only fill the counters. `alone` says that the rule does not group, so that it can fire
    though no event ever came.
    """
    player = _Replay(condition, terms, start, end)
    if alone and holds_by_itself(condition):
        player.group("", start)
        player.look_at("", start)
    for event in events:
        yield from player.until(min(event.at, end))
        if event.at > end:
            break
        player.count(event)
    yield from player.until(end)


def add_past(counters: Counters, series: Iterable[Series], event: Past) -> None:
    """Count one event in every series that it belongs to."""
    counters.seen(event.at)
    for one in series:
        if one.what in ("users", "hosts"):
            who = event.user if one.what == "users" else event.host
            if who is not None:
                counters.add(one, event.at, members=frozenset({who}))
        elif one.what in event.what:
            counters.add(one, event.at)
