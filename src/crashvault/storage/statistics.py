"""Totals and time series, from counters only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..clock import HOUR
from .document import word_of, word_token
from .sqlite import SQLite

RELEASE_EVENTS = 20_000  # of one release that are counted for a chart


class Totals(NamedTuple):
    issues: int
    events: int
    by_status: dict[str, int]  # issues
    by_level: dict[int, int]  # events, by rank
    by_project: dict[str, tuple[int, int]]  # issues and events


class ReleaseIssues(NamedTuple):
    """Issues whose latest event is of one release."""

    release: str
    issues: int
    open: int
    events: int
    first_seen: int
    last_seen: int


class Statistics:
    def __init__(self, db: SQLite) -> None:
        self.db = db

    def totals(self, project: int | None = None) -> Totals:
        """Counts over everything, or over one project."""
        where, parameters = ("WHERE project_id = ?", (project,)) if project is not None else ("", ())
        by_status = dict(
            self.db.rows(
                f"SELECT status, count(*) FROM issues {where or 'WHERE TRUE'} AND merged_into IS NULL GROUP BY status",
                parameters,
            )
        )
        by_level = dict(
            self.db.rows(
                f"SELECT level, sum(count) FROM project_hours {where} GROUP BY level ORDER BY level DESC",
                parameters,
            )
        )
        rows = self.db.rows(
            """SELECT p.id, p.name, (SELECT count(*) FROM issues WHERE project_id = p.id AND merged_into IS NULL),
                      (SELECT COALESCE(sum(count), 0) FROM project_hours WHERE project_id = p.id)
               FROM projects p ORDER BY p.id"""
        )
        by_project = {name: (issues, events) for id_, name, issues, events in rows if project in (None, id_)}
        return Totals(sum(by_status.values()), sum(by_level.values()), by_status, by_level, by_project)

    def stored(self, project: int | None = None) -> int:
        """How many events there are, without those that are only counted."""
        where, parameters = ("WHERE project_id = ?", (project,)) if project is not None else ("", ())
        return int(self.db.value(f"SELECT COALESCE(sum(count - evicted), 0) FROM hashes {where}", parameters))

    def hours(self, since: int, until: int, project: int | None = None) -> list[int]:
        """Events an hour between two times, both of whose hours count."""
        return self.series(since // HOUR, until // HOUR + 1, 1, project)

    def series(self, first: int, end: int, width: int, project: int | None = None) -> list[int]:
        """Events from the hour `first` until before the hour `end`, both since the epoch, in buckets of `width` hours."""
        counts = [0] * -((first - end) // width)
        # The primary key begins with the project, so each is a short range.
        chosen = [project] if project is not None else [row[0] for row in self.db.rows("SELECT id FROM projects")]
        for one in chosen:
            for bucket, count in self.db.rows(
                """SELECT (hour - ?1) / ?2, sum(count) FROM project_hours
                   WHERE project_id = ?3 AND hour >= ?1 AND hour < ?4 GROUP BY 1""",
                (first, width, one, end),
            ):
                counts[bucket] += count
        return counts

    def level_series(self, first: int, end: int, width: int, project: int | None = None) -> dict[int, list[int]]:
        """As `series`, for each level (by rank) of which there are events."""
        found: dict[int, list[int]] = {}
        chosen = [project] if project is not None else [row[0] for row in self.db.rows("SELECT id FROM projects")]
        for one in chosen:
            for bucket, level, count in self.db.rows(
                """SELECT (hour - ?1) / ?2, level, sum(count) FROM project_hours
                   WHERE project_id = ?3 AND hour >= ?1 AND hour < ?4 GROUP BY 1, 2""",
                (first, width, one, end),
            ):
                found.setdefault(level, [0] * -((first - end) // width))[bucket] += count
        return dict(sorted(found.items()))

    def release_series(
        self, releases: Sequence[str], first: int, end: int, width: int, project: int | None = None
    ) -> dict[str, list[int]]:
        """As `series`, for each release; of each of them at most its last RELEASE_EVENTS events are counted."""
        found = {}
        match = self.db.match("event_index").replace("?", "?4")
        for release in releases:
            counts = found[release] = [0] * -((first - end) // width)
            token = word_token(word_of("release", release.casefold()))
            for bucket, count in self.db.rows(
                f"""SELECT (e.timestamp / ?1 - ?2) / ?3, count(*)
                   FROM (SELECT rowid AS row FROM event_index WHERE {match} ORDER BY rowid DESC LIMIT ?5) i
                   CROSS JOIN events e ON e.id = i.row
                   WHERE e.timestamp >= ?2 * ?1 AND e.timestamp < ?6 * ?1 AND (?7 IS NULL OR e.project_id = ?7)
                   GROUP BY 1""",
                (HOUR, first, width, f'"{token}"', RELEASE_EVENTS, end, project),
            ):
                counts[bucket] += count
        return found

    def releases(self, project: int | None = None, limit: int = 100) -> list[ReleaseIssues]:
        """Releases by the issues that they were seen with last, the one seen last first."""
        rows = self.db.rows(
            """SELECT release, count(*), count(*) FILTER (WHERE status = 'open'), sum(count), min(first_seen), max(last_seen) FROM issues
               WHERE release IS NOT NULL AND merged_into IS NULL AND (?1 IS NULL OR project_id = ?1)
               GROUP BY release ORDER BY max(last_seen) DESC LIMIT ?2""",
            (project, limit),
        )
        return [ReleaseIssues(*row) for row in rows]
