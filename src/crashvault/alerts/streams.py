"""Which rules an event concerns, without asking each of hundreds of rules.

What queries demand of common fields (`project:shop`, `level:>=error`, `host:web-*`) is decided for all of them at
once: a set of streams is the bits of one number, and which of them allow a value is remembered. Words are looked for
once, whoever asks for them; only what no field has ruled out is asked the rest. Rules with the same query are asked once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..models import Event
from ..query.fields import FIELDS
from ..query.match import Candidate
from ..query.tree import And, Everything, Level, Node, Pattern, Term, Word, fields_used
from ..query.values import COMPARE

ISSUE_FIELDS = frozenset(name for name, field in FIELDS.items() if field.scope == "issue")

_MOST_KNOWN = 20_000  # values that are remembered


class Stream(NamedTuple):
    """One query, for those who want to hear of what fits it."""

    node: Node
    wants: tuple[Any, ...]
    of_issue: bool  # whether it asks about the issue too, so that the store must answer


class _Demand:
    """What streams demand of one field: sets of them, as bits."""

    __slots__ = ("exact", "indifferent", "known", "terms", "worth")

    def __init__(self, everybody: int) -> None:
        self.indifferent = everybody  # those that demand nothing
        self.worth = 0  # how many terms there are: the more, the more it rules out
        self.exact: dict[str, int] = {}  # folded value → those that demand this very one
        self.terms: list[tuple[Term, int]] = []  # that values must be asked of, with the bit of its stream
        self.known: dict[str, int] = {}  # value → those that it satisfies

    def add(self, term: Term, bit: int) -> None:
        self.indifferent &= ~bit
        self.worth += 1
        if term.op == "any" and all(isinstance(value, Pattern) and value.exact for value in term.values):
            for value in term.values:
                assert isinstance(value, Pattern)
                self.exact[value.literal] = self.exact.get(value.literal, 0) | bit
        else:
            self.terms.append((term, bit))

    def satisfied(self, values: Iterable[str], ranks: Mapping[str, int]) -> int:
        """Those that allow an event with these values, any of which may be the one that is demanded."""
        found = self.indifferent
        for value in values:
            known = self.known.get(value)
            found |= self._ask(value, ranks) if known is None else known
        return found

    def _ask(self, value: str, ranks: Mapping[str, int]) -> int:
        """Remembered: few values come again and again."""
        found = self.exact.get(value.casefold(), 0)
        for term, bit in self.terms:
            if _term_fits(term, value, ranks):
                found |= bit
        if len(self.known) >= _MOST_KNOWN:
            self.known.clear()
        self.known[value] = found
        return found


class Streams:
    """All queries that somebody listens to."""

    def __init__(self, queries: Iterable[tuple[Node, Any]], ranks: Mapping[str, int]) -> None:
        self._ranks = ranks
        wants: dict[Node, list[Any]] = {}
        for node, want in queries:
            wants.setdefault(node, []).append(want)
        self.streams = [
            Stream(node, tuple(found), bool(fields_used(node) & ISSUE_FIELDS)) for node, found in wants.items()
        ]
        self._everybody = (1 << len(self.streams)) - 1
        self._demands: dict[tuple[str, int], _Demand] = {}  # field, or `tag.KEY`, and which of its terms
        self._words: dict[str, int] = {}  # word → streams that demand it
        self._rest: list[Node | None] = []  # what must still be asked of an event, by stream
        for place, stream in enumerate(self.streams):
            self._rest.append(self._file(stream, 1 << place))
        self._asked = [
            (field, demand) for (field, _), demand in sorted(self._demands.items(), key=lambda item: -item[1].worth)
        ]

    def _file(self, stream: Stream, bit: int) -> Node | None:
        """Keep what a stream demands of fields and words; what is left of its query."""
        node, rest = stream.node, list[Node]()
        used: Counter[str] = Counter()
        for part in node.children if isinstance(node, And) else (node,):
            if isinstance(part, Term) and part.field in _VALUES and part.op != "has":
                name = part.field if part.key is None else f"tag.{part.key}"
                demand = self._demands.setdefault((name, used[name]), _Demand(self._everybody))
                demand.add(part, bit)
                used[name] += 1
            elif isinstance(part, Word) and part.pattern.exact:
                self._words[part.pattern.literal] = self._words.get(part.pattern.literal, 0) | bit
            else:
                rest.append(part)
        if stream.of_issue or not rest or isinstance(node, Everything):
            return None
        return rest[0] if len(rest) == 1 else And(tuple(rest))

    def heard(self, event: Event, documents: tuple[str, str] | None = None) -> list[int]:
        """The streams that an event belongs to, by place; of those that ask about its issue, all it may belong to.

        `documents` are what full-text search sees of the event itself and of its stack, where that is known already.
        """
        left = self._everybody
        tags: dict[str, list[str]] | None = None
        values: Iterable[str]
        for field, demand in self._asked:
            read = _VALUES.get(field)
            if read is None:  # tag.KEY
                if tags is None:
                    tags = _by_key(event)
                values = tags.get(field[4:], ())
            else:
                values = read(event)
            left &= demand.satisfied(values, self._ranks)
            if not left:
                return []
        candidate = Candidate(event, None, self._ranks, documents)
        for word, bits in self._words.items():
            if left & bits and not candidate.has_word(word):
                left &= ~bits
        places = []
        while left:
            bit = left & -left
            place = bit.bit_length() - 1
            rest = self._rest[place]
            if rest is None or candidate.fits(rest):
                places.append(place)
            left ^= bit
        return places


def _by_key(event: Event) -> dict[str, list[str]]:
    """The values of tags, by folded key."""
    found: dict[str, list[str]] = {}
    for tag in event.get("tags", ()):
        key, sign, value = tag.partition("=")
        if sign:
            found.setdefault(key.casefold(), []).append(value)
    return found


def _term_fits(term: Term, value: str, ranks: Mapping[str, int]) -> bool:
    if term.field == "level":
        return _has_level(term, value, ranks.get(value, 0))
    if term.op == "is":
        return value in term.values
    folded = value.casefold()
    return any(isinstance(item, Pattern) and item.matches(folded) for item in term.values)


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
