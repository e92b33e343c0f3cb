"""The page on storage tells the views, limits, checks and settings that there are."""

from __future__ import annotations

import re

import pytest
from tests.conftest import ROOT, CommandLine

from crashvault.config import SETTINGS
from crashvault.ingest.limits import DEFAULT_LIMITS
from crashvault.storage.health import CHECKS
from crashvault.storage.sql_console import VIEWS

PAGE = (ROOT / "docs" / "storage.md").read_text("utf-8")


def _row(name: str) -> list[str]:
    found = re.search(rf"^\| `{re.escape(name)}` \|(.*)\|$", PAGE, re.M)
    assert found, f"no row for {name}"
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.parametrize("view", VIEWS)
def test_views_and_their_columns(shop: CommandLine, view: str) -> None:
    columns = shop("sql", f"SELECT * FROM {view} LIMIT 0", "--format", "csv").out.strip().split(",")
    assert re.findall(r"`(\w+)`", _row(view)[-1]) == columns


@pytest.mark.parametrize("name", DEFAULT_LIMITS._fields)
def test_limits(name: str) -> None:
    told = re.match(r"[\d,]+", _row(name)[-1])
    assert told and int(told[0].replace(",", "")) == getattr(DEFAULT_LIMITS, name)


def test_scrub_settings() -> None:
    for key in SETTINGS:
        if key.startswith("scrub."):
            _row(key)


def test_health_checks() -> None:
    told = PAGE[PAGE.index("`crashvault doctor` checks") :].split("\n\n")[0]
    renamed = {"file system": "journal mode", "old vault": "an old vault"}
    assert {name for name in CHECKS if renamed.get(name, name) not in " ".join(told.split())} == set()
