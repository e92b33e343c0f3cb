"""The guides to analysis: every command in them runs, their configurations are taken, and their tables name every key."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.analysis.histories import BASE, GIT, crash, write
from tests.analysis.services import serving, speaking
from tests.conftest import PATIENCE, ROOT, CommandLine

DOCS = ROOT / "docs"
BROKEN = BASE["shop/orders.py"].replace("    if not found:\n        return 0\n", "")


def blocks(page: str, language: str) -> list[str]:
    """The code of a page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.M | re.S)


@pytest.fixture
def shop(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """The shop's repository, which a command line stands in: it crashed, and a line that crashed is changed and staged."""
    root = tmp_path / "shop"
    files = {**BASE, "shop/orders.py": BROKEN}
    write(root, [(files, "Begin the shop", "v1.0"), ({**files, "README.md": "# The shop\n"}, "Rename it", "")])
    cli("add", "It failed", "--stack", "-", "--event-id", "4f1c9a7e000000000000000000000000", stdin=crash(root))
    (root / "shop" / "orders.py").write_text(BROKEN.replace("return sum(found)", "return max(found)"))
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], cwd=root, check=True, env=GIT)
    cli.directory = root
    return cli


def run(shop: CommandLine, command: str, **more: str) -> subprocess.CompletedProcess[str]:
    programs = shop.directory.parent / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "crashvault").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m crashvault "$@"\n')
    (programs / "crashvault").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command], cwd=shop.directory, env={**os.environ, **shop.environment, "PATH": path, **more},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("page", ["batch-analyze.md", "code-review.md"])
def test_commands_run(shop: CommandLine, page: str) -> None:
    with serving(speaking("ollama", ["Bad [F1]."])) as ollama, serving(speaking("openai", ["Bad [F1]."])) as openai:
        env = {"OLLAMA_HOST": ollama.url.removeprefix("http://"), "OPENAI_BASE_URL": openai.url}
        for block in blocks(page, "sh"):
            for command in block.splitlines():
                if command.startswith("pip install"):
                    assert re.fullmatch(r"pip install 'crashvault\[(\w+)\]'", command)[1] in extras()  # type: ignore[index]
                    continue
                done = run(shop, command.replace("…", "sk-1"), **env)
                assert done.returncode == 0 and "Error" not in done.stderr, (command, done)
        asked = len(ollama.asked) + len(openai.asked)
    assert asked == (2 if page == "batch-analyze.md" else 0)


def extras() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])


def test_the_hook_of_the_guide_is_taken_and_stops_a_commit(shop: CommandLine) -> None:
    (config,) = [text for text in blocks("code-review.md", "yaml") if text.startswith("repos:")]
    (shop.directory / ".pre-commit-config.yaml").write_text(config)
    run(shop, "git add -A")
    command = f'"{Path(sys.executable).parent / "pre-commit"}" run'
    done = run(shop, command, PRE_COMMIT_HOME=str(shop.directory.parent / "pre-commit"))
    assert done.returncode == 1 and "This line crashed 1 time" in " ".join(done.stdout.split()), done


def test_what_continuous_integration_runs(shop: CommandLine) -> None:
    run(shop, "git -c user.name=a -c user.email=a@b.c commit -qam 'Take the largest'")
    github, gitlab = (
        yaml.safe_load(text) for text in blocks("code-review.md", "yaml") if not text.startswith("repos:")
    )
    assert run(shop, github[0]["run"]).returncode == 0
    log = json.loads((shop.directory / github[1]["with"]["sarif_file"]).read_text("utf-8"))
    assert [result["level"] for result in log["runs"][0]["results"]][0] == "error"
    done = run(shop, gitlab["code-review"]["script"], CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    assert done.returncode == 1 and "crashed-line" in done.stdout


def keys(value: Any) -> Iterator[str]:
    """The keys of objects, except where they are data themselves."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in ("issues_by_level", "rules"):
                yield from keys(inner)
    for inner in value if isinstance(value, list) else ():
        yield from keys(inner)


@pytest.mark.parametrize(
    ("page", "command"),
    [
        ("batch-analyze.md", ("batch-analyze", "--provider", "openai", "--format", "json")),
        ("code-review.md", ("code-review", "--diff", "--provider", "openai", "--format", "json")),
    ],
)
def test_every_key_of_the_json_is_documented(shop: CommandLine, page: str, command: tuple[str, ...]) -> None:
    for hour in range(30):  # a burst, and something that stands out
        shop.record({"message": "Disk is full", "tags": [f"region={'eu' if hour % 3 else 'us'}"]})
    with serving(speaking("openai", ["Bad [F1]."])) as service:
        report = shop(*command, env={"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": service.url}).json
    text = (DOCS / page).read_text("utf-8").partition("## As JSON")[2]
    documented = {word for span in re.findall(r"`([^`]+)`", text) for word in re.findall(r"\w+", span)}
    assert set(keys(report)) - documented == set()
