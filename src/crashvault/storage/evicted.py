"""What is counted of evicted events, on its way out of a vault and into another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..clock import HOUR
from .sqlite import SQLite, marks


class Evicted(NamedTuple):
    """What a hash counts of events that it has not any more."""

    hours: list[tuple[int, int, int]]  # hour since the epoch, rank of the level, events
    users: list[int]  # all people that the hash counts, as digests


def of_hashes(db: SQLite, hashes: Sequence[int]) -> dict[int, Evicted]:
    """Of those hashes that have lost events."""
    found: dict[int, Evicted] = {}
    for hash_id, *hour in db.rows(
        f"SELECT hash_id, hour, level, count FROM evicted_hours WHERE hash_id IN ({marks(hashes)}) ORDER BY 1, 2, 3",
        hashes,
    ):
        found.setdefault(hash_id, Evicted([], [])).hours.append((hour[0], hour[1], hour[2]))
    lost = list(found)
    for hash_id, user in db.rows(
        f"SELECT hash_id, hash_users.user FROM hash_users WHERE hash_id IN ({marks(lost)}) ORDER BY 1, 2", lost
    ):
        found[hash_id].users.append(user)
    return found


def take_over(db: SQLite, project: int, issue: int, hash_id: int, evicted: Evicted) -> None:
    """Count what another vault has evicted of a hash that is new here."""
    total = sum(count for _, _, count in evicted.hours)
    db.execute_many("INSERT INTO evicted_hours VALUES (?, ?, ?, ?)", [(hash_id, *hour) for hour in evicted.hours])
    _count(db, project, issue, hash_id, evicted.hours)
    db.execute("UPDATE hashes SET evicted = evicted + ? WHERE id = ?", (total, hash_id))
    db.execute_many(
        "INSERT INTO hash_users VALUES (?, ?) ON CONFLICT DO NOTHING", [(hash_id, user) for user in evicted.users]
    )
    db.execute(
        "UPDATE hashes SET users = (SELECT count(*) FROM hash_users WHERE hash_id = id) WHERE id = ?", (hash_id,)
    )
    db.execute(
        """UPDATE issues SET users = (SELECT count(DISTINCT u.user) FROM hashes h JOIN hash_users u ON u.hash_id = h.id
                                      WHERE h.issue_id = issues.id) WHERE id = ?""",
        (issue,),
    )


def come_back(db: SQLite, project: int, events: Iterable[tuple[bytes, int, int]]) -> None:
    """Events that were deleted here are about to be stored again: those that were evicted are counted already.

    `events` are hash, timestamp and rank of each.
    """
    for digest, timestamp, rank in events:
        row = db.row("SELECT id, issue_id FROM hashes WHERE project_id = ? AND hash = ?", (project, digest))
        if row is None:
            continue
        hash_id, issue = row
        key = (hash_id, timestamp // HOUR, rank)
        where = "WHERE hash_id = ? AND hour = ? AND level = ?"
        if db.execute(f"UPDATE evicted_hours SET count = count - 1 {where}", key):
            db.execute(f"DELETE FROM evicted_hours {where} AND count <= 0", key)
            _count(db, project, issue, hash_id, [(timestamp // HOUR, rank, -1)])
            db.execute("UPDATE hashes SET evicted = evicted - 1 WHERE id = ?", (hash_id,))


def _count(db: SQLite, project: int, issue: int, hash_id: int, hours: Sequence[tuple[int, int, int]]) -> None:
    """Add to, or take from, all counters but those of evicted events."""
    db.execute_many(
        """INSERT INTO hash_hours VALUES (?, ?, ?)
           ON CONFLICT (hash_id, hour) DO UPDATE SET count = hash_hours.count + excluded.count""",
        [(hash_id, hour, count) for hour, _, count in hours],
    )
    db.execute_many(
        """INSERT INTO project_hours VALUES (?, ?, ?, ?)
           ON CONFLICT (project_id, hour, level) DO UPDATE SET count = project_hours.count + excluded.count""",
        [(project, hour, rank, count) for hour, rank, count in hours],
    )
    total = sum(count for _, _, count in hours)
    for table, row in (("hashes", hash_id), ("issues", issue)):
        db.execute(f"UPDATE {table} SET count = count + ? WHERE id = ?", (total, row))
