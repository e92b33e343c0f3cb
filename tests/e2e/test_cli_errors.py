"""Failures: one line that says what happened and what to do, the right exit code, and a traceback only for --debug."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pexpect
import pytest
from tests.conftest import EXECUTABLE, PATIENCE, CommandLine

# arguments: exit code, and what the error must say
FAILURES: dict[tuple[str, ...], tuple[int, str]] = {
    ("show", "99"): (1, "issue 99"),
    ("event", "ffffffff"): (1, "ffffffff"),
    ("resolve", "99"): (1, "99"),
    ("purge", "99", "--yes"): (1, "99"),
    ("events", "--issue", "99"): (1, "99"),
    ("group", "explain", "99"): (1, "99"),
    ("set-severity", "1", "loud"): (2, "medium"),
    ("set-status", "1", "closed"): (2, "resolved"),
    ("add", " "): (2, "--stack"),
    ("add", "x", "--level", "eror"): (1, "error"),
    ("add", "x", "--context", "novalue"): (1, "key=value"),
    ("add", "x", "--timestamp", "soon"): (1, "ISO 8601"),
    ("add", "x", "--stack", "@/no/such/file"): (1, "/no/such/file"),
    ("add", "x", "--attach", "/no/such/file"): (2, "/no/such/file"),
    ("add", "x", "--event-id", "not-an-id"): (1, "id"),
    ("list", "lvl:error"): (2, "level"),
    ("list", "level:eror"): (2, "error"),
    ("list", "(tag:db"): (2, "^"),
    ("list", "--sort", "size"): (2, "last_seen"),
    ("list", "--limit", "many"): (2, "--limit"),
    ("search", "--since", "soon"): (2, "soon"),
    ("search", "--tag", ""): (2, "tag"),
    ("config", "get", "scrub.key"): (1, "scrub.keys"),
    ("config", "set", "scrub.enabled", "perhaps"): (1, "true or false"),
    ("config", "set", "logging.level", "loud"): (1, "warning"),
    ("config", "sett", "a", "b"): (2, "set"),
    ("level", "add", "notice"): (2, "--rank"),
    ("level", "add", "notice", "--rank", "40"): (1, "40"),
    ("level", "remove", "error"): (1, "error"),
    ("sql", "SELECT * FROM nothing"): (1, "v_issues"),
    ("sql", "SELEC 1"): (1, "syntax"),
    ("lst",): (2, "'list'"),
    ("resolv", "1"): (2, "'resolve'"),
    ("list", "--levl", "error"): (2, "--level"),
    ("--no-colour", "list"): (2, "--no-color"),
    ("show",): (2, "ISSUE"),
    ("show", "one"): (2, "crashvault list"),
    ("show", "9" * 30): (2, "issues are numbers"),
    ("events", "--issue", "9" * 30): (2, "issues are numbers"),
    ("list", "--jsom"): (2, "Did you mean '--json'?"),
    ("list", "-tag:db"): (2, "crashvault list -- '-tag:test'"),
    ("list", "--limit", "x"): (2, "'x' is not a whole number"),
    ("tail", "--interval", "x"): (2, "'x' is not a number"),
    ("list", "--cursor", "bogus"): (1, "next_cursor"),
    ("set-status", "1", "reslved"): (2, "invalid value for 'STATUS'"),
    ("kill",): (2, "--yes"),
    ("kill", "--project", "nowhere"): (1, "nowhere"),
    ("purge", "1"): (2, "--yes"),
    ("purge", "99"): (1, "99"),
    ("level", "add", "fatal", "--rank", "60"): (1, "critical"),
    ("level", "add", "error", "--rank", "10"): (1, "there is a level 'error' already"),
    ("level", "add", "notice", "--rank", "25", "--color", "purpel"): (1, "#rrggbb"),
    ("level", "set", "error", "--emoji", "\x1b[31m"): (1, "emoji"),
    ("level", "set", "error", "--emoji", "abc"): (1, "emoji"),
    ("resolve", "one"): (2, "crashvault list"),
    ("wrap", "--match", "(", "--", "true"): (1, "regular expression"),
    ("wrap", "--level", "eror", "--", "true"): (1, "error"),
}


@pytest.mark.parametrize("arguments", FAILURES, ids=" ".join)
def test_failures_say_what_to_do(shop: CommandLine, arguments: tuple[str, ...]) -> None:
    code, part = FAILURES[arguments]
    result = shop(*arguments, code=code)
    assert result.out == ""
    errors = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert part in result.err
    assert "Traceback" not in result.err
    if code == 1:
        assert result.err == f"{errors[0]}\n"


def test_wrong_query_points_at_the_trouble(shop: CommandLine) -> None:
    lines = shop("list", "is:open lvl:error", code=2).err.splitlines()
    assert lines[1].index("lvl") == lines[2].index("^")


@pytest.mark.parametrize("way", ["before", "behind", "environment"])
def test_debug_shows_the_traceback(shop: CommandLine, way: str) -> None:
    arguments = {
        "before": ("--debug", "show", "99"),
        "behind": ("show", "99", "--debug"),
        "environment": ("show", "99"),
    }[way]
    result = shop(*arguments, code=1, env={"CRASHVAULT_DEBUG": "1"} if way == "environment" else None, fresh=True)
    assert "Traceback (most recent call last)" in result.err and "NotFoundError" in result.err
    assert result.err.rstrip().splitlines()[-1].startswith("Error: ")


def test_help_and_version(cli: CommandLine) -> None:
    assert cli("--version", fresh=True).out.startswith("crashvault ")
    for arguments in (("--help",), ("-h",), ("help",)):
        assert "Record a failing command" in cli(*arguments).out
    assert cli("help", "add").out.split() == cli("add", "--help").out.split()
    assert "Short names" in cli("--help").out
    assert not cli.home.exists(), "help makes no vault"


def test_missing_command_and_odd_homes(cli: CommandLine, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("not a directory")
    assert "Error: " in cli("--home", occupied, "list", code=1).err
    assert "Error: " in cli("list", env={"CRASHVAULT_HOME": str(occupied / "below")}, code=1).err
    assert cli("list", "--home", tmp_path / "üñ ✓ #?%20", "--json").json["items"] == []
    assert (tmp_path / "üñ ✓ #?%20" / "vault.db").exists()


def test_damaged_vault(shop: CommandLine) -> None:
    (shop.home / "vault.db").write_bytes(b"this is no database at all" * 400)
    for name in ("vault.db-wal", "vault.db-shm"):
        (shop.home / name).unlink(missing_ok=True)
    for arguments in (("list",), ("add", "x"), ("stats",), ("sql", "SELECT 1 FROM v_issues")):
        result = shop(*arguments, code=1)
        assert result.err.startswith("Error: ") and result.err.count("\n") == 1 and "not a vault" in result.err
    assert shop.json("doctor", code=1)["healthy"] is False


def test_vault_of_a_newer_version(shop: CommandLine) -> None:
    db = sqlite3.connect(shop.home / "vault.db")
    with db:
        db.execute("UPDATE meta SET value = '999' WHERE key IN ('schema_version', 'min_reader')")
    db.close()
    result = shop("list", code=1)
    assert "newer Crashvault" in result.err and "pip install --upgrade" in result.err


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_vault_that_cannot_be_written(shop: CommandLine) -> None:
    for path in (shop.home, *shop.home.iterdir()):
        path.chmod(0o500 if path.is_dir() else 0o400)
    assert shop.json("list")["total"] == 4
    assert "cannot be written" in shop("add", "x", code=1).err


def test_ctrl_c(shop: CommandLine) -> None:
    with shop.running("tail", "--interval", "0.05") as process:
        assert process.stdout is not None and b"#" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    ("answer", "code", "left"), [("n\r", 1, 4), ("\x03", 130, 4), ("y\r", 0, 0)], ids=["n", "^C", "y"]
)
def test_questions(shop: CommandLine, answer: str, code: int, left: int) -> None:
    child = pexpect.spawn(
        EXECUTABLE[0], [*EXECUTABLE[1:], "kill", "--json"],
        env=shop.environment, cwd=str(shop.directory), timeout=PATIENCE, encoding="utf-8",
    )  # fmt: skip
    child.expect_exact("Delete ALL of this vault: 4 issues with 6 events? [y/N]: ")
    child.send(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert ("nothing was deleted" in child.before) == (code == 1)
    assert shop.json("list")["total"] == left


def test_names_without_more_show_what_there_is(cli: CommandLine) -> None:
    bare = cli()
    assert bare.out == cli("--help").out and bare.err == ""
    group = cli("config", code=2)
    assert group.out == "" and group.err.startswith("Usage: crashvault config ") and "Error" not in group.err


def test_a_broken_config_file_can_be_corrected(shop: CommandLine) -> None:
    config = shop.home / "config.json"
    config.write_text("{broken")
    assert shop.json("config", "path") == {"path": str(config)}
    report = shop.json("doctor", code=1)
    assert "structure" in report["checks"] and [found["check"] for found in report["findings"]] == ["config.json"]
    assert "config edit" in shop("config", "list", code=1).err
    right = shop.directory / "right.json"
    right.write_text('{"server.port": 99}')
    assert shop("config", "edit", env={"EDITOR": f"cp {right}"}, fresh=True).out == "Saved\n"
    assert shop("config", "get", "server.port").out == "99\n"


def test_a_query_without_end_is_ended_by_ctrl_c(cli: CommandLine) -> None:
    cli("init")
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    with cli.running("--debug", "sql", endless) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if b"open the vault" in line)
        time.sleep(0.3)  # … and soon is in the midst of it, which nothing tells
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130


def test_errors_in_a_narrow_encoding_are_as_plain_as_results(shop: CommandLine) -> None:
    narrow = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = shop("merge", "1", code=2, env=narrow, fresh=True)
    assert "OTHER~" in result.err and "\\u2026" not in result.err


def test_choices_that_were_not_made_are_listed_in_one_line(shop: CommandLine) -> None:
    assert shop("completion", code=2).err.endswith("Choose from: bash, zsh, fish\n")


def test_nobody_to_ask_is_told_what_to_add(shop: CommandLine) -> None:
    assert "Add --yes" in shop("purge", "1", stdin="", code=2).err
    assert "1 issue with" in shop("purge", "1", stdin="n\n", code=1).err
    assert shop.json("list")["total"] == 4


def test_hints_of_queries_begin_as_others_do(shop: CommandLine) -> None:
    assert ". Did you mean level?" in shop("list", "levl:error", code=2).err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("add", "x")])
def test_a_full_disk_below_the_output(shop: CommandLine, arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full, shop.running(*arguments, stdout=full) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.decode().startswith("Error: the output cannot be written (No space left") and err.count(b"\n") == 1
