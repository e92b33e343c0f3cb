"""Syntax trees of languages other than Python, by tree-sitter, where its extra is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node

INSTALL = "pip install 'crashvault[review]'"


class Grammar(NamedTuple):
    """A language as tree-sitter knows it."""

    name: str  # as people write it
    module: str  # tree_sitter_…
    language: str  # the module's function
    functions: tuple[str, ...]  # types of nodes


_SCRIPT = ("function_declaration", "generator_function_declaration", "function_expression", "generator_function",
           "arrow_function", "method_definition")  # fmt: skip
_JAVASCRIPT = Grammar("JavaScript", "javascript", "language", _SCRIPT)
_TYPESCRIPT = Grammar("TypeScript", "typescript", "language_typescript", _SCRIPT)
_TSX = Grammar("TypeScript", "typescript", "language_tsx", _SCRIPT)
_GO = Grammar("Go", "go", "language", ("function_declaration", "method_declaration"))
_JAVA = Grammar("Java", "java", "language", ("method_declaration", "constructor_declaration", "compact_constructor_declaration"))  # fmt: skip
_RUBY = Grammar("Ruby", "ruby", "language", ("method", "singleton_method"))
_RUST = Grammar("Rust", "rust", "language", ("function_item",))
_C = Grammar("C", "c", "language", ("function_definition",))
_CPP = Grammar("C++", "cpp", "language", ("function_definition",))
_BY_SUFFIX: Mapping[str, Grammar] = {
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), _JAVASCRIPT), **dict.fromkeys((".ts", ".mts", ".cts"), _TYPESCRIPT), ".tsx": _TSX,
    ".go": _GO, ".java": _JAVA, ".rs": _RUST, ".c": _C, **dict.fromkeys((".rb", ".rake"), _RUBY),
    # Headers of C are read as C++, which has their whole grammar but for old-style parameters.
    **dict.fromkeys((".h", ".cc", ".cpp", ".cxx", ".c++", ".hpp", ".hh", ".hxx"), _CPP),
}  # fmt: skip


def grammar_of(path: str) -> Grammar | None:
    """The language of a file, by its name's end."""
    return _BY_SUFFIX.get("." + path.casefold().rpartition(".")[2])


@lru_cache
def is_installed(grammar: Grammar) -> bool:
    """Whether trees of a language can be had here."""
    return _language(grammar) is not None


@lru_cache
def _language(grammar: Grammar) -> Any:
    try:
        from tree_sitter import Language

        return Language(getattr(import_module(f"tree_sitter_{grammar.module}"), grammar.language)())
    except (ImportError, AttributeError, ValueError, TypeError):  # absent, or of an ABI that does not fit
        return None


class Tree(NamedTuple):
    """A file, parsed; with errors inside where it has some."""

    grammar: Grammar
    root: Node

    def nodes(self, types: Sequence[str]) -> list[Node]:
        """All nodes of some types, in their order."""
        from tree_sitter import QueryCursor

        found = QueryCursor(_query(self.grammar, tuple(types))).captures(self.root).get("node", [])
        return sorted(found, key=lambda node: (node.start_byte, -node.end_byte))


@lru_cache
def _query(grammar: Grammar, types: tuple[str, ...]) -> Any:
    from tree_sitter import Query

    language = _language(grammar)
    known = [name for name in types if language.id_for_node_kind(name, True)]
    return Query(language, f"[{' '.join(f'({name})' for name in known) or '(ERROR)'}] @node")


def tree_of(path: str, lines: Sequence[str]) -> Tree | None:
    """The tree of a file; None for other languages, and where the extra is not installed."""
    grammar = grammar_of(path)
    if grammar is None or not is_installed(grammar):
        return None
    return Tree(grammar, _parse(grammar, "\n".join(lines).encode("utf-8", "replace")))


@lru_cache(maxsize=4)
def _parse(grammar: Grammar, source: bytes) -> Node:
    from tree_sitter import Parser

    return Parser(_language(grammar)).parse(source).root_node


def functions(tree: Tree) -> Iterator[tuple[str, int, int]]:
    """Name, first and last line (1-based) of each function that has a name."""
    for node in tree.nodes(tree.grammar.functions):
        holder = _holder(node)
        name = _name(node) or (_name(holder) if holder else "")
        if name:
            yield name, lines_of(holder or node)[0], lines_of(node)[1]


def lines_of(node: Node) -> tuple[int, int]:
    """First and last line (1-based) of a node."""
    last = node.end_point.row + (1 if node.end_point.column or node.end_point.row == node.start_point.row else 0)
    return node.start_point.row + 1, last


def text_of(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node is not None else ""


def _holder(node: Node) -> Node | None:
    """What gives a function without a name of its own one: `const name = …`, `name: …`, `x.name = …`."""
    above = node.parent
    if node.type not in ("arrow_function", "function_expression", "generator_function") or above is None:
        return None
    kinds = ("variable_declarator", "pair", "assignment_expression", "field_definition", "public_field_definition")
    return above if above.type in kinds else None


def _name(node: Node) -> str:
    for field in ("name", "key", "property", "left", "declarator"):
        found = node.child_by_field_name(field)
        if found is not None:
            return _own_name(found)
    return ""


def _own_name(node: Node) -> str:
    """The last part of what names a function: `x` of `a.b.x`, `*A::x(int)`, `'x'`."""
    while True:
        parts = (node.child_by_field_name(field) for field in ("declarator", "property", "name"))
        inner = next((part for part in parts if part is not None), None)
        if inner is None and node.type in ("reference_declarator", "parenthesized_declarator") and node.named_children:
            inner = node.named_children[-1]
        if inner is None:
            return text_of(node).strip("'\"#")
        node = inner
