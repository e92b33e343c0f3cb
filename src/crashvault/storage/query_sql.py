"""A query's tree as SQL.

Leaves become one of two things. An `Index` is an expression for the full-text index, which holds words and
fields of an event alike; neighbours of that kind melt into one expression, so that the index intersects
them itself. Everything else is a `Clause` over `events e`, `hashes h`, `issues i`.

Some leaves can only be narrowed by SQL: that words stand next to each other, for one. Then the result says
`exact = False`, and whoever asks must look at the events themselves (`query.match`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from ..query.text import words as text_words
from ..query.tree import (
    And,
    Everything,
    Level,
    Node,
    Not,
    Or,
    Pattern,
    Phrase,
    Term,
    Word,
    Words,
    leaves,
    path_patterns,
)
from .document import MAX_VALUE, SIGN, trace_word, word_of, word_token
from .issues import NEW_FOR
from .sqlite import SQLite, chunks, marks

EXPANDED = 5_000  # distinct values that a wildcard may stand for
SPELT_OUT = 200  # words of the text that a beginning of a word is spelt out as
SCANNED = 20_000  # words of the text that are compared with a wildcard
_CHEAP_PREFIX = 3  # letters from which the index finds a beginning quickly, however many words have it
_SHORT = 8  # tokens of an expression
_AT_ONCE = 400  # tokens in one index expression

ISSUE_FIELDS = frozenset(
    {"is", "severity", "status", "category", "issue", "fingerprint", "assigned", "count", "users", "first-seen",
     "last-seen", "project"}
)  # fmt: skip
_WORD_FIELDS = frozenset({"release", "environment", "host", "user", "platform", "source", "exception"})
_STACK_FIELDS = frozenset({"file", "function", "module"})
_NUMBERS = {"issue": "i.id", "count": "i.count", "users": "i.users"}
_TIMES = {"first-seen": "i.first_seen", "last-seen": "i.last_seen", "since": "e.timestamp", "until": "e.timestamp"}
_CHOICES = {"status": "i.status", "severity": "i.severity"}
_HAS_CLAUSES = {
    "assigned": "i.assigned IS NOT NULL", "severity": "i.severity IS NOT NULL", "category": "i.category IS NOT NULL",
    "file": "e.stack_id IS NOT NULL", "function": "e.stack_id IS NOT NULL", "module": "e.stack_id IS NOT NULL",
    "line": "e.stack_id IS NOT NULL",
}  # fmt: skip
_HAS_WORDS = {"exception": "exceptions", "tag": "tags", "trace": "trace_id"}
_HAS_NEARLY = frozenset({"file", "function", "module", "line", "exception"})


class Index(NamedTuple):
    """An expression over the event index. Empty: no event can match."""

    expression: str


class Clause(NamedTuple):
    sql: str
    parameters: tuple[Any, ...] = ()
    exact: bool = True


class Group(NamedTuple):
    """Several conditions, all or any of which must hold."""

    joiner: str  # AND or OR
    parts: tuple[Condition, ...]


class Negation(NamedTuple):
    part: Condition


Condition: TypeAlias = Index | Clause | Group | Negation

TRUE = Clause("TRUE")
FALSE = Clause("FALSE")
_UNSURE = Clause("TRUE", (), exact=False)  # whether it holds is for others to see
_SOME_STACK = Clause("e.stack_id IS NOT NULL", (), exact=False)


class Compiler:
    """Compiles trees for one vault: wildcards are expanded over its tables of distinct values.

    `bulk`: for one pass over everything, where no effort is too much to have the index decide.
    """

    def __init__(self, db: SQLite, now: int, *, bulk: bool = False) -> None:
        self.db = db
        self.now = now
        self.bulk = bulk

    def condition(self, node: Node) -> Condition:
        """The condition that a tree stands for."""
        if isinstance(node, Everything):
            return TRUE
        if isinstance(node, And):
            return self._joined("AND", [self.condition(child) for child in node.children])
        if isinstance(node, Or):
            return self._joined("OR", [self.condition(child) for child in node.children])
        if isinstance(node, Not):
            return _negated(self.condition(node.child))
        if isinstance(node, Word):
            return self._anywhere(node.pattern)
        if isinstance(node, Phrase):
            found = self._joined("AND", [self._anywhere(token) for token in node.tokens])
            return Group("AND", (found, _UNSURE))
        return self._term(node)

    def _joined(self, joiner: str, parts: Sequence[Condition]) -> Condition:
        """A group in which all index expressions are one, negated ones too."""
        flat = [inner for part in parts for inner in _members(joiner, part)]
        wanted = [part.expression for part in flat if isinstance(part, Index)]
        unwanted = [part.part.expression for part in flat if _is_negated_index(part)]  # type: ignore[union-attr]
        others = [part for part in flat if not isinstance(part, Index) and not _is_negated_index(part)]
        if joiner == "OR":
            if "" in unwanted:
                return TRUE
            wanted = [expression for expression in wanted if expression]
            merged: list[Condition] = [Negation(Index(_join_expressions(unwanted, "AND")))] if unwanted else []
            merged += [Index(_join_expressions(wanted, "OR"))] if wanted else []
        else:
            if "" in wanted:
                return Index("")
            merged = _all_but(wanted, [expression for expression in unwanted if expression])
        together = (*merged, *others)
        if not together:
            return Index("") if joiner == "OR" else TRUE
        return together[0] if len(together) == 1 else Group(joiner, together)

    # Terms

    def _term(self, term: Term) -> Condition:
        if term.op == "has":
            return self._has(term)
        if term.field in _WORD_FIELDS:
            return self._words(term.field, _patterns(term.values))
        if term.field in _STACK_FIELDS:
            return self._stack(term.field, _patterns(term.values))
        return _TERMS[term.field](self, term)

    def _has(self, term: Term) -> Condition:
        if term.field == "tag":
            return self._has_tag(term.key)
        clause = _HAS_CLAUSES.get(term.field)
        if clause:
            return Clause(clause, (), exact=term.field not in _HAS_NEARLY)
        name = _HAS_WORDS.get(term.field, term.field)
        found = Index(_quoted(word_token(word_of("has", name))))
        if term.field in ("release", "environment", "host", "user", "platform", "source", "exception", "tag", "trace"):
            return Group("AND", (found, _UNSURE)) if term.field in _HAS_NEARLY else found
        return TRUE  # what every event and issue has

    def _has_tag(self, key: str | None) -> Condition:
        if key is None:
            in_event: Condition = Index(_quoted(word_token(word_of("has", "tags"))))
        elif "=" in key:  # longer than the keys that words know
            in_event = self._words("tag", [Pattern((f"{key}=", ""))])
        else:
            in_event = Index(_quoted(word_token(word_of("tagkey", key[:MAX_VALUE]))))
        return self._joined("OR", [in_event, *self._issue_tags([Pattern((f"{key}=" if key else "", ""))])])

    def _words(self, field: str, patterns: Iterable[Pattern]) -> Condition:
        """Events with one of the words that patterns stand for."""
        values: list[str] = []
        for pattern in patterns:
            found = self._values(field, pattern)
            if found is None:
                known = Index(_quoted(word_token(word_of("has", _HAS_WORDS.get(field, field)))))
                return Group("AND", (known, _UNSURE))
            values += found
        return self._any_token([word_token(word_of(field, value)) for value in dict.fromkeys(values)])

    def _any_token(self, tokens: Sequence[str]) -> Condition:
        if len(tokens) <= _AT_ONCE:
            return Index(any_token(tokens))
        slices = [tokens[start : start + _AT_ONCE] for start in range(0, len(tokens), _AT_ONCE)]
        return Group("OR", tuple(_index_clause(any_token(part), self.db) for part in slices))

    def _values(self, field: str, pattern: Pattern) -> list[str] | None:
        """The distinct values of a field that fit, None where those are too many; an exact one is taken as it is."""
        if pattern.exact:
            return [pattern.literal[:MAX_VALUE]]
        sql, parameters = "SELECT value FROM words WHERE field = ?", [field]
        if pattern.literal:
            sql, parameters = f"{sql} AND value >= ? AND value < ?", [field, *_span(pattern)]
        longest = max(pattern.pieces, key=len)
        if longest:
            sql, parameters = f"{sql} AND {self.db.contains('value')}", [*parameters, longest]
        found = (value for (value,) in self.db.stream(sql, parameters) if pattern.matches(value))
        return _not_too_many(found)

    def _stack(self, field: str, patterns: Iterable[Pattern]) -> Condition:
        if field == "file":
            patterns = [variant for pattern in patterns for variant in path_patterns(pattern)]
        numbers: set[int] = set()
        for pattern in patterns:
            found = self._values(field, pattern)
            if found is None:
                return _SOME_STACK
            numbers.update(word_of(field, value) for value in found)
        if not numbers:
            return FALSE
        words = f"SELECT c.value FROM {self.db.numbers}"
        sql = f"e.stack_id IN (SELECT stack_id FROM stack_words WHERE word IN ({words}))"
        return Clause(sql, (self.db.many(sorted(numbers)),))

    def _tag(self, term: Term) -> Condition:
        patterns = _patterns(term.values)
        if term.key:
            patterns = [Pattern((f"{term.key}={item.pieces[0]}", *item.pieces[1:])) for item in patterns]
        return self._joined("OR", [self._words("tag", patterns), *self._issue_tags(patterns)])

    def _issue_tags(self, patterns: Sequence[Pattern]) -> list[Condition]:
        """Issues that people have tagged so."""
        known = [tag for (tag,) in self.db.rows("SELECT DISTINCT tag FROM issue_tags")]
        fit = [tag for tag in known if any(pattern.matches(tag.casefold()) for pattern in patterns)]
        if not fit:
            return []
        return [Clause(f"i.id IN (SELECT issue_id FROM issue_tags WHERE tag IN ({marks(fit)}))", tuple(fit))]

    def _level(self, term: Term) -> Condition:
        ranks = dict(self.db.rows("SELECT name, rank FROM levels"))
        if term.op == "any":
            chosen = [ranks[str(name)] for name in term.values if name in ranks]
        else:
            limit = next(value.rank for value in term.values if isinstance(value, Level))
            chosen = [rank for rank in ranks.values() if _COMPARE[term.op](rank, limit)]
        return self._any_token([word_token(word_of("level", str(rank))) for rank in chosen])

    def _message(self, term: Term) -> Condition:
        """Narrowed by the words that must be there; whether they are in the message is for others to see."""
        narrowed = [self._joined("AND", self._required(value)) for value in term.values]
        return Group("AND", (self._joined("OR", narrowed), _UNSURE))

    def _required(self, value: Any) -> list[Condition]:
        if isinstance(value, Words):
            return [self._event_word(Pattern((word,))) for word in value.words]
        found: list[Condition] = []
        for position, piece in enumerate(value.pieces):
            found += [self._event_word(pattern) for pattern in _sure_words(value.pieces, position, piece)]
        return found or [TRUE]

    def _id(self, term: Term) -> Condition:
        """Events or hashes by the beginning of their id."""
        column, size = {"event": ("e.event_id", 32), "fingerprint": ("h.hash", 40)}[term.field]
        parts: list[Condition] = []
        for pattern in _patterns(term.values):
            head = pattern.literal
            low, high = bytes.fromhex(head.ljust(size, "0")), bytes.fromhex(head.ljust(size, "f"))
            exact = pattern.exact or pattern.pieces[1:] == ("",)
            parts.append(Clause(f"{column} BETWEEN ? AND ?", (low, high), exact))
        return self._joined("OR", parts)

    def _trace(self, term: Term) -> Condition:
        parts: list[Condition] = []
        for pattern in _patterns(term.values):
            if pattern.exact:
                parts.append(Index(_quoted(word_token(trace_word(pattern.literal)))))
            else:
                known = Index(_quoted(word_token(word_of("has", "trace_id"))))
                parts.append(Group("AND", (known, _UNSURE)))
        return self._joined("OR", parts)

    def _distinct(self, term: Term) -> Condition:
        """Issues by a short text of theirs: the few distinct values are compared here, not by the database."""
        column = term.field
        known = [row[0] for row in self.db.rows(f"SELECT DISTINCT {column} FROM issues WHERE {column} IS NOT NULL")]
        fit = [value for value in known if any(item.matches(value.casefold()) for item in _patterns(term.values))]
        return Clause(f"i.{column} IN ({marks(fit)})", tuple(fit)) if fit else FALSE

    def _project(self, term: Term) -> Condition:
        known = self.db.rows("SELECT id, name FROM projects")
        if term.op == "is":  # not of the language: whoever asks may see this one, and none that is called alike
            fit = [id_ for id_, name in known if name in term.values]
        else:
            fit = [id_ for id_, name in known if any(item.matches(name.casefold()) for item in _patterns(term.values))]
        return Clause(f"h.project_id IN ({marks(fit)})", tuple(fit)) if fit else FALSE

    def _flag(self, term: Term) -> Condition:
        flags = {
            "new": Clause(
                "(i.status = 'open' AND i.is_regressed = 0 AND i.created_at > ?)", (self.now - NEW_FOR,)
            ),
            "regressed": Clause("i.is_regressed = 1"),
        }  # fmt: skip
        return self._joined("OR", [flags[str(value)] for value in term.values])

    # Words of the text

    def _anywhere(self, pattern: Pattern) -> Condition:
        """A word in an event's own text, or in its stack."""
        in_stack = self._stack_word(pattern)
        in_event = self._event_word(pattern)
        return in_event if in_stack is None else self._joined("OR", [in_event, in_stack])

    def _event_word(self, pattern: Pattern) -> Condition:
        prefix = _prefix_expression(pattern)
        if prefix is not None:
            return Index(prefix) if pattern.exact or self.bulk else self._beginning(pattern, prefix)
        if not self.db.has_vocabulary:
            return self._scanned("event_index", "e.id", pattern)
        tokens = self._vocabulary("event_terms", pattern)
        return _UNSURE if tokens is None else self._any_token(tokens)

    def _scanned(self, index: str, column: str, pattern: Pattern) -> Condition:
        """A pattern with a wildcard at its beginning or inside, for an index that does not tell its words: those of
        each document are looked at, unless that would be many documents."""
        few = self.bulk or self.db.row(f"SELECT 1 FROM {index} LIMIT 1 OFFSET ?", (SCANNED,)) is None
        if not few:
            return _UNSURE if index == "event_index" else _SOME_STACK
        return Clause(f"{column} IN ({self.db.having_word(index)})", (pattern_like(pattern),))

    def _beginning(self, pattern: Pattern, prefix: str) -> Condition:
        """Words that begin so, spelt out: the index reads all it has of a beginning each time it is asked."""
        if not self.db.has_vocabulary:
            return Index(prefix)
        terms = self.db.rows(
            "SELECT term FROM event_terms WHERE term >= ? AND term < ? LIMIT ?", (*_span(pattern), SPELT_OUT + 1)
        )
        if len(terms) <= SPELT_OUT:
            return Index(any_token(term for (term,) in terms))
        return Index(prefix) if len(pattern.literal) >= _CHEAP_PREFIX else _UNSURE

    def _stack_word(self, pattern: Pattern) -> Condition | None:
        expression = _prefix_expression(pattern)
        if expression is not None:
            return self._in_stacks(expression)
        if not self.db.has_vocabulary:
            return self._scanned("stack_index", "e.stack_id", pattern)
        tokens = self._vocabulary("stack_terms", pattern)
        if tokens is None:
            return _SOME_STACK
        found = [self._in_stacks(any_token(part)) for part in chunks(tokens, _AT_ONCE)]
        parts = [part for part in found if part is not None]
        return self._joined("OR", parts) if parts else None

    def _in_stacks(self, expression: str) -> Condition | None:
        match = self.db.match("stack_index")
        if not self.db.row(f"SELECT 1 FROM stack_index WHERE {match} LIMIT 1", (expression,)):
            return None
        return Clause(f"e.stack_id IN (SELECT rowid FROM stack_index WHERE {match})", (expression,))

    def _vocabulary(self, table: str, pattern: Pattern) -> list[str] | None:
        """The tokens of an index that fit a pattern with a wildcard at its beginning or inside; None: too many.

        Reading the words of an index takes as long as reading all of it, so only so many are compared.
        """
        sql, parameters = f"SELECT term FROM {table}", []
        if pattern.literal:
            sql, parameters = f"{sql} WHERE term >= ? AND term < ?", _span(pattern)
        terms = self.db.stream(sql, parameters)
        kept: list[str] = []
        for read, (term,) in enumerate(terms):
            if len(kept) > EXPANDED or (read >= SCANNED and not self.bulk):
                return None
            if term[0] != SIGN and pattern.matches(term):
                kept.append(term)
        return kept


