"""Sessions of programs, as SDKs report them: how many began, and how they ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.api.sending import Door, envelope, run

from crashvault import core
from crashvault.clock import DAY

ID = "9ec79c33ec9942ab8353589fcb2e04dc"


def test_sessions_are_counted(tmp_path: Path) -> None:
    attrs = {"release": "shop@1", "environment": "prod"}
    one = {"sid": "s", "init": True, "started": "2026-01-02T03:04:05Z", "status": "crashed", "did": "u", "errors": 1}
    many = {
        "aggregates": [{"started": "2026-01-02T03:04:00Z", "exited": 8, "errored": 1, "crashed": 1}],
        "attrs": attrs,
    }

    async def test(node: Door) -> None:
        await node.send(({"type": "session"}, {**one, "attrs": attrs}), ({"type": "sessions"}, many))
        with core.open_vault(node.node.home) as store:
            (health,) = store.telemetry.releases()
        assert (health.release, health.started, health.crashed, health.crashed_users) == ("shop@1", 11, 2, 1)

    run(tmp_path, test)


SESSION = {"sid": "one", "started": "2026-01-02T03:04:05Z", "attrs": {"release": "shop@1"}}
BEGUN = {**SESSION, "init": True, "status": "ok", "timestamp": "2026-01-02T03:04:05Z"}
ENDED = {**SESSION, "status": "crashed", "timestamp": "2026-01-02T03:05:05Z"}
COUNTS = {"aggregates": [{"started": "2026-01-02T03:04:00Z", "exited": 2}], "attrs": {"release": "shop@1"}}
# Envelopes, and how many sessions began and crashed after all of them.
SENT_AGAIN: dict[str, tuple[list[bytes], tuple[int, int]]] = {
    "updates of a session": (
        [envelope(({"type": "session"}, one)) for one in (BEGUN, BEGUN, ENDED, ENDED, BEGUN)], (1, 1),
    ),
    "updates told from each other by their number": (
        [envelope(({"type": "session"}, {**ENDED, "seq": seq, "timestamp": f"2026-01-0{time}"})) for seq, time in ((1, 1), (1, 2), (2, 2))],
        (0, 2),
    ),
    "two sessions": ([envelope(({"type": "session"}, {**BEGUN, "sid": sid})) for sid in ("a", "b", "a")], (2, 0)),
    "counts in an envelope with a time": (
        [envelope(({"type": "sessions"}, COUNTS), header={"sent_at": f"2026-01-02T03:05:0{second}Z"}) for second in (1, 1, 2)], (4, 0),
    ),
    "counts in an envelope with an id": (
        [envelope(({"type": "sessions"}, COUNTS), header={"event_id": ID}), envelope(({"type": "sessions"}, COUNTS), header={"event_id": ID})],
        (2, 0),
    ),
    "counts that nothing tells apart": ([envelope(({"type": "sessions"}, COUNTS)) for _ in range(3)], (6, 0)),
    "the same counts twice in one envelope": (
        [envelope(*[({"type": "sessions"}, COUNTS)] * 2, header={"event_id": ID}) for _ in range(2)], (4, 0),
    ),
    "sessions without an id": ([envelope(({"type": "session"}, {**BEGUN, "sid": None})) for _ in range(2)], (2, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", SENT_AGAIN)
def test_sessions_that_are_sent_again_count_once(tmp_path: Path, name: str) -> None:
    bodies, expected = SENT_AGAIN[name]

    async def test(node: Door) -> None:
        for body in bodies:
            assert (await node.post("/api/1/envelope/", body)).status_code == 200
        with core.open_vault(node.node.home) as store:
            (health,) = store.telemetry.releases()
        assert (health.started, health.crashed) == expected

    run(tmp_path, test)


def test_updates_of_sessions_are_forgotten_after_two_days(tmp_path: Path) -> None:
    update = {"release": "1", "environment": "", "started": 0, "started_count": 1, "errored": 0, "crashed": 0,
              "abnormal": 0, "exited": 0, "key": "one"}  # fmt: skip
    for day, rows, began in ((10, 1, 1), (11, 1, 1), (12, 1, 2), (12, 1, 2)):
        with core.open_vault(str(tmp_path)) as store, store.writing():
            store.telemetry.add(1, sessions=[update], now=day * DAY)
            assert store.db.value("SELECT count(*) FROM session_updates") == rows
            assert store.telemetry.releases()[0].started == began
