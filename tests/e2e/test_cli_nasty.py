"""Hostile events, through every command and format: no failure, no control characters, valid JSON."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CommandLine

from nasty import NASTY

# What may stand in output for people: no C0 and C1 controls but newline and tab, and nothing that hides or turns text around.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
PER_VAULT = 12
_NAMES = sorted(NASTY)
GROUPS = [_NAMES[start : start + PER_VAULT] for start in range(0, len(_NAMES), PER_VAULT)]


@pytest.fixture(scope="module", params=GROUPS, ids=lambda names: names[0])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A vault with some of the corpus, each in an issue of its own."""
    directory = tmp_path_factory.mktemp("nasty")
    cli = CommandLine(directory / "vault", directory)
    bodies = [copy.deepcopy(NASTY[name]) | {"fingerprint": [name]} for name in request.param]
    receipts = cli.record(*bodies)
    assert [receipt.error for receipt in receipts] == [""] * len(bodies), "an event with bad parts is kept"
    yield cli
    shutil.rmtree(directory)


def _is_clean(text: str) -> None:
    found = _FORBIDDEN.search(text)
    assert found is None, (
        f"{found[0]!r} ({unicodedata.name(found[0], '?')}) in {text[max(0, found.start() - 60) : found.end() + 20]!r}"
    )


def _ids(cli: CommandLine) -> tuple[list[int], list[str]]:
    issues = cli.json("list", "--status", "all")["items"]
    events = cli.json("events", "--limit", "100")["items"]
    return [issue["id"] for issue in issues], [event["event_id"] for event in events]


def test_output_for_people(hostile: CommandLine) -> None:
    issues, events = _ids(hostile)
    assert len(issues) == len(events) > 0
    everything = [
        ("list",),
        ("events",),
        ("search",),
        ("stats",),
        ("tail", "--no-follow"),
        ("stats", "--dropped"),
        ("doctor",),
    ]
    everything += [("show", issue, *full) for issue in issues for full in ((), ("--full",))]
    everything += [("event", event) for event in events]
    everything += [("group", "explain", issue) for issue in issues]
    everything += [
        ("sql", f"SELECT * FROM {view}", "--limit", 200) for view in ("v_issues", "v_events", "v_frames", "v_tags")
    ]
    for arguments in everything:
        result = hostile(*arguments)
        assert result.err == ""
        _is_clean(result.out)


def test_json(hostile: CommandLine) -> None:
    issues, events = _ids(hostile)
    everything: list[tuple[Any, ...]] = [
        ("list",),
        ("events",),
        ("search",),
        ("stats",),
        ("sql", "SELECT * FROM v_events"),
    ]
    everything += [("show", issue) for issue in issues] + [("event", event) for event in events]
    everything += [("group", "explain", issue) for issue in issues]
    for arguments in everything:
        text = hostile(*arguments, "--json").out
        json.loads(text, parse_constant=_not_json)
        _is_clean(text.replace("\\n", ""))
    for line in hostile("tail", "--no-follow", "--json").lines:
        assert json.loads(line, parse_constant=_not_json)["event_id"] in events


def _not_json(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_csv(hostile: CommandLine) -> None:
    for view in ("v_issues", "v_events", "v_frames", "v_tags"):
        rows = list(csv.reader(io.StringIO(hostile("sql", f"SELECT * FROM {view}", "--format", "csv").out, newline="")))
        assert len({len(row) for row in rows}) == 1


def test_found_and_deleted_again(hostile: CommandLine, tmp_path: Path) -> None:
    """Whatever an event says can be searched for, and leaves a vault that is well."""
    copied = CommandLine(tmp_path / "vault", tmp_path)
    shutil.copytree(hostile.home, copied.home)
    issues, _ = _ids(copied)
    for issue in copied.json("list", "--status", "all")["items"]:
        found = copied.json("list", "--status", "all", f"fingerprint:{issue['fingerprint']}")
        assert [item["id"] for item in found["items"]] == [issue["id"]]
    assert copied.json("doctor", "--deep")["healthy"] is True
    copied("purge", *issues, "--yes")
    copied("gc")
    assert copied.json("events")["total"] == 0
    assert copied.json("doctor", "--deep")["healthy"] is True


TEXTS = (
    "\x1b[31mred\x1b[0m",
    "[bold red]x[/bold red]",
    "\u202etxt.exe",
    "a\r\nb",
    "\ud800".encode("utf-8", "surrogatepass"),
)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_hostile_arguments(shop: CommandLine, text: str | bytes) -> None:
    """What was typed comes back in errors and listings, as harmless as what is in events."""
    given = text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")
    for arguments, code in (
        (("list", f'tag:"{given}x"'), 0), (("list", f"lvl:{given}"), 2), (("show", given), 2), (("event", given), 1),
        (("add", given, "--tag", given, "--context", f"k={given}"), 0), (("config", "get", given), 1), ((given,), 2),
        (("list", "--sort", given), 2), (("add", "x", "--level", given), 1), (("set-title", "1", given), 0),
        (("comment", "1", given), 0), (("assign", "1", given), 0), (("list",), 0), (("show", "1"), 0),
    ):  # fmt: skip
        result = shop(*arguments, code=code)
        _is_clean(result.out)
        _is_clean(result.err)
        assert "Traceback" not in result.err
