"""Sentry's SDKs for Node and browsers, from npm: installed once into a cache outside the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests import runtimes

VERSION = "11.12.0"
PACKAGES = (f"@sentry/node@{VERSION}", f"@sentry/browser@{VERSION}", "raven@2.6.4", "esbuild")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crashvault-tests" / f"sentry-{VERSION}"


def modules() -> Path:
    """The folder with `node_modules`. Skips, or fails in CI, where npm cannot bring them."""
    runtimes.require("node", "npm")
    done = _CACHE / f"installed-{len(PACKAGES)}"
    if not done.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(_CACHE),
                   *PACKAGES]  # fmt: skip
        found = subprocess.run(command, capture_output=True, text=True, timeout=200)
        if found.returncode:
            missing(f"npm could not install Sentry's SDKs: {found.stderr[-500:]}")
        done.touch()
    return _CACHE


def example_modules(package: Path) -> Path:
    """The folder with `node_modules` for what a package.json names."""
    runtimes.require("node", "npm")
    content = package.read_bytes()
    cache = _CACHE.parent / f"example-{hashlib.sha256(content).hexdigest()[:12]}"
    done = cache / "installed"
    if not done.exists():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "package.json").write_bytes(content)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(cache)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=200)
        if found.returncode:
            missing(f"npm could not install what {package} names: {found.stderr[-500:]}")
        done.touch()
    return cache


def browser() -> str:
    """Chromium's executable."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("Chromium is not on this machine")
    assert found is not None
    return found


def missing(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
