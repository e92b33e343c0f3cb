"""The plugins of docs/plugins.md, copied from the page and used as it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, CommandLine, Result
from tests.server.conftest import Server, serve

from crashvault.plugins import specs

__all__ = ["serve"]

PAGE = (ROOT / "docs" / "plugins.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r"^```python\n# plugins/(\w+)\.py\n(.*?)^```", PAGE, re.M | re.S))


@pytest.fixture
def snippets(cli: CommandLine) -> Path:
    folder = cli.home / "plugins"
    folder.mkdir(parents=True, mode=0o700)
    for name, text in SNIPPETS.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
        (folder / f"{name}.py").chmod(0o600)
    return folder


def test_every_snippet_is_a_plugin(run: Callable[..., Result], snippets: Path) -> None:
    assert PAGE.count("```python\n") == len(SNIPPETS)
    listed = run("plugin", "list", "--json")
    found = {one["name"]: one for one in listed.json["items"]}
    assert set(SNIPPETS) == {name for name, one in found.items() if one["state"] == "loaded" and one["about"]}
    assert listed.err == ""


def test_they_do_what_the_page_says(run: Callable[..., Result], snippets: Path) -> None:
    assert "the plugin quiet dropped it" in run("add", "noise", "--environment", "development", code=1).err
    trace = 'Traceback (most recent call last):\n  File "billing/pay.py", line 7, in pay\nKeyError: 1\n'
    added = run("add", "EMP-77123 has no card", "--stack", "-", "--context", "badge=1", "--json", stdin=trace)
    assert "\a#1 " in added.err
    event = run("event", added.json["event_id"], "--json").json
    assert "team=billing" in event["tags"] and event["message"] == "[Filtered] has no card"
    assert event["context"] == {"badge": "[Filtered]"}
    pool = [run("add", f"{who}: connection pool exhausted", "--json").json["issue_id"] for who in ("a", "b")]
    assert pool[0] == pool[1]
    run("assign", 1, "ana")
    assert run("owners", "--json").json == {"ana": 1, "nobody": 1}
    run("export", "--output", "x.lines")
    assert len((snippets.parent.parent / "x.lines").read_text().splitlines()) == 3
    assert run("generate-report", "--format", "figures").out == "3 events\n"


def test_its_addresses_and_panels(
    run: Callable[..., Result], snippets: Path, serve: Callable[..., Server], cli: CommandLine
) -> None:
    run("add", "boom")
    server = serve(home=cli.home)
    assert server.get("/api/v1/plugins/totals/totals").json() == {"open": 1}
    assert "<td>issues</td><td>1</td>" in server.get("/plugins").text


@pytest.mark.parametrize("hook", specs.HOOKS)
def test_every_hook_is_described(hook: str) -> None:
    text = specs.HOOKS[hook].__doc__.strip()
    assert re.match(r"[A-Z]", text) and text.endswith((".", "…"))
    assert f"### {hook}\n" in (ROOT / "docs" / "plugin-hooks.md").read_text("utf-8")
