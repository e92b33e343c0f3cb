"""The program's own log."""

import os
import stat

import pytest

from crashvault import logs


@pytest.fixture
def folder(tmp_path):
    before = dict(logs._settings)
    yield str(tmp_path / "logs")
    logs._settings.update(before)


def lines(folder):
    with open(os.path.join(folder, "app.log"), encoding="utf-8") as file:
        return file.read().splitlines()


def test_a_message_is_one_line_of_pairs(folder):
    logs.start(folder, "info", False)
    logs.log("info", "event recorded", issue_id=3, level="error")
    assert lines(folder)[0].endswith("event recorded | issue_id=3 | level=error")


def test_messages_below_the_level_are_left_out(folder):
    logs.start(folder, "warning", False)
    logs.log("info", "event recorded")
    logs.log("warning", "disk nearly full")
    assert len(lines(folder)) == 1


def test_values_cannot_forge_lines_or_fields(folder):
    logs.start(folder, "info", False)
    logs.log("info", "event", message="a\n2026 info 1 forged | level=x", other="b\x1b[31m")
    (line,) = lines(folder)
    assert line.count(" | ") == 2 and "\x1b" not in line


def test_secrets_are_not_written(folder):
    logs.start(folder, "info", False)
    logs.log("info", "key made", api_key="cv_123", Authorization="Bearer 456")
    assert "123" not in lines(folder)[0] and "456" not in lines(folder)[0]


def test_the_file_is_ours_alone_and_rotates(folder, monkeypatch):
    monkeypatch.setattr(logs, "MAX_SIZE", 200)
    logs.start(folder, "info", False)
    for number in range(60):
        logs.log("info", "event", number=number)
    names = sorted(os.listdir(folder))
    assert names == ["app.log", "app.log.1", "app.log.2", "app.log.3"]
    assert stat.S_IMODE(os.stat(os.path.join(folder, "app.log")).st_mode) == 0o600


def test_debug_writes_steps_with_their_time_to_standard_error(folder, capsys):
    logs.start(folder, "info", True)
    with logs.timed("open the vault", path="x"):
        pass
    assert "open the vault | path=x | milliseconds=" in capsys.readouterr().err
    assert "milliseconds=" in lines(folder)[0]


def test_a_log_that_cannot_be_written_harms_nobody(folder):
    open(folder, "w").close()  # a file where the folder should be
    logs.start(folder, "info", False)
    logs.log("info", "event")
