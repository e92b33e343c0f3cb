"""Requests counted for those who have a limit, shared by all processes of a vault.

A sliding window made of two fixed ones: what was used in the window before counts by the share of it that the
sliding one still covers. That is exact to a few percent, and takes one row for each who.
"""

from __future__ import annotations

from typing import NamedTuple

from .sqlite import SQLite


class Grant(NamedTuple):
    """An answer to somebody who wants to make some requests."""

    granted: int  # how many of those wanted
    remaining: int  # how many more the limit allows at this moment
    wait: int  # microseconds until one more is allowed; 0 where some are left
    ends_at: int  # when this window ends, and what was granted and not used with it


class Rates:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def take(self, kind: str, who: str, *, wanted: int, limit: int, window: int, now: int) -> Grant:
        """Count up to `wanted` requests against `limit` in `window` microseconds."""
        with self.db.writing(alone=False):
            self.db.serialize(f"rate {kind} {who}")
            started, used, before = self._window(kind, who, window, now)
            counted = used + before * (started + window - now) / window
            free = max(0, int(limit - counted))
            granted = min(wanted, free)
            if granted:
                self.db.execute(
                    """INSERT INTO rate_windows VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, who) DO UPDATE SET
                       started_at = excluded.started_at, used = excluded.used, used_before = excluded.used_before""",
                    (kind, who, started, used + granted, before),
                )
        wait = 0 if granted else _until_free(used, before, started, limit, window, now)
        return Grant(granted, free - granted, wait, started + window)

    def _window(self, kind: str, who: str, window: int, now: int) -> tuple[int, int, int]:
        """When the present window began, what was used in it, and what in the one before."""
        row = self.db.row(
            "SELECT started_at, used, used_before FROM rate_windows WHERE kind = ? AND who = ?", (kind, who)
        )
        began = now - now % window
        if row is None:
            return began, 0, 0
        started, used, before = row
        if started == began:
            return began, used, before
        return began, 0, used if started == began - window else 0

    def forget_old(self, now: int, age: int) -> int:
        """Remove the rows of those who have not come for `age` microseconds."""
        with self.db.writing(alone=False):
            return self.db.execute("DELETE FROM rate_windows WHERE started_at < ?", (now - age,))


def _until_free(used: int, before: int, started: int, limit: int, window: int, now: int) -> int:
    """Microseconds until the sliding window has room for one request."""
    end = started + window
    if used + 1 <= limit and before:
        # what was used before fades: used + before × (end − t) / window ≤ limit − 1
        return max(1, int(end - (limit - 1 - used) * window / before) - now)
    # in the next window what is used now fades: used × (end + window − t) / window ≤ limit − 1
    return max(1, int(end + window - (limit - 1) * window / used) - now) if used else max(1, end - now)
