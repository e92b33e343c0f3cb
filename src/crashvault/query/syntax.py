"""The grammar of the query language: text to tree.

    query   = either
    either  = both { "OR" both }
    both    = operand { [ "AND" ] operand }
    operand = ( "NOT" | "-" | "!" ) operand | "(" either ")" | term
    term    = field ":" [ ">" | ">=" | "<" | "<=" ] value { "," value } | value
    value   = a run of "quoted" and bare characters without spaces and parentheses

Inside quotes everything is literal but `\\"` and `\\\\`. Outside, `*` stands for any characters, and a
backslash takes the meaning from `*`, `"`, `,`, `(`, `)` and `\\`; before anything else it is itself, so that
`C:\\orders` needs no care.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import QueryError
from .fields import FIELDS, did_you_mean, excerpt, field_name
from .text import normalize_text
from .tree import (
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
    all_of,
    any_of,
    negate,
    without_empty_middles,
)
from .values import RawTerm, RawValue, read_term

__all__ = [
    "And",
    "Everything",
    "Level",
    "Node",
    "Not",
    "Or",
    "Pattern",
    "Phrase",
    "Term",
    "Word",
    "Words",
    "parse",
]

MAX_CHARS = 4_096
MAX_DEPTH = 50  # parentheses and negations inside each other
MAX_TERMS = 200
MAX_VALUES = 200  # of one term

_CHUNK = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\\[*",()\\]|\\|[^\s()"\\])+', re.DOTALL)
_SEGMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|\\([*",()\\])|(\*)|(,)|([^"*,\\]+|\\)', re.DOTALL)
# In a path a backslash before a star or another backslash is a separator, as in C:\orders\* and \\srv\x.
_PATH_SEGMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|\\([",()])|(\*)|(,)|([^"*,\\]+|\\\\|\\)', re.DOTALL)
_FIELD = re.compile(r'(tag\.[^\s:"()=,*\\<>]+|[a-z][a-z0-9_-]*):', re.IGNORECASE | re.ASCII)
_KEYWORDS = {"AND": "and", "OR": "or", "NOT": "not"}
_FOREIGN_OPERATORS = {"|": "OR", "||": "OR", "&": "AND", "&&": "AND"}


class _Token(NamedTuple):
    kind: str  # ( ) and or not word end
    start: int
    end: int


def parse(text: str, now: int, known_levels: Mapping[str, int]) -> Node:
    """Read a query.

    Arguments: the query; the present in microseconds since the epoch, from which relative times count;
    the levels there are, name → rank. Returns the tree, Everything for an empty query. Raises QueryError
    with the position of the trouble; nothing else, whatever the text. Takes linear time.
    """
    if len(text) > MAX_CHARS:
        raise QueryError(f"the query is longer than {MAX_CHARS:,} characters", text, MAX_CHARS, "shorten it")
    return _Parser(text, now, known_levels).parse()


def _tokens(text: str) -> list[_Token]:
    tokens, at, end = [], 0, len(text)
    while at < end:
        sign = text[at]
        if sign.isspace():
            at += 1
            continue
        tokens.append(_token(text, at, sign))
        at = tokens[-1].end
    return [*tokens, _Token("end", end, end)]


def _token(text: str, at: int, sign: str) -> _Token:
    if sign in "()":
        return _Token(sign, at, at + 1)
    if sign in "-!" and not (text[at + 1 : at + 2].isspace() or text[at + 1 : at + 2] in ("", ")")):
        return _Token("not", at, at + 1)
    chunk = _CHUNK.match(text, at)
    if chunk is None or text[chunk.end() : chunk.end() + 1] == '"':
        opening = at if chunk is None else chunk.end()
        raise QueryError("the quote is never closed", text, opening, 'add a " at the end of the phrase')
    return _Token(_KEYWORDS.get(chunk[0], "word"), at, chunk.end())


class _Parser:
    """Recursive descent; the depth of the recursion is bounded by MAX_DEPTH."""

    def __init__(self, text: str, now: int, levels: Mapping[str, int]) -> None:
        # What a store cannot hold is never in an event, and would not get through to the database.
        self.text = re.sub("[\0\ud800-\udfff]", "\ufffd", text)
        self.now = now
        self.levels = levels
        self.tokens = _tokens(self.text)
        self.index = 0
        self.depth = 0
        self.terms = 0

    def parse(self) -> Node:
        if self.kind == "end":
            return Everything()
        node = self._either()
        if self.kind == ")":
            raise self._error("there is no ( for this )", "remove it, or put it into quotes to search for it")
        return node

    @property
    def kind(self) -> str:
        return self.tokens[self.index].kind

    def _error(self, message: str, hint: str, token: _Token | None = None) -> QueryError:
        return QueryError(message, self.text, (token or self.tokens[self.index]).start, hint)

    def _take(self) -> _Token:
        self.index += 1
        return self.tokens[self.index - 1]

    def _either(self) -> Node:
        nodes = [self._both()]
        while self.kind == "or":
            self._take()
            nodes.append(self._both())
        return any_of(nodes)

    def _both(self) -> Node:
        nodes = [self._operand()]
        while self.kind not in ("or", ")", "end"):
            if self.kind == "and":
                self._take()
            nodes.append(self._operand())
        return all_of(nodes)

    def _operand(self) -> Node:
        token = self._take()
        if token.kind == "word":
            return self._term(token)
        if token.kind not in ("not", "("):
            raise self._nothing_before(token)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"the query is nested deeper than {MAX_DEPTH} levels", "simplify it", token)
        node = negate(self._operand()) if token.kind == "not" else self._group(token)
        self.depth -= 1
        return node

    def _group(self, opening: _Token) -> Node:
        node = self._either()
        if self.kind != ")":
            raise self._error("the parenthesis is never closed", "add a ) at its end", opening)
        self._take()
        return node

    def _nothing_before(self, token: _Token) -> QueryError:
        """Name the operator that lacks a term, not the place where the term was missed."""
        before = self.tokens[self.index - 2] if self.index > 1 else token
        if before.kind == "(" and token.kind == ")":
            return self._error("the parentheses are empty", "put them into quotes to search for them", before)
        if before.kind == "(" and token.kind == "end":
            return self._error("the parenthesis is never closed", "add a ) at its end", before)
        culprit = before if before.kind in ("and", "or", "not") else token
        shown = self.text[culprit.start : culprit.end]
        if culprit.kind == "not":
            return self._error(f"{shown} needs a term after it", "for example -level:info", culprit)
        if culprit.kind == ")":
            return self._error("there is no ( for this )", "put it into quotes to search for it", culprit)
        hint = f'to search for the word itself, write "{shown.lower()}"'
        return self._error(f"{shown} needs a term on both sides", hint, culprit)

    def _term(self, token: _Token) -> Node:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise self._error(f"the query has more than {MAX_TERMS} terms", "simplify it", token)
        field = _FIELD.match(self.text, token.start, token.end)
        if field and not self._is_plain_text(field, token):
            return self._field_term(field, token)
        return self._free_text(token)

    def _is_plain_text(self, field: re.Match[str], token: _Token) -> bool:
        """Whether what looks like a field is none: http://x, Foo::bar, C:\\foo, "TypeError:"."""
        rest = self.text[field.end() : token.end]
        if rest.startswith((":", "//")):
            return True
        name = field_name(field[1])
        return name not in FIELDS and not name.startswith("tag.") and (len(name) == 1 or not rest)

    def _field_term(self, match: re.Match[str], token: _Token) -> Node:
        typed = match[1]
        name = field_name(typed)
        key = typed[4:].casefold() if name.startswith("tag.") else None
        field = FIELDS.get("tag" if key else name)
        if field is None:
            hint = f"{did_you_mean(name, FIELDS)}fields: {', '.join(FIELDS)}; to search for the text, use quotes"
            raise self._error(f'unknown field "{excerpt(typed)}"', hint, token)
        op, start = self._op(match.end(), token.end)
        if start == token.end:
            raise QueryError(f'"{excerpt(typed)}" needs a value', self.text, start, self._no_value_hint(token))
        values = _read_values(self.text, start, token.end, _PATH_SEGMENT if field.kind == "path" else _SEGMENT)
        if len(values) > MAX_VALUES:
            excess = values[MAX_VALUES].position
            raise QueryError(f"more than {MAX_VALUES} values in a term", self.text, excess, "split it")
        return read_term(RawTerm(self.text, self.now, self.levels, field, key, op, values, token.start))

    def _op(self, at: int, end: int) -> tuple[str, int]:
        sign = re.compile(r"[<>]=?").match(self.text, at, end)
        return (sign[0], sign.end()) if sign else ("any", at)

    def _no_value_hint(self, token: _Token) -> str:
        shown = excerpt(self.text[token.start : token.end])
        if self.kind == "(":
            return f"several values are joined by commas: {shown}a,b"
        return f'write it right after the sign, or search for the text "{shown}" in quotes'

    def _free_text(self, token: _Token) -> Node:
        shown = self.text[token.start : token.end]
        if shown in _FOREIGN_OPERATORS:
            operator = _FOREIGN_OPERATORS[shown]
            raise self._error(f"{shown} is no operator", f"write {operator} in capital letters", token)
        pieces = _read_pieces(self.text, token.start, token.end)
        if pieces == ("", ""):
            return Everything()
        tokens = _token_patterns(pieces)
        if not tokens:
            hint = "use letters or digits, or message:*…* to find signs in a message"
            bare = excerpt(shown.strip('"'))
            raise self._error(f'"{bare}" has no letters or digits to search for', hint, token)
        if Pattern(("", "")) in tokens:
            raise self._error("a * between two words stands for too much", "join two terms by AND", token)
        return Word(tokens[0], token.start) if len(tokens) == 1 else Phrase(tokens, token.start)


