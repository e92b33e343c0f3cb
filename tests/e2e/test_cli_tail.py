"""`tail` shows what other processes record while it runs."""

from __future__ import annotations

import json
import select
import subprocess
from typing import Any

from tests.conftest import PATIENCE, CommandLine


def _next_event(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    assert ready, "nothing arrived"
    return json.loads(process.stdout.readline())


def test_events_of_another_process_arrive(cli: CommandLine) -> None:
    cli("add", "from before")
    with cli.running("tail", "--json", "level:>=error", bufsize=0) as process:
        assert _next_event(process)["message"] == "from before"
        cli("add", "below the level", "--level", "info")
        cli.record({"message": "live"})
        assert _next_event(process)["message"] == "live"
        cli.record(*({"message": f"burst {letter}"} for letter in "abc"))
        assert [_next_event(process)["message"][-1] for _ in "abc"] == ["a", "b", "c"]


def test_filters(shop: CommandLine) -> None:
    def seen(*arguments: str) -> list[int]:
        return [json.loads(line)["issue_id"] for line in shop("tail", "--no-follow", "--json", *arguments).lines]

    assert seen("--lines", "2") == [3, 4]
    assert seen("-n", "0") == []
    assert seen("--tag", "db") == [1, 1, 1]
    assert seen("--level", ">=critical") == [2]
    assert seen("--text", "does not answer") == [2]
    assert seen("project:infra OR tag:export") == [3, 4]


def test_custom_levels(cli: CommandLine) -> None:
    cli("level", "add", "notice", "--rank", "25")
    for level in ("info", "notice", "warning"):
        cli("add", f"at {level}", "--level", level)
    lines = cli("tail", "--no-follow", "level:>=notice").lines
    assert [line.split(" at ")[1].split()[0] for line in lines] == ["notice", "warning"]
