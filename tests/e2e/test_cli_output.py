"""What commands print: JSON and nothing else, no colour in a pipe, colour and 80 cells on a terminal, plain text in C."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from tests.conftest import PATIENCE, CommandLine

from crashvault.output.plain import cell_width

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
EVENT = f"{1:08x}"

# Every reading command, with arguments that fit the shop's vault, and what its JSON must have.
READING: dict[tuple[str, ...], str | type] = {
    ("list",): "items",
    ("list", "is:open", "tag:db", "--sort", "events"): "items",
    ("show", "1"): "latest_event",
    ("show", "1", "--full"): "latest_event",
    ("events",): "items",
    ("events", "--issue", "1", "--limit", "1"): "items",
    ("event", "00000000-0000-0000-0000-000000000004"): "event_id",
    ("search", "visa"): "items",
    ("search", "--level", ">=warning", "--tag", "region=eu", "--since", "2020-01-01", "--until", "2027-01-01"): "items",
    ("stats",): "by_status",
    ("stats", "--dropped"): "items",
    ("sql", "SELECT * FROM v_issues"): list,
    ("sql", "SELECT * FROM v_events"): list,
    ("sql", "SELECT * FROM v_frames"): list,
    ("group", "explain", "1"): "hashes",
    ("group", "rules"): "items",
    ("level", "list"): "items",
    ("config", "list"): "items",
    ("config", "get", "scrub.keys"): list,
    ("doctor",): "healthy",
    ("path",): "path",
}
# Commands that change something, in an order in which each has something to change.
CHANGING: dict[tuple[str, ...], str] = {
    ("init",): "created",
    ("add", "something"): "event_id",
    ("resolve", "1"): "changed",
    ("reopen", "1"): "changed",
    ("ignore", "1"): "changed",
    ("set-status", "1", "open"): "changed",
    ("set-severity", "1", "high"): "changed",
    ("set-title", "1", "A title"): "",
    ("assign", "1", "ana"): "changed",
    ("comment", "1", "Only with the old driver"): "text",
    ("merge", "1", "3"): "merged",
    ("unmerge", "3"): "",
    ("config", "set", "scrub.keys", "badge"): "scrub.keys",
    ("config", "unset", "scrub.keys"): "unset",
    ("level", "add", "notice", "--rank", "25"): "rank",
    ("level", "set", "notice", "--color", "red"): "rank",
    ("level", "remove", "notice"): "rank",
    ("purge", "2", "--yes"): "deleted_events",
    ("gc",): "freed_bytes",
    ("kill", "--yes"): "deleted_events",
}


def _name(command: tuple[str, ...]) -> str:
    return " ".join(command)


@pytest.mark.parametrize("command", READING, ids=_name)
def test_reading_commands_print_one_json_document(shop: CommandLine, command: tuple[str, ...]) -> None:
    behind = shop(*command, "--json")
    assert behind.err == ""
    expected = READING[command]
    assert isinstance(behind.json, list) if expected is list else expected in behind.json
    before = shop("--json", *command)
    assert _without_times(before.json) == _without_times(behind.json)


def _without_times(value: object) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "", json.dumps(value))


def test_changing_commands_print_one_json_document(shop: CommandLine) -> None:
    for command, key in CHANGING.items():
        result = shop(*command, "--json")
        assert key in result.json if key else isinstance(result.json, dict), command


def test_tail_prints_json_lines(shop: CommandLine) -> None:
    for arguments in (("tail", "--no-follow", "--json"), ("--json", "tail", "--no-follow")):
        events = [json.loads(line) for line in shop(*arguments).lines]
        assert [event["issue_id"] for event in events] == [1, 1, 1, 2, 3, 4]


@pytest.mark.parametrize("command", [*READING, ("tail", "--no-follow")], ids=_name)
def test_every_reading_command_on_an_empty_vault(cli: CommandLine, command: tuple[str, ...]) -> None:
    needs_something = command[0] in ("show", "event") or command[:2] == ("group", "explain") or "--issue" in command
    for arguments in (command, (*command, "--json")):
        result = cli(*arguments, code=1 if needs_something else 0)
        assert "Traceback" not in result.err
        assert result.err.count("\n") == (1 if needs_something else 0)
    if not needs_something and command[0] != "tail":
        json.loads(result.out)


@pytest.mark.parametrize("command", [*READING, ("tail", "--no-follow"), ("--help",), ("help", "query")], ids=_name)
def test_no_colour_in_a_pipe(shop: CommandLine, command: tuple[str, ...]) -> None:
    assert "\x1b" not in shop(*command, env={"FORCE_COLOR": "1"}).out


# On a terminal: each start costs a process and Rich, so those commands that draw differently stand for the others.
ON_TERMINAL = [
    ("list",), ("show", "1"), ("events",), ("event", "00000000-0000-0000-0000-000000000001"), ("stats",),
    ("sql", "SELECT * FROM v_events"), ("group", "explain", "1"), ("level", "list"), ("config", "list"), ("doctor",),
    ("tail", "--no-follow"), ("--help",), ("list", "--help"), ("help", "query"),
]  # fmt: skip
SOME_COLOUR = {("list",), ("show", "1"), ("stats",), ("tail", "--no-follow")}


def _on_terminal(cli: CommandLine, *arguments: str, columns: int = 80, **environment: str) -> str:
    child = pexpect.spawn(
        sys.executable, ["-m", "crashvault", *arguments],
        dimensions=(50, columns), env=cli.environment | environment, cwd=str(cli.directory), encoding="utf-8", timeout=PATIENCE,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    return str(child.before)


@pytest.mark.parametrize("command", ON_TERMINAL, ids=_name)
def test_eighty_columns_are_enough(shop: CommandLine, command: tuple[str, ...]) -> None:
    shop.record({"message": "wide 日本語 " * 30, "tags": ["a" * 150], "release": "r" * 200, "host": "h" * 200})
    shown = _on_terminal(shop, *command)
    lines = [line.rstrip("\r") for line in ANSI.sub("", shown).splitlines()]
    # A path must stay one word, to be copied; the tests' own are long.
    too_wide = [line for line in lines if cell_width(line) > 80 and "pytest-of-" not in line]
    assert not too_wide
    if command in SOME_COLOUR:
        assert ANSI.search(shown)


@pytest.mark.parametrize("way", ["NO_COLOR", "--no-color"])
def test_colour_can_be_switched_off_on_a_terminal(shop: CommandLine, way: str) -> None:
    if way == "NO_COLOR":
        assert "\x1b[" not in _on_terminal(shop, "list", NO_COLOR="1")
    else:
        assert "\x1b[" not in _on_terminal(shop, "list", "--no-color")


def test_json_on_a_terminal_is_only_json(shop: CommandLine) -> None:
    assert json.loads(_on_terminal(shop, "list", "--json"))["total"] == 4


@pytest.mark.parametrize("command", [("list",), ("show", "1"), ("stats",), ("events", "--json")], ids=_name)
def test_language_c(cli: CommandLine, command: tuple[str, ...]) -> None:
    cli.record({"message": "Grüße 日本語 🔔 ▁▂▃", "tags": ["ключ"], "level": "error"})
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = cli(*command, env=plain, fresh=True)
    assert result.out.strip() and "Traceback" not in result.err
    if "--json" in command:
        assert result.json["items"][0]["message"].startswith("Grüße")
    else:
        assert result.out.isascii()


def test_reader_that_goes_away(cli: CommandLine) -> None:
    cli.record(*({"message": f"different {word} problem"} for word in _words(3_000)))
    for command in (
        "list --limit 5000",
        "events --limit 5000",
        "list --limit 5000 --json",
        "tail --no-follow --lines 1000",
    ):
        done = subprocess.run(
            ["bash", "-c", f"'{sys.executable}' -m crashvault {command} | head -n 1"],
            env=cli.environment, capture_output=True, timeout=PATIENCE, check=True, text=True,
        )  # fmt: skip
        assert done.stdout.count("\n") == 1
        assert done.stderr == ""


def _words(count: int) -> list[str]:
    letters = "bcdfghklmnprstvz"
    return [f"{letters[n % 16]}a{letters[n // 16 % 16]}e{letters[n // 256]}o" for n in range(count)]


def test_output_to_a_full_disk(shop: CommandLine) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full, shop.running("list", stdout=full) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert b"Traceback" not in err and err.count(b"\n") == 1


def test_pages(shop: CommandLine) -> None:
    """`next_cursor` leads through a listing, page by page, and ends."""
    for command, whole in (("list", 4), ("events", 6), ("search", 6)):
        seen, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            page = shop.json(command, "--limit", 2, *(("--cursor", cursor) if cursor else ()))
            seen += [item.get("event_id") or item["id"] for item in page["items"]]
            cursor, pages = page["next_cursor"], pages + 1
        everything = shop.json(command, "--limit", 10_000)
        assert everything["next_cursor"] is None
        assert seen == [item.get("event_id") or item["id"] for item in everything["items"]]
        assert (len(seen), pages) == (whole, whole // 2)


def test_pages_for_people(shop: CommandLine) -> None:
    assert shop("list", "--limit", 0).lines == ["None of 4 shown"]
    assert shop("events", "--offset", 100).lines == ["None from 100 on, of 6"]
    assert shop("list", "--offset", "9" * 30).lines[0].startswith("None from ")
    assert shop("events", "--limit", 4).lines[-1] == "1–4 of 6; more with --offset 4"
    assert not shop("events", "--offset", 4).lines[-1].startswith("5–6")


def test_times_for_people_are_iso(shop: CommandLine) -> None:
    assert "2026-01-02T03:04:03Z" in shop("events").out
    assert "2026-01-02T03:04:01Z" in shop("show", "#1").out
    assert shop("tail", "--no-follow", "-n", 1, "--project", "default").out.startswith("2026-01-02T03:04:05Z ")


def test_tags_of_some_events_only(cli: CommandLine) -> None:
    cli.record(*({"message": "again", "tags": ["db"]} for _ in range(101)))
    assert "db 100 in the last 100" in cli("show", 1).out


def test_a_project_alone_is_emptied(shop: CommandLine) -> None:
    done = shop.json("kill", "--yes", "--project", "infra")
    assert done == {"deleted_issues": 1, "deleted_events": 1}
    assert {issue["project"] for issue in shop.json("list")["items"]} == {"default"}
    assert shop.json("list")["total"] == 3
    assert shop.json("doctor", "--deep")["healthy"] is True


def test_hints_are_sentences(shop: CommandLine) -> None:
    assert ". Did you mean level? fields: " in shop("list", "lvl:error", code=2).err
    assert "level: debug, info, warning, error, critical" in shop("list", "level:eror", code=2).err


def test_empty_listings_say_why(shop: CommandLine, tmp_path: Path) -> None:
    empty = CommandLine(tmp_path / "empty", tmp_path)
    assert empty("list").lines[:2] == ["No issues yet.", "Record one:"]
    assert empty("events").lines == ["No events yet."]
    assert shop("list", "tag:none").lines == ["No issues fit."]
    assert shop("list", "--project", "infra", "tag:none").lines == ["No issues fit."]
    for command in ("list", "events"):
        assert shop(command, "--project", "typo").lines == [
            "Nothing was recorded in project typo; there are: default, infra"
        ]


def test_help_as_json(shop: CommandLine) -> None:
    assert shop.json("help", "list")["help"].startswith("Usage: crashvault list")
    assert {"level", "tag", "since"} <= {field["name"] for field in shop.json("help", "query")["fields"]}


def test_long_messages_are_cut_unless_asked_for(cli: CommandLine) -> None:
    cli("add", "word " * 1_000)
    assert max(map(len, cli("show", 1).lines)) < 1_100
    assert max(map(len, cli("show", 1, "--full").lines)) > 4_900
