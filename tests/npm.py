"""Single files of npm's packages, fetched once into a cache outside the tree."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

from tests import runtimes
from tests.server import javascript

AXE = ("axe-core", "4.14.1", "axe.min.js")
SARIF_SCHEMA = ("@microsoft/jest-sarif", "1.0.0-beta.0", "lib/schemas/sarif-2.1.0-rtm.5.json")


def file_of(package: str, version: str, path: str) -> str:
    """The text of a package's file. Skips, or fails in CI, where npm cannot bring it."""
    runtimes.require("npm")
    folder = f"{package.replace('/', '-')}-{version}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crashvault-tests" / folder
    found = cache / path.rsplit("/", 1)[-1]
    if not found.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"{package}@{version}"]
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=120)
        if done.returncode:
            javascript.missing(f"npm could not bring {package}: {done.stderr[-300:]}")
        with tarfile.open(cache / done.stdout.split()[-1]) as packed:
            member = packed.extractfile(f"package/{path}")
            assert member is not None
            partial = cache / f"{found.name}.{os.getpid()}"
            partial.write_bytes(member.read())
            partial.replace(found)
    return found.read_text(encoding="utf-8")
