"""`crashvault batch-analyze` as people run it."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.conftest import EXECUTABLE, CommandLine

from crashvault.clock import DAY, HOUR, MINUTE, now
from crashvault.output.plain import cell_width
from nasty import NASTY

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def crash(at: int, function: str = "pay", type_: str = "KeyError", **more: Any) -> dict[str, Any]:
    frames = [{"file": f"shop/{name}.py", "line": 7, "function": name, "in_app": True} for name in ("main", function)]
    return {"exception": {"type": type_, "value": "order 17 is unknown"}, "frames": frames, "timestamp": at / 1_000_000,
            "platform": "python", **more}  # fmt: skip


@pytest.fixture
def story(cli: CommandLine) -> CommandLine:
    """A steady trickle, and a new crash of release 2.0 on web-3 that began six hours ago."""
    moment = now()
    steady = [
        crash(moment - n * 2 * HOUR - HOUR, "list_orders", "TimeoutError", release="1.0", host=f"web-{n % 4}", user=f"u{n % 9}")
        for n in range(120)
    ]  # fmt: skip
    new = [
        crash(moment - n * 6 * MINUTE, release="2.0", host="web-3", user=f"u{n % 12}", level="critical", tags=["region=eu"])
        for n in range(60)
    ]  # fmt: skip
    cli.record(*steady, *new)
    return cli


def analysis(cli: CommandLine, *arguments: str) -> Any:
    return cli("batch-analyze", *arguments, "--format", "json").json


def test_an_empty_vault(cli: CommandLine) -> None:
    found = analysis(cli)
    assert found["events"] == {"matched": 0, "examined": 0, "sampled": False}
    assert found["clusters"] == found["advice"] == found["facts"] == found["warnings"] == []
    for format_ in ("text", "markdown", "html"):
        assert "nothing to analyze" in cli("batch-analyze", "--format", format_).out


def test_one_event(cli: CommandLine) -> None:
    cli("add", "Disk is full", "--level", "critical")
    found = analysis(cli)
    (cluster,) = found["clusters"]
    assert (cluster["title"], cluster["events"], cluster["share"], cluster["standouts"], cluster["bursts"]) == (
        "Disk is full",
        1,
        1.0,
        [],
        [],
    )
    assert found["advice"][0]["cluster"] == "C1"
    assert "Disk is full" in cli("batch-analyze").out


def test_findings_of_a_story(story: CommandLine) -> None:
    found = analysis(story)
    assert found["events"] == {"matched": 180, "examined": 180, "sampled": False}
    first, second = found["clusters"]
    assert (first["events"], first["level"], first["users"], second["events"]) == (60, "critical", 12, 120)
    release = first["standouts"][0]
    assert (release["attribute"], release["value"], release["inside"], release["outside"]) == ("release", "2.0", 60, 0)
    assert {"attribute": "region", "value": "eu"} in release["same_events"]
    assert {"attribute": "host", "value": "web-3"} in release["same_events"]
    (burst,) = first["bursts"]
    assert burst["ongoing"] and burst["events"] == 60
    assert second["bursts"] == []
    assert [item["function"] for item in first["functions"]] == ["pay", "main"]
    parts = first["impact"]
    product = 100 * parts["frequency"] * parts["level"] * parts["users"] * parts["recency"]
    assert parts["score"] == pytest.approx(product, rel=0.02)


def test_every_piece_of_advice_names_facts_that_exist(story: CommandLine) -> None:
    found = analysis(story)
    ids = {fact["id"] for fact in found["facts"]}
    assert len(ids) == len(found["facts"])
    for item in found["advice"]:
        assert item["facts"] and item["steps"]
        assert all(step["facts"] and ids.issuperset(step["facts"]) for step in item["steps"])
    text = " ".join(step["text"] for step in found["advice"][0]["steps"])
    assert (
        "It is going on" in text and "release 2.0" in text and "host web-3" in text and "pay() at shop/pay.py:7" in text
    )


def test_options_narrow(story: CommandLine) -> None:
    assert analysis(story, "--since", "6h", "release:2.0")["events"]["matched"] == 60
    assert analysis(story, "--level", "critical")["query"] == "is:open level:critical"
    assert analysis(story, "--tag", "region=eu")["events"]["matched"] == 60
    story("resolve", "1")
    assert analysis(story)["events"]["matched"] == 60
    assert analysis(story, "--status", "resolved")["events"]["matched"] == 120
    assert analysis(story, "--status", "all")["events"]["matched"] == 180
    assert story("batch-analyze", "nonsense:x", code=2).err.startswith("Error: ")


def test_a_sample_is_said_to_be_one(story: CommandLine) -> None:
    found = analysis(story, "--limit", "40")
    assert found["events"] == {"matched": 180, "examined": 40, "sampled": True}
    assert sorted(cluster["events"] for cluster in found["clusters"]) == [60, 120], "counts are exact all the same"
    assert sum(cluster["examined"] for cluster in found["clusters"]) == 40
    assert "40 of 180 events were examined" in found["warnings"][0]
    for format_ in ("text", "markdown", "html"):
        said = " ".join(story("batch-analyze", "--limit", "40", "--format", format_).out.split())
        assert "40 of 180 events were examined" in said


@pytest.mark.parametrize("width", [40, 80, 120])
def test_text_fits_the_width(story: CommandLine, width: int) -> None:
    out = story("batch-analyze", env={"COLUMNS": str(width)}).out
    assert max(map(cell_width, out.splitlines())) <= width
    assert "Do first" in out and "C1 KeyError: order 17 is unknown" in " ".join(out.split())[:2000]


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_the_page_is_one_file(story: CommandLine, tmp_path: Any) -> None:
    target = tmp_path / "week.html"
    assert "Wrote" in story("batch-analyze", "--output", target).out
    text = target.read_text("utf-8")
    outline = _Outline()
    outline.feed(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(outline.tags)
    assert not [
        value for name, value in outline.attributes if name in ("src", "href") and not str(value).startswith("#")
    ]
    assert "svg" in outline.tags and "prefers-color-scheme:dark" in text and "default-src 'none'" in text
    names = {value for name, value in outline.attributes if name == "id"}
    assert {str(value)[1:] for name, value in outline.attributes if name == "href"} <= names


def test_formats_by_the_file_s_name(story: CommandLine, tmp_path: Any) -> None:
    for name, beginning in (("a.md", "# What"), ("a.json", "{"), ("a.txt", "Analysis of"), ("a.html", "<!doctype")):
        story("batch-analyze", "-o", tmp_path / name)
        assert (tmp_path / name).read_text("utf-8").startswith(beginning)
    assert story.json("batch-analyze", "-o", tmp_path / "b.md") == {
        "output": str(tmp_path / "b.md"),
        "format": "markdown",
    }
    assert story.json("batch-analyze")["crashvault"] == 1


def test_hostile_events_in_every_format(cli: CommandLine) -> None:
    cli.record(*(copy.deepcopy(body) for body in NASTY.values()))
    found = json.loads(cli("batch-analyze", "--status", "all", "--format", "json").out)
    assert found["events"]["matched"] == len(NASTY)
    for format_ in ("text", "markdown", "html"):
        out = cli("batch-analyze", "--status", "all", "--format", format_).out
        assert not _FORBIDDEN.search(out.replace("\r", "")), format_
        assert "<script" not in out or format_ != "html"


def test_the_scorer_sees_similar_issues_as_one_cluster(cli: CommandLine) -> None:
    moment = now()
    ways = (["main", "view", "checkout", "charge"], ["worker", "retry", "checkout", "charge"])
    for number, way in enumerate(ways):
        frames = [{"file": f"shop/{name}.py", "function": name, "line": 3, "in_app": True} for name in way]
        cli.record({"exception": {"type": "Declined", "value": "card was declined"}, "frames": frames, "timestamp": moment / 1e6,
                    "fingerprint": [f"way {number}"]})  # fmt: skip
    (cluster,) = analysis(cli)["clusters"]
    assert len(cluster["issues"]) == 2 and 0.6 <= cluster["similarity"] < 1
    assert [item["function"] for item in cluster["functions"] if item["issues"] == 2] == ["charge", "checkout"]


def test_what_came_back_is_told(cli: CommandLine) -> None:
    moment = now()
    cli.record(crash(moment - DAY))
    cli("resolve", "1")
    cli.record(crash(now() + 1_000_000))
    found = analysis(cli)
    assert "had been resolved, and came back" in " ".join(fact["text"] for fact in found["facts"])
    assert (
        "#1 came back after being resolved" in found["advice"][0]["steps"][0]["text"]
        or found["clusters"][0]["issues"][0]["is_regressed"]
    )


def on_a_terminal(cli: CommandLine, *arguments: str, lines: int = 24, **environment: str) -> str:
    """What a command writes on a terminal of 80 columns."""
    import pexpect

    program, *start = EXECUTABLE
    child = pexpect.spawn(
        program,
        [*start, *arguments],
        env={
            **cli.environment,
            "LINES": str(lines),
            **environment,
        },  # the terminal's size is set while the program starts
        dimensions=(lines, 80),
        timeout=60,
        encoding="utf-8",
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return str(child.before)


def test_long_text_goes_through_the_pager(story: CommandLine, tmp_path: Any) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/paged\n")
    pager.chmod(0o755)
    paged = tmp_path / "paged"
    on_a_terminal(story, "batch-analyze", "--no-pager", PAGER=str(pager))
    assert not paged.exists()
    on_a_terminal(story, "batch-analyze", lines=500, PAGER=str(pager))
    assert not paged.exists(), "what fits the terminal is simply printed"
    out = on_a_terminal(story, "batch-analyze", PAGER=str(pager))
    assert "Do first" in paged.read_text("utf-8") and "Do first" not in out
    paged.unlink()
    on_a_terminal(story, "batch-analyze", "--pager", lines=500, PAGER=str(pager))
    assert paged.exists()
    paged.unlink()
    story("batch-analyze", "--pager", env={"PAGER": str(pager)})
    assert not paged.exists(), "a pipe gets the text"


def test_progress_is_shown_on_a_terminal(story: CommandLine) -> None:
    assert "Reading events" in on_a_terminal(story, "batch-analyze", "--no-pager")
    assert story("batch-analyze").err == ""
