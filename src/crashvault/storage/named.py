"""What people give names to, webhooks and alert rules: which names they may have, whom a name means, and a number that
tells those who record that one of them has changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

from ..errors import InvalidError, NotFoundError
from .sqlite import SQLite

RESERVED = ("deliveries", "history", "test")  # words that stand in addresses where a name does

_NAME = r"[\w][\w .+@-]{0,99}"


class Named(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


_N = TypeVar("_N", bound=Named)


def checked_name(name: str, what: str) -> str:
    """A name with single blanks. Raises InvalidError where `what` (such as "a webhook") cannot be called so."""
    name = " ".join(name.split())
    if not re.fullmatch(_NAME, name) or name.casefold() in RESERVED or name.isdecimal():
        hint = "Use letters, digits, blanks and . + @ _ -, and not digits alone"
        raise InvalidError(f"{what} cannot be called {name[:100]!r}", hint)
    return name


def meant(known: Sequence[_N], which: str, what: str) -> _N:
    """The one that a person means by its name or number. Raises NotFoundError that names the nearest."""
    for matches in (lambda one: one.name.casefold() == which.casefold(), lambda one: str(one.id) == which):
        for one in known:
            if matches(one):
                return one
    import difflib

    names = [one.name for one in known]
    close = difflib.get_close_matches(which, names, 1, 0.5)
    there_are = f"There are: {', '.join(names)}" if names else f"There is none yet; see: crashvault {what} add --help"
    raise NotFoundError(f"there is no {what} {which!r}", f"Did you mean {close[0]!r}?" if close else there_are)


def version(db: SQLite, key: str) -> str:
    """Changes whenever one of them does; empty while there never was one. Asked with every batch."""
    return str(db.value("SELECT value FROM meta WHERE key = ?", (key,), default=""))


def advance(db: SQLite, key: str) -> None:
    """Tell that one of them has changed. Joins the open transaction."""
    db.execute(
        """INSERT INTO meta VALUES (?, '1')
           ON CONFLICT (key) DO UPDATE SET value = CAST(meta.value AS INTEGER) + 1""",
        (key,),
    )
