"""Exception handlers and guards of languages other than Python, by their trees.

What guards a line is told generously: any condition around it or before it in its function that leaves, or that looks
at something the line uses. A finding is only made where there is none of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from .code import Handler
from .raising import Raiser, gets, raisers
from .sites import Site, short_name
from .trees import Tree, lines_of, text_of, tree_of

if TYPE_CHECKING:
    from tree_sitter import Node

_QUIET = {
    "empty_statement",
    "continue_statement",
    "break_statement",
    "next",
    "break",
    "comment",
    "line_comment",
    "block_comment",
}
_CONSTANTS = {
    "null", "undefined", "true", "false", "number", "string", "null_literal", "decimal_integer_literal", "string_literal",
    "nil", "integer", "float", "float_literal", "decimal_floating_point_literal", "nullptr", "number_literal", "int_literal",
    "boolean_literal", "integer_literal", "interpreted_string_literal", "simple_symbol", "unit_expression", "character_literal",
}  # fmt: skip
_TEXT = ("string_content", "string_fragment", "escape_sequence")
_CONTAINERS = {"array", "object", "hash", "expression_statement", "return_statement", "return", "argument_list", "then",
               "statement_block", "block", "compound_statement", "statement_list", "parenthesized_expression", "unary_expression",
               "unary", "initializer_list"}  # fmt: skip
_CHOICES = (
    "if_statement", "if_expression", "if", "unless", "elsif", "if_modifier", "unless_modifier", "while_statement", "while_expression",
    "while", "until", "while_modifier", "until_modifier", "ternary_expression", "conditional_expression", "conditional", "case", "case_match",
    "switch_statement", "switch_expression", "expression_switch_statement", "type_switch_statement", "match_expression", "for_statement",
)  # fmt: skip
_BOOLEAN = ("binary_expression", "binary", "augmented_assignment_expression", "operator_assignment")
_OPERATORS = {"&&", "||", "??", "and", "or", "&&=", "||=", "??="}
_EXITS = (
    "return_statement", "throw_statement", "continue_statement", "break_statement", "goto_statement", "return", "next", "break",
    "return_expression", "continue_expression", "break_expression",
)  # fmt: skip
_ENDING = re.compile(r"\b(raise|panic!?|fail|exit|abort|die|Exit|Fatalf?|assert!?|check|require\w*|debug_assert!?)\b")
_CALLS = ("call_expression", "method_invocation", "call", "macro_invocation")
_NAMES = (
    "identifier",
    "field_identifier",
    "property_identifier",
    "instance_variable",
    "constant",
    "shorthand_property_identifier",
)


class TreeCode:
    """A file by its tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @classmethod
    def read(cls, path: str, lines: Sequence[str]) -> TreeCode | None:
        tree = tree_of(path, lines)
        return cls(tree) if tree else None

    def handlers(self) -> list[Handler]:
        return self._sorted_handlers

    @cached_property
    def _sorted_handlers(self) -> list[Handler]:
        return sorted(self._handlers(), key=lambda item: (item.first, item.last))

    def catches(self, handler: Handler, exception: str) -> bool:
        return gets(self._tree.grammar.name, handler.caught, exception)

    def advice(self, line: int, site: Site) -> str | None:
        for raiser in raisers(self._tree.grammar.name, short_name(site.exception), site.title):
            nodes = [node for node in self._on(line, raiser.nodes) if _is_meant(node, raiser)]
            if nodes:
                return None if self._is_guarded(line, nodes, short_name(site.exception)) else raiser.advice
        return None

    # Handlers

    def _handlers(self) -> Iterator[Handler]:
        for node in self._tree.nodes(("try_statement", "try_with_resources_statement")):
            body = node.child_by_field_name("body")
            for clause in node.named_children if body is not None else ():
                if clause.type == "catch_clause":
                    yield _handler(clause, _range(body), _types(clause), _is_silent(clause.child_by_field_name("body")))
        for node in self._tree.nodes(("rescue",)):
            if node.parent is not None:
                body_lines = lines_of(node.parent)[0], lines_of(node)[0] - 1
                yield _handler(node, body_lines, _types(node), _is_silent(node.child_by_field_name("body")))
        for node in self._tree.nodes(("rescue_modifier",)):
            given = node.child_by_field_name("body"), node.child_by_field_name("handler")
            yield _handler(node, _range(given[0]), frozenset({"StandardError"}), _is_silent(given[1]))
        for node in self._tree.nodes(("call_expression",)):
            yield from _of_call(node)
        for node in self._tree.nodes(("defer_statement",)):
            yield from _of_defer(node)

    # Guards

    def _on(self, line: int, types: Sequence[str]) -> list[Node]:
        """Nodes whose own part (operator, name of the member) is on a line."""
        return [node for node in self._tree.nodes(types) if _own_line(node) == line]

    def _is_guarded(self, line: int, nodes: Sequence[Node], known: str) -> bool:
        around = (item for item in self.handlers() if item.body_first <= line <= item.body_last)
        if any(self.catches(item, known) for item in around):
            return True
        if any("?." in text_of(node) or "&." in text_of(node) for node in nodes):
            return True
        return any(_is_under_choice(node) or self._is_decided_before(line, node) for node in nodes)

    def _is_decided_before(self, line: int, node: Node) -> bool:
        """Whether its function looks at what a node uses, or leaves under some condition, before the line."""
        function = _outermost_function(node, self._tree)
        names = _names(node)
        return any(
            _decides(item, names) for item in self._deciding if _encloses(function, item) and lines_of(item)[1] < line
        )

    @cached_property
    def _deciding(self) -> list[Node]:
        return self._tree.nodes((*_CHOICES, *_BOOLEAN, *_CALLS, "let_declaration"))


