"""Which rules an event concerns, without asking each of hundreds of rules.

A rule whose query demands a plain value of a common field (`project:shop`, `level:>=error`, `tag.region:eu`) is
kept under that value, and looked at only for events that have it. Rules with the same query are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..models import DEFAULT_LEVEL, Event
from ..query.fields import FIELDS
from ..query.match import Candidate
from ..query.tree import And, Everything, Level, Node, Pattern, Term, fields_used
from ..query.values import COMPARE

ISSUE_FIELDS = frozenset(name for name, field in FIELDS.items() if field.scope == "issue")

Key = tuple[str, str]  # field and folded value


class Stream(NamedTuple):
    """One query, for those who want to hear of what fits it."""

    node: Node
    wants: tuple[Any, ...]
    of_issue: bool  # whether it asks about the issue too, so that the store must answer


class Streams:
    """All queries that somebody listens to."""

    def __init__(self, queries: Iterable[tuple[Node, Any]], ranks: Mapping[str, int]) -> None:
        self._ranks = ranks
        self.streams: list[Stream] = []
        self._always: list[int] = []
        self._under: dict[Key, list[int]] = {}
        wants: dict[Node, list[Any]] = {}
        for node, want in queries:
            wants.setdefault(node, []).append(want)
        for place, (node, found) in enumerate(wants.items()):
            self.streams.append(Stream(node, tuple(found), bool(fields_used(node) & ISSUE_FIELDS)))
            keys = _demanded(node, ranks)
            if keys is None:
                self._always.append(place)
            for key in keys or ():
                self._under.setdefault(key, []).append(place)

    def heard(self, event: Event) -> list[int]:
        """The streams that an event belongs to, by place; of those that ask about its issue, all it may belong to."""
        places = list(self._always)
        if self._under:
            for key in _keys(event):
                places += self._under.get(key, ())
        if not places:
            return places
        candidate = Candidate(event, None, self._ranks)
        return [place for place in dict.fromkeys(places) if self._fits(self.streams[place], candidate)]

    def _fits(self, stream: Stream, candidate: Candidate) -> bool:
        return stream.of_issue or isinstance(stream.node, Everything) or candidate.fits(stream.node)


def _demanded(node: Node, ranks: Mapping[str, int]) -> list[Key] | None:
    """Values one of which every event that fits must have; None where nothing simple can be said."""
    found = [keys for part in (node.children if isinstance(node, And) else (node,)) if (keys := _of_term(part, ranks))]
    return min(found, key=_selectivity) if found else None


def _selectivity(keys: Sequence[Key]) -> tuple[bool, int]:
    return keys[0][0] == "level", len(keys)  # most events have one of a few levels


def _of_term(node: Node, ranks: Mapping[str, int]) -> list[Key] | None:
    if not isinstance(node, Term) or node.field not in _VALUES:
        return None
    if node.field == "level":
        return [("level", name) for name, rank in ranks.items() if _has_level(node, name, rank)]
    if node.op == "is":
        return [(node.field, str(value).casefold()) for value in node.values]
    if node.op != "any" or not all(isinstance(value, Pattern) and value.exact for value in node.values):
        return None
    before = f"{node.key}=" if node.key is not None else ""
    return [(node.field, f"{before}{value.literal}") for value in node.values if isinstance(value, Pattern)]


def _has_level(term: Term, name: str, rank: int) -> bool:
    if term.op == "any":
        return name in term.values
    return any(isinstance(level, Level) and COMPARE[term.op](rank, level.rank) for level in term.values)


def _exceptions(event: Event) -> list[str]:
    found = []
    for link in event.get("exceptions", ()):
        kind, module = link.get("type"), link.get("module")
        if kind:
            found += [kind, f"{module}.{kind}"] if module else [kind]
    return found


_VALUES: dict[str, Callable[[Event], Iterable[str]]] = {
    "level": lambda event: [event.get("level", DEFAULT_LEVEL)],
    "project": lambda event: [event.get("project", "")],
    "release": lambda event: [event.get("release", "")],
    "environment": lambda event: [event.get("environment", "")],
    "host": lambda event: [event.get("host", "")],
    "platform": lambda event: [event.get("platform", "")],
    "exception": _exceptions,
    "tag": lambda event: event.get("tags", ()),
}
assert _VALUES.keys() <= FIELDS.keys()


def _keys(event: Event) -> list[Key]:
    return [
        (field, value if field == "level" else value.casefold())
        for field, values in _VALUES.items()
        for value in values(event)
    ]
