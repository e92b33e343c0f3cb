"""What the pages say works: their console blocks run and print what they show, and their links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import PATIENCE, ROOT, CommandLine

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/README.md")])
RUN = [page for page in PAGES if "```console\n" in page.read_text("utf-8")]


class Step(NamedTuple):
    """One command of a console block; see "Documentation" in CONTRIBUTING.md."""

    command: str
    code: int
    shown: list[str]


def _steps(text: str) -> Iterator[Step]:
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        assert block.startswith("$ "), f"a console block begins with a command: {block[:60]!r}"
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            code = next((int(line[7:]) for line in lines if line.startswith("# exit ")), 0)
            yield Step(command, code, [line for line in lines if line.strip() and not line.startswith("# exit ")])


def _general(text: str) -> str:
    """A line without what differs from run to run: ids, times, numbers, widths, charts, directories."""
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=\w*\d)[0-9a-f]{8}\b|\b[a-f]{8}\b", "ID", text)
    text = re.sub(r"(/[\w.-]+)+/(?=examples/|vault\b)|~/\.crash(?=vault)", "DIR/", text)
    text = re.sub(r"(/[\w.-]+)*/python[\d.]*\b", "python", text)
    text = re.sub(r"\d+", "N", text)
    text = re.sub(r"[▁▂▃▄▅▆▇█]+", "", text)
    return " ".join(text.split())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the examples and a `crashvault` command."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (("crashvault", '-m crashvault "$@"'), ("python", '"$@"')):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}\n')
        (programs / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_console_blocks_run(page: Path, place: Path, cli: CommandLine) -> None:
    environment = cli.environment | {"PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}", "USER": "ana"}
    for step in _steps(page.read_text("utf-8")):
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=PATIENCE, check=False, text=True,
        )  # fmt: skip
        assert done.returncode == step.code, f"$ {step.command}\n{done.stdout}"
        said = {_general(line) for line in done.stdout.splitlines()}
        missing = [line for line in step.shown if line.strip() != "…" and _general(line) not in said]
        assert not missing, f"$ {step.command}\ndid not print {missing}, but\n{done.stdout}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = _without_code(page.read_text("utf-8"))
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in _anchors(file), f"{page.name} links to {target}#{anchor}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", _without_code(page.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def test_changelog_knows_the_version() -> None:
    from crashvault import __version__

    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
