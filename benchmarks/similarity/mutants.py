"""Small bugs in the syntax tree of a Python function: one change a mutant, of kinds that people make too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from random import Random

Spot = tuple[str, ast.AST]  # kind of change, node to change

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


def spots(function: ast.AST) -> list[Spot]:
    """Every place of a function that one mutant may change; not its signature, nor functions inside of it."""
    found: list[Spot] = []
    for node in _own_nodes(function):
        found += ((kind, node) for kind, fits in _KINDS if fits(node))
    return found


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    pending = list(function.body)  # type: ignore[attr-defined]
    if pending and isinstance(pending[0], ast.Expr) and isinstance(pending[0].value, ast.Constant):
        pending = pending[1:]  # the docstring
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        yield node
        pending += ast.iter_child_nodes(node)


_KINDS = (
    ("comparison", lambda node: isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS),
    ("condition", lambda node: isinstance(node, (ast.If, ast.While, ast.IfExp))),
    ("boolean", lambda node: isinstance(node, ast.BoolOp)),
    ("operator", lambda node: isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _OPERATORS),
    ("constant", lambda node: isinstance(node, ast.Constant) and node.value is not ... and node.value is not None),
    ("nothing", lambda node: isinstance(node, ast.Return) and node.value is not None),
    ("argument", lambda node: isinstance(node, ast.Call) and bool(node.args)),
    ("swapped", lambda node: isinstance(node, ast.Call) and len(node.args) > 1),
    ("keyword", lambda node: isinstance(node, ast.Call) and bool(node.keywords)),
    ("attribute", lambda node: isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)),
    ("forgotten", lambda node: isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise))),
    ("value", lambda node: isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant)),
)


def mutate(spot: Spot, rng: Random) -> None:
    """Change the node of a spot in place."""
    kind, node = spot
    _CHANGES[kind](node, rng)


def _comparison(node: ast.Compare, rng: Random) -> None:
    node.ops[0] = _COMPARISONS[type(node.ops[0])]()


def _condition(node: ast.If, rng: Random) -> None:
    node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)


def _boolean(node: ast.BoolOp, rng: Random) -> None:
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _operator(node: ast.BinOp, rng: Random) -> None:
    node.op = _OPERATORS[type(node.op)]()


def _constant(node: ast.Constant, rng: Random) -> None:
    value = node.value
    if isinstance(value, bool):
        node.value = not value
    elif isinstance(value, (int, float)):
        node.value = value + rng.choice((-1, 1))
    elif isinstance(value, str):
        node.value = value[1:] if rng.random() < 0.5 else f"{value}_"
    else:
        node.value = None


def _nothing(node: ast.Return, rng: Random) -> None:
    node.value = None


def _argument(node: ast.Call, rng: Random) -> None:
    node.args.pop()


def _swapped(node: ast.Call, rng: Random) -> None:
    node.args[0], node.args[1] = node.args[1], node.args[0]


def _keyword(node: ast.Call, rng: Random) -> None:
    node.keywords.pop(rng.randrange(len(node.keywords)))


def _attribute(node: ast.Attribute, rng: Random) -> None:
    node.attr = f"{node.attr}{rng.choice(('s', '_', '2'))}"


def _forgotten(node: ast.stmt, rng: Random) -> None:
    """Turn the statement into one that does nothing; the parent's list keeps its object."""
    node.__class__ = ast.Expr
    node.value = ast.copy_location(ast.Constant(None), node)  # type: ignore[attr-defined]
    ast.fix_missing_locations(node)


def _value(node: ast.Assign, rng: Random) -> None:
    node.value = ast.copy_location(ast.Constant(None), node.value)


_CHANGES = {
    "comparison": _comparison, "condition": _condition, "boolean": _boolean, "operator": _operator,
    "constant": _constant, "nothing": _nothing, "argument": _argument, "swapped": _swapped, "keyword": _keyword,
    "attribute": _attribute, "forgotten": _forgotten, "value": _value,
}  # fmt: skip
