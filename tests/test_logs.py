"""The program's log: what a line looks like, what never gets into it, and several processes on one file."""

from __future__ import annotations

import logging
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crashvault
from crashvault import logs

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \| (\w+) \| ([\w.]+) \| (.*)")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger("crashvault")
    before = (root.level, root.propagate, list(root.handlers))
    yield tmp_path / "logs"
    logs.configure(None, "critical", False)
    logs._threshold = logs._OFF
    root.setLevel(before[0])
    root.propagate = before[1]
    root.handlers[:] = before[2]


def lines(folder: Path) -> list[tuple[str, ...]]:
    text = (folder / "app.log").read_text()
    assert text.endswith("\n")
    found = [LINE.fullmatch(line) for line in text[:-1].split("\n")]
    return [match.groups() for match in found if match] if all(found) else pytest.fail(text)


def test_a_line_has_time_level_place_and_fields(folder: Path) -> None:
    logs.configure(str(folder), "info", False)
    logs.log_info("event recorded", issue_id=12, level="error", ratio=0.5)
    assert lines(folder) == [("info", "crashvault", "event recorded | issue_id=12 | level=error | ratio=0.5")]


def test_only_from_the_level_on(folder: Path) -> None:
    logs.configure(str(folder), "WARNING", False)
    logs.log_debug("one")
    logs.log_info("two")
    assert not folder.exists()
    logs.log_warning("three")
    logs.log_error("four")
    assert [(level, text) for level, _, text in lines(folder)] == [("warning", "three"), ("error", "four")]


def test_unknown_level_names_the_right_ones() -> None:
    with pytest.raises(ValueError, match="'loud', use one of debug, info, warning"):
        logs.configure(None, "loud", False)


def test_files_are_private(folder: Path) -> None:
    logs.configure(str(folder), "info", False)
    logs.log_info("x")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "app.log").stat().st_mode) == 0o600


def test_debug_goes_to_standard_error_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(str(folder), "error", True)
    assert logs.is_debug()
    with logs.timed("parse", size=3):
        pass
    with pytest.raises(KeyError), logs.timed("store"):
        raise KeyError
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (folder / "app.log").read_text()
    first, second = (text for _, _, text in lines(folder))
    assert re.fullmatch(r"parse \| ms=\d+\.\d{3} \| size=3", first)
    assert re.fullmatch(r"store \| ms=\d+\.\d{3} \| failed=KeyError", second)


def test_steps_are_silent_without_debug(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(str(folder), "info", False)
    with logs.timed("parse"):
        pass
    assert not folder.exists()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two\nlines", r"two\nlines"),
        ("a | level=critical", r"a \x7c level=critical"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("\u202eflip", r"\u202eflip"),
        ("\ud800 alone", r"\ud800 alone"),
        ("日本", "日本"),
    ],
)
def test_values_cannot_forge_lines_or_fields(folder: Path, value: str, shown: str) -> None:
    logs.configure(str(folder), "info", False)
    logs.log_info("got", what=value)
    assert lines(folder) == [("info", "crashvault", f"got | what={shown}")]


def test_a_value_that_cannot_be_shown(folder: Path) -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("no")

    logs.configure(str(folder), "info", False)
    logs.log_info("got", what=Bad())
    assert lines(folder)[0][2] == "got | what=<RuntimeError while showing a Bad>"