def _decides(node: Node, names: set[str]) -> bool:
    """Whether a node leaves under some condition, or looks at something of these names."""
    if node.type in _CALLS:
        return _ENDING.search(text_of(_called(node))) is not None and bool(names & _names(node))
    if node.type == "let_declaration":  # let … else { return }
        return node.child_by_field_name("alternative") is not None
    if node.type in _BOOLEAN and _operator(node) not in _OPERATORS:
        return False
    leaves = next(_below(node, _EXITS), None) is not None or _ENDING.search(text_of(node))
    return bool(leaves) or bool(names & _names(node))


def _names(node: Node) -> set[str]:
    return {text_of(item) for item in _below(node, _NAMES)}


def _range(node: Node | None) -> tuple[int, int]:
    return lines_of(node) if node is not None else (0, 0)


def _handler(node: Node, body: tuple[int, int], caught: frozenset[str], hides: bool) -> Handler:
    return Handler(*lines_of(node), *body, caught, hides)


def _types(clause: Node) -> frozenset[str]:
    """What a clause of Java, C++ or Ruby catches; nothing where it catches everything."""
    if clause.type == "rescue":
        given = clause.child_by_field_name("exceptions")
        return frozenset(short_name(text_of(item)) for item in (given.named_children if given else ())) or frozenset(
            {"StandardError"}
        )
    parts = _below(clause.child_by_field_name("parameters"), ("type_identifier",))
    named = [part for child in clause.named_children if child.type == "catch_formal_parameter"
             for part in _below(child, ("catch_type",))]  # fmt: skip
    return frozenset(short_name(text_of(item)) for kind in named for item in kind.named_children) or frozenset(
        map(text_of, parts)
    )


def _is_silent(node: Node | None) -> bool:
    """Whether a block does nothing but go on, or give back something that is written there."""
    pending = [node] if node is not None else []
    while pending:
        found = pending.pop()
        if found.type == "string":  # of Ruby and JavaScript: without anything computed in it
            if any(child.type not in _TEXT for child in found.named_children):
                return False
        elif found.type in _CONTAINERS:
            pending += found.named_children
        elif found.type not in _QUIET and found.type not in _CONSTANTS:
            return False
    return True


def _of_call(node: Node) -> Iterator[Handler]:
    """`promise.catch(() => {})` of JavaScript, and `let _ = catch_unwind(…)` of Rust."""
    called, given = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    if called is None or given is None:
        return
    if called.type == "member_expression" and text_of(called.child_by_field_name("property")) == "catch":
        handler = given.named_children[0] if given.named_child_count == 1 else None
        silent = (
            handler is not None
            and handler.type in ("arrow_function", "function_expression")
            and _is_silent(handler.child_by_field_name("body"))
        )
        yield _handler(given, _range(called.child_by_field_name("object")), frozenset(), silent)
    elif text_of(called).rpartition("::")[2] == "catch_unwind":
        above = node.parent
        silent = above is not None and (
            above.type == "expression_statement"
            or (above.type == "let_declaration" and text_of(above.child_by_field_name("pattern")) == "_")
        )
        yield _handler(node, lines_of(given), frozenset(), silent)


