"""Where functions begin and end: exact for Python and, with tree-sitter, for the languages it knows; for others, or
without it, by definitions, braces and indentation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from . import trees

_MOST_LINES = 50_000
_BRACES = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".go", ".java", ".kt", ".cs", ".rs", ".c", ".h", ".cc", ".cpp",
           ".hpp", ".cxx", ".php", ".swift", ".scala", ".dart", ".m", ".mm")  # fmt: skip
_KEYWORDS = frozenset(
    "if for while switch catch return else do try synchronized using lock foreach match when with new throw sizeof".split()
)
_NAMED = re.compile(
    r"\b(?:function|func|fun|fn)\b\s*\*?\s*(?:\([^)]*\)\s*)?([A-Za-z_$][\w$]*)"  # Go, JavaScript, Rust, Swift, Kotlin, PHP
    r"|\b(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*=\s*(?:async\s*)?(?:function\b|\([^)]*\)\s*(?::[^=]+)?=>|[\w$]+\s*=>)"
    r"|^[\s\w<>\[\],:*&~.@?]*?([A-Za-z_$~][\w$]*)\s*\([^;]*$"  # Java, C#, C, C++, methods of JavaScript
)
_RUBY = re.compile(r"^(\s*)def\s+(?:self\.)?([\w?!=]+)")
_QUOTED = re.compile(r"""//.*|/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`""")


class Span(NamedTuple):
    """A function, from its first to its last line (1-based, both included)."""

    name: str
    first: int
    last: int


def spans(path: str, lines: Sequence[str]) -> list[Span]:
    """The functions of a file; none for a language that is not known, or a file that cannot be read."""
    lowered = path.casefold()
    if len(lines) > _MOST_LINES:
        return []
    if lowered.endswith((".py", ".pyi")):
        return list(_python(lines))
    tree = trees.tree_of(path, lines)
    if tree is not None:
        return [Span(*item) for item in trees.functions(tree)]
    if lowered.endswith((".rb", ".rake")):
        return list(_ruby(lines))
    return list(_braces(lines)) if lowered.endswith(_BRACES) else []


def innermost(found: Sequence[Span], line: int) -> Span | None:
    """The innermost function around a line."""
    around = [span for span in found if span.first <= line <= span.last]
    return max(around, key=lambda span: (span.first, -span.last), default=None)


def _python(lines: Sequence[str]) -> Iterator[Span]:
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield Span(node.name, first, node.end_lineno or node.lineno)


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements, handlers and cases below a node, without the expressions in them, which are most of a tree."""
    pending = [tree]
    while pending:
        node = pending.pop()
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            children = getattr(node, name, None)
            if isinstance(children, list):
                pending += children
                yield from children


def _ruby(lines: Sequence[str]) -> Iterator[Span]:
    for number, line in enumerate(lines, 1):
        found = _RUBY.match(line)
        if found:
            end = f"{found[1]}end"
            last = next((n for n in range(number, len(lines) + 1) if lines[n - 1].rstrip() == end), number)
            yield Span(found[2], number, last)


def _braces(lines: Sequence[str]) -> Iterator[Span]:
    bare = [_QUOTED.sub("", line) for line in lines]
    for number, line in enumerate(bare, 1):
        found = _NAMED.search(line)
        name = next((part for part in found.groups() if part), "") if found else ""
        if name and name not in _KEYWORDS and not line.lstrip().startswith(("//", "*", "#", "return ")):
            last = _closing(bare, number)
            if last:
                yield Span(name, number, last)


def _closing(bare: Sequence[str], first: int) -> int | None:
    """The line on which the braces that a definition opens are closed; None: it opens none."""
    depth, opened = 0, False
    for number in range(first, min(len(bare), first + 3_000) + 1):
        line = bare[number - 1]
        if not opened and (";" in line.partition("{")[0] or number > first + 5):
            return None
        depth += line.count("{") - line.count("}")
        opened = opened or "{" in line
        if opened and depth <= 0:
            return number
    return None
