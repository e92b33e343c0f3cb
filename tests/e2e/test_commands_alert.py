"""`crashvault alert` as people use it, without a server."""

from __future__ import annotations

import pytest

from conftest import CommandLine


@pytest.fixture
def many(cli: CommandLine) -> CommandLine:
    """A vault with one rule."""
    cli("alert", "add", "many", "--when", "count > 2 in 1m", "--where", "level:>=error", "--severity", "high")
    return cli


def test_a_rule_fires_when_commands_cross_its_line(many: CommandLine) -> None:
    for number in range(4):
        assert many.json("alert", "list")["items"][0]["state"] == ("firing" if number > 2 else "ok")
        many("add", f"boom {number}", "--level", "error")
        many("add", "no trouble", "--level", "info")
    [entry] = many.json("alert", "history")["items"]
    assert (entry["alert"], entry["what"], entry["reason"]) == ("many", "fired", "3 events in 1m")
    shown = many("alert", "show", "many").out
    assert "firing" in shown
    assert "count > 2 in 1m where level:>=error" in shown
    assert "firing" in many("alert", "list", "--firing").out


def test_trying_a_rule_saves_nothing(cli: CommandLine) -> None:
    for number in range(5):
        cli("add", f"boom {number}")
    tried = cli.json("alert", "add", "x", "--when", "count >= 5 in 1m", "--dry-run")
    assert (tried["fired"], tried["items"][0]["reason"]) == (1, "5 events in 1m")
    assert "would have fired once" in cli("alert", "add", "x", "--when", "count >= 5 in 1m", "--dry-run").out
    assert "would not have fired" in cli("alert", "add", "x", "--when", "count >= 50 in 1m", "--dry-run").out
    assert cli.json("alert", "list")["items"] == []
    cli("alert", "add", "x", "--when", "count >= 5 in 1m")
    assert cli.json("alert", "test", "x")["fired"] == 1


def test_muting(many: CommandLine) -> None:
    assert many.json("alert", "mute", "many", "--for", "2h")["until"] > "2026"
    assert "muted" in many("alert", "list").out
    for _ in range(3):
        many("add", "boom")
    assert many.json("alert", "history")["items"][0]["told"] == "muted"
    assert many.json("alert", "unmute", "many") == {"name": "many", "unmuted": 1}
    assert "until you take it back" in many("alert", "mute", "many", "--query", "environment:staging").out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("add", "x", "--when", "count > in 1m"), "a number, or one such as 3x, is expected here"),
        (("add", "x", "--when", "new issue", "--where", "levle:error"), "levle"),
        (("add", "x", "--when", "new issue", "--notify", "slak"), "there is no webhook 'slak'"),
        (("add", "many", "--when", "new issue"), "there is an alert 'many' already"),
        (("show", "mnay"), "Did you mean 'many'?"),
        (("mute", "many", "--for", "soon"), "'soon' is not a span of time"),
        (("mute", "many", "--until", "2020-01-01"), "is past"),
        (("add", "x", "--when", "new issue", "--cooldown", "5"), "'5' is not a span of time"),
    ],
)
def test_errors_say_what_to_do(many: CommandLine, arguments: tuple[str, ...], part: str) -> None:
    result = many("alert", *arguments, code=2 if "expected here" in part or part == "levle" else 1)
    assert part in result.err
    assert result.out == ""


def test_removing(many: CommandLine) -> None:
    assert many.json("alert", "remove", "many") == {"removed": "many"}
    many("add", "boom")
    assert "No alerts yet" in many("alert", "list").out


def test_a_resolved_issue_stays_so_for_older_releases(cli: CommandLine) -> None:
    cli("add", "boom", "--release", "shop@1.3")
    cli("resolve", "1", "--in", "shop@1.4")
    cli("add", "boom", "--release", "shop@1.3")
    assert cli.json("list", "--status", "all")["items"][0]["status"] == "resolved"
    cli("add", "boom", "--release", "shop@1.4")
    assert cli.json("list", "--status", "all")["items"][0]["is_regressed"]
    cli("resolve", "1", "--in", "next")
    cli("add", "boom", "--release", "shop@1.4")
    assert cli.json("list", "--status", "all")["items"][0]["status"] == "resolved"


def test_what_time_alone_brings_about_is_noticed_by_who_asks(cli: CommandLine) -> None:
    cli("alert", "add", "idle", "--when", "count < 1 in 1m")
    assert cli.json("alert", "list")["items"][0]["state"] == "firing"
    assert [entry["what"] for entry in cli.json("alert", "history")["items"]] == ["fired"]