def _of_defer(node: Node) -> Iterator[Handler]:
    """`defer func() { recover() }()` of Go; a function of another name may recover too, and is not known to hide."""
    called = next((child.child_by_field_name("function") for child in node.named_children), None)
    if called is None or ("recover" not in text_of(called).casefold() and "panic" not in text_of(called).casefold()):
        return
    function = _above(node, ("func_literal", "function_declaration", "method_declaration"))
    if function is not None:
        body = called.child_by_field_name("body") if called.type == "func_literal" else None
        last = lines_of(function)[1]
        yield _handler(node, (lines_of(node)[1] + 1, last), frozenset(), body is not None and _only_recovers(body))


def _only_recovers(body: Node) -> bool:
    pending = [body]
    while pending:
        found = pending.pop()
        if found.type in ("block", "statement_list", "expression_statement", "if_statement"):
            pending += found.named_children
        elif found.type in ("assignment_statement", "short_var_declaration", "call_expression"):
            if not text_of(found).rstrip().endswith("recover()"):
                return False
        elif found.type != "binary_expression" and not _is_silent(found):  # if r := recover(); r != nil { }
            return False
    return True


# Nodes


def _below(node: Node | None, types: Sequence[str]) -> Iterator[Node]:
    """The nodes of some types in a node, itself among them."""
    pending = [node] if node is not None else []
    while pending:
        found = pending.pop()
        if found.type in types:
            yield found
        pending += found.named_children


def _above(node: Node, types: Sequence[str]) -> Node | None:
    found = node.parent
    while found is not None and found.type not in types:
        found = found.parent
    return found


def _encloses(outer: Node, inner: Node) -> bool:
    return outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte


def _outermost_function(node: Node, tree: Tree) -> Node:
    """The function around a node that has a name of its own, or else the whole file."""
    return _above(node, [name for name in tree.grammar.functions if name != "arrow_function"]) or tree.root


def _own_line(node: Node) -> int:
    """The line on which what a node does is written: of a chain of calls, that of its last one."""
    for field in ("property", "field", "operator", "method", "index", "name"):
        part = node.child_by_field_name(field)
        if part is not None:
            return int(part.start_point.row) + 1
    called = node.child_by_field_name("function")
    if called is not None:
        return _own_line(called)
    return node.start_point.row + 1


def _operator(node: Node) -> str:
    return text_of(node.child_by_field_name("operator"))


def _called(node: Node) -> Node | None:
    """What names the function that a call calls."""
    called = (
        node.child_by_field_name("function") or node.child_by_field_name("method") or node.child_by_field_name("macro")
    )
    called = called or node.child_by_field_name("name")
    inner = called and (called.child_by_field_name("property") or called.child_by_field_name("field"))
    return inner or called


def _is_meant(node: Node, raiser: Raiser) -> bool:
    if not raiser.named:
        return True
    calls = node.type in _CALLS
    return re.fullmatch(raiser.named, text_of(_called(node)) if calls else _operator(node)) is not None


def _is_under_choice(node: Node) -> bool:
    """Whether a node is only reached under some condition, other than one that it belongs to itself."""
    below, above = node, node.parent
    while above is not None:
        if above.type in _BOOLEAN and _operator(above) in _OPERATORS and above.child_by_field_name("right") == below:
            return True
        if above.type in _CHOICES and not _is_asked(above, below):
            return True
        below, above = above, above.parent
    return False


def _is_asked(choice: Node, part: Node) -> bool:
    """Whether a part of a choice is what decides, and so is reached whatever it says; a loop over everything decides nothing."""
    fields = ("condition", "value", "initializer")
    if any(choice.child_by_field_name(field) == part for field in fields) or part.type == "for_clause":
        return True
    counts = choice.child_by_field_name("condition") is not None or any(
        child.type == "for_clause" for child in choice.named_children
    )
    return choice.type == "for_statement" and not counts