def _token_patterns(pieces: tuple[str, ...]) -> tuple[Pattern, ...]:
    """Split normalized text with wildcards into tokens. Wildcards alone at the ends say nothing."""
    tokens = "*".join([normalize_text(piece) for piece in pieces]).split()
    while tokens and tokens[0].strip("*") == "":
        del tokens[0]
    while tokens and tokens[-1].strip("*") == "":
        del tokens[-1]
    return tuple(Pattern(without_empty_middles(tuple(token.split("*")))) for token in tokens)


def _read_values(text: str, start: int, end: int, segments: re.Pattern[str]) -> list[RawValue]:
    """The comma-separated values between two offsets. Raises QueryError for one that is missing."""
    values: list[RawValue] = []
    pieces, begin = [""], start
    for segment in segments.finditer(text, start, end):
        if segment[4]:
            values.append(_value(text, pieces, begin, segment.start()))
            pieces, begin = [""], segment.end()
        else:
            _add_segment(pieces, segment)
    return [*values, _value(text, pieces, begin, end)]


def _value(text: str, pieces: list[str], begin: int, end: int) -> RawValue:
    if begin == end:
        hint = "put a comma that is part of the value into quotes"
        raise QueryError("a value is missing beside the comma", text, begin, hint)
    return RawValue(without_empty_middles(tuple(pieces)), begin)


def _read_pieces(text: str, start: int, end: int) -> tuple[str, ...]:
    """The pieces of free text, where a comma is like any other sign."""
    pieces = [""]
    for segment in _SEGMENT.finditer(text, start, end):
        _add_segment(pieces, segment)
    return without_empty_middles(tuple(pieces))


def _add_segment(pieces: list[str], segment: re.Match[str]) -> None:
    quoted, escaped, star, comma, bare = segment.groups()
    if star:
        pieces.append("")
    elif quoted is not None:
        pieces[-1] += re.sub(r'\\(["\\])', r"\1", quoted)
    else:
        pieces[-1] += escaped or comma or bare
