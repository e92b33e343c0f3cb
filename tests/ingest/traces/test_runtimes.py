"""The real runtimes, run now: their crashes are read as the captured ones are, whatever version is
installed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes import require

from . import samples
from .programs import PROGRAMS, Program, run

_SLOW = {"kotlin", "scala"}  # compilers that need ten seconds


def _parameters() -> list[Any]:
    marks = {True: [pytest.mark.slow], False: []}
    return [
        pytest.param(program, id=f"{program.language}-{program.name}", marks=marks[program.language in _SLOW])
        for program in PROGRAMS
    ]


@pytest.mark.runtime
@pytest.mark.parametrize("program", _parameters())
def test_crash_of_the_installed_runtime(program: Program, tmp_path: Path) -> None:
    require(*program.tools)
    expected = json.loads((samples.DATA / program.language / f"{program.name}.json").read_text("utf-8"))

    found = samples.summary(samples.parsed(run(program, tmp_path)))

    assert found["platform"] == expected["platform"]
    assert _structure(found) == _structure(expected)


def _structure(summary: dict[str, Any]) -> list[tuple[str | None, list[str]]]:
    """Types of the exceptions and the application's frames: the rest differs between versions of a
    runtime."""
    return [
        (exception["type"], [_without_version(frame) for frame in exception["frames"] if frame[0] == "*"])
        for exception in summary["exceptions"]
    ]


def _without_version(frame: str) -> str:
    """File, line and function; columns, labels and addresses differ between versions."""
    place, _, function = frame.partition(" | ")[0].removeprefix("* ").rpartition(" ")
    file_and_line = ":".join(place.split(" ")[0].split(":")[:2])
    return f"{file_and_line} {re.sub(r'[^A-Za-z_]+', ' ', function)}"
