"""Trees and errors back to text: a query that parses to the same tree, and a pointer at what is wrong."""

from __future__ import annotations

import re

from ..clock import to_iso
from .fields import FIELDS
from .tree import And, Everything, Level, Node, Not, Or, Pattern, Phrase, Term, Value, Word, Words

# A value that begins with : or // would make the whole term a word, like Foo::bar and http://x.
_BARE = re.compile(r'(?!:|//)[^\s"(),*\\<>]+')


def to_text(node: Node) -> str:
    """A query for a tree: `parse(to_text(tree), …)` is the tree again, with times written as ISO 8601."""
    return "" if isinstance(node, Everything) else _text(node)


def _text(node: Node) -> str:
    match node:
        case And():
            return " ".join(_operand(child) if isinstance(child, Or) else _text(child) for child in node.children)
        case Or():
            return " OR ".join(_text(child) for child in node.children)
        case Not():
            return f"-{_operand(node.child)}"
        case Term():
            return _term_text(node)
        case Word():
            return _token_text(node.pattern)
        case Phrase():
            return _phrase_text(node)
    return "*"


def _operand(node: Node) -> str:
    return f"({_text(node)})" if isinstance(node, (And, Or)) else _text(node)


def _token_text(token: Pattern) -> str:
    return "*".join(token.pieces)


def _phrase_text(phrase: Phrase) -> str:
    tokens = [_token_text(token) for token in phrase.tokens]
    # A star means something outside quotes only; there, any sign keeps the tokens together.
    return f'"{" ".join(tokens)}"' if all(token.exact for token in phrase.tokens) else ".".join(tokens)


def _term_text(term: Term) -> str:
    if term.op == "has":
        return f"has:{_quoted(f'tag.{term.key}') if term.key else term.field}"
    if FIELDS[term.field].kind == "time":
        op = "" if term.field in ("since", "until") else term.op
        return f"{term.field}:{op}{to_iso(_as_int(term.values[0]))}"
    op = "" if term.op == "any" else term.op
    if term.key is None:
        return f"{term.field}:{op}{','.join(_value_text(value) for value in term.values)}"
    if re.fullmatch(r'[^\s:"()=,*\\<>]+', term.key):
        return f"tag.{term.key}:{','.join(_value_text(value) for value in term.values)}"
    return f"tag:{','.join(_pair_text(term.key, value) for value in term.values)}"


def _pair_text(key: str, value: Value) -> str:
    pieces = value.pieces if isinstance(value, Pattern) else (str(value),)
    return _value_text(Pattern((f"{key}={pieces[0]}", *pieces[1:])))


def _as_int(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _value_text(value: Value) -> str:
    match value:
        case Pattern():
            return "*".join(_quoted(piece) if piece or value.exact else "" for piece in value.pieces)
        case Words():
            return f'"{" ".join(value.words)}"'
        case Level():
            return _quoted(value.name)
    return _quoted(str(value))


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'


def point_at(text: str, position: int, width: int = 76) -> str:
    """Two lines: the query around a position, and below it a caret.

    Arguments: the `text` and `position` of a QueryError; the columns there are. Signs that do not print
    are shown as spaces.
    """
    start = max(0, min(position, len(text)) - width // 2)
    shown = "".join(char if char.isprintable() else " " for char in text[start : start + width])
    columns = sum(_columns(char) for char in shown[: position - start])
    return f"{shown.rstrip()}\n{' ' * columns}^"


def _columns(char: str) -> int:
    if char.isascii():
        return 1
    from unicodedata import combining, east_asian_width

    return 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
