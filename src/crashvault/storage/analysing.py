"""What analysis reads: how many events of which issue happened when, without reading any event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from ..clock import HOUR
from .sqlite import SQLite, marks

_AT_ONCE = 10_000


class Moment(NamedTuple):
    """One event, as the tables of the store know it."""

    row: int
    issue: int
    at: int  # microseconds
    level: int  # rank


class Analysing:
    """Reads for analysis; call it inside `reading()`, so that all of it is one view."""

    def __init__(self, db: SQLite) -> None:
        self.db = db

    def moments(self, rows: Iterable[int]) -> Iterator[Moment]:
        """The events of rows, in the order given; rows that are gone are left out."""
        left = iter(rows)
        while part := list(islice(left, _AT_ONCE)):
            found = self.db.rows(
                """SELECT e.id, h.issue_id, e.timestamp, e.level FROM json_each(?) c CROSS JOIN events e ON e.id = c.value
                   CROSS JOIN hashes h ON h.id = e.hash_id ORDER BY c.key""",
                (json.dumps(part),),
            )
            yield from (Moment(*row) for row in found)

    def first_rows(self, issues: Iterable[int]) -> list[int]:
        """The row of each issue's earliest event."""
        found = (
            self.db.value(
                """SELECT e.id FROM hashes h CROSS JOIN events e ON e.hash_id = h.id WHERE h.issue_id = ?
                   ORDER BY e.timestamp, e.id LIMIT 1""",
                (issue,),
            )
            for issue in issues
        )
        return [row for row in found if row is not None]

    def counts_between(self, since: int, until: int, project: int | None = None) -> dict[int, int]:
        """Events of each issue in the hours that lie between two times, from the counters."""
        only = "AND h.project_id = ?" if project is not None else ""
        rows = self.db.rows(
            f"""SELECT h.issue_id, sum(c.count) FROM hashes h JOIN hash_hours c ON c.hash_id = h.id
                WHERE c.hour >= ? AND c.hour < ? {only} GROUP BY h.issue_id""",
            (since // HOUR, -(-until // HOUR), *([project] if project is not None else [])),
        )
        return dict(rows)

    def stacks_with(self, words: Iterable[int]) -> list[int]:
        """Stacks that have a frame with one of the words."""
        asked = list(words)
        return [row for (row,) in self.db.rows(
            f"SELECT DISTINCT stack_id FROM stack_words WHERE word IN ({marks(asked)})", asked
        )]  # fmt: skip
