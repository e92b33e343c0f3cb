"""Retention on the command line."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Vault


@pytest.fixture
def full(vault: Vault) -> Vault:
    """A vault with an issue of ten events and one of two."""
    for number in range(10):
        vault.ok("add", f"timeout after {number} s", "--fingerprint", "slow", "--level", "debug")
    for _ in range(2):
        vault.ok("add", "disk is full")
    return vault


def test_policies_are_set_shown_and_unset(vault: Vault) -> None:
    assert "No policies: everything is kept" in vault.ok("retention", "show")
    assert vault.ok("retention", "set", "max-age", "90d") == "Set max-age 90d\n"
    vault.ok("retention", "set", "MAX-AGE", "7d", "--level", "<=info", "--project", "default")
    vault.ok("retention", "set", "max-size", "10GiB", "--query", "tag:db")
    shown = vault("retention", "show", "--json").json
    assert shown["items"] == [
        {"kind": "max-age", "value": "90d", "level": None, "project": None, "query": None},
        {"kind": "max-age", "value": "7d", "level": "<=info", "project": "default", "query": None},
        {"kind": "max-size", "value": "10GiB", "level": None, "project": None, "query": "tag:db"},
    ]
    assert shown["total"] == 3 and shown["next_cursor"] is None and shown["last_run"] is None
    assert "level:<=info project:default" in vault.ok("retention", "show")
    assert vault.ok("retention", "unset", "max-age") == "Unset max-age\n"
    assert len(vault("retention", "show", "--json").json["items"]) == 2


def test_a_dry_run_tells_and_a_run_does(full: Vault) -> None:
    full.ok("retention", "set", "max-events-per-issue", "2")
    plan = full("retention", "run", "--dry-run", "--json").json
    assert (plan["dry_run"], plan["evicted"], plan["freed_bytes"]) == (True, 7, 0)
    assert plan["policies"][0]["why"] == "issues with more than 2 events" and plan["policies"][0]["bytes"] > 0
    assert plan["issues"] == [{"id": 1, "title": plan["issues"][0]["title"], "evicted": 7, "stored": 10}]
    text = full.ok("retention", "run", "--dry-run")
    assert "Would evict 7 events" in text and "Issues that lose most" in text
    assert full("events", "--issue", "1", "--json").json["total"] == 10
    assert "Evicted 7 events" in full.ok("retention", "run")
    assert full("events", "--issue", "1", "--json").json["total"] == 3
    assert full("show", "1", "--json").json["count"] == 10
    assert full("stats", "--json").json["events"] == 12
    assert full("stats", "--dropped", "--json").json["items"][0]["source"] == "max-events-per-issue 2"
    again = full("retention", "run", "--json").json
    assert again["evicted"] == 0
    assert full("retention", "show", "--json").json["last_run"]["at"]
    assert full("doctor", "--deep").code == 0


def test_show_tells_how_many_events_are_left(full: Vault) -> None:
    full.ok("retention", "set", "max-events-per-issue", "2")
    assert "evicted" not in full.ok("show", "1")
    full.ok("retention", "run")
    assert full("show", "1", "--json").json["evicted"] == 7
    assert "10 (7 evicted)" in full.ok("show", "1") and full("show", "2", "--json").json["evicted"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("set", "max-age", "soon"), 1, "'soon' is not a span of time"),
        (("set", "max-events", "few"), 1, "'few' is not a number of events"),
        (("set", "max-events", "0"), 1, "max-events cannot be 0"),
        (("set", "max-fun", "3"), 2, "max-age"),
        (("set", "max-age"), 2, "VALUE"),
        (("set", "max-age", "1d", "--query", "levl:x"), 2, "Did you mean level"),
        (("set", "max-age", "1d", "--level", "loud"), 2, "loud"),
        (("set", "max-age", "1d", "--project", "nowhere"), 1, "there is no project 'nowhere'"),
        (("unset", "max-age"), 1, "there is no policy max-age"),
    ],
)
def test_what_is_wrong_is_said(vault: Vault, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = vault("retention", *arguments)
    assert result.code == code and message in result.err and not result.out


def test_a_policy_that_cannot_be_applied_is_an_error_after_the_others(full: Vault) -> None:
    full.ok("level", "add", "audit", "--rank", "35")
    full.ok("retention", "set", "max-age", "1d", "--level", "audit")
    full.ok("retention", "set", "max-events-per-issue", "5")
    full.ok("level", "remove", "audit")
    result = full("retention", "run", "--json")
    assert result.code == 1 and "not applied: max-age 1d level:audit" in result.err
    assert result.json["evicted"] == 5 and "audit" in result.json["policies"][0]["error"]


def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    environment: dict[str, Any] = {**os.environ, "CRASHVAULT_HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "100"}
    program = [sys.executable, "-m", "crashvault"]
    lines = "\n".join(json.dumps({"message": "m", "fingerprint": ["x"], "tags": [f"t{n}"]}) for n in range(900))
    fill = "import sys, json; from crashvault import core, pipeline; pipeline.record_events(core.open_vault(), [json.loads(line) for line in sys.stdin])"
    subprocess.run([sys.executable, "-c", fill], input=lines, text=True, env=environment, check=True, timeout=60)
    subprocess.run([*program, "retention", "set", "max-events", "9"], env=environment, check=True, timeout=60)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*program, "retention", "run"], stdout=theirs, stderr=theirs, stdin=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # the terminal ends with the last who has it open
        pass
    os.close(ours)
    assert process.wait(60) == 0
    assert b"Looking at what is too much" in seen and b"Evicted" in seen and b"891" in seen
