"""Which rules an event concerns, without asking each of hundreds of rules.

A rule whose query demands something of a common field (`project:shop`, `level:>=error`, `host:web-*`), or a word, is
looked at only for events that have it; which values fit is remembered. Rules with the same query are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..models import Event
from ..query.fields import FIELDS
from ..query.match import Candidate
from ..query.tree import And, Everything, Level, Node, Pattern, Term, Word, all_of, fields_used
from ..query.values import COMPARE

ISSUE_FIELDS = frozenset(name for name, field in FIELDS.items() if field.scope == "issue")

_MOST_KNOWN = 20_000  # values that are remembered


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
        self._terms: dict[str, list[tuple[Term, int]]] = {}  # field, or `tag.KEY` → terms that streams demand of it
        self._rest: list[Any] = []  # what must still be asked of an event, beside what its stream is kept under
        self._words: list[tuple[str, int]] = []  # words that streams demand
        self._known: dict[tuple[str, str], tuple[int, ...]] = {}  # field and value → streams that it fits
        wants: dict[Node, list[Any]] = {}
        for node, want in queries:
            wants.setdefault(node, []).append(want)
        for place, (node, found) in enumerate(wants.items()):
            self.streams.append(Stream(node, tuple(found), bool(fields_used(node) & ISSUE_FIELDS)))
            self._file(node, place)

    def _file(self, node: Node, place: int) -> None:
        """Keep a stream under what it demands, the rarer the better: most events have one of a few levels."""
        parts = node.children if isinstance(node, And) else (node,)
        terms = [part for part in parts if isinstance(part, Term) and part.field in _VALUES and part.op != "has"]
        words = [part.pattern.literal for part in parts if isinstance(part, Word) and part.pattern.exact]
        if terms and (not words or terms[0].field != "level"):
            term = min(terms, key=lambda term: term.field == "level")
            name = term.field if term.key is None else f"tag.{term.key}"
            self._terms.setdefault(name, []).append((term, place))
            node = all_of(part for part in parts if part is not term)
        elif words:
            self._words.append((max(words, key=len), place))
        else:
            self._always.append(place)
        nothing = self.streams[place].of_issue or isinstance(node, Everything)
        self._rest.append(None if nothing else node)

    def heard(self, event: Event, documents: tuple[str, str] | None = None) -> list[int]:
        """The streams that an event belongs to, by place; of those that ask about its issue, all it may belong to.

        `documents` are what full-text search sees of the event itself and of its stack, where that is known already.
        """
        candidate = Candidate(event, None, self._ranks, documents)
        places = list(self._always)
        for field in self._terms:
            for value in self._values(field, event):
                known = self._known.get((field, value))
                places += self._fitting(field, value) if known is None else known
        if self._words:
            own, stack = documents or (" ".join(candidate.own_tokens), " ".join(candidate.stack_tokens))
            places += [place for word, place in self._words if word in own or word in stack]
        return [
            place for place in dict.fromkeys(places) if self._rest[place] is None or candidate.fits(self._rest[place])
        ]

    def _values(self, field: str, event: Event) -> Iterable[str]:
        if not field.startswith("tag."):
            return _VALUES[field](event)
        start = f"{field[4:]}="
        return [tag[len(start) :] for tag in event.get("tags", ()) if tag[: len(start)].casefold() == start]

    def _fitting(self, field: str, value: str) -> tuple[int, ...]:
        """The streams whose term a value fits, remembered: few values come again and again."""
        folded = value if field == "level" else value.casefold()
        found = tuple([place for term, place in self._terms[field] if self._term_fits(term, folded)])
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[field, value] = found
        return found

    def _term_fits(self, term: Term, value: str) -> bool:
        if term.field == "level":
            return _has_level(term, value, self._ranks.get(value, 0))
        return any(
            item.matches(value) if isinstance(item, Pattern) else str(item).casefold() == value for item in term.values
        )


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


def _one(key: str) -> Callable[[Event], Iterable[str]]:
    return lambda event: (event[key],) if event.get(key) else ()  # type: ignore[literal-required]


_VALUES: dict[str, Callable[[Event], Iterable[str]]] = {
    **{key: _one(key) for key in ("level", "project", "release", "environment", "host", "platform")},
    "exception": _exceptions,
    "tag": lambda event: event.get("tags", ()),
}
assert _VALUES.keys() <= FIELDS.keys()
