"""The pages that `batch-analyze` and `generate-report` write, in a real browser: no barriers, nothing from outside, on paper."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import npm
from tests.analysis.services import serving, speaking
from tests.conftest import CommandLine
from tests.web.conftest import DESKTOP, Looking

from crashvault import core, demo
from nasty import NASTY

pytestmark = pytest.mark.xdist_group("chromium")

COMMANDS = ("batch-analyze", "generate-report")


@pytest.fixture
def read(chromium: Any, playwright: Any) -> Iterator[Callable[..., Looking]]:
    """Open files in windows; they close with the test."""
    opened = []

    def start(path: Path, device: str = "", **options: Any) -> Looking:
        options = {**(playwright.devices[device] if device else DESKTOP), **options}
        context = chromium.new_context(**options)
        opened.append(context)
        window = Looking(context, path.as_uri())
        window.page.goto(path.as_uri())
        return window

    yield start
    for context in opened:
        context.close()


@pytest.fixture
def pages(cli: CommandLine, tmp_path: Path) -> dict[str, Path]:
    """A page of each command, about events of every kind, hostile ones among them; one of them with a model's words."""
    with core.open_vault(str(cli.home)) as store:
        demo.fill(store)
    cli.record(*(copy.deepcopy(body) for body in NASTY.values()))
    found = {command: tmp_path / f"{command}.html" for command in COMMANDS}
    with serving(speaking("openai", ["C1 began today [F1]. <img src=//example.com/x>"])) as service:
        env = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": service.url}
        cli("batch-analyze", "--provider", "openai", "--output", found["batch-analyze"], env=env)
    cli("generate-report", "--output", found["generate-report"])
    return found


@pytest.mark.parametrize(("device", "scheme"), [("", "light"), ("", "dark"), ("Pixel 7", "light")])
def test_no_barriers_and_nothing_from_outside(
    pages: dict[str, Path], read: Callable[..., Looking], device: str, scheme: str
) -> None:
    source = npm.file_of(*npm.AXE)
    for path in pages.values():
        window = read(path, device, color_scheme=scheme)
        assert window.page.title() and window.page.locator("svg").count() >= 1
        window.page.evaluate(source)
        found = window.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        said = [(one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"][:200]) for one in found]
        assert said == [], path.name
        wide = window.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= window.page.viewport_size["width"], path.name
        assert window.requests == [path.as_uri()] and window.wrong == [], "one file, and no outside request"


def test_on_paper(pages: dict[str, Path], read: Callable[..., Looking]) -> None:
    """Black on white whatever the screen's colours are, nothing cut off, and no figure torn apart."""
    for path in pages.values():
        window = read(path, color_scheme="dark")
        window.page.set_viewport_size({"width": 700, "height": 990})  # A4 without its margins
        window.page.emulate_media(media="print")
        style = json.loads(
            window.page.evaluate("""() => {
                const of = (selector, name) => [...document.querySelectorAll(selector)].map((found) => getComputedStyle(found)[name]);
                return JSON.stringify({paper: of('body', 'backgroundColor')[0], ink: of('body', 'color')[0], torn: of('svg, tr', 'breakInside'),
                    cut: [...document.querySelectorAll('pre')].filter((found) => found.scrollWidth > found.clientWidth + 1).length,
                    wide: document.documentElement.scrollWidth});
            }""")
        )
        assert (style["paper"], style["ink"]) == ("rgb(255, 255, 255)", "rgb(27, 31, 36)"), path.name
        assert set(style["torn"]) == {"avoid"} and style["cut"] == 0 and style["wide"] <= 700, path.name
        paper = window.page.pdf(format="A4")
        assert paper.startswith(b"%PDF-") and len(paper) > 10_000
