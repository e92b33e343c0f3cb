"""What goes besides the events that somebody prunes: reports of the same age, or of the same person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..query.tree import Node, Pattern, Term
from .loading import Loader
from .reported import Found, Removed, Reported
from .sqlite import SQLite, chunks

_AT_ONCE = 500  # events


class Companions:
    """`before`: what is older goes, None for no limit. `node`: the query by which the events `rows` were found."""

    def __init__(
        self, db: SQLite, reported: Reported, before: int | None, node: Node | None, project: int | None,
        rows: Sequence[int],
    ) -> None:  # fmt: skip
        self._reported = reported
        self._before = before if node is None else None
        self._project = project
        self._found: Found | None = None
        names = _people(node) if before is None else set()
        if names:
            names.update(_other_names(db, rows))
            self._found = reported.of_person(names, project)

    def counts(self) -> Removed:
        """How many of each would go."""
        if self._found is not None:
            return self._found.counts
        return Removed() if self._before is None else self._reported.older(self._before, self._project)

    def remove(self) -> Removed:
        if self._found is not None:
            return self._reported.remove_found(self._found)
        return Removed() if self._before is None else self._reported.remove_older(self._before, self._project)


def _people(node: Node | None) -> set[str]:
    """Whom a query is about, if it is about a person and nothing else."""
    if not isinstance(node, Term) or node.field != "user" or node.op != "any":
        return set()
    return {value.literal for value in node.values if isinstance(value, Pattern) and value.exact}


def _other_names(db: SQLite, rows: Sequence[int]) -> Iterator[str]:
    """What else the person of these events is called, but for network addresses, which others have too."""
    loader = Loader(db)
    for part in chunks(rows, _AT_ONCE):
        for item in loader.load(part):
            user: Any = item.event.get("user")
            if isinstance(user, dict):
                yield from (str(user[key]) for key in ("id", "email", "username") if user.get(key))
            elif user:
                yield str(user)
