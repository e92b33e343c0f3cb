"""What analysis reads: how many events of which issue happened when, without reading any event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from .codec import frames_of
from .document import word_of
from .sqlite import SQLite, chunks, marks

_AT_ONCE = 10_000
_MOST_PATHS = 500  # of one file name
_MOST_STACKS = 2_000  # of which crashes are told, the latest


class Moment(NamedTuple):
    """One event, as the tables of the store know it."""

    row: int
    issue: int
    at: int  # microseconds
    level: int  # rank


class Crash(NamedTuple):
    """Events of an issue that have one and the same stack."""

    frames: list[dict[str, Any]]  # oldest call first, with `exception` and `position`
    issue: int
    events: int
    last: int  # microseconds
    first: int


class Analysing:
    """Reads for analysis; call it inside `reading()`, so that all of it is one view."""

    def __init__(self, db: SQLite) -> None:
        self.db = db

    def moments(self, rows: Iterable[int]) -> Iterator[Moment]:
        """The events of rows, in the order given; rows that are gone are left out."""
        left = iter(rows)
        while part := list(islice(left, _AT_ONCE)):
            found = self.db.rows(
                f"""SELECT e.id, h.issue_id, e.timestamp, e.level FROM {self.db.numbers} CROSS JOIN events e ON e.id = c.value
                    CROSS JOIN hashes h ON h.id = e.hash_id ORDER BY c.key""",
                (self.db.many(part),),
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
        """Events of each issue from a time on until before another one."""
        only, parameters = ("AND h.project_id = ?", (project,)) if project is not None else ("", ())
        rows = self.db.rows(
            f"""SELECT h.issue_id, count(*) FROM events e CROSS JOIN hashes h ON h.id = e.hash_id
                WHERE e.timestamp >= ? AND e.timestamp < ? {only} GROUP BY h.issue_id""",
            (since, until, *parameters),
        )
        return dict(rows)

    def earliest(self, project: int | None = None) -> int | None:
        """When the first event happened, of all that are kept."""
        only, parameters = ("WHERE project_id = ?", (project,)) if project is not None else ("", ())
        found: int | None = self.db.value(f"SELECT min(first_seen) FROM hashes {only}", parameters)
        return found

    def issues_first_seen(self, since: int, until: int, project: int | None = None) -> list[int]:
        """Issues that were seen first from a time on until before another one."""
        only, parameters = ("AND project_id = ?", (project,)) if project is not None else ("", ())
        rows = self.db.rows(
            f"""SELECT id FROM issues WHERE first_seen >= ? AND first_seen < ? AND merged_into IS NULL AND count > 0 {only}
                ORDER BY id""",
            (since, until, *parameters),
        )
        return [issue for (issue,) in rows]

    def state_changes(self, until: int) -> list[tuple[int, int, str, str]]:
        """(issue, time, status before, status afterwards) of all changes of status before a time, in their order."""
        rows = self.db.rows(
            "SELECT issue_id, at, data FROM activity WHERE kind IN ('status', 'regression') AND at < ? ORDER BY id",
            (until,),
        )
        changes = [(issue, at, json.loads(data).get("status")) for issue, at, data in rows]
        return [(issue, at, *status) for issue, at, status in changes if isinstance(status, list) and len(status) == 2]

    def files_called(self, name: str) -> list[str]:
        """The distinct (casefolded) paths in stacks that end in a file name."""
        like = name.casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        rows = self.db.rows(
            "SELECT value FROM words WHERE field = 'file' AND (value = ? OR value LIKE ? ESCAPE '\\') LIMIT ?",
            (name.casefold(), f"%/{like}", _MOST_PATHS),
        )
        return [value for (value,) in rows]

    def crashes_in(self, paths: Iterable[str]) -> list[Crash]:
        """What crashed in, or on the way through, files with these (casefolded) paths; the latest first."""
        words = [word_of("file", path) for path in paths]
        found: list[Crash] = []
        for part in chunks(words):
            # Each hash is walked once, however many of its stacks are meant.
            rows = self.db.rows(
                f"""WITH wanted AS MATERIALIZED (SELECT DISTINCT stack_id FROM stack_words WHERE word IN ({marks(part)})),
                         walked AS MATERIALIZED (SELECT DISTINCT hash_id FROM stack_hashes WHERE stack_id IN wanted)
                    SELECT e.stack_id, h.issue_id, count(*), max(e.timestamp), min(e.timestamp)
                    FROM walked CROSS JOIN hashes h ON h.id = walked.hash_id CROSS JOIN events e ON e.hash_id = h.id
                    WHERE e.stack_id IN wanted GROUP BY e.stack_id, h.issue_id ORDER BY max(e.timestamp) DESC LIMIT ?""",
                (*part, _MOST_STACKS),
            )
            bodies = self._stacks([row[0] for row in rows])
            found += [Crash(bodies[stack], *rest) for stack, *rest in rows if stack in bodies]
        return found

    def _stacks(self, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
        found: dict[int, list[dict[str, Any]]] = {}
        for part in chunks(sorted(set(ids))):
            rows = self.db.rows(f"SELECT id, body FROM stacks WHERE id IN ({marks(part)})", part)
            found.update((stack, frames_of(body)) for stack, body in rows)
        return found
