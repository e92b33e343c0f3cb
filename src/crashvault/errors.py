"""Errors that people see: what happened, and what to do about it. Converted once, at the edge."""

from __future__ import annotations


class CrashvaultError(Exception):
    """A failure that the user can act on.

    `str()` gives one line: the message, then the hint. Front ends add their own wrapping
    (the command line prints `Error: …` and exits with 1, HTTP answers `code` and `status`).
    """

    code = "failed"
    status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message.rstrip('.')}. {_sentence(hint)}" if hint else message)


def _sentence(hint: str) -> str:
    """With a capital letter, unless it begins with something to type."""
    word = hint.split(" ", 1)[0]
    return hint[0].upper() + hint[1:] if word.rstrip(":").isalpha() and word.islower() and hint != word else hint


class NotFoundError(CrashvaultError):
    code = "not_found"
    status = 404


class InvalidError(CrashvaultError):
    """A value that the user gave is wrong."""

    code = "invalid"
    status = 400


class QueryError(InvalidError):
    """A query that cannot be read. `position` is the 0-based offset of the trouble in `text`."""

    code = "invalid_query"

    def __init__(self, message: str, text: str, position: int, hint: str = "") -> None:
        self.text = text
        self.position = position
        super().__init__(message, hint)


class ConflictError(CrashvaultError):
    code = "conflict"
    status = 409


class StoreError(CrashvaultError):
    """The vault cannot be read or written just now: disk full, read-only, corrupt, gone, too new."""

    code = "store_unavailable"
    status = 503


class AwayError(StoreError):
    """The database that holds the vault cannot be reached, or takes nothing just now."""

    retry_after = 5


class TransientError(StoreError):
    """Two transactions were in each other's way; the same one may go through when it is tried again."""
