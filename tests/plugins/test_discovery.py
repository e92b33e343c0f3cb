"""Which plugins are found, how, and that looking for them costs nothing where there are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import CommandLine

from crashvault.plugins.discovery import find
from crashvault.plugins.found import Found

LATER = 4_000_000_000_000_000_000  # nanoseconds: long after any directory here was changed


def package(folder: Path, name: str, entry_points: str) -> Path:
    """What an installer leaves of a package, apart from its code."""
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text(entry_points)
    return info


class Place:
    """A vault's directory and one that packages are installed to."""

    def __init__(self, tmp_path: Path, syspath: Callable[[Any], None]) -> None:
        self.home, self.packages = tmp_path / "vault", tmp_path / "lib"
        self.home.mkdir()
        self.packages.mkdir()
        self.written: list[Any] = []
        syspath(str(self.packages))

    def find(self, now: int = LATER) -> list[Found]:
        return [
            one
            for one in find(str(self.home), str(self.home / "cache"), self._write, now)
            if one.package.startswith("acme")
        ]

    def _write(self, path: str, value: Any) -> None:
        Path(path).write_text(json.dumps(value))
        self.written.append(value)


def test_entry_points_are_found_and_kept(tmp_path: Path, monkeypatch: Any) -> None:
    place = Place(tmp_path, monkeypatch.syspath_prepend)
    text = "[console_scripts]\nx = y:z\n\n[crashvault.plugins]\n# ours\nacme = acme.plugin:Plugin [extra]\nsecond=acme\n\n[other]\nq = r\n"
    info = package(place.packages, "acme-crash", text)
    package(place.packages, "acme-other", "[console_scripts]\nx = y:z\n")
    expected = [Found("acme", "acme.plugin:Plugin", "acme_crash 1.2"), Found("second", "acme", "acme_crash 1.2")]
    assert place.find() == expected
    assert place.find() == expected
    assert len(place.written) == 1, "the second time it was known"
    (info / "entry_points.txt").unlink()
    info.rmdir()
    os.utime(place.packages, ns=(1, 1))
    assert place.find() == []
    assert len(place.written) == 2


def test_what_has_just_changed_is_not_kept(tmp_path: Path, monkeypatch: Any) -> None:
    """A directory that changes twice within a tick of the file system's clock has the same time twice."""
    place = Place(tmp_path, monkeypatch.syspath_prepend)
    changed = place.packages.stat().st_mtime_ns
    place.find(changed + 1_000_000_000)
    assert place.written == []
    place.find(LATER)
    assert len(place.written) == 1


def test_a_cache_that_cannot_be_read_is_made_anew(tmp_path: Path, monkeypatch: Any) -> None:
    place = Place(tmp_path, monkeypatch.syspath_prepend)
    package(place.packages, "acme", "[crashvault.plugins]\nacme = acme\n")
    for text in ("", "[]", "{}", '{"places": 1, "found": 2}', "\x00"):
        (place.home / "cache").write_text(text)
        assert [one.name for one in place.find()] == ["acme"]


def test_files(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    folder = home / "plugins"
    folder.mkdir(parents=True, mode=0o700)
    for name in ("good.py", "_not.py", "not.txt", "not-a-name.py", ".hidden.py"):
        (folder / name).touch(mode=0o600)
    found = [one for one in find(str(home), str(home / "cache"), lambda path, value: None, LATER) if one.is_file]
    assert found == [Found("good", str(folder / "good.py"))]


LOADED = """
import os, sys
os._exit = lambda status: None
sys.argv = ["crashvault", *sys.argv[1:]]
from crashvault.__main__ import main
main()
sys.stdout.flush()
print(*sorted(sys.modules), file=sys.stderr)
"""


def loaded(cli: CommandLine, *command: str) -> set[str]:
    run = [sys.executable, "-c", LOADED, *command]
    done = subprocess.run(run, env=cli.environment, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split())


def test_without_plugins_nothing_of_them_is_imported(cli: CommandLine) -> None:
    cli("init")
    for command in (["list"], ["add", "boom"], ["--help"], ["export"], ["resolve", "1"]):
        found = loaded(cli, *command)
        assert "crashvault.cli" in found
        assert not found & {"pluggy", "importlib.metadata", "crashvault.plugins.loading", "crashvault.telling"}, command
    assert not [name for name in loaded(cli, "list") if name.startswith("crashvault.plugins.")]


def test_a_vault_that_is_not_there_is_not_made(cli: CommandLine) -> None:
    cli("plugin", "list", fresh=True)
    assert not cli.home.exists()
