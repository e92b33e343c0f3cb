"""`crashvault generate-report`: figures that agree with the events, in every format."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CommandLine

from nasty import NASTY


def figures(cli: CommandLine, *arguments: str) -> Any:
    return cli("generate-report", "--format", "json", *arguments).json


def test_figures_agree_with_the_events(shop: CommandLine) -> None:
    found = figures(shop)
    assert found["totals"]["events"] == 6 and found["totals"]["issues"] == 4
    assert found["totals"]["by_level"] == {"critical": 1, "error": 3, "warning": 2}
    assert found["totals"]["by_status"] == {"open": 4}
    assert found["totals"]["by_project"] == {"default": 3, "infra": 1}
    assert sum(found["timeline"]["counts"]) == 6
    assert sum(map(sum, found["by_weekday_and_hour"])) == 6
    assert found["by_weekday_and_hour"][4][3] == 5, "2026-01-02 was a Friday, and it was three o'clock"
    assert [(item["id"], item["events_in_report"]) for item in found["top_issues"]][0] == (1, 3)


def test_options_narrow(shop: CommandLine) -> None:
    assert figures(shop, "--query", "user:ana")["totals"]["events"] == 2
    assert figures(shop, "--query", "user:ana")["top_issues"][0]["events_in_report"] == 2
    assert figures(shop, "--level", ">=error")["totals"]["events"] == 4
    assert figures(shop, "--tag", "region=eu")["totals"]["events"] == 3
    assert figures(shop, "--since", "2026-01-03")["totals"]["events"] == 1
    shop("resolve", "1")
    assert figures(shop, "--status", "open")["totals"]["events"] == 3
    assert figures(shop, "--status", "open", "--level", "warning")["query"] == "is:open level:warning"
    assert shop.json("generate-report", "--project", "infra")["totals"]["events"] == 1
    assert shop("generate-report", "--query", "nonsense:x", code=2).err.startswith("Error: ")


def test_an_empty_vault(cli: CommandLine) -> None:
    assert figures(cli)["totals"]["events"] == 0
    for format_ in ("markdown", "html"):
        assert "No events fit." in cli("generate-report", "--format", format_).out


def test_the_page_asks_nobody(shop: CommandLine, tmp_path: Path) -> None:
    shop("generate-report", "--output", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert text.count("<svg") == 4 and "<script" not in text and "http" not in re.sub(r"http-equiv", "", text)
    assert all(
        f'aria-label="{name}' in text
        for name in (
            "Events over time",
            "Events by level",
            "Events by weekday and hour; most on Friday at 03:00: 5",
            "Issues with the most events",
        )
    )
    assert "@media print" in text and 'lang="en"' in text and "<main>" in text


def test_charts_stay_inside_of_their_pictures(shop: CommandLine) -> None:
    text = shop("generate-report", "--format", "html").out
    for width, height, body in re.findall(r'<svg viewBox="0 0 (\d+) (\d+)".*?>(.*?)</svg>', text, re.S):
        for rect in re.findall(r"<rect ([^>]*)>", body):
            x, y, w, h = (float(re.search(rf'\b{name}="([\d.]+)"', rect)[1]) for name in ("x", "y", "width", "height"))  # type: ignore[index]
            assert x + w <= float(width) + 1 and y + h <= float(height) + 1


@pytest.mark.parametrize("format_", ["markdown", "html", "json"])
def test_hostile_events(cli: CommandLine, format_: str) -> None:
    cli.record(*(copy.deepcopy(body) for body in NASTY.values()))
    out = cli("generate-report", "--format", format_).out.replace("\r", "")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]", out)
    assert format_ != "html" or "<script" not in out