SECRETS = [
    "password=hunter2",
    "db_password = 'hunter2 hunter2'",
    "failed | api_key=hunter2 | issue_id=3",
    "Authorization: Bearer hunter2",
    "headers authorization=basic hunter2",
    "ValueError: password=hunter2",
    "session: a, token: hunter2",
    "authorization: Basic aHVudGVyMg==hunter2",
    "sent Bearer hunter2hunter2",
    '{"secret": "hunter2", "a": 1}',
    "https://user:hunter2@host/path",
    "https://hunter2@host/1",
    "GET /hook?token=hunter2&x=1",
    "X-API-Key: hunter2",
    "cookie=hunter2",
    "postgresql://crash:hunter2@db:5432/vault",
    "webhook_secret: hunter2",
    "OPENAI_API_KEY=hunter2",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_never_logged(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(str(folder), "info", True)
    logs.log_info(text)
    logs.log_info("got", text=text)
    logs.get_logger("x").warning(text)
    try:
        raise ValueError(text)
    except ValueError:
        logs.get_logger("x").exception("failed")
    found = (folder / "app.log").read_text() + capsys.readouterr().err
    assert "hunter2" not in found
    assert logs.SECRET in found


def test_fields_named_like_secrets(folder: Path) -> None:
    logs.configure(str(folder), "info", False)
    logs.log_info("got", api_key="hunter2", SessionId="hunter2", issue_id=3)
    assert lines(folder)[0][2] == f"got | api_key={logs.SECRET} | SessionId={logs.SECRET} | issue_id=3"


@pytest.mark.parametrize(
    "text", ["event recorded | issue_id=12", "basic information", "a=b", "http://host/a@b", "mail me@host"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert logs.redact(text) == text


def test_a_field_is_redacted_whole() -> None:
    found = logs.redact("failed | api_key=two words | issue_id=3")
    assert found == f"failed | api_key={logs.SECRET} | issue_id=3"


@given(st.text())
def test_redaction_takes_any_text(text: str) -> None:
    logs.redact(text)


@pytest.mark.parametrize("unit", ["a", "a=", 'a="', "://", "bearer ", "token", "password=", " | ", "?&", "."])
def test_hostile_repetition_is_bounded(folder: Path, unit: str) -> None:
    logs.configure(str(folder), "info", False)
    logs.log_info("got", what=unit * 1_000_000)
    logs.get_logger("x").warning(unit * 100_000)
    assert (folder / "app.log").stat().st_size < 80_000


def test_loggers_of_the_standard_library_end_up_here(folder: Path) -> None:
    logs.configure(str(folder), "info", False)
    logger = logs.get_logger("pipeline")
    logger.info("event recorded | issue_id=%d", 7)
    logger.debug("not this")
    logger.info("bad %d", "argument")
    assert lines(folder) == [
        ("info", "crashvault.pipeline", "event recorded | issue_id=7"),
        ("info", "crashvault.pipeline", "bad %d <TypeError in its arguments>"),
    ]


def test_loggers_asked_for_earlier_follow(folder: Path) -> None:
    logger = logs.get_logger("early")
    logs.configure(str(folder), "info", False)
    logger.info("seen")
    logs.configure(str(folder), "error", False)
    logger.info("not seen")
    assert [text for *_, text in lines(folder)] == ["seen"]


def test_traceback_is_one_line(folder: Path) -> None:
    logs.configure(str(folder), "info", False)
    try:
        raise ValueError("line one\nline two | level=info")
    except ValueError:
        logs.get_logger("x").exception("failed")
    [(level, _, text)] = lines(folder)
    assert level == "error"
    assert text.startswith(r"failed | traceback=Traceback (most recent call last):\n")


def test_rotation_keeps_a_few_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_SIZE", 1_000)
    logs.configure(str(folder), "info", False)
    for number in range(200):
        logs.log_info("n", number=number)
    assert sorted(os.listdir(folder)) == ["app.log", "app.log.1", "app.log.2", "app.log.3"]
    assert all(path.stat().st_size <= 1_000 for path in folder.iterdir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    kept = "".join((folder / name).read_text() for name in ("app.log.3", "app.log.2", "app.log.1", "app.log"))
    numbers = [int(number) for number in re.findall(r"number=(\d+)", kept)]
    assert numbers == list(range(numbers[0], 200))


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(Path(crashvault.__file__).parents[1])}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, timeout=60)


def test_several_processes_share_the_file(folder: Path) -> None:
    code = (
        "import os, sys; from crashvault import logs; logs.MAX_SIZE = 20_000; logs.KEPT_FILES = 100\n"
        "logs.configure(sys.argv[1], 'info', False); kids = [os.fork() for _ in range(2)]\n"
        "for n in range(300): logs.log_info('n', who=os.getpid(), number=n)\n"
        "if all(kids): [os.waitpid(kid, 0) for kid in kids]"
    )
    assert run(code, str(folder)).returncode == 0
    text = "".join(path.read_text() for path in folder.iterdir())
    assert all(LINE.fullmatch(line) for line in text.splitlines())
    assert len(text.splitlines()) == 4 * 300


@pytest.mark.parametrize("place", ["/proc/none", "/dev/null/logs"])
def test_an_unwritable_place_stops_nobody(folder: Path, place: str) -> None:
    logs.configure(place, "info", False)
    logs.log_info("x")


def test_nothing_heavy_is_imported(folder: Path) -> None:
    code = (
        "import sys; from crashvault import logs; logs.configure(sys.argv[1], 'info', False)\n"
        "logs.log_info('x', a=1)\nprint('logging' in sys.modules)"
    )
    assert run(code, str(folder)).stdout == b"False\n"
    assert lines(folder)[0][2] == "x | a=1"


def test_unconfigured_is_silent() -> None:
    code = (
        "from crashvault import logs; logs.log_error('x')\n"
        "with logs.timed('x'): pass\n"
        "logs.get_logger('x').error('y')"
    )
    done = run(code)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_odd_standard_error(folder: Path) -> None:
    code = (
        "import sys; from crashvault import logs; logs.configure(None, 'info', True)\n"
        "sys.stderr = open(sys.argv[1], 'w', encoding='ascii'); logs.log_info('日本'); sys.stderr.flush()\n"
        "sys.stderr = None; logs.log_info('x')"
    )
    target = folder.parent / "stderr"
    assert run(code, str(target)).returncode == 0
    assert target.read_text().endswith("| \\u65e5\\u672c\n")
