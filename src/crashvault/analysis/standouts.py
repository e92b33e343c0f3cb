"""What a cluster's events have in common that the others have not: lift, tested, corrected for many tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from ..clock import DAY, HOUR, MINUTE
from .observations import HOUR_OF_DAY, Attribute, Observation, hour_of_day
from .significance import RATE, corrected, fisher, smallest

LEAST_LIFT = 1.5
LEAST_SHARE = 0.1  # of a cluster's events
LEAST_EVENTS = 3
LEAST_DAYS = 3  # on which an hour of the day must have been seen: one burst is no habit
SHOWN = 6  # of a cluster
MOSTLY = 0.75  # of a cluster's events: told whatever else stands out
_NAMED_LAST = ("", "user", "logger", "transaction", "platform")


class Standout(NamedTuple):
    """A value that is more frequent in a cluster than outside of it."""

    attribute: str
    value: str
    inside: int  # events of the cluster that have it; of an hour of the day: hours in which there were any
    inside_total: int
    outside: int
    outside_total: int
    lift: float  # share inside, divided by the share among all events that were looked at
    p: float  # Fisher's exact test, one-sided
    q: float  # corrected for all tests of the analysis
    same: tuple[Attribute, ...] = ()  # further values that exactly the same events of the cluster have

    @property
    def share(self) -> float:
        return self.inside / self.inside_total


class _Table(NamedTuple):
    """How often groups have a value."""

    sizes: list[int]  # of the groups
    counts: list[Counter[Attribute]]  # of each group
    overall: Counter[Attribute]


def standouts(groups: Sequence[Sequence[Observation]]) -> list[list[Standout]]:
    """For each group what stands out against all other groups together."""
    events = _table([[item.attributes for item in group] for group in groups])
    hours = _table([_hours(group) for group in groups])
    episodes = _table([_episodes(group) for group in groups])
    tested = [*_tests(episodes, events), *_tests(hours, hours)]
    # Values that a group lacks were tested too, in effect, where they could have been significant.
    lacking = _lacking(episodes) + _lacking(hours)
    chances = corrected([item.p for _, item in tested] + [1.0] * lacking)
    found: list[list[Standout]] = [[] for _ in groups]
    for (number, item), q in zip(tested, chances, strict=False):
        item = item._replace(q=q)
        if _counts(item) and _is_habit(item, groups[number]):
            found[number].append(item)
    everybody = [item for group in groups for item in group]
    return [_told(items, group, everybody) for items, group in zip(found, groups, strict=True)]


def _episodes(group: Sequence[Observation]) -> list[Iterable[Attribute]]:
    """What happened to the same user on the same host in the same minute, as one: a program that tries again and again is
    one observation, however many events it sends."""
    found: dict[tuple[object, ...], dict[Attribute, None]] = {}
    for item in group:
        found.setdefault((item.issue, item.user, item.host, item.at // MINUTE), {}).update(
            dict.fromkeys(item.attributes)
        )
    return list(found.values())


def _hours(group: Sequence[Observation]) -> list[Iterable[Attribute]]:
    """The hours in which a group had events, each once: crashes come in clumps, and a clump says nothing about an hour."""
    return [(hour_of_day(hour * HOUR),) for hour in {item.at // HOUR for item in group}]


def _table(units: Sequence[Sequence[Iterable[Attribute]]]) -> _Table:
    counts = [Counter(attribute for attributes in group for attribute in attributes) for group in units]
    overall: Counter[Attribute] = Counter()
    for count in counts:
        overall.update(count)
    return _Table(list(map(len, units)), counts, overall)


def _tests(table: _Table, shown: _Table) -> Iterator[tuple[int, Standout]]:
    """Each group's values, tested against all other groups by one table, and told with the counts of another."""
    total, told = sum(table.sizes), sum(shown.sizes)
    testable = cache(lambda size, having: size < total and _testable(size, having, total))
    for number, (size, counts) in enumerate(zip(table.sizes, table.counts, strict=True)):
        for attribute, inside in counts.items():
            having = table.overall[attribute]
            if testable(size, having):
                p = fisher(inside, size, having - inside, total - size)
                yield number, _standout(attribute, shown, number, told, p)


def _standout(attribute: Attribute, shown: _Table, number: int, total: int, p: float) -> Standout:
    inside, size, having = shown.counts[number][attribute], shown.sizes[number], shown.overall[attribute]
    return Standout(*attribute, inside, size, having - inside, total - size, (inside / size) / (having / total), p, 1.0)


def _lacking(table: _Table) -> int:
    total = sum(table.sizes)
    testable = cache(lambda size, having: size < total and _testable(size, having, total))
    return sum(
        testable(size, having) and attribute not in counts
        for size, counts in zip(table.sizes, table.counts, strict=True)
        if size >= LEAST_EVENTS
        for attribute, having in table.overall.items()
    )


def _testable(size: int, having: int, total: int) -> bool:
    return having >= LEAST_EVENTS and smallest(having, size, total - size) < RATE


def _counts(item: Standout) -> bool:
    return item.q <= RATE and item.lift >= LEAST_LIFT and item.inside >= LEAST_EVENTS and item.share >= LEAST_SHARE


def _is_habit(item: Standout, group: Sequence[Observation]) -> bool:
    if item.attribute != HOUR_OF_DAY:
        return True
    return len({one.at // DAY for one in group if hour_of_day(one.at)[1] == item.value}) >= LEAST_DAYS


def _told(items: Sequence[Standout], group: Sequence[Observation], everybody: Sequence[Observation]) -> list[Standout]:
    """The clearest first; values of the same events as one, and without what those before explain."""
    order = sorted(items, key=lambda item: (item.p, -item.lift, _preference(item.attribute), item.value))
    first: dict[frozenset[int], int] = {}
    found: list[Standout] = []
    for item in order:
        having = _having(item, group)
        if having in first and item.attribute != HOUR_OF_DAY:
            known = found[first[having]]
            found[first[having]] = known._replace(same=(*known.same, (item.attribute, item.value)))
        elif len(found) < SHOWN and not any(_explains(known, item, group, everybody) for known in found):
            first.setdefault(having, len(found))
            found.append(item)
    return found


def _preference(attribute: str) -> int:
    """Of values that mean the same events, the one that is named first."""
    return _NAMED_LAST.index(attribute) + 1 if attribute in _NAMED_LAST else 0 if attribute == "release" else 1


def _having(item: Standout, group: Sequence[Observation]) -> frozenset[int]:
    wanted = (item.attribute, item.value)
    return frozenset(n for n, one in enumerate(group) if wanted in one.attributes)


def _explains(known: Standout, item: Standout, group: Sequence[Observation], everybody: Sequence[Observation]) -> bool:
    """Whether a value is only seen because another one is: where that one holds, it is no more frequent than elsewhere.

    A service's hosts stand out wherever the service does. What most of the events have is told all the same.
    """
    if HOUR_OF_DAY in (known.attribute, item.attribute) or item.share >= MOSTLY:
        return False
    wanted, given = (item.attribute, item.value), (known.attribute, known.value)
    inside, inside_total = _share_where(given, wanted, group)
    if inside < MOSTLY * item.inside:
        return False
    both, total = _share_where(given, wanted, everybody)
    return fisher(inside, inside_total, both - inside, total - inside_total) > RATE


def _share_where(given: Attribute, wanted: Attribute, items: Sequence[Observation]) -> tuple[int, int]:
    where = [item for item in items if given in item.attributes]
    return sum(wanted in item.attributes for item in where), len(where)