def _span(pattern: Pattern) -> list[str]:
    """The least and the greatest text that begin as a pattern does."""
    return [pattern.literal, f"{pattern.literal}\U0010ffff"]


def pattern_like(pattern: Pattern) -> str:
    """A pattern as LIKE has it."""
    return "%".join(re.sub(r"([\\%_])", r"\\\1", piece) for piece in pattern.pieces)


def _not_too_many(found: Iterable[str]) -> list[str] | None:
    """What a wildcard stands for; None where that is more than EXPANDED, and events must be looked at instead."""
    kept = list(islice(found, EXPANDED + 1))
    return kept if len(kept) <= EXPANDED else None


def _compare(term: Term) -> Condition:
    """Numbers and times against a column."""
    column = _NUMBERS.get(term.field) or _TIMES[term.field]
    if term.op == "any":
        return Clause(f"{column} IN ({marks(term.values)})", term.values)
    return Clause(f"{column} {term.op} ?", term.values)


def _choice(term: Term) -> Condition:
    return Clause(f"{_CHOICES[term.field]} IN ({marks(term.values)})", term.values)


def _line(term: Term) -> Condition:
    return _SOME_STACK


_TERMS: dict[str, Callable[[Compiler, Term], Condition]] = {
    "tag": Compiler._tag,
    "level": Compiler._level,
    "message": Compiler._message,
    "event": Compiler._id,
    "fingerprint": Compiler._id,
    "trace": Compiler._trace,
    "assigned": Compiler._distinct,
    "category": Compiler._distinct,
    "project": Compiler._project,
    "is": Compiler._flag,
    **{name: (lambda _, term: _choice(term)) for name in _CHOICES},
    **{name: (lambda _, term: _compare(term)) for name in (*_NUMBERS, *_TIMES)},
    "line": lambda _, term: _line(term),
}

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


