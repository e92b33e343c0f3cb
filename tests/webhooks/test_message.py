"""The words of a message: what each kind says, and what of a stack trace is shown."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from crashvault.webhooks.base import Notification
from crashvault.webhooks.message import is_link, message, stack_excerpt
from crashvault.webhooks.samples import LEVELS, sample


def frames(*functions: str) -> list[dict[str, Any]]:
    """Frames, oldest call first; a library's begin with `lib`."""
    return [
        {"file": f"{name}.py", "line": number + 1, "function": name, "in_app": not name.startswith("lib"), "context_line": f"  {name}()"}
        for number, name in enumerate(functions)
    ]  # fmt: skip


def excerpt(*functions: str, **more: Any) -> list[str]:
    event = {"frames": frames(*functions), "exception": {"type": "E", "value": "no"}, **more}
    return stack_excerpt(event).split("\n")


def test_the_crash_comes_last_after_the_way_there() -> None:
    assert excerpt("main", "pay") == ["main.py:1 in main", "    main()", "pay.py:2 in pay", "    pay()", "E: no"]


def test_libraries_are_folded_but_the_crash_is_shown() -> None:
    lines = excerpt("lib1", "lib2", "main", "lib3", "pay", "lib4", "lib5")
    assert [line for line in lines if not line.startswith("    ")] == [
        "… 2 frames of libraries", "main.py:3 in main", "… 1 frame of libraries", "pay.py:5 in pay",
        "… 1 frame of libraries", "lib5.py:7 in lib5", "E: no",
    ]  # fmt: skip


def test_where_all_is_foreign_all_is_shown() -> None:
    assert excerpt("lib1", "lib2")[0] == "lib1.py:1 in lib1"


def test_of_a_deep_stack_the_end_is_shown() -> None:
    lines = excerpt(*(f"f{number}" for number in range(300)))
    assert lines[0] == "290 frames before" and lines[-1] == "E: no" and "f299.py:300 in f299" in lines
    assert len(lines) == 22


def test_text_is_shown_where_there_are_no_frames() -> None:
    lines = stack_excerpt({"stacktrace": "\n".join(f"line {number}" for number in range(50))}).split("\n")
    assert lines[-1] == "line 49" and len(lines) == 20
    assert stack_excerpt({}) == ""


@pytest.mark.parametrize(
    "kind, heading, start, colour",
    [
        ("event", "❌ KeyError: 'visa'", "Error in default", "#d1242f"),
        ("new-issue", "❌ KeyError: 'visa'", "New issue in default", "#d1242f"),
        ("regression", "❌ KeyError: 'visa'", "Regression in default", "#d1242f"),
        ("resolved", "✅ KeyError: 'visa'", "Resolved in default", "#1a7f37"),
        ("alert", "🚨 many payment errors", "Alert in default", "#d1242f"),
        ("summary", "🗂 45 events of 2 issues", "Held back in default", "#8a8f98"),
        ("test", "👋 Crashvault can reach you here", "Test message from default", "#2f81f7"),
    ],
)
def test_each_kind_is_told_apart(kind: str, heading: str, start: str, colour: str) -> None:
    shown = message(sample(kind))
    assert (shown.heading, shown.kind, shown.colour) == (heading, start, colour)


def facts(notification: Notification) -> dict[str, str]:
    return {fact.name: fact.value for fact in message(notification).facts}


def test_facts_of_an_event() -> None:
    assert facts(sample("event")) == {
        "Level": "error", "Events": "128", "Users": "19", "First seen": "2026-01-01 20:00 UTC", "Last seen": "2026-01-02 03:04 UTC",
        "Release": "shop@1.4.2", "Environment": "production", "Host": "web-1", "Tags": "db, region=eu",
    }  # fmt: skip


def test_a_chain_tells_its_root_cause() -> None:
    plain = sample("event")
    event = {
        **(plain.event or {}),
        "exceptions": [{"type": "OSError", "value": "disk"}, {"type": "KeyError", "value": "x"}],
    }
    assert facts(dataclasses.replace(plain, event=event))["Root cause"] == "OSError: disk"


def test_many_tags_and_attachments_are_counted() -> None:
    plain = sample("event")
    event = {
        **(plain.event or {}),
        "tags": [f"t{number}" for number in range(40)],
        "attachments": [{"name": "core.dmp"}],
    }
    found = facts(dataclasses.replace(plain, event=event))
    assert found["Tags"].endswith("t11, and 28 more") and found["Attachments"] == "core.dmp"


def test_coalesced_events_are_counted() -> None:
    assert (
        message(dataclasses.replace(sample("event"), count=13)).text
        == "And 12 more events of the same issue, told together."
    )
    assert message(dataclasses.replace(sample("event"), count=2)).text.startswith("And 1 more event of")
    assert message(dataclasses.replace(sample("event"), count=1)).text == ""


def test_a_message_that_says_more_than_its_title_is_shown() -> None:
    plain = sample("event")
    event = {**(plain.event or {}), "message": "KeyError: 'visa'\nwhile paying"}
    assert message(dataclasses.replace(plain, event=event, count=1)).text == "KeyError: 'visa'\nwhile paying"


def test_a_summary_names_the_largest_and_counts_the_rest() -> None:
    shown = message(dataclasses.replace(sample("summary"), held=sample("summary").held * 30, count=1))
    assert shown.title == "1,350 events of 60 issues"
    assert "40 events of #7 KeyError: 'visa'" in shown.text and shown.text.endswith("… and of 40 more issues")


def test_an_alert_that_is_over_says_so() -> None:
    plain = sample("alert")
    over = message(dataclasses.replace(plain, alert={**(plain.alert or {}), "state": "resolved"}))
    assert (over.kind, over.emoji, over.colour) == ("Alert is over in default", "✅", "#1a7f37")
    assert message(plain).text == "When count > 10 in 1m, for issue 7\nNow: 23 events in 1m"


@pytest.mark.parametrize("colour", ["red", "bold white on red", "#12", "#12345g", ""])
def test_colours_that_no_service_knows_are_grey(colour: str) -> None:
    assert message(dataclasses.replace(sample("event"), levels={"error": ("x", colour)})).colour == "#8a8f98"
    assert message(dataclasses.replace(sample("event"), levels={})).heading == "KeyError: 'visa'"


def test_custom_levels_have_their_look() -> None:
    plain = sample("event")
    levels = {**LEVELS, "audit": ("🧾", "#ABCDEF")}
    shown = message(dataclasses.replace(plain, event={**(plain.event or {}), "level": "audit"}, levels=levels))
    assert (shown.emoji, shown.colour, shown.kind) == ("🧾", "#abcdef", "Audit in default")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://x/ y",
        "https://x/<",
        "https:///a",
        "https://x/)",
        "ftp://x/",
        "",
        "https://[",
        "https://x/" + "a" * 2_000,
    ],
)
def test_what_is_no_link_is_none(url: str) -> None:
    assert not is_link(url)


def test_an_event_with_nothing_in_it_makes_a_message() -> None:
    shown = message(Notification("1", "event", "2026-01-02T03:04:05.000000Z", "default", event={}))
    assert shown.title == "Event without a message" and shown.facts == [] and shown.stack == ""
