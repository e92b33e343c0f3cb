"""The condition language of alert rules: text to tree, with errors that show the place.

condition = both { "or" both } .        both = one { "and" one } .
one = "(" condition ")" | ( "count" | "users" | "hosts" ) sign number "in" span
    | "count" sign number "x" "previous" "in" span | "spike" "in" span | "silence" ">" span
    | "new" "issue" | "regression" | "reappears" "in" "release" .
sign = ">" | ">=" | "<" | "<=" | "=" .
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, NoReturn, TypeAlias

from ..clock import DAY, HOUR, MINUTE, SECOND
from ..errors import InvalidError, QueryError
from ..units import parse_span

METRICS = ("count", "users", "hosts")
FACTS = ("new issue", "regression", "reappears in release")
SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
}
SHORTEST, LONGEST = 10 * SECOND, 30 * DAY
LONGEST_SPIKE = DAY
FACT_LASTS = MINUTE  # at least, see `fact_window`

_MOST_TERMS = 20
_LONGEST_TEXT = 500
_TOKEN = re.compile(r"\s*(?:(>=|<=|==|[<>=()])|([0-9]+(?:\.[0-9]+)?)(?![0-9.])([a-z]*)|([a-z]+)|(\S))", re.IGNORECASE)
_EXAMPLES = (
    "Write for example: count > 10 in 1m · users >= 5 in 1h · count > 3x previous in 1h · spike in 1h · new issue · "
    "regression · reappears in release · silence > 1h · joined by and, or"
)


class Compare(NamedTuple):
    """`count > 10 in 1m`."""

    metric: str
    sign: str
    limit: float
    window: int  # microseconds


class Ratio(NamedTuple):
    """`count > 3x previous in 1h`: against the window before."""

    sign: str
    factor: float
    window: int


class Spike(NamedTuple):
    """`spike in 1h`: against what is usual at that hour of the week."""

    window: int


class Fact(NamedTuple):
    """`new issue`: something that happens at one moment."""

    what: str  # one of FACTS


class Silence(NamedTuple):
    """`silence > 1h`: nothing has arrived for so long."""

    window: int


class Both(NamedTuple):
    parts: tuple[Condition, ...]


class Either(NamedTuple):
    parts: tuple[Condition, ...]


Condition: TypeAlias = Compare | Ratio | Spike | Fact | Silence | Both | Either


def parse(text: str) -> Condition:
    """The tree of a condition. Raises QueryError, which knows where the trouble is."""
    if len(text) > _LONGEST_TEXT:
        raise QueryError(f"a condition has at most {_LONGEST_TEXT} characters", text[:_LONGEST_TEXT], _LONGEST_TEXT)
    reader = _Reader(text)
    found = reader.either()
    reader.end()
    if sum(1 for _ in atoms(found)) > _MOST_TERMS:
        raise QueryError(f"a condition has at most {_MOST_TERMS} terms", text, 0, "Make several rules of it")
    return found


def atoms(condition: Condition) -> Iterator[Compare | Ratio | Spike | Fact | Silence]:
    """What a condition is made of, from left to right."""
    if isinstance(condition, Both | Either):
        for part in condition.parts:
            yield from atoms(part)
    else:
        yield condition


def windows(condition: Condition) -> list[int]:
    return [atom.window for atom in atoms(condition) if not isinstance(atom, Fact)]


def fact_window(condition: Condition) -> int:
    """How long `new issue` and the like hold: as long as the longest window beside them, so that they can meet it."""
    return max([FACT_LASTS, *windows(condition)])


def facts(condition: Condition) -> set[str]:
    return {atom.what for atom in atoms(condition) if isinstance(atom, Fact)}


def only_facts(condition: Condition) -> bool:
    """Whether nothing lasts: the condition speaks of moments alone."""
    return all(isinstance(atom, Fact) for atom in atoms(condition))


class _Token(NamedTuple):
    kind: str  # sign, number, word, end
    text: str  # folded
    unit: str
    position: int


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while match := _TOKEN.match(text, place):
        sign, number, unit, word, strange = match.groups()
        start = match.end() - len(match[0].lstrip())
        if strange:
            raise QueryError(f"{strange!r} has no meaning in a condition", text, start, _EXAMPLES)
        kind = "sign" if sign else "number" if number else "word"
        yield _Token(
            kind, {"==": "="}.get(sign, sign or number or word or "").casefold(), (unit or "").casefold(), start
        )
        place = match.end()
    yield _Token("end", "", "", len(text))


class _Reader:
    """Recursive descent over the tokens, one function for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    # Tokens

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _accept(self, *words: str) -> bool:
        """Take these words, if all of them come now."""
        if [token.text for token in self._tokens[self._at : self._at + len(words)]] != list(words):
            return False
        self._at += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            self._fail(f"{word!r} is expected here")

    def _fail(self, what: str, token: _Token | None = None) -> NoReturn:
        token = token or self._next
        found = "the end" if token.kind == "end" else repr(f"{token.text}{token.unit}")
        raise QueryError(f"{what}, not {found}", self._text, token.position, _EXAMPLES)

    def end(self) -> None:
        if self._next.kind != "end":
            self._fail("'and', 'or' or the end is expected here")

    # Rules

    def either(self) -> Condition:
        parts = [self._both()]
        while self._accept("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._accept("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self) -> Condition:
        start = self._next
        if self._accept("("):
            self._depth += 1
            if self._depth > _MOST_TERMS:
                raise QueryError("the parentheses are nested too deeply", self._text, start.position)
            found = self.either()
            self._expect(")")
            self._depth -= 1
            return found
        if start.text in METRICS:
            return self._compare(self._take().text)
        if self._accept("spike"):
            self._expect("in")
            return Spike(self._span(longest=LONGEST_SPIKE))
        if self._accept("silence"):
            if not (self._accept(">") or self._accept(">=")):
                self._fail("'>' is expected here")
            return Silence(self._span())
        for fact in FACTS:
            if self._accept(*fact.split()):
                return Fact(fact)
        self._fail("a condition is expected here")

    def _compare(self, metric: str) -> Condition:
        if self._next.text not in SIGNS:
            self._fail(f"one of {' '.join(SIGNS)} is expected here")
        sign = self._take().text
        number = self._take()
        if number.kind != "number" or number.unit not in ("", "x"):
            self._fail("a number, or one such as 3x, is expected here", number)
        if number.unit == "x" or self._accept("x"):
            if metric != "count":
                raise QueryError(
                    f"only count can be compared with the window before, not {metric}", self._text, number.position
                )
            self._expect("previous")
            self._expect("in")
            return Ratio(sign, float(number.text), self._span())
        self._expect("in")
        return Compare(metric, sign, float(number.text), self._span())

    def _span(self, longest: int = LONGEST) -> int:
        token = self._take()
        if token.kind != "number":
            self._fail("a span of time such as 5m, 1h or 7d is expected here", token)
        try:
            span = parse_span(f"{token.text}{token.unit}")
        except InvalidError as error:
            raise QueryError(error.message, self._text, token.position, error.hint) from None
        if not SHORTEST <= span <= longest:
            limits = f"from {SHORTEST // SECOND}s to {longest // HOUR}h"
            raise QueryError(
                f"{token.text}{token.unit} is out of range", self._text, token.position, f"Use a span {limits}"
            )
        return span