# Conditions


def issue_only(node: Node) -> bool:
    """Whether a tree asks for nothing that is an event's own."""
    return all(isinstance(leaf, Term) and leaf.field in ISSUE_FIELDS for leaf in leaves(node))


def exact(condition: Condition) -> bool:
    """Whether SQL alone decides."""
    if isinstance(condition, Clause):
        return condition.exact
    if isinstance(condition, Group):
        return all(map(exact, condition.parts))
    return exact(condition.part) if isinstance(condition, Negation) else True


def where(condition: Condition, db: SQLite, *, each: bool = False) -> Clause:
    """A condition as SQL over `events e`, `hashes h`, `issues i`.

    `each`: look an event up in the index when it comes by, instead of fetching all that the index has: for
    asking about few events.
    """
    if isinstance(condition, Clause):
        return condition
    if isinstance(condition, Index):
        if not condition.expression:
            return FALSE
        # Asking the index for each event costs as much as the expression is long; a long one is asked once.
        if each and condition.expression.count('"') <= 2 * _SHORT:
            sql = f"EXISTS (SELECT 1 FROM event_index WHERE {db.match('event_index')} AND rowid = e.id)"
            return Clause(sql, (condition.expression,))
        return _index_clause(condition.expression, db)
    if isinstance(condition, Negation):
        inner = where(condition.part, db, each=each)
        # What SQL can only narrow cannot be excluded: all of it stays a candidate.
        # A comparison with NULL is neither true nor false; for us it does not hold, so its negation does.
        return Clause(f"({inner.sql}) IS NOT TRUE", inner.parameters) if exact(condition.part) else _UNSURE
    parts = [where(part, db, each=each) for part in condition.parts]
    return Clause(
        _balanced([f"({part.sql})" for part in parts], f" {condition.joiner} "),
        tuple(value for part in parts for value in part.parameters),
        all(part.exact for part in parts),
    )


