"""What the rules ask of a file's code, whatever its language: exception handlers, and lines that nothing guards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .sites import Site


class Handler(NamedTuple):
    """Code that catches exceptions. Lines are 1-based, both included."""

    first: int
    last: int
    body_first: int  # what it guards
    body_last: int
    caught: frozenset[str]  # names of the types, without their modules; none: everything
    hides: bool  # it does nothing but go on: no call (such as logging), nothing raised, nothing assigned


class Code(Protocol):
    """A file, parsed."""

    def handlers(self) -> Sequence[Handler]:
        """Its exception handlers."""

    def catches(self, handler: Handler, exception: str) -> bool:
        """Whether a handler gets an exception of that type."""

    def advice(self, line: int, site: Site) -> str | None:
        """What would prevent the crash of a site on a line; None where something guards it, or that cannot be said."""


def read(path: str, lines: Sequence[str]) -> Code | None:
    """The code of a file; None for a language that is not known well enough, or a file that cannot be read."""
    if path.endswith((".py", ".pyi")):
        from .python_code import PythonCode

        return PythonCode.read(lines)
    from .tree_code import TreeCode

    return TreeCode.read(path, lines)
