"""What history would look like under other rules, or under a newer algorithm, and leading new keys to old issues."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from . import lifecycle
from .grouping import Rules, group
from .models import Grouping
from .storage.explaining import explanation
from .storage.similarity import HashRow
from .storage.store import Store

SAMPLE = 5  # events of each hash that are looked at: the latest
_AT_ONCE = 100  # hashes

Progress = Callable[[int], object]


class Seen(NamedTuple):
    """One event of history under other rules."""

    row: HashRow  # where it is now
    now: str  # the hash that the present rules give it
    then: Grouping  # what the others would


class Joined(NamedTuple):
    """Issues whose events would get the same key."""

    issues: tuple[int, ...]
    hash: str
    key: str
    reason: str


class Split(NamedTuple):
    """An issue whose events would no longer have one key."""

    issue: int
    keys: tuple[tuple[str, str, int], ...]  # hash, key, events looked at


class Trial(NamedTuple):
    """What rules would do to history; nothing is written."""

    joined: list[Joined]
    split: list[Split]
    renamed: list[int]  # issues whose events would all get one new key
    events: int  # looked at
    changed: int  # of them with another key


class Plan(NamedTuple):
    """What `apply` will do so that new keys lead to old issues."""

    aliases: list[tuple[HashRow, Grouping]]
    merges: list[Joined]  # issues that share a new key
    hashes: int  # looked at


def look_back(
    store: Store,
    project: str | None,
    present: Rules,
    other: Rules,
    sample: int = SAMPLE,
    progress: Progress | None = None,
) -> Iterator[Seen]:
    """The latest events of every hash, with the keys of the present rules and of others."""
    for number in store.similarity.projects(project):
        rows = store.similarity.hash_rows(number)
        for start in range(0, len(rows), _AT_ONCE):
            part = {row.id: row for row in rows[start : start + _AT_ONCE]}
            for hash_id, event in store.similarity.latest_events(list(part), sample):
                then = group(event, other)
                yield Seen(part[hash_id], then.hash if present is other else group(event, present).hash, then)
            if progress:
                progress(len(part))


def attempt(seen: Sequence[Seen]) -> Trial:
    """What would be joined and split.

    An event whose key stays is where it is; one whose key changes goes where others of that key go.
    """
    places: dict[int, Counter[str]] = {}  # issue → where its events would be
    issues: dict[str, dict[int, Seen]] = {}  # there → the issues they come from
    changed = 0
    for item in seen:
        moved = item.then.hash != item.now
        changed += moved
        place = item.then.hash if moved else f"#{item.row.issue}"
        places.setdefault(item.row.issue, Counter())[place] += 1
        issues.setdefault(place, {}).setdefault(item.row.issue, item)
    # A new key that is a known hash leads to the issue that has it.
    owner = {item.row.hash: item.row.issue for item in seen}
    joined = []
    for place, members in issues.items():
        if place.startswith("#"):
            continue
        first = next(iter(members.values()))
        found = {*members, *([owner[place]] if place in owner else [])}
        if len(found) > 1:
            joined.append(Joined(tuple(sorted(found)), place, first.then.key, first.then.reason))
    examples = {item.then.hash: item for item in seen}
    split = [
        Split(
            issue,
            tuple((_named(place, examples), _key(place, examples), count) for place, count in counts.most_common()),
        )
        for issue, counts in places.items()
        if len(counts) > 1
    ]
    elsewhere = {issue for one in joined for issue in one.issues}
    renamed = [
        issue
        for issue, counts in places.items()
        if len(counts) == 1 and not next(iter(counts)).startswith("#") and issue not in elsewhere
    ]
    return Trial(sorted(joined), sorted(split), sorted(renamed), len(seen), changed)


def _named(place: str, examples: dict[str, Seen]) -> str:
    return "" if place.startswith("#") else place


def _key(place: str, examples: dict[str, Seen]) -> str:
    return "as it is" if place.startswith("#") else examples[place].then.key


def plan(store: Store, project: str | None, rules: Rules, progress: Progress | None = None) -> Plan:
    """Hashes that the present algorithm and rules would give to events that are stored under others."""
    seen = list(look_back(store, project, rules, rules, progress=progress))
    known = {(item.row.project, item.row.hash): item.row.issue for item in seen}
    wanted: dict[tuple[int, str], dict[int, Seen]] = {}
    for item in seen:
        if item.then.hash != item.row.hash:
            wanted.setdefault((item.row.project, item.then.hash), {}).setdefault(item.row.issue, item)
    apart = _kept_apart(store, seen)
    aliases, merges = [], []
    for (number, digest), members in sorted(wanted.items()):
        first = min(members.values(), key=lambda item: item.row.id)
        owner = known.get((number, digest))
        issues = {*members, *([owner] if owner is not None else [])}
        if owner is None:
            aliases.append((first.row, first.then))
        together = _together(sorted(issues), apart)
        if len(together) > 1:
            merges.append(Joined(together, digest, first.then.key, first.then.reason))
    return Plan(aliases, merges, len({item.row.id for item in seen}))


def _kept_apart(store: Store, seen: Sequence[Seen]) -> set[tuple[int, int]]:
    """Issues that somebody took apart."""
    issues = {(item.row.project, bytes.fromhex(item.row.hash)): item.row.issue for item in seen}
    found = set()
    for project in {number for number, _ in issues}:
        for one, other in store.similarity.splits(project):
            left, right = issues.get((project, one)), issues.get((project, other))
            if left is not None and right is not None:
                found.add((min(left, right), max(left, right)))
    return found


def _together(issues: Sequence[int], apart: set[tuple[int, int]]) -> tuple[int, ...]:
    """The oldest issue with those that nobody has kept apart from it or from each other."""
    found: list[int] = []
    for issue in issues:
        if not any((one, issue) in apart for one in found):
            found.append(issue)
    return tuple(found)


def apply(store: Store, found: Plan, actor: str, now: int) -> tuple[int, int]:
    """Lead the new keys to the issues that have the events, and merge issues that share one; how many of each."""
    made: list[int] = []
    merged: list[tuple[int, int]] = []
    with store.writing():
        for row, grouping in found.aliases:
            made.append(
                store.similarity.add_alias(
                    row.project, bytes.fromhex(grouping.hash), row.id, grouping.algorithm, explanation(grouping), now
                )
            )
            store.triage.log(row.issue, now, actor, "regroup", {"hash": [row.hash[:8], grouping.hash[:8]]})
        for joined in found.merges:
            roots = list(dict.fromkeys(store.merging.root(issue) for issue in joined.issues))
            gone = lifecycle.merge(store, roots[0], roots[1:], actor, now, learn=False)
            merged += ((roots[0], issue) for issue in gone)
        if made or merged:
            store.similarity.note_act(actor, now, json.dumps({"merges": merged, "aliases": made}))
    return len(made), len(merged)
