"""Stacks of programs that really crashed (see data/capture.py): one bug, one hash; two bugs, two hashes."""

from __future__ import annotations

import copy
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from crashvault.grouping import group

DATA = Path(__file__).parent / "data"
LANGUAGES = ("python", "node", "java", "cpp", "rust")

# An unquoted word in the message varies ("Cannot convert a to a BigInt"): no rule about text can know that.
KNOWN_SPLITS = {"wrapped"}


def captured(language: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads((DATA / f"{language}.json").read_text())
    return items


def by(items: list[dict[str, Any]]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    hashes, bugs = defaultdict(set), defaultdict(set)
    for item in items:
        found = group(item["event"]).hash
        hashes[item["bug"]].add(found)
        bugs[found].add(item["bug"])
    return hashes, bugs


@pytest.mark.parametrize("language", LANGUAGES)
def test_occurrences_of_one_bug_share_a_hash(language: str) -> None:
    hashes, _ = by(captured(language))
    assert {bug for bug, found in hashes.items() if len(found) > 1} <= KNOWN_SPLITS


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_bugs_never_share_a_hash(language: str) -> None:
    _, bugs = by(captured(language))
    assert [found for found in bugs.values() if len(found) > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_crash_is_located_in_the_program_itself(language: str) -> None:
    for item in captured(language):
        grouping = group(item["event"])
        places = [value for what, value in grouping.parts if what in ("frame", "member")]
        assert places, grouping
        assert grouping.culprit
        assert not any(place.startswith(("node:", "java.", "std::", "asyncio")) for place in places)


@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_addresses_and_variables_are_not_in_the_key(language: str) -> None:
    dice = random.Random(5)
    for item in captured(language):
        event = copy.deepcopy(item["event"])
        for info in event["exceptions"]:
            for frame in info["frames"]:
                frame |= {
                    "line": dice.randrange(9999),
                    "column": dice.randrange(99),
                    "vars": {"x": dice.random()},
                }
                frame |= {"instruction_addr": hex(dice.randrange(2**47)), "context_line": "moved()"}
        assert group(event).hash == group(item["event"]).hash


@pytest.mark.parametrize("language", LANGUAGES)
def test_another_exception_type_is_another_issue(language: str) -> None:
    for item in captured(language):
        event = copy.deepcopy(item["event"])
        for info in event["exceptions"]:
            info["type"] = "SomethingElseError"
            info.pop("mechanism", None)
        assert group(event).hash != group(item["event"]).hash


def test_the_same_crash_from_another_folder_and_line_is_the_same_issue() -> None:
    """Python was captured from /srv/shop and, eleven lines further down, from /home/ann/code/shop."""
    folders = defaultdict(set)
    for item in captured("python"):
        file = item["event"]["exceptions"][-1]["frames"][0]["file"]
        folders[group(item["event"]).hash].add(file.startswith("/home/ann"))
    assert all(found == {True, False} for found in folders.values())
