"""Projects, keys and the demo on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def crashvault(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CRASHVAULT_HOME": str(home), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "crashvault", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def parsed(home: Path, *arguments: str) -> Any:
    done = crashvault(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_projects(tmp_path: Path) -> None:
    made = parsed(tmp_path, "project", "add", "shop")
    assert (made["id"], made["name"]) == (2, "shop")
    assert made["dsn"] == f"http://{made['public_keys'][0]}@127.0.0.1:5678/2"
    assert parsed(tmp_path, "config", "set", "server.public_url", "https://crashes.example.com/sub")
    assert parsed(tmp_path, "project", "show", "shop")["dsn"].endswith("@crashes.example.com/sub/2")
    assert [one["name"] for one in parsed(tmp_path, "project", "list")["items"]] == ["default", "shop"]
    assert "shop" in crashvault(tmp_path, "project", "list").stdout
    again = crashvault(tmp_path, "project", "add", "shop")
    assert again.returncode == 1 and again.stderr.startswith("Error: there is a project 'shop' already")


def test_keys_are_shown_once(tmp_path: Path) -> None:
    made = parsed(tmp_path, "api-key", "create", "laptop", "--scope", "read", "--expires", "90d")
    assert made["key"].startswith(made["prefix"]) and made["expires_at"]
    listed = crashvault(tmp_path, "api-key", "list")
    assert "laptop" in listed.stdout and made["key"] not in listed.stdout
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or made["key"].encode() not in path.read_bytes()
    assert parsed(tmp_path, "api-key", "revoke", "laptop")["status"] == "revoked"
    wrong = crashvault(tmp_path, "api-key", "create", "x", "--scope", "all")
    assert wrong.returncode == 2 and "ingest" in wrong.stderr


def test_demo_shows_samples_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crashvault", "demo", "--no-server"], env={**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "PaymentDeclined" in done.stdout and "sample events of 12 issues" in done.stdout
    assert list(tmp_path.iterdir()) == []
