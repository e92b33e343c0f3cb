"""Severity levels of events: the five that are built in, and custom ones with their own rank."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import ConflictError, InvalidError, NotFoundError
from ..models import COLOURS, LEVEL_ALIASES, LEVEL_LOOKS
from .sqlite import SQLite

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_HEX_COLOUR = re.compile("#[0-9A-Fa-f]{6}")
_EMOJI_LENGTH = 12  # characters; families and flags are sequences
_NO_EMOJI = ("Cc", "Cs", "Co", "Cn", "Zs", "Zl", "Zp", "Ll", "Lu", "Nd")


class Level(NamedTuple):
    name: str
    rank: int
    colour: str | None
    emoji: str | None
    built_in: bool


class Levels:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def list(self) -> list[Level]:
        rows = self.db.rows("SELECT name, rank, colour, emoji, built_in FROM levels ORDER BY rank")
        return [Level(name, rank, colour, emoji, bool(built_in)) for name, rank, colour, emoji, built_in in rows]

    def ranks(self) -> dict[str, int]:
        return dict(self.db.rows("SELECT name, rank FROM levels ORDER BY rank"))

    def names(self) -> dict[int, str]:
        return dict(self.db.rows("SELECT rank, name FROM levels ORDER BY rank"))

    def add(self, name: str, rank: int, colour: str | None, emoji: str | None) -> Level:
        """Make a custom level. Raises InvalidError or ConflictError."""
        name = _check(name, rank)
        _check_look(colour, emoji)
        with self.db.writing():
            levels = self.list()
            if name in (level.name for level in levels):
                raise ConflictError(
                    f"there is a level {name!r} already", f"Change it with: crashvault level set {name}"
                )
            for level in levels:
                if level.rank == rank:
                    raise ConflictError(f"rank {rank} is that of {level.name!r}", "Choose another number")
            self.db.execute("INSERT INTO levels VALUES (?, ?, ?, ?, 0)", (name, rank, colour, emoji))
        return Level(name, rank, colour, emoji, False)

    def set(self, name: str, rank: int | None, colour: str | None, emoji: str | None) -> Level:
        """Change a level; a rank only of a custom level that no event has, since events keep the rank."""
        _check_look(colour, emoji, LEVEL_LOOKS.get(name.strip().casefold(), ()))
        with self.db.writing():
            level = self.require(name)
            if rank is not None and rank != level.rank:
                self._free_rank(level, rank)
            changed = level._replace(
                rank=level.rank if rank is None else rank,
                colour=level.colour if colour is None else colour,
                emoji=level.emoji if emoji is None else emoji,
            )
            self.db.execute(
                "UPDATE levels SET rank = ?, colour = ?, emoji = ? WHERE name = ?",
                (changed.rank, changed.colour, changed.emoji, changed.name),
            )
        return changed

    def remove(self, name: str) -> None:
        with self.db.writing():
            level = self.require(name)
            if level.built_in:
                raise InvalidError(f"{name!r} is built in and stays", "Only custom levels can be removed")
            if self._in_use(level.rank):
                raise ConflictError(
                    f"events have the level {name!r}", "Delete them first, for example with: crashvault prune"
                )
            self.db.execute("DELETE FROM levels WHERE name = ?", (level.name,))

    def require(self, name: str) -> Level:
        levels = {level.name: level for level in self.list()}
        wanted = name.strip().casefold()
        found = levels.get(LEVEL_ALIASES.get(wanted, wanted))
        if found is None:
            close = difflib.get_close_matches(name.casefold(), levels, 1)
            hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(levels)}"
            raise NotFoundError(f"there is no level {name!r}", hint)
        return found

    def _free_rank(self, level: Level, rank: int) -> None:
        _check(level.name, rank)
        if level.built_in or self._in_use(level.rank):
            raise ConflictError(f"the rank of {level.name!r} is fixed", "It is built in, or events have it")
        taken = self.db.value("SELECT name FROM levels WHERE rank = ?", (rank,))
        if taken is not None:
            raise ConflictError(f"rank {rank} is that of {taken!r}", "Choose another number")

    def _in_use(self, rank: int) -> bool:
        return bool(self.db.row("SELECT 1 FROM project_hours WHERE level = ? AND count > 0 LIMIT 1", (rank,)))


def _check(name: str, rank: int) -> str:
    name = name.strip().casefold()
    if not _NAME.fullmatch(name):
        raise InvalidError(f"a level cannot be called {name!r}", "Use small letters, digits, - and _, at most 32")
    if name in LEVEL_ALIASES:
        raise InvalidError(f"{name!r} is another name of {LEVEL_ALIASES[name]!r}", "Choose another name")
    if not 0 <= rank <= 1000:
        raise InvalidError(f"rank {rank} is out of range", "Use 0 to 1000; debug is 10, error 40, critical 50")
    return name


def _check_look(colour: str | None, emoji: str | None, usual: Sequence[str] = ()) -> None:
    """A colour or an emoji may be empty, which takes it away; `usual` are those of a level that is built in.
    Raises InvalidError."""
    if colour and colour not in (*COLOURS, *usual) and not _HEX_COLOUR.fullmatch(colour):
        raise InvalidError(f"there is no colour {colour!r}", f"Use #rrggbb or one of: {', '.join(COLOURS)}")
    import unicodedata

    if emoji and (len(emoji) > _EMOJI_LENGTH or any(unicodedata.category(char) in _NO_EMOJI for char in emoji)):
        raise InvalidError(f"{emoji!r} is no emoji", "Use one sign")
