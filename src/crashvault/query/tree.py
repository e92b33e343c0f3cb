"""The tree a query becomes. It is small and says everything: whoever compiles it parses nothing.

Every string in a tree is case folded already. Compare it with folded text (`str.casefold`; paths through
`fold_path`), and words with what `text.normalize_text` makes. Times are absolute microseconds.

What a `Term` holds, by the kind of its field (see `fields.FIELDS`):

| kind | op | values |
| --- | --- | --- |
| any | `has` | none: there is a value of that field (of the tag `key`, if set) |
| text | `any` | `Pattern`, one of which fits the whole value |
| path | `any` | `Pattern`, one of which fits the whole path or what follows a "/" (`path_patterns`) |
| id | `any` | `Pattern` over the hexadecimal digits, without dashes |
| tag | `any` | `Pattern` over the tag's value if `key` is set, else over the whole tag (`db`, `region=eu`) |
| message | `any` | `Words` that follow each other, or `Pattern` over the whole message or exception value |
| choice, flag | `any` | `str`, one of the field's choices |
| level | `any` | `str`, the level's name |
| level | `>` `>=` `<` `<=` | one `Level`: compare ranks |
| number | `any` | `int`, any of them |
| number | `>` `>=` `<` `<=` | one `int` |
| time | `>` `>=` `<` `<=` | one `int` |

`since` always has `>=` and `until` always `<`, both on the event's timestamp. Of the flags only `new` and
`regressed` reach the tree; `is:open` becomes `status`, `is:assigned` becomes `assigned` with `has`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias, TypeVar

_N = TypeVar("_N", bound=type)


def _compared_by_meaning(cls: _N) -> _N:
    """Plain tuples would make `And(x) == Or(x)`, and the place in the text is no part of the meaning."""
    width = len(cls._fields) - ("position" in cls._fields)  # type: ignore[attr-defined]

    def __eq__(self: Any, other: object) -> bool:
        return type(other) is cls and tuple(self)[:width] == tuple(other)[:width]  # type: ignore[arg-type]

    def __ne__(self: Any, other: object) -> bool:
        return not __eq__(self, other)

    def __hash__(self: Any) -> int:
        return hash((cls.__name__, tuple(self)[:width]))

    cls.__eq__, cls.__ne__, cls.__hash__ = __eq__, __ne__, __hash__  # type: ignore[assignment,method-assign]
    return cls


@_compared_by_meaning
class Pattern(NamedTuple):
    """Literal pieces with "any characters" between them: `("a",)` is exactly a, `("a", "")` begins with a."""

    pieces: tuple[str, ...]

    @property
    def exact(self) -> bool:
        return len(self.pieces) == 1

    @property
    def literal(self) -> str:
        """The whole text of an exact pattern, the beginning that any match must have of another."""
        return self.pieces[0]

    def matches(self, text: str) -> bool:
        """Whether the whole of a folded text fits. Takes linear time, whatever the pattern."""
        first, last = self.pieces[0], self.pieces[-1]
        if len(self.pieces) == 1:
            return text == first
        start, end = len(first), len(text) - len(last)
        if start > end or not text.startswith(first) or not text.endswith(last):
            return False
        for piece in self.pieces[1:-1]:
            found = text.find(piece, start, end)
            if found < 0:
                return False
            start = found + len(piece)
        return True


def without_empty_middles(pieces: tuple[str, ...]) -> tuple[str, ...]:
    """The pieces with neighbouring wildcards made one."""
    return (pieces[0], *filter(None, pieces[1:-1]), pieces[-1]) if len(pieces) > 1 else pieces


@_compared_by_meaning
class Words(NamedTuple):
    """Normalized words that stand next to each other in a text, the last of them whole."""

    words: tuple[str, ...]


@_compared_by_meaning
class Level(NamedTuple):
    name: str
    rank: int


Value: TypeAlias = Pattern | Words | Level | str | int


@_compared_by_meaning
class Everything(NamedTuple):
    """The empty query."""


@_compared_by_meaning
class And(NamedTuple):
    """All of two or more nodes, none of which is an And."""

    children: tuple[Node, ...]


@_compared_by_meaning
class Or(NamedTuple):
    """At least one of two or more nodes, none of which is an Or."""

    children: tuple[Node, ...]


@_compared_by_meaning
class Not(NamedTuple):
    child: Node


@_compared_by_meaning
class Term(NamedTuple):
    """`field:value`: `op` is `any`, `has`, `>`, `>=`, `<` or `<=`; see the table above.

    `is` cannot be written: it compares a project's name to the letter.
    """

    field: str
    key: str | None  # of a tag
    op: str
    values: tuple[Value, ...]
    position: int = 0


@_compared_by_meaning
class Word(NamedTuple):
    """One token anywhere in the event's text."""

    pattern: Pattern
    position: int = 0


@_compared_by_meaning
class Phrase(NamedTuple):
    """Two or more tokens that follow each other within one of the event's texts."""

    tokens: tuple[Pattern, ...]
    position: int = 0


Node: TypeAlias = Everything | And | Or | Not | Term | Word | Phrase


def all_of(nodes: Iterable[Node]) -> Node:
    """One node that asks for all the given ones, flat and without Everything."""
    children: list[Node] = []
    for node in nodes:
        children.extend(node.children if isinstance(node, And) else (node,))
    children = [child for child in children if not isinstance(child, Everything)]
    if not children:
        return Everything()
    return children[0] if len(children) == 1 else And(tuple(children))


def any_of(nodes: Iterable[Node]) -> Node:
    """One node that asks for at least one of the given ones (at least one must be given)."""
    children: list[Node] = []
    for node in nodes:
        children.extend(node.children if isinstance(node, Or) else (node,))
    if any(isinstance(child, Everything) for child in children):
        return Everything()
    return children[0] if len(children) == 1 else Or(tuple(children))


def negate(node: Node) -> Node:
    return node.child if isinstance(node, Not) else Not(node)


def leaves(node: Node) -> Iterator[Term | Word | Phrase]:
    """The terms of a tree, from left to right."""
    if isinstance(node, (And, Or)):
        for child in node.children:
            yield from leaves(child)
    elif isinstance(node, Not):
        yield from leaves(node.child)
    elif not isinstance(node, Everything):
        yield node


def fields_used(node: Node) -> frozenset[str]:
    """The fields a query speaks of; `is:open` speaks of `status`, `is:assigned` of `assigned`."""
    return frozenset(leaf.field for leaf in leaves(node) if isinstance(leaf, Term))


def fold_path(path: str) -> str:
    """A path as `file:` compares it: case folded, with forward slashes."""
    return path.casefold().replace("\\", "/")


def path_patterns(pattern: Pattern) -> tuple[Pattern, ...]:
    """What a folded path must match, any of: the pattern as it is, or after some "/"."""
    if pattern.pieces[0] == "" and not pattern.exact:
        return (pattern,)
    return pattern, Pattern(("", f"/{pattern.pieces[0]}", *pattern.pieces[1:]))
