"""Exception handlers and guards of Python, by its own parser."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from .code import Handler
from .functions import statements
from .sites import Site, short_name

_EVERYTHING = {"Exception", "BaseException"}
# What on a line raises which exception, and what would prevent it.
_RAISERS: Mapping[str, tuple[tuple[type[ast.AST], ...], str]] = {
    "KeyError": ((ast.Subscript,), "use .get() or check that the key is there"),
    "IndexError": ((ast.Subscript,), "check the length"),
    "AttributeError": ((ast.Attribute,), "check for None"),
    "TypeError": ((ast.Subscript, ast.Attribute, ast.BinOp, ast.Call), "check the type, or for None"),
    "ZeroDivisionError": ((ast.BinOp,), "check that it is not zero"),
}


class PythonCode:
    """A file of Python, by its statements."""

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self._nodes = nodes

    @classmethod
    def read(cls, lines: Sequence[str]) -> PythonCode | None:
        try:
            return cls(list(statements(ast.parse("\n".join(lines)))))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def handlers(self) -> list[Handler]:
        return self._handlers

    @cached_property
    def _handlers(self) -> list[Handler]:
        return [
            Handler(
                handler.lineno, handler.end_lineno or handler.lineno,
                node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno,
                _caught(handler), _hides(handler),
            )
            for node in self._nodes
            if isinstance(node, ast.Try | ast.TryStar) and node.body
            for handler in node.handlers
        ]  # fmt: skip

    def catches(self, handler: Handler, exception: str) -> bool:
        return not handler.caught or exception in handler.caught or bool(handler.caught & _EVERYTHING)

    def advice(self, line: int, site: Site) -> str | None:
        types, advice = _RAISERS.get(short_name(site.exception), ((), ""))
        raises = any(isinstance(node, types) for node in self._at(line))
        return advice if raises and not self._is_guarded(line, short_name(site.exception)) else None

    def _is_guarded(self, line: int, known: str) -> bool:
        """Whether a line stands in a `try` that catches the exception, or under an `if` or a conditional of its own."""
        wider = {known, "LookupError", "ArithmeticError", *_EVERYTHING}
        for handler in self.handlers():
            if handler.body_first <= line <= handler.body_last and (not handler.caught or handler.caught & wider):
                return True
        for node in self._nodes:
            if isinstance(node, ast.If | ast.While) and node.body and node.body[0].lineno <= line <= _last(node):
                return True
        chosen = (node for node in self._at(line) if isinstance(node, ast.IfExp | ast.BoolOp))
        return next(chosen, None) is not None or self._returns_before(line)

    def _at(self, line: int) -> Iterator[ast.AST]:
        """What stands in the innermost statement on a line."""
        around = [node for node in self._nodes if isinstance(node, ast.stmt) and node.lineno <= line <= _last(node)]
        yield from ast.walk(max(around, key=lambda node: (node.lineno, -_last(node)))) if around else ()

    def _returns_before(self, line: int) -> bool:
        """Whether the function leaves under some condition directly before a line: `if not x: return`."""
        for node in self._nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno <= line <= _last(node):
                for statement in node.body:
                    leaves = isinstance(statement, ast.If) and isinstance(
                        statement.body[-1], ast.Return | ast.Raise | ast.Continue
                    )
                    if leaves and _last(statement) < line:
                        return True
        return False


def _last(node: ast.stmt) -> int:
    return node.end_lineno or 0


def _caught(handler: ast.ExceptHandler) -> frozenset[str]:
    given = handler.type
    parts = given.elts if isinstance(given, ast.Tuple) else [given] if given is not None else []
    return frozenset(short_name(ast.unparse(part)) for part in parts)


def _hides(handler: ast.ExceptHandler) -> bool:
    quiet = (ast.Pass, ast.Continue, ast.Break)
    return all(
        isinstance(node, quiet)
        or (isinstance(node, ast.Return) and (node.value is None or isinstance(node.value, ast.Constant)))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )
