"""What is built is what people install: the wheel holds what it should, and runs where nothing else is."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import runtimes
from tests.conftest import ROOT

pytestmark = [pytest.mark.xdist_group("packaging"), pytest.mark.timeout(600)]  # pip fetches what it has not yet

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = ["", *PROJECT["project"]["optional-dependencies"]]
HELP = """
import sys, click
from click.testing import CliRunner
from crashvault.cli import cli
def walk(group, words):
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield [*words, name]
        if isinstance(command, click.Group):
            yield from walk(command, [*words, name])
count = 0
for words in walk(cli, []):
    found = CliRunner().invoke(cli, [*words, "--help"])
    assert found.exit_code == 0 and "Usage:" in found.output, (words, found.output, found.exception)
    count += 1
print(count)
"""


def build(target: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution of this tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (source,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


def tracked(*folders: str) -> set[str]:
    """Files that git knows, or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.split(
        "\n"
    )
    return {name for name in listed if name and (ROOT / name).exists()}


def test_the_wheel_holds_the_package_and_its_pages(built: tuple[Path, Path]) -> None:
    names = set(zipfile.ZipFile(built[0]).namelist())
    (about,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    wanted = {name.removeprefix("src/") for name in tracked("src")} | {f"crashvault/{name}" for name in tracked("docs")}
    data = f"{about.removesuffix('.dist-info')}.data/data"
    wanted |= {f"{data}/share/man/man1/crashvault.1"}
    wanted |= {f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert names == wanted


def test_the_source_holds_what_builds_and_nothing_else(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    wanted = tracked("src", "docs") | {
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "pyproject.toml",
        "PKG-INFO",
        ".gitignore",
    }
    assert names == wanted


def test_building_twice_gives_the_same_bytes(built: tuple[Path, Path], tmp_path: Path) -> None:
    again = build(tmp_path)
    assert [hashlib.sha256(file.read_bytes()).hexdigest() for file in again] == [
        hashlib.sha256(file.read_bytes()).hexdigest() for file in built
    ]


def pip(python: Path, *words: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2_000:]


def installed(wheel: Path, extra: str, folder: Path, python: str = sys.executable) -> Path:
    """The `bin` of an environment in which there is this wheel and what it asks for."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=120)
    programs = folder / "bin"
    pip(programs / "python", f"{wheel}[{extra}]" if extra else str(wheel))
    return programs


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of somebody who has no source tree."""
    mine = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CRASHVAULT", "VIRTUAL"))
    }
    yield {**mine, "CRASHVAULT_HOME": str(tmp_path / "vault"), "NO_COLOR": "1"}


def works(programs: Path, environment: dict[str, str], folder: Path) -> None:
    """The first minute with it: every help text, a crash recorded, found and shown, and the documentation read."""

    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(programs / words[0]), *words[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout

    assert int(run("python", "-W", "error", "-c", HELP)) > 100
    (folder / "crash.py").write_text("def pay(amount):\n    return 100 // amount\n\npay(0)\n")
    run("crashvault", "wrap", "--", str(programs / "python"), "crash.py", code=1)
    assert "ZeroDivisionError" in run("crashvault", "list")
    assert "return 100 // amount" in run("crashvault", "show", "1")
    assert "query-language" in run("crashvault", "docs")
    assert '"ok": true' in run("crashvault", "doctor", "--json") or run("crashvault", "doctor")
    assert (programs.parent / "share" / "man" / "man1" / "crashvault.1").exists()


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_wheel_works_with_each_extra(
    built: tuple[Path, Path], extra: str, outside: dict[str, str], tmp_path: Path
) -> None:
    works(installed(built[0], extra, tmp_path / "env"), outside, tmp_path)


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_other_versions_of_python(
    built: tuple[Path, Path], version: str, outside: dict[str, str], tmp_path: Path
) -> None:
    works(installed(built[0], "", tmp_path / "env", python_of(version)), outside, tmp_path)


def python_of(version: str) -> str:
    """An interpreter of that version, by its name or as a version manager keeps it; skips where there is none."""
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for found in (shutil.which(f"python{version}"), *map(str, managed)):
        if (
            found
            and subprocess.run([found, "-c", "import venv, ensurepip"], capture_output=True, timeout=60).returncode == 0
        ):
            return found
    runtimes.require(f"python{version}")
    raise AssertionError("unreachable")


def test_versions_that_are_promised_are_tried() -> None:
    promised = [found[1] for line in PROJECT["project"]["classifiers"] if (found := re.search(r":: (3\.\d+)$", line))]
    assert promised == ["3.11", "3.12", "3.13"]
