"""`wrap` through real processes: what it lets through, what it records, and what its filters leave out."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import EXECUTABLE, PATIENCE, CommandLine
from tests.runtimes import require

PYTHON = sys.executable
CRASH = """
def price_of(article):
    return PRICES[article]


PRICES = {"apple": 1}
print("working")
price_of("voucher")
"""


def _wrap(cli: CommandLine, *arguments: object, code: int = 0, stdin: str = "") -> Any:
    """Run `wrap` as its own process; what it printed."""
    return cli("wrap", *arguments, code=code, stdin=stdin, fresh=True)


def _events(cli: CommandLine) -> list[Any]:
    return list(reversed(cli.json("events")["items"]))


def test_python_crash_with_source(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(CRASH)
    result = _wrap(
        cli, "--release", "1.4.2", "--environment", "test", "--tag", "nightly", "--", PYTHON, "shop.py", code=1
    )
    assert result.out == "working\n"
    assert "KeyError: 'voucher'" in result.err and "in new issue #1" in result.err
    (event,) = _events(cli)
    assert event["exception"] == {"type": "KeyError", "value": "'voucher'"}
    frame = event["frames"][-1]
    assert (frame["function"], frame["line"], frame["context_line"]) == ("price_of", 3, "    return PRICES[article]")
    assert frame["pre_context"][-1] == "def price_of(article):"
    assert (event["release"], event["environment"], event["source"]) == ("1.4.2", "test", f"{PYTHON} shop.py")
    assert {"nightly", "exit_code=1"} <= set(event["tags"])
    assert event["context"]["exit_code"] == 1 and event["context"]["directory"] == str(tmp_path)
    assert "working" in event["context"]["output"]
    assert "> " in cli("show", "1").out and "return PRICES[article]" in cli("show", "1").out


NODE = "function total(cart) {\n  return cart.items.length;\n}\n\ntotal({});\n"
JAVA = """public class Shop {
    static int total(int[] prices) {
        return prices[3];
    }
    public static void main(String[] args) {
        total(new int[1]);
    }
}
"""


def test_node_crash_with_source(cli: CommandLine, tmp_path: Path) -> None:
    require("node")
    (tmp_path / "shop.js").write_text(NODE)
    _wrap(cli, "--", "node", "shop.js", code=1)
    (event,) = _events(cli)
    assert event["exception"]["type"] == "TypeError" and event["platform"] == "javascript"
    own = [frame for frame in event["frames"] if frame["in_app"]][-1]
    assert (own["function"], own["line"], own["context_line"]) == ("total", 2, "  return cart.items.length;")


@pytest.mark.runtime
def test_java_crash(cli: CommandLine, tmp_path: Path) -> None:
    require("java", "javac")
    (tmp_path / "Shop.java").write_text(JAVA)
    _wrap(cli, "--", "java", "Shop.java", code=1)
    (event,) = _events(cli)
    assert event["exception"]["type"] == "ArrayIndexOutOfBoundsException" and event["platform"] == "java"
    assert [(frame["function"], frame["line"]) for frame in event["frames"]][-1] == ("total", 3)


def test_codes_and_signals(cli: CommandLine) -> None:
    assert _wrap(cli, "--", "sh", "-c", "echo out; echo err >&2; exit 7", code=7).out == "out\n"
    _wrap(cli, "--", "sh", "-c", "kill -SEGV $$", code=128 + signal.SIGSEGV)
    _wrap(cli, "--", "/no/such/program", code=127)
    _wrap(cli, "--", "true")
    plain, killed, missing = _events(cli)
    assert plain["message"] in ("sh exited with code 7: err", "sh exited with code 7: out")
    assert killed["level"] == "critical" and "signal=SIGSEGV" in killed["tags"]
    assert missing["context"]["exit_code"] == 127 and "/no/such/program" in missing["source"]


def test_standard_input_and_arguments_go_through(cli: CommandLine) -> None:
    assert _wrap(cli, "--", "cat", stdin="héllo\n").out == "héllo\n"
    assert _wrap(cli, "printf", "%s|", "a b", "--json", "-x").out == "a b|--json|-x|"
    assert _events(cli) == []


FAIL = ("sh", "-c", "echo disk full; exit 3")
FILTERS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int, bool]] = {
    # options, command, exit code, whether it is recorded
    "exit code that is asked for": (("--exit-code", "3", "--exit-code", "4"), FAIL, 3, True),
    "another exit code": (("--exit-code", "4"), FAIL, 3, False),
    "ignored exit code": (("--ignore-exit-code", "3"), FAIL, 3, False),
    "other ignored exit code": (("--ignore-exit-code", "4"), FAIL, 3, True),
    "ignored tag of its own": (("--ignore-tag", "exit_code=3"), FAIL, 3, False),
    "ignored tag by pattern": (("--tag", "tmp-1", "--ignore-tag", "tmp-*"), FAIL, 3, False),
    "output that matches": (("--match", "^disk f"), FAIL, 3, True),
    "output that does not match": (("--match", "network"), FAIL, 3, False),
    "success": ((), ("true",), 0, False),
    "success that is asked for": (("--on-success",), ("true",), 0, True),
    "success by exit code": (("--exit-code", "0"), ("true",), 0, True),
}


@pytest.mark.parametrize("case", FILTERS)
def test_filters(cli: CommandLine, case: str) -> None:
    options, command, code, recorded = FILTERS[case]
    _wrap(cli, *options, "--", *command, code=code)
    assert len(_events(cli)) == recorded


def test_level_and_quiet(cli: CommandLine) -> None:
    cli("level", "add", "notice", "--rank", "25")
    assert _wrap(cli, "--quiet", "--level", "notice", "--", "false", code=1).err == ""
    _wrap(cli, "--on-success", "--", "true")
    assert [event["level"] for event in _events(cli)] == ["notice", "info"]


def test_time_limit(cli: CommandLine) -> None:
    _wrap(cli, "--timeout", "0.3", "--", "sh", "-c", "echo begun; sleep 60", code=124)
    (event,) = _events(cli)
    assert "timeout" in event["tags"] and "ran out of time" in event["message"]


def test_shell(cli: CommandLine) -> None:
    assert _wrap(cli, "--shell", "echo a b | tr ' ' '\\n' | wc -l").out.strip() == "2"
    _wrap(cli, "--shell", "echo one; false | cat; exit 5", code=5)
    (event,) = _events(cli)
    assert event["context"]["command"] == "echo one; false | cat; exit 5" and "command=echo" in event["tags"]


def test_signals_reach_the_command(cli: CommandLine) -> None:
    program = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    with cli.running("wrap", "--", "sh", "-c", program, bufsize=0) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
    assert out == b"got it\n" and process.returncode == 9
    assert len(_events(cli)) == 1


def test_vault_that_cannot_be_opened_changes_nothing(cli: CommandLine) -> None:
    cli.home.mkdir()
    (cli.home / "vault.db").write_bytes(b"no database" * 1000)
    result = _wrap(cli, "--", "sh", "-c", "echo out; exit 4", code=4)
    assert result.out == "out\n"
    assert "not recorded" in result.err and "Traceback" not in result.err


def test_echoed_keys_and_empty_commands(cli: CommandLine) -> None:
    cli("wrap", "--", "sh", "-c", "echo giving up; echo '^C'; exit 3", code=3)
    cli("wrap", "--", "", code=127)
    messages = [event["message"] for event in cli.json("events")["items"]]
    assert messages == ["'' exited with code 127: '': command not found", "sh exited with code 3: giving up"]


def test_paths_are_no_secrets(cli: CommandLine) -> None:
    cli("wrap", "--", "/etc/passwd", code=126)
    assert cli.json("events")["items"][0]["message"].endswith("/etc/passwd: Permission denied")
    cli("add", "config passwd: hunter2")
    assert "hunter2" not in cli("events", "--json").out


def test_frames_alone_are_called_by_what_stands_before_them(cli: CommandLine) -> None:
    frames = "./shop(pay+0x25)[0x561569a1e19e]\n./shop(main+0x22)[0x561569a1e21f]"
    cli("wrap", "--", "sh", "-c", f"echo 'Error: signal 11:'; echo '{frames}'; exit 1", code=1)
    event = cli.json("events")["items"][0]
    assert event["message"] == "sh exited with code 1: Error: signal 11:"
    assert [frame["function"] for frame in event["frames"]] == ["main", "pay"]


def test_a_directory_that_is_gone_changes_nothing(cli: CommandLine, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    script = f"cd {gone}; rmdir {gone}; exec {' '.join(EXECUTABLE)} wrap -- sh -c 'exit 4'"
    gone.mkdir()
    done = subprocess.run(["sh", "-c", script], env=cli.environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 4 and "recorded event" in done.stderr
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", script.replace("wrap -- ", "--home vault wrap -- ")],
        env=cli.environment, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 4 and "the current directory, which is gone" in done.stderr


def test_what_was_buffered_is_no_part_of_the_message(cli: CommandLine, tmp_path: Path) -> None:
    script = (
        "echo 'Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 1' >&2; echo bye; exit 1"
    )
    cli("wrap", "--", "sh", "-c", script, code=1)
    (event,) = cli.json("events")["items"]
    assert event["exception"] == {"type": "KeyError", "value": "1"}
    assert {"KeyError: 1", "bye"} <= set(event["context"]["output"].splitlines())


def test_long_output_is_kept_as_a_file(cli: CommandLine, tmp_path: Path) -> None:
    script = "seq 100000; echo password=hunter2; exit 1"
    cli("wrap", "--", "sh", "-c", script, code=1)
    (event,) = cli.json("events")["items"]
    (file,) = event["attachments"]
    assert (file["name"], file["content_type"]) == ("output.txt", "text/plain")
    cli("attachments", "--event", event["event_id"], "--save", tmp_path)
    kept = (tmp_path / "output.txt").read_text()
    assert 65_000 < len(kept) <= 65_600 and "\n100000\n" in kept and "hunter2" not in kept
    cli("wrap", "--", "sh", "-c", "echo short; exit 1", code=1)
    assert cli.json("events")["items"][0]["attachments"] == []
