"""Cursors: where a listing goes on, as an opaque word that `next_cursor` gives and `cursor` takes."""

from __future__ import annotations

from ..errors import InvalidError


def encoded(*numbers: int) -> str:
    """The cursor of some numbers."""
    import base64

    return base64.urlsafe_b64encode(".".join(map(str, numbers)).encode()).decode().rstrip("=")


def decoded(cursor: str | None, count: int) -> tuple[int, ...] | None:
    """The numbers of a cursor, None where there is no cursor. Raises InvalidError."""
    if not cursor:
        return None
    import base64
    import binascii

    try:
        text = base64.urlsafe_b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}").decode()
        found = tuple(int(part) for part in text.split("."))
    except (binascii.Error, ValueError):
        found = ()
    if len(found) != count or any(not 0 <= part < 2**62 for part in found):
        raise InvalidError("this cursor is none of ours", "Take next_cursor of the answer before, unchanged")
    return found
