"""Every option of `add` reaches the event, as a person or a script gives it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CommandLine

from crashvault import core

NODE_TRACE = """TypeError: Cannot read properties of undefined (reading 'gross')
    at total (/srv/shop/cart.js:12:21)
    at Object.<anonymous> (/srv/shop/main.js:3:1)
"""


def _recorded(cli: CommandLine, *arguments: object, **options: Any) -> Any:
    receipt = cli("--json", "add", *arguments, **options).json
    assert set(receipt) >= {"event_id", "issue_id", "issue_created", "fingerprint"}
    return cli.json("event", receipt["event_id"])


def test_all_plain_options(cli: CommandLine) -> None:
    event = _recorded(
        cli, "Payment failed", "--level", "CRITICAL", "--tag", "billing", "--tag", "region=eu", "--context", "job=nightly",
        "--context", "url=http://x/?a=b", "--source", "billing-cron", "--release", "1.4.2", "--environment", "staging",
        "--user", "ana", "--host", "web-7",
    )  # fmt: skip
    assert event["message"] == "Payment failed" and event["level"] == "critical"
    assert event["tags"] == ["billing", "region=eu"]
    assert event["context"] == {"job": "nightly", "url": "http://x/?a=b"}
    assert (event["source"], event["release"], event["environment"], event["host"]) == (
        "billing-cron",
        "1.4.2",
        "staging",
        "web-7",
    )
    assert "ana" in str(event["user"])


def test_nothing_is_invented(cli: CommandLine) -> None:
    event = _recorded(cli, "Plain")
    assert event["level"] == "error" and event["environment"] is None and event["project"] == "default"
    assert event["host"], "this machine"


@pytest.mark.parametrize("way", ["text", "file", "stdin"])
def test_stack(cli: CommandLine, tmp_path: Path, way: str) -> None:
    (tmp_path / "trace.txt").write_text(NODE_TRACE)
    given = {"text": NODE_TRACE, "file": "@trace.txt", "stdin": "-"}[way]
    event = _recorded(cli, "Cart is broken", "--stack", given, stdin=NODE_TRACE if way == "stdin" else "")
    assert event["exception"] == {"type": "TypeError", "value": "Cannot read properties of undefined (reading 'gross')"}
    assert [(frame["file"], frame["line"], frame["column"]) for frame in event["frames"]][-1] == (
        "/srv/shop/cart.js",
        12,
        21,
    )
    assert event["stacktrace"].strip() == NODE_TRACE.strip()
    assert cli.json("search", "file:cart.js function:total")["total"] == 1


def test_stack_that_is_none(cli: CommandLine) -> None:
    event = _recorded(cli, "odd", "--stack", b"\xff\xfe no trace \x00 here".decode("latin-1").replace("\0", ""))
    assert event["frames"] == [] and "no trace" in event["stacktrace"]
    assert _recorded(cli, "binary", "--stack", "-", stdin=b"\xff\x00\x1b[31m")["message"] == "binary"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000000Z"),
        ("2026-01-02", "2026-01-02T00:00:00.000000Z"),
    ],
)
def test_timestamp(cli: CommandLine, given: str, stored: str) -> None:
    assert _recorded(cli, "then", "--timestamp", given)["timestamp"] == stored


def test_relative_timestamp(cli: CommandLine) -> None:
    event = _recorded(cli, "then", "--timestamp", "2h")
    age = datetime.now(UTC) - datetime.fromisoformat(event["timestamp"])
    assert timedelta(hours=2) <= age < timedelta(hours=2, minutes=5)


def test_fingerprint_decides(cli: CommandLine) -> None:
    ids = [
        cli.json("add", message, "--fingerprint", "database-down")["issue_id"]
        for message in ("No route to db", "db: timeout")
    ]
    assert ids[0] == ids[1]
    split = [
        cli.json("add", "Same", "--fingerprint", "{{ default }}", "--fingerprint", tenant)["issue_id"]
        for tenant in "ab"
    ]
    assert split[0] != split[1]


def test_attachments(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "core.log").write_text("last words")
    (tmp_path / "shot.png").write_bytes(b"\x89PNG")
    event = _recorded(cli, "with files", "--attach", "core.log", "--attach", "shot.png")
    assert [(item["name"], item["size"]) for item in event["attachments"]] == [("core.log", 10), ("shot.png", 4)]
    assert [item["content_type"] for item in event["attachments"]][1] == "image/png"
    assert "core.log" in cli("event", event["event_id"]).out
    with core.open_vault(str(cli.home)) as store:
        stored = []
        for digest, _ in store.blobs.list():
            with store.blobs.open(digest) as file:
                stored.append(file.read())
    assert sorted(stored) == sorted([b"last words", b"\x89PNG"])
    assert cli.json("doctor")["healthy"] is True


def test_too_long_is_cut_and_noted(cli: CommandLine) -> None:
    event = _recorded(cli, "m" * 9_000)
    assert len(event["message"]) == 8_192
    assert "too_long" in {error["reason"] for error in event["errors"]}
    assert "too_long" in cli("event", event["event_id"]).out


def test_secrets_do_not_reach_the_disk(cli: CommandLine) -> None:
    event = _recorded(cli, "Login failed for password=hunter2secret", "--context", "api_key=hunter2secret")
    assert "hunter2secret" not in str(event)
    assert not [path for path in cli.home.rglob("*") if path.is_file() and b"hunter2secret" in path.read_bytes()]
    (drop,) = cli.json("stats", "--dropped")["items"]
    assert (drop["reason"], drop["source"], drop["count"]) == ("scrubbed", "cli", 2)
    assert "scrubbed" in cli("stats", "--dropped").out


def test_messages_of_all_kinds(cli: CommandLine) -> None:
    for message in ("[bold]no markup[/bold]", "new\nline", "Grüße 日本語 🔔", "=1+1", "%s {0}", "$(id)"):
        assert _recorded(cli, message)["message"] == message
    assert _recorded(cli, "--", "--force")["message"] == "--force"
    out = cli("list").out
    assert "[bold]no markup[/bold]" in out and "日本語" in out
