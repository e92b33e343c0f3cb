"""How far a copy of the database is: places in the log of primary and standby."""

from __future__ import annotations

from typing import Any

_UNKNOWN = 86_400.0  # seconds that a standby is taken to be behind which has never replayed anything


def written(db: Any) -> int:
    """How far the log of a primary is written, in bytes."""
    return int(db.value("SELECT CAST(pg_current_wal_lsn() - CAST('0/0' AS pg_lsn) AS BIGINT)"))


def replayed(db: Any) -> int:
    """How far a standby has come in the log of its primary; a primary has all that is written."""
    return int(
        db.value(
            """SELECT CAST(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
                 - CAST('0/0' AS pg_lsn) AS BIGINT)"""
        )
    )


def behind(db: Any) -> float:
    """Seconds that a standby is behind, by itself: 0 for one that has all it knows of and hears from its primary."""
    found = db.value(
        """SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0
             WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
               AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming') THEN 0
             ELSE CAST(extract(epoch FROM now() - pg_last_xact_replay_timestamp()) AS DOUBLE PRECISION) END"""
    )
    return _UNKNOWN if found is None else float(found)
