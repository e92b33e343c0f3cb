"""What clients report beside events: spans, sessions, check-ins and feedback."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from ..clock import DAY, HOUR
from ..digests import blake2b
from . import codec
from .sqlite import SQLite, chunks, marks

Fields = Mapping[str, Any]

_SPAN_COLUMNS = (
    "trace_id, span_id, parent_span_id, started_at, ended_at, name, op, kind, status, service, release, environment,"
    " origin, attributes"
)
Place = tuple[int, int]  # of a span: when it began, and its row
START: Place = (1 - (1 << 62), 0)
END: Place = ((1 << 62) - 1, 0)
_ALL = 1 << 62  # spans
_OUTCOMES = ("errored", "crashed", "abnormal", "exited")


class ReleaseHealth(NamedTuple):
    """How the runs of one release went."""

    release: str
    environment: str
    started: int
    errored: int
    crashed: int
    abnormal: int
    users: int
    crashed_users: int

    @property
    def crash_free(self) -> float | None:
        """The share of runs that did not crash, from 0 to 1; None without runs."""
        return None if not self.started else max(0.0, 1 - self.crashed / self.started)


class Telemetry:
    def __init__(self, db: SQLite) -> None:
        self.db = db
        self._forgotten_on = 0  # the day on which updates of sessions were last forgotten

    def add(
        self,
        project_id: int,
        *,
        spans: Sequence[Fields] = (),
        sessions: Sequence[Fields] = (),
        check_ins: Sequence[Fields] = (),
        feedback: Sequence[Fields] = (),
        now: int,
    ) -> None:
        """Store what came for one project; call it inside `writing()`. What is known already changes nothing."""
        self._add_spans(project_id, spans, now)
        # Everybody writes in the same order, so that nobody waits for each other.
        for session in sorted(sessions, key=lambda one: (one["started"] // HOUR, one["release"], one["environment"])):
            if self._is_new(project_id, session.get("key"), now):
                self._add_session(project_id, session)
        self._add_check_ins(project_id, check_ins)
        self._add_feedback(project_id, feedback)

    def _add_spans(self, project_id: int, spans: Sequence[Fields], now: int) -> None:
        rows = [
            (project_id, bytes.fromhex(span["trace_id"]), bytes.fromhex(span["span_id"]), _bytes(span["parent_span_id"]),
             span["start"], span["end"], span["name"], span["op"], span["kind"], span["status"], span["service"],
             span["release"], span["environment"], span["origin"], _packed(span["attributes"]), now)
            for span in spans
        ]  # fmt: skip
        self.db.execute_many(
            f"""INSERT INTO spans (project_id, {_SPAN_COLUMNS}, received_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            sorted(rows, key=itemgetter(0, 1, 2)),
        )

    def _is_new(self, project_id: int, key: str | None, now: int) -> bool:
        """Whether an update of a session was not counted today or yesterday; from now on it was.

        Only days that are over are forgotten, so that a repeat is known for a day at least.
        """
        if not key:
            return True
        today = now // DAY
        if today != self._forgotten_on:
            self.db.execute("DELETE FROM session_updates WHERE day < ?", (today - 1,))
            self._forgotten_on = today
        digest = _digest(f"{project_id}\0{key}")
        if self.db.row("SELECT 1 FROM session_updates WHERE day = ? AND digest = ?", (today - 1, digest)):
            return False
        return self.db.execute("INSERT INTO session_updates VALUES (?, ?) ON CONFLICT DO NOTHING", (today, digest)) > 0

    def _add_session(self, project_id: int, session: Fields) -> None:
        counts = [session["started_count"], *(session[name] for name in _OUTCOMES)]
        row = self.db.value(
            """INSERT INTO sessions (project_id, hour, release, environment, started, errored, crashed, abnormal, exited)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (project_id, hour, release, environment) DO UPDATE SET
                 started = sessions.started + excluded.started, errored = sessions.errored + excluded.errored,
                 crashed = sessions.crashed + excluded.crashed, abnormal = sessions.abnormal + excluded.abnormal,
                 exited = sessions.exited + excluded.exited
               RETURNING id""",
            (project_id, session["started"] // HOUR, session["release"], session["environment"], *counts),
        )
        if session.get("user"):
            self.db.execute(
                """INSERT INTO session_users VALUES (?, ?, ?)
                   ON CONFLICT (session_id, "user") DO UPDATE SET crashed = excluded.crashed
                     WHERE session_users.crashed < excluded.crashed""",
                (row, person_digest(session["user"]), int(session["crashed"] > 0)),
            )

    def _add_check_ins(self, project_id: int, check_ins: Sequence[Fields]) -> None:
        """A run is reported when it begins and when it ends; the later report completes the row."""
        self.db.execute_many(
            """INSERT INTO check_ins (project_id, check_in_id, monitor, status, duration, release, environment, at,
                                      changed_at, config)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (project_id, check_in_id) DO UPDATE SET
                 status = excluded.status, changed_at = excluded.changed_at,
                 duration = COALESCE(excluded.duration, check_ins.duration),
                 config = COALESCE(excluded.config, check_ins.config)""",
            [
                (project_id, bytes.fromhex(one["check_in_id"]), one["monitor"], one["status"], one["duration"],
                 one["release"], one["environment"], one["at"], one["at"],
                 None if one["config"] is None else json.dumps(one["config"]))
                for one in check_ins
            ],
        )  # fmt: skip

    def _add_feedback(self, project_id: int, feedback: Sequence[Fields]) -> None:
        self.db.execute_many(
            """INSERT INTO feedback (project_id, feedback_id, event_id, name, email, message, url, at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            [
                (project_id, _feedback_id(one), _bytes(one["event_id"]), one["name"], one["email"], one["message"],
                 one["url"], one["at"])
                for one in feedback
            ],
        )  # fmt: skip

    # Reading

    def trace(
        self, trace_id: str, project: str | None = None, limit: int | None = None, after: Place = START
    ) -> tuple[list[dict[str, Any]], Place | None]:
        """Spans of a trace (32 hex digits) in the order in which they began, and the place of the last if there are more.

        `project`: only its spans. `after`: only those behind that place.
        """
        rows = self.db.rows(
            f"""SELECT s.id, p.name, {_SPAN_COLUMNS.replace(" name,", " s.name,")} FROM spans s
                JOIN projects p ON p.id = s.project_id
                WHERE trace_id = ?1 AND (?2 IS NULL OR p.name = ?2) AND (started_at, s.id) > (?3, ?4)
                ORDER BY started_at, s.id LIMIT ?5""",
            (bytes.fromhex(trace_id), project, *after, _ALL if limit is None else limit + 1),
        )
        spans = [_span(row[1:]) for row in rows]
        if limit is None or limit >= len(rows):
            return spans, None
        return spans[:limit], (spans[limit - 1]["start"], rows[limit - 1][0])

    def releases(self, project_id: int | None = None, since: int = 0) -> list[ReleaseHealth]:
        """How releases did, from the hour of `since` (microseconds) on; the one with most runs first."""
        rows = self.db.rows(
            """SELECT release, environment, sum(started), sum(errored), sum(crashed), sum(abnormal),
                 (SELECT count(DISTINCT u.user) FROM session_users u JOIN sessions i ON i.id = u.session_id
                  WHERE i.release = s.release AND i.environment = s.environment AND i.hour >= ?1
                    AND (?2 IS NULL OR i.project_id = ?2)),
                 (SELECT count(DISTINCT u.user) FROM session_users u JOIN sessions i ON i.id = u.session_id
                  WHERE i.release = s.release AND i.environment = s.environment AND i.hour >= ?1
                    AND (?2 IS NULL OR i.project_id = ?2) AND u.crashed = 1)
               FROM sessions s WHERE hour >= ?1 AND (?2 IS NULL OR project_id = ?2)
               GROUP BY release, environment ORDER BY 3 DESC""",
            (since // HOUR, project_id),
        )
        return [ReleaseHealth(*row) for row in rows]

    def feedback_of(self, event_ids: Sequence[str]) -> list[dict[str, Any]]:
        """What people wrote about events, latest first."""
        found: list[tuple[Any, ...]] = []
        for part in chunks([bytes.fromhex(one.replace("-", "")) for one in event_ids]):
            found += self.db.rows(
                f"SELECT at, name, email, message, url FROM feedback WHERE event_id IN ({marks(part)})", part
            )
        keys = ("at", "name", "email", "message", "url")
        return [dict(zip(keys, row, strict=True)) for row in sorted(found, reverse=True)]

    def check_ins(self, monitor: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The latest runs of one scheduled job, or of all."""
        rows = self.db.rows(
            """SELECT monitor, status, duration, release, environment, at, changed_at FROM check_ins
               WHERE ?1 IS NULL OR monitor = ?1 ORDER BY at DESC LIMIT ?2""",
            (monitor, limit),
        )
        keys = ("monitor", "status", "duration", "release", "environment", "at", "changed_at")
        return [dict(zip(keys, row, strict=True)) for row in rows]


def _span(row: tuple[Any, ...]) -> dict[str, Any]:
    project, trace, own, parent, start, end, name, op, kind, status, service, release, environment, origin, packed = row
    return {
        "project": project, "trace_id": trace.hex(), "span_id": own.hex(),
        "parent_span_id": None if parent is None else parent.hex(), "start": start, "end": end, "name": name, "op": op,
        "kind": kind, "status": status, "service": service, "release": release, "environment": environment,
        "origin": origin, "attributes": json.loads(codec.expand(packed)) if packed else {},
    }  # fmt: skip


def _packed(attributes: Fields) -> bytes | None:
    return codec.shrink(codec.encode_light(attributes), codec.PAYLOAD) if attributes else None


def _bytes(text: str | None) -> bytes | None:
    return bytes.fromhex(text.replace("-", "")) if text else None


def person_digest(name: str) -> int:
    """What is kept of somebody who ran a program."""
    return _digest(name)


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=7).digest(), "big")


def _feedback_id(one: Fields) -> bytes:
    """The client's id, or one made of the content, so that a repeat is not stored twice."""
    if one["feedback_id"]:
        return bytes.fromhex(one["feedback_id"])
    content = "\0".join(str(one[key]) for key in ("event_id", "name", "email", "message"))
    return bytes(blake2b(content.encode(errors="replace"), digest_size=16).digest())
