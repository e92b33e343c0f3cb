"""Whole workflows through the real executable: record, find, triage, come back, count, delete, check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import CommandLine

TRACE = """Traceback (most recent call last):
  File "jobs/nightly.py", line 7, in run
    export(order)
  File "jobs/nightly.py", line 3, in export
    raise ValueError("no such order")
ValueError: no such order
"""


def test_from_first_crash_to_clean_vault(cli: CommandLine) -> None:
    """The life of an issue, as a newcomer meets it."""
    cli("init", fresh=True)
    first = cli.json("add", "Nightly export failed", "--stack", "-", "--tag", "export", "--release", "1.0", stdin=TRACE)
    assert first["issue_id"] == 1 and first["issue_created"]
    again = cli.json("add", "Nightly export failed", "--stack", "-", "--release", "1.0", stdin=TRACE)
    assert again["issue_id"] == 1 and not again["issue_created"]

    (issue,) = cli.json("list")["items"]
    assert (issue["id"], issue["count"], issue["status"], issue["release"]) == (1, 2, "open", "1.0")
    shown = cli("show", "1").out
    assert "jobs/nightly.py:3 in export" in shown and "export" in shown
    assert [event["event_id"] for event in cli.json("search", "exception:ValueError file:nightly.py")["items"]] == [
        again["event_id"],
        first["event_id"],
    ]

    assert "Resolved #1" in cli("resolve", "1").out
    assert cli.json("list")["items"] == [] and cli.json("list")["hidden"] == 1
    back = cli.json("add", "Nightly export failed", "--stack", "-", stdin=TRACE)
    assert back["transition"] == "regression" and not back["issue_created"]
    (issue,) = cli.json("list", "is:regressed")["items"]
    assert issue["is_regressed"] and issue["status"] == "open" and issue["count"] == 3

    figures = cli.json("stats")
    assert (figures["issues"], figures["events"]) == (1, 3)
    assert figures["events_per_hour"]["total"] == 3

    assert cli.json("purge", "1", "--yes") == {"deleted_issues": 1, "deleted_events": 3}
    assert cli.json("events")["items"] == []
    cli("gc")
    assert cli.json("doctor", "--deep")["healthy"] is True
    assert cli.json("add", "next")["issue_id"] == 2, "ids are never used again"


def test_triage_of_several_issues(shop: CommandLine) -> None:
    assert shop.json("ignore", "2", "3") == {"changed": [2, 3], "unchanged": []}
    assert shop.json("ignore", "3", "#2") == {"changed": [], "unchanged": [3, 2]}
    shop("set-status", "2", "resolved")
    shop("set-severity", "2", "3", "high")
    shop("set-title", "2", "Payments are down")
    shop("reopen", "3")
    issues = {issue["id"]: issue for issue in shop.json("list", "--status", "all")["items"]}
    assert issues[2]["status"] == "resolved" and issues[2]["title"] == "Payments are down"
    assert issues[3]["status"] == "open" and issues[2]["severity"] == issues[3]["severity"] == "high"
    activity = shop.json("show", "2")["activity"]
    assert {"status": ["ignored", "resolved"]} in [entry["data"] for entry in activity]


def test_unknown_issues_change_nothing(shop: CommandLine) -> None:
    result = shop("resolve", "1", "99", code=1)
    assert "99" in result.err
    assert [issue["id"] for issue in shop.json("list", "is:resolved")["items"]] == []


def test_short_names(shop: CommandLine) -> None:
    assert shop.json("ls") == shop.json("list")
    assert shop.json("new", "by its short name")["issue_created"]
    assert shop.json("sh", "1")["id"] == 1
    shop("st", "1", "ignored")
    shop("title", "1", "Renamed")
    assert shop.json("show", "1")["title"] == "Renamed"
    assert shop.json("rm", "1", "--yes")["deleted_events"] == 3


def test_kill_keeps_projects_levels_and_numbering(shop: CommandLine) -> None:
    shop("level", "add", "notice", "--rank", "25")
    assert shop.json("kill", "--yes") == {"deleted_issues": 4, "deleted_events": 6}
    assert shop.json("list", "--status", "all")["total"] == 0
    assert "notice" in [level["name"] for level in shop.json("level", "list")["items"]]
    assert shop.json("add", "after", "--project", "infra")["issue_id"] == 5
    assert shop.json("doctor", "--deep")["healthy"] is True


@pytest.mark.parametrize("command", [("kill",), ("purge", "1")])
def test_deleting_asks(shop: CommandLine, command: tuple[str, ...]) -> None:
    assert "nothing was deleted" in shop(*command, stdin="n\n", code=1).err
    assert "--yes" in shop(*command, stdin="", code=2).err
    assert shop.json("list")["total"] == 4
    shop(*command, stdin="y\n")
    assert shop.json("list")["total"] < 4


@pytest.mark.vault_file
def test_deleted_leaves_no_trace(cli: CommandLine) -> None:
    """Erasure: neither the index nor free pages hold what was deleted."""
    cli("add", "zanzibar quokka", "--user", "quokka-user", "--tag", "quokka-tag")
    cli("add", "something else")
    cli("purge", "1", "--yes")
    cli("gc")
    cli("path")
    files = [path for path in cli.home.rglob("*") if path.is_file() and "vault.db" in path.name]
    assert files
    assert not [path for path in files if b"quokka" in path.read_bytes()]


def test_same_event_twice_is_one(cli: CommandLine) -> None:
    identity = "0a0b0c0d-1111-4222-8333-444455556666"
    first = cli.json("add", "once", "--event-id", identity)
    again = cli.json("add", "once", "--event-id", identity.replace("-", "").upper())
    assert first["event_id"] == again["event_id"] == identity
    assert again["transition"] == "duplicate"
    assert cli.json("events")["total"] == 1


def test_levels(cli: CommandLine) -> None:
    cli("level", "add", "notice", "--rank", "25", "--color", "cyan", "--emoji", "🔔")
    for level in ("info", "notice", "warning"):
        cli("add", f"at {level}", "--level", level)
    found = cli.json("list", "level:>=notice")["items"]
    assert {issue["level"] for issue in found} == {"notice", "warning"}
    assert {item["level"] for item in cli.json("search", "--level", "<=notice")["items"]} == {"info", "notice"}
    assert cli.json("stats")["by_level"] == {"info": 1, "notice": 1, "warning": 1}
    cli("level", "set", "notice", "--color", "#ff8800")
    assert "notice" in cli("list").out
    assert "event" in cli("level", "remove", "notice", code=1).err
    cli("purge", "2", "--yes")
    cli("level", "remove", "notice")
    assert cli.json("level", "list")["items"][-1]["name"] == "critical"
    assert cli.json("add", "fatal is critical", "--level", "fatal")["issue_id"]
    assert cli.json("list", "level:fatal")["total"] == 1


def test_projects(shop: CommandLine) -> None:
    assert [item["id"] for item in shop.json("--project", "infra", "list")["items"]] == [4]
    assert shop.json("list", "--project", "default")["total"] == 3
    assert shop.json("list", "project:infra")["total"] == 1
    assert shop.json("list", env={"CRASHVAULT_PROJECT": "infra"})["total"] == 1
    assert shop.json("stats", "--project", "infra")["events"] == 1
    assert shop.json("search", "--project", "infra")["total"] == 1
    assert shop("tail", "--no-follow", "--json", "--project", "infra").out.count("\n") == 1
    same = shop.json("add", "Nightly export is late", "--project", "infra")
    assert same["issue_created"], "issues belong to their project"
    assert {name: found["events"] for name, found in shop.json("stats")["by_project"].items()} == {
        "default": 5,
        "infra": 2,
    }


def test_prefixes_of_event_ids(shop: CommandLine) -> None:
    shop("add", "one of its kind", "--event-id", "abcd0000000000000000000000000001")
    for prefix in ("abcd", "ABCD0000", "abcd0000-0000"):
        assert shop.json("event", prefix)["message"] == "one of its kind"
    assert shop.json("search", "event:abcd")["total"] == 1
    ambiguous = shop("event", "00000000", code=1).err
    assert "00000000-0000-0000-0000-000000000001" in ambiguous
    assert "99999999" in shop("event", "99999999", code=1).err
    assert shop("event", "nothing-like-it", code=1).err.count("\n") == 1


def test_group_explain(shop: CommandLine) -> None:
    of_issue = shop.json("group", "explain", "1")
    of_event = shop.json("group", "explain", f"{1:032x}")
    assert of_issue == of_event and of_issue["issue_id"] == 1
    assert shop.json("group", "explain", "#1") == of_issue
    assert "shop.payment pay" in shop("group", "explain", "1").out


def test_grouping_rules_apply_to_what_comes(cli: CommandLine) -> None:
    cli(
        "config",
        "set",
        "grouping.rules",
        json.dumps([{"match": {"message": "*timed out*"}, "fingerprint": ["timeouts"]}]),
    )
    ids = {cli.json("add", message)["issue_id"] for message in ("a timed out", "b and c timed out")}
    assert len(ids) == 1
    assert cli.json("group", "rules")["items"][0]["fingerprint"] == ["timeouts"]


def test_sql(shop: CommandLine) -> None:
    query = "SELECT issue_id, count(*) AS n FROM v_events GROUP BY 1 ORDER BY 1"
    rows = [{"issue_id": 1, "n": 3}, {"issue_id": 2, "n": 1}, {"issue_id": 3, "n": 1}, {"issue_id": 4, "n": 1}]
    assert shop.json("sql", query) == rows
    assert shop("sql", query, "--format", "json").json == rows
    assert shop("sql", query, "--format", "csv").lines == ["issue_id,n", "1,3", "2,1", "3,1", "4,1"]
    assert shop("sql", query).lines[0].split() == ["issue_id", "n"]
    assert shop(
        "sql",
        "-",
        stdin=query,
    ).lines[1].split() == ["1", "3"]
    assert shop.json("sql", "SELECT value FROM v_tags WHERE key = 'region' LIMIT 1") == [{"value": "eu"}]
    for wrong in ("DELETE FROM events", "DROP TABLE events", "PRAGMA user_version = 3", "ATTACH 'x.db' AS x"):
        assert "only reading" in shop("sql", wrong, code=1).err
    assert shop.json("list")["total"] == 4


def test_settings(cli: CommandLine) -> None:
    cli("config", "set", "scrub.keys", "badge,employee_id")
    assert cli("config", "get", "scrub.keys").out == '["badge", "employee_id"]\n'
    cli("add", "with a badge", "--context", "badge=12345")
    assert cli.json("events")["items"][0]["context"]["badge"] == "[Filtered]"
    cli("config", "set", "logging.level", "warning")
    assert json.loads(Path(cli("config", "path").out.strip()).read_text()) == {"logging.level": "warning"}
    origins = {item["key"]: item["origin"] for item in cli.json("config", "list")["items"]}
    assert origins["scrub.keys"] == "vault" and origins["logging.level"] == "config.json"
    assert origins["scrub.enabled"] == "default"
    assert cli.json("config", "get", "logging.level", env={"CRASHVAULT_LOG_LEVEL": "error"}) == "error"
    assert cli.json("config", "unset", "scrub.keys") == {"unset": True}
    assert cli.json("config", "get", "scrub.keys") == []


def test_config_edit(cli: CommandLine, tmp_path: Path) -> None:
    cli("init")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf \'%s\' "$CONTENT" > "$1"\n')
    editor.chmod(0o755)
    cli("config", "edit", env={"EDITOR": str(editor), "CONTENT": '{"logging.level": "error"}'})
    assert cli("config", "get", "logging.level").out == "error\n"
    for wrong in ('{"logging.level": "loud"}', "{", "[]", '{"nonsense": 1}'):
        cli("config", "edit", env={"EDITOR": str(editor), "CONTENT": wrong}, code=1)
    assert cli("config", "get", "logging.level").out == "error\n"


def test_looks_of_levels(shop: CommandLine) -> None:
    shop("level", "set", "error", "--emoji", "🐞", "--color", "green")
    assert " 🐞 error " in shop("list").out
    assert shop.json("level", "set", "error", "--color", "red", "--emoji", "❌")["colour"] == "red"
    assert "❌" not in shop("list").out, "as it was, without an emoji"
    shop("level", "set", "critical", "--color", "bold white on red")
