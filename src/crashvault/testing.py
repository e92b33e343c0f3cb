"""How a repository runs its tests, from the files that lie in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_MAX = 1 << 20  # bytes of a file that are read


class Tests(NamedTuple):
    """A repository's way to run its tests."""

    argv: list[str]
    directory: str
    reason: str  # what tells so


def find_tests(directory: str) -> Tests | None:
    """How to run the tests of the directory, or of the nearest one above it, up to the top of the repository."""
    for place in _upwards(os.path.abspath(directory)):
        for reason, look in _WAYS:
            argv = look(place)
            if argv:
                return Tests(argv, place, reason)
    return None


def _upwards(directory: str) -> Iterator[str]:
    """The directory, and those above it that are of the same repository."""
    top = directory
    while not _has(top, ".git", ".hg", ".jj", ".svn"):
        above = os.path.dirname(top)
        if above == top:  # no repository: what lies further up is nothing of this directory's
            top = directory
            break
        top = above
    while True:
        yield directory
        if directory == top:
            return
        directory = os.path.dirname(directory)


def _read(place: str, name: str) -> str:
    try:
        with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
            return file.read(_MAX)
    except OSError:
        return ""


def _has(place: str, *names: str) -> bool:
    return any(os.path.exists(os.path.join(place, name)) for name in names)


def _script(place: str) -> list[str] | None:
    if place == os.path.dirname(place):
        return None  # /bin/test tests something else
    for name in ("scripts/test", "script/test", "bin/test"):
        path = os.path.join(place, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return [f"./{name}"]
    return None


def _node(place: str) -> list[str] | None:
    try:
        scripts = json.loads(_read(place, "package.json") or "{}").get("scripts", {})
        command = scripts.get("test", "")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not command or "no test specified" in str(command):
        return None
    managers = (("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lockb", "bun"), ("bun.lock", "bun"))
    manager = next((name for lock, name in managers if _has(place, lock)), "npm")
    return ["bun", "run", "test"] if manager == "bun" else [manager, "test"]


def _pytest(place: str) -> list[str] | None:
    configured = _has(place, "pytest.ini", "conftest.py", "tests/conftest.py") or re.search(
        r"^\[(tool\.pytest|pytest|tool:pytest)\b", "\n".join(_read(place, name) for name in ("pyproject.toml", "setup.cfg", "tox.ini")), re.M
    )  # fmt: skip
    if not configured and not _test_files(os.path.join(place, "tests")) and not _test_files(place):
        return None
    if _has(place, "uv.lock"):
        return ["uv", "run", "pytest"]
    for name in (".venv/bin/python", "venv/bin/python"):
        if _has(place, name):
            return [f"./{name}", "-m", "pytest"]
    return ["python3", "-m", "pytest"]


def _test_files(folder: str) -> bool:
    try:
        return any(name.startswith("test_") and name.endswith(".py") for name in os.listdir(folder))
    except OSError:
        return False


def _target(name: str, pattern: str, *argv: str) -> Callable[[str], list[str] | None]:
    """A tool whose file must name the tests."""
    return lambda place: list(argv) if re.search(pattern, _read(place, name), re.M) else None


def _file(*names: str, argv: tuple[str, ...]) -> Callable[[str], list[str] | None]:
    """A tool whose file says enough by being there."""
    return lambda place: list(argv) if _has(place, *names) else None


_Look = Callable[[str], list[str] | None]
# What a repository says of itself first, then what its tools do. The first that fits counts.
_WAYS: tuple[tuple[str, _Look], ...] = (
    ("its test script", _script),
    ("Makefile", _target("Makefile", r"^test\s*:", "make", "test")),
    ("justfile", _target("justfile", r"^test\b.*:", "just", "test")),
    ("package.json", _node),
    ("Cargo.toml", _file("Cargo.toml", argv=("cargo", "test"))),
    ("go.mod", _file("go.mod", argv=("go", "test", "./..."))),
    ("pytest", _pytest),
    ("mix.exs", _file("mix.exs", argv=("mix", "test"))),
    ("RSpec", _file(".rspec", "spec/spec_helper.rb", argv=("bundle", "exec", "rspec"))),
    ("PHPUnit", _file("phpunit.xml", "phpunit.xml.dist", argv=("vendor/bin/phpunit",))),
    ("Gradle", _file("gradlew", argv=("./gradlew", "test"))),
    ("pom.xml", _file("pom.xml", argv=("mvn", "test"))),
    ("deno.json", _file("deno.json", "deno.jsonc", argv=("deno", "test"))),
)