def _balanced(parts: Sequence[str], joiner: str) -> str:
    """Many parts joined as a tree, because SQL engines limit how deep a chain may be."""
    if len(parts) <= 16:
        return joiner.join(parts)
    middle = len(parts) // 2
    return f"({_balanced(parts[:middle], joiner)}){joiner}({_balanced(parts[middle:], joiner)})"


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """The conditions that must all hold."""
    return condition.parts if isinstance(condition, Group) and condition.joiner == "AND" else (condition,)


def any_token(tokens: Iterable[str]) -> str:
    """The index expression that asks for one of the tokens."""
    return " OR ".join(map(_quoted, tokens))


def _negated(condition: Condition) -> Condition:
    return condition.part if isinstance(condition, Negation) else Negation(condition)


def _is_negated_index(condition: Condition) -> TypeGuard[Negation]:
    return isinstance(condition, Negation) and isinstance(condition.part, Index)


def _all_but(wanted: Sequence[str], unwanted: Sequence[str]) -> list[Condition]:
    """What has all of the wanted and none of the unwanted expressions."""
    if not unwanted:
        return [Index(_join_expressions(wanted, "AND"))] if wanted else []
    none_of = _join_expressions(unwanted, "OR")
    if not wanted:
        return [Negation(Index(none_of))]
    return [Index(f"({_join_expressions(wanted, 'AND')}) NOT ({none_of})")]


