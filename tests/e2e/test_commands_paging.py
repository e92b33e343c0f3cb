"""Pages of the listing commands in JSON."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Vault


def walk(vault: Vault, *arguments: str) -> list[Any]:
    """All items page by page, while something is recorded between two pages."""
    found: list[Any] = []
    cursor: tuple[str, ...] = ()
    for page in range(20):
        answer = vault.json(*arguments, "--limit", "2", *cursor)
        found += answer["items"]
        if answer["next_cursor"] is None:
            return found
        cursor = ("--cursor", answer["next_cursor"])
        vault.add(f"{'so' * (page + 1)} it goes on")
    raise AssertionError("pages without end")


@pytest.mark.parametrize(
    "arguments", [("list",), ("list", "broken", "--sort", "title"), ("events",), ("search", "broken")]
)
def test_pages_are_told_by_cursors(vault: Vault, arguments: tuple[str, ...]) -> None:
    words = ("alpha", "beta", "gamma", "delta", "epsilon")
    for word in words:
        vault.add(f"{word} is broken")
    found = [item.get("title") or item["message"] for item in walk(vault, *arguments)]
    assert sorted(found) == sorted(f"{word} is broken" for word in words)


def test_a_wrong_cursor_is_an_error_without_a_traceback(vault: Vault) -> None:
    vault.add("one")
    vault.add("another")
    cursor = vault.json("list", "--limit", "1")["next_cursor"]
    for arguments in (
        ("list", "--cursor", "zzz"),
        ("list", "--sort", "id", "--cursor", cursor),
        ("events", "--cursor", cursor),
    ):
        result = vault(*arguments)
        assert result.code == 1 and "cursor" in result.err and result.err.count("\n") == 1


def test_a_page_of_nothing_and_the_largest_page(vault: Vault) -> None:
    vault.add("one")
    for command in ("list", "events"):
        assert vault.json(command, "--limit", "0")["next_cursor"] is None
        assert len(vault.json(command, "--limit", "10000")["items"]) == 1
