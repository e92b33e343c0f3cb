"""Which events are looked at: all that fit, or evenly spread ones where there are too many.

How often, when and how severe is known of every event without reading it, so those figures are exact always.
Only what stands out and what happens together is judged by the sample.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

from ..query.tree import Node
from ..storage.analysing import Analysing
from ..storage.loading import StoredEvent
from ..storage.store import Store
from .observations import Observation, observe

MOST_ISSUES = 1_000  # that are compared with each other; those with the most events


class Tally(NamedTuple):
    """All events of an issue that fit, as the tables know them."""

    times: array[int]  # microseconds, in the order of arrival
    level: int  # rank of the most severe one
    last_row: int


class Sample(NamedTuple):
    matched: int
    examined: int
    tallies: dict[int, Tally]  # by issue
    observations: dict[int, list[Observation]]  # by issue
    examples: dict[int, StoredEvent]  # by issue: one of its latest events
    clusterable: list[int]  # issues, ascending

    @property
    def sampled(self) -> bool:
        return self.examined < self.matched


def take(store: Store, node: Node, now: int, limit: int, begin: Callable[[int], Callable[[int], Any]]) -> Sample:
    """Look at the events that a query means, at most `limit` of them; call it inside `reading()`.

    `begin` is told how many are looked at, and gives back what is told how many more were.
    """
    rows = array("q", store.search(now).every_event(node))
    tallies = _tallied(Analysing(store.db), rows)
    chosen = spread(rows, limit)
    issues = sorted(sorted(tallies, key=lambda issue: (-len(tallies[issue].times), issue))[:MOST_ISSUES])
    advance = begin(len(chosen) + len(issues))
    observations: dict[int, list[Observation]] = {issue: [] for issue in tallies}
    for number, item in enumerate(store.events.loader.stream(chosen), 1):
        observations[item.issue_id].append(observe(item.issue_id, item.event))
        if number % 200 == 0:
            advance(200)
    examples = {
        item.issue_id: item for item in store.events.loader.stream([tallies[issue].last_row for issue in issues])
    }
    advance(len(chosen) % 200 + len(issues))
    return Sample(len(rows), len(chosen), tallies, observations, examples, [i for i in issues if i in examples])


def _tallied(reads: Analysing, rows: array[int]) -> dict[int, Tally]:
    times: dict[int, array[int]] = {}
    levels: dict[int, int] = {}
    latest: dict[int, tuple[int, int]] = {}
    for row, issue, at, level in reads.moments(rows):
        times.setdefault(issue, array("q")).append(at)
        levels[issue] = max(levels.get(issue, 0), level)
        latest[issue] = max(latest.get(issue, (0, 0)), (at, row))
    return {issue: Tally(times[issue], levels[issue], latest[issue][1]) for issue in times}


def spread(rows: array[int], limit: int) -> array[int]:
    """At most `limit` of the rows, evenly spread over them."""
    if len(rows) <= limit:
        return rows
    return array("q", (rows[number * len(rows) // limit] for number in range(limit)))


def release_times(observations: list[Observation]) -> dict[str, int]:
    """When each release was seen first."""
    found: dict[str, int] = {}
    for item in observations:
        for name, value in item.attributes:
            if name == "release":
                found[value] = min(found.get(value, item.at), item.at)
    return found