def _members(joiner: str, condition: Condition) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, Group) and condition.joiner == joiner else (condition,)


def _index_clause(expression: str, db: SQLite) -> Clause:
    return Clause(f"e.id IN (SELECT rowid FROM event_index WHERE {db.match('event_index')})", (expression,))


def _join_expressions(expressions: Sequence[str], joiner: str) -> str:
    distinct = list(dict.fromkeys(expressions))
    return distinct[0] if len(distinct) == 1 else f" {joiner} ".join(f"({item})" for item in distinct)


def _patterns(values: Iterable[Any]) -> list[Pattern]:
    return [value for value in values if isinstance(value, Pattern)]


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _prefix_expression(pattern: Pattern) -> str | None:
    """The index expression of a whole word or of a beginning; None for other patterns."""
    if pattern.exact:
        return _quoted(pattern.literal)
    if pattern.pieces[1:] == ("",) and pattern.literal:
        return f"{_quoted(pattern.literal)} *"
    return None


def _sure_words(pieces: Sequence[str], position: int, piece: str) -> list[Pattern]:
    """The words that a text must hold to fit this piece of a pattern: those that no wildcard touches."""
    found = [Pattern((word,)) for word in text_words(piece)]
    if not found:
        return []
    if position > 0 and piece[:1].isalnum():
        found = found[1:]
    if position < len(pieces) - 1 and piece[-1:].isalnum() and found:
        last = found.pop()
        found.append(Pattern((last.literal, "")))
    return found
