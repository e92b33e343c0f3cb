"""Which language runtimes tests may ask for, and what it means when one is absent.

`scripts/test` installs those of `INSTALLED`, so where `CI=true` a missing one is a failure; any
other runtime is used when the machine happens to have it.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

INSTALLED = frozenset({"python3", "node", "npm", "java", "javac", "gcc"})


def _is_there(tool: str) -> bool:
    """Whether `tool` runs. Version managers leave a command behind for versions that are not chosen."""
    if shutil.which(tool) is None:
        return False
    if not tool.startswith("python3."):
        return True
    return subprocess.run([tool, "--version"], capture_output=True, check=False).returncode == 0


def require(*tools: str) -> None:
    """Skip the calling test unless all `tools` (names of executables) are on the PATH."""
    missing = [tool for tool in tools if not _is_there(tool)]
    if not missing:
        return
    if os.environ.get("CI") == "true" and INSTALLED.intersection(missing):
        pytest.fail(f"scripts/test installs {', '.join(missing)}, but it is not on the PATH")
    pytest.skip(f"not on this machine: {', '.join(missing)}")
