"""`crashvault changes`: what is told of a vault with a known history, and a document that can be read back."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.analysis.histories import START, crash, make, write
from tests.conftest import CommandLine

from crashvault import core, lifecycle, pipeline
from crashvault.analysis.changes import moment_of, summarize
from crashvault.clock import DAY, HOUR, now, to_iso
from crashvault.errors import InvalidError, NotFoundError
from crashvault.output.changes_document import SECTIONS, Entry, Summary, Suspected, clean, read_summary, write_summary

NOW = 1_790_000_000_000_000
TEXTS = st.text(max_size=12).map(clean)
NASTY = st.sampled_from(
    ["a | b", "- #7 x", "## New", "\\", "\\|", "---", "\x1b[31m", "a\nb", "`x`", "💥", "#12", "project x", ""]
).map(clean)
TIMES = st.integers(0, 4_000_000_000_000_000).map(to_iso)
ENTRIES = st.builds(
    Entry, st.integers(1, 10**9), TEXTS | NASTY, TEXTS | NASTY, TEXTS | NASTY, TEXTS | NASTY, st.integers(0, 10**9), st.integers(0, 10**9),
    st.integers(0, 10**6), TIMES, TIMES, TEXTS | NASTY,
    st.none() | st.builds(Suspected, st.text("0123456789abcdef", min_size=40, max_size=40), TEXTS | NASTY, TEXTS | NASTY),
)  # fmt: skip
SUMMARIES = st.builds(
    Summary,
    TIMES,
    TIMES,
    TEXTS.filter(lambda text: text != "*"),
    st.fixed_dictionaries({name: st.lists(ENTRIES, max_size=2).map(tuple) for name in SECTIONS}),
)


# A summary has a hundred texts and numbers, which a loaded machine takes its time to make up.
slowly = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@slowly
@given(SUMMARIES)
def test_what_is_written_is_read_back(summary: Summary) -> None:
    text = write_summary(summary)
    assert read_summary(text) == summary
    assert write_summary(read_summary(text)) == text
    assert read_summary(text.replace("\n", "\r\n")) == summary


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        read_summary(text)


@slowly
@given(SUMMARIES, st.randoms(use_true_random=False))
def test_a_file_that_was_cut_is_told(summary: Summary, random: Any) -> None:
    lines = write_summary(summary).split("\n")
    entries = [number for number, line in enumerate(lines) if line.startswith("- #")]
    if entries:
        del lines[random.choice(entries)]
        with pytest.raises(InvalidError, match="has"):
            read_summary("\n".join(lines))


@given(st.text(max_size=400))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


def event(name: str, at: int, **more: Any) -> dict[str, Any]:
    return {"exception": {"type": name, "value": "boom"}, "timestamp": at / 1e6, "fingerprint": [name], **more}


@pytest.fixture
def history(cli: CommandLine) -> CommandLine:
    """Two weeks of a vault: what is told of the second one is the names of the issues."""
    random = Random(1)

    def spread(name: str, count: int, first: int, last: int) -> list[dict[str, Any]]:
        return [event(name, NOW - first * DAY + random.randrange((first - last) * DAY)) for _ in range(count)]

    bodies = [
        *spread("Steady", 40, 14, 0), *spread("Worsened", 8, 14, 7), *spread("Worsened", 60, 7, 0), *spread("Improved", 60, 14, 7),
        *spread("Improved", 6, 7, 0), *spread("Quiet", 10, 14, 8), *spread("New", 3, 6, 0), *spread("Resolved", 9, 14, 2),
        *spread("Back", 5, 14, 8), *spread("Ignored", 10, 14, 8), *spread("Few", 1, 14, 7), *spread("Few", 3, 7, 0),
    ]  # fmt: skip
    with core.open_vault(str(cli.home)) as store:
        for body in sorted(bodies, key=lambda body: body["timestamp"]):
            pipeline.record_events(store, [body], received_at=int(body["timestamp"] * 1e6))
        ids = {issue.title.split(":")[0]: issue.id for issue in store.issues.by_ids(store.issues.all_ids())}
        lifecycle.set_status(store, [ids["Resolved"]], "resolved", "ana", NOW - DAY)
        lifecycle.set_status(store, [ids["Ignored"]], "ignored", "ana", NOW - 9 * DAY)
        lifecycle.set_status(store, [ids["Back"]], "resolved", "ana", NOW - 8 * DAY)
        pipeline.record_events(store, [event("Back", NOW - 3 * DAY, release="2.0")], received_at=NOW - 3 * DAY)
    return cli


def told(summary: Summary) -> dict[str, list[str]]:
    return {name: [entry.title.split(":")[0] for entry in summary.sections[name]] for name in SECTIONS}


def test_each_issue_is_where_it_belongs(history: CommandLine) -> None:
    with core.open_vault(str(history.home)) as store:
        summary = summarize(store, NOW - 7 * DAY, NOW)
    assert told(summary) == {
        "new": ["New"], "regressed": ["Back"], "resolved": ["Resolved"], "worsened": ["Worsened"], "improved": ["Improved"], "quiet": ["Quiet"],
    }  # fmt: skip
    (worsened,) = summary.sections["worsened"]
    assert (worsened.events, worsened.before) == (60, 8)
    assert summary.sections["regressed"][0].release == "2.0"


def test_the_past_is_told_as_it_was(history: CommandLine) -> None:
    """Of the first week everything is new, but for what had been dealt with by its end."""
    with core.open_vault(str(history.home)) as store:
        summary = summarize(store, NOW - 15 * DAY, NOW - 7 * DAY)
        assert summarize(store, NOW - 15 * DAY, NOW - 7 * DAY) == summary, "the same each time"
    assert set(told(summary)["new"]) == {"Steady", "Worsened", "Improved", "Quiet", "Resolved", "Few", "Ignored"}
    assert told(summary)["resolved"] == ["Back"]
    assert not any(told(summary)[name] for name in ("worsened", "improved", "quiet", "regressed"))


def test_chance_makes_nothing_worse() -> None:
    from crashvault.analysis.changes import _compared, _Window

    wrong = 0
    for seed in range(100):
        random = Random(seed)
        before, after = ({n: sum(random.random() < 0.5 for _ in range(20)) for n in range(30)} for _ in range(2))
        wrong += any(_compared(list(range(30)), after, before, _Window(0, 10, 20)))
    assert wrong <= 5


def test_moments(history: CommandLine, tmp_path: Path) -> None:
    write(tmp_path / "r", [({"a": "1"}, "One", "v1"), ({"a": "2"}, "Two", "v2")])
    with core.open_vault(str(history.home)) as store:
        assert moment_of(store, "7d", NOW, ".") == NOW - 7 * DAY
        assert moment_of(store, "2026-09-01T00:00:00Z", NOW, ".") == 1_788_220_800_000_000
        assert moment_of(store, "2.0", NOW, ".") == NOW - 3 * DAY
        assert moment_of(store, "v1", NOW, str(tmp_path / "r")) == START * 1_000_000
        for wrong in ("nothing", "--help", "", "v9"):
            with pytest.raises(NotFoundError, match="no time, no release of this vault and no revision"):
                moment_of(store, wrong, NOW, str(tmp_path / "r"))


def test_suspect_commits_of_new_issues(cli: CommandLine, tmp_path: Path) -> None:
    from tests.analysis.histories import GUILTY

    story = make(tmp_path / "shop", Random(3), GUILTY[1])
    cli.record({"stacktrace": crash(story.root), "release": "v2.0"})
    cli.directory = story.root
    found = cli("changes", "--since", "1h", "--format", "json").json
    assert found["new"][0]["suspect"]["summary"] == story.guilty
    assert story.guilty in cli("changes", "--since", "1h").out


def test_the_file_and_back(shop: CommandLine, tmp_path: Path) -> None:
    target = tmp_path / "CHANGES_SUMMARY.md"
    shop("changes", "--since", "2026-01-01", "--output", target)
    text = target.read_text("utf-8")
    assert text.startswith("---\ncrashvault: changes/1\nfrom: 2026-01-01T00:00:00.000000Z\n")
    back = shop.json("changes", "--read", target)
    assert back["counts"]["new"] == 4 and [entry["issue"] for entry in back["new"]] == [1, 2, 3, 4]
    assert shop("changes", "--read", "-", "--format", "markdown", stdin=text).out == text
    assert "KeyError: 'visa'" in shop("changes", "--read", target).out
    assert shop.json("changes", "--since", "2026-01-01", "--project", "infra")["counts"]["new"] == 1


@pytest.mark.parametrize("width", [40, 80])
def test_text_fits_the_width(shop: CommandLine, width: int) -> None:
    out = shop("changes", "--since", "2026-01-01", env={"COLUMNS": str(width)}).out
    assert max(map(len, out.splitlines())) <= width


def test_nothing_changed(cli: CommandLine) -> None:
    assert "Nothing changed." in cli("changes", "--since", "7d").out
    assert json.loads(cli("changes", "--since", "7d", "--json").out)["counts"] == dict.fromkeys(SECTIONS, 0)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [((), 2, "give --since"), (("--since", "7d", "--read", "x"), 2, "give --since"), (("--since", "soon"), 1, "'soon' is no time"),
     (("--since", "1h", "--until", "2h"), 1, "is not before"), (("--read", "/nowhere"), 1, "cannot be read")],
)  # fmt: skip
def test_wrong_usage(cli: CommandLine, arguments: tuple[str, ...], code: int, said: str) -> None:
    assert said in cli("changes", *arguments, code=code).err


def test_a_file_of_something_else(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("# Hello\n")
    assert "no summary of the form changes/1" in cli("changes", "--read", tmp_path / "x.md", code=1).err


def test_times_are_those_of_now(cli: CommandLine) -> None:
    cli.record(event("A", now() - HOUR))
    assert cli.json("changes", "--since", "2h")["counts"]["new"] == 1
    assert cli.json("changes", "--since", "30m")["counts"]["new"] == 0
