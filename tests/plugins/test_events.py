"""What plugins make of events, and hear of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CommandLine, Result

Run = Callable[..., Result]
Write = Callable[..., Path]


def event_of(run: Run, *args: object, **options: Any) -> dict[str, Any]:
    """The event that `add` stores, as it is shown."""
    added = run("add", *args, "--json", **options).json
    found: dict[str, Any] = run("event", added["event_id"], "--json").json
    return found


def test_what_is_changed_is_stored_and_grouped(run: Run, plugin: Write) -> None:
    plugin("""
        @hookimpl
        def event_received(event):
            event["message"] = "changed"
            event["tags"] += ["region=eu"]
            event["level"] = "warning"
            event["context"]["team"] = "billing"
            event["fingerprint"] = ["all", "of", "it"]
            event["user"] = {"id": "ana"}
            return event
    """)
    first, second = event_of(run, "one"), event_of(run, "two")
    assert (first["message"], first["level"], first["tags"]) == ("changed", "warning", ["region=eu"])
    assert first["context"] == {"team": "billing"}
    assert first["user"] == {"id": "ana"}
    assert first["issue_id"] == second["issue_id"]


def test_what_is_changed_is_checked_cut_and_scrubbed(run: Run, plugin: Write) -> None:
    plugin("""
        @hookimpl
        def event_received(event):
            event.update(level="no such level", pid="x" * 50, trace_id=object(), event_id="0" * 32, project="other",
                         received_at="1999-01-01T00:00:00Z", unheard_of={1, 2}, release="r" * 10_000)
            event["context"] = {"password": "hunter2", "text": "token=ghp_0123456789abcdefghijABCDEFGHIJ012345", "deep": [{}] * 9}
            event["tags"] = ["\\ud800", "ok", 7, None]
            return event
    """)
    event = event_of(run, "boom")
    text = json.dumps(event)
    assert "hunter2" not in text and "ghp_0123456789" not in text
    assert event["level"] == "error" and event["project"] == "default" and event["pid"] is None
    assert event["received_at"] > "2026" and event["trace_id"] is None
    assert "ok" in event["tags"] and len(event["release"]) < 1_000
    assert {"level", "pid", "release"} <= {note["field"] for note in event["errors"]}
    assert run("list", "--json").json["total"] == 1


def test_the_stack_can_be_changed(run: Run, plugin: Write) -> None:
    plugin("""
        @hookimpl
        def event_received(event):
            if event["message"] == "frames":
                event["frames"] = [frame for frame in event["frames"] if frame["function"] != "wrapper"]
            if event["message"] == "type":
                event["exception"]["type"] = "Renamed"
            if event["message"] == "text":
                event["stacktrace"] = event["stacktrace"].replace("wrapper", "inner")
            return event
    """)
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in main\n    x\n' \
            '  File "b.py", line 2, in wrapper\n    y\nKeyError: 1\n'  # fmt: skip
    functions = lambda event: [frame["function"] for frame in event["frames"]]
    assert functions(event_of(run, "same", "--stack", "-", stdin=trace)) == ["main", "wrapper"]
    cut = event_of(run, "frames", "--stack", "-", stdin=trace)
    assert functions(cut) == ["main"] and cut["exception"] == {"type": "KeyError", "value": "1"}
    assert event_of(run, "type", "--stack", "-", stdin=trace)["exception"] == {"type": "Renamed", "value": "1"}
    assert functions(event_of(run, "text", "--stack", "-", stdin=trace)) == ["main", "inner"]


def test_an_event_that_is_not_touched_stays_the_same(cli: CommandLine, run: Run, plugin: Write) -> None:
    body = {
        "message": "m", "level": "error", "event_id": "ab" * 16, "tags": ["a", "b=c"], "user": {"id": "u"}, "breadcrumbs": [{"message": "x"}],
        "exception": {"type": "E", "value": "v"}, "frames": [{"file": "f.py", "line": 3, "function": "g", "vars": {"a": 1}}],
        "context": {"nested": {"a": [1, 2]}}, "fingerprint": ["x"], "timestamp": "2026-01-02T03:04:05Z", "line": 3,
    }  # fmt: skip
    other = CommandLine(cli.directory / "other", cli.directory)
    plugin("@hookimpl\ndef event_received(event):\n    event['host'] = 'h'\n    return event\n")
    code = "import sys,json;from crashvault import core,pipeline\nwith core.open_vault(sys.argv[1]) as s: pipeline.record_events(s,[json.load(sys.stdin)])"
    import subprocess
    import sys

    for home in (cli.home, other.home):
        subprocess.run([sys.executable, "-c", code, str(home)], input=json.dumps(body), text=True, check=True, env=cli.environment, timeout=60)  # fmt: skip
    with_plugin = run("event", "abab", "--json").json
    without = other("event", "abab", "--json", fresh=True).json
    assert with_plugin["host"] == "h"
    different = {key for key in without if without[key] != with_plugin[key]}
    assert different <= {"host", "received_at"}


def test_dropped_events_are_counted_by_the_plugins_name(run: Run, plugin: Write) -> None:
    plugin("@hookimpl\ndef event_received(event):\n    return event if 'keep' in event['message'] else None\n")
    dropped = run("add", "go away", code=1)
    assert (
        dropped.err == "Error: the event was not stored (the plugin mine dropped it). See: crashvault stats --dropped\n"
    )
    assert run("add", "go away", "--json").json["issue_id"] is None
    run("add", "keep me")
    (entry,) = run("stats", "--dropped", "--json").json["items"]
    assert (entry["reason"], entry["source"], entry["category"], entry["count"]) == ("plugin:mine", "cli", "event", 2)
    assert run("list", "--json").json["total"] == 1


def test_a_wrapped_command_ends_as_it_would(run: Run, plugin: Write) -> None:
    plugin("@hookimpl\ndef event_received(event):\n    return None\n")
    assert "was not recorded (the plugin mine dropped it)" in run("wrap", "--", "sh", "-c", "exit 7", code=7).err


def test_plugins_take_turns(run: Run, plugin: Write) -> None:
    for name in ("first", "second"):
        plugin(f"@hookimpl\ndef event_received(event):\n    event['tags'].append('{name}')\n    return event\n", name)
    assert sorted(event_of(run, "boom")["tags"]) == ["first", "second"]


LISTENER = """
    import json, os
    def note(*what):
        with open(os.environ["HEARD"], "a") as file:
            file.write(json.dumps(what) + "\\n")
    @hookimpl
    def event_recorded(event, issue):
        note("recorded", event["message"], issue["id"], issue["count"])
    @hookimpl
    def issue_created(issue, event):
        note("created", issue["id"], issue["category"], event["issue_id"])
    @hookimpl
    def issue_regressed(issue):
        note("regressed", issue["id"], issue["status"])
    @hookimpl
    def issue_resolved(issue):
        note("resolved", issue["id"], issue["status"])
    @hookimpl
    def alert_fired(alert):
        note("alert", alert["name"], alert["state"])
    @hookimpl
    def classify(event):
        return "network" if "timeout" in event["message"] else None
"""


@pytest.fixture
def heard(cli: CommandLine) -> Callable[[], list[Any]]:
    path = cli.directory / "heard"
    cli.environment["HEARD"] = str(path)
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_is_stored_is_told_after_the_commit(run: Run, plugin: Write, heard: Callable[[], list[Any]]) -> None:
    plugin(LISTENER)
    run("add", "timeout of the bank")
    run("add", "timeout of the bank")
    run("resolve", 1)
    run("add", "timeout of the bank")
    assert heard() == [
        ["recorded", "timeout of the bank", 1, 1], ["created", 1, "network", 1], ["recorded", "timeout of the bank", 1, 2],
        ["resolved", 1, "resolved"], ["recorded", "timeout of the bank", 1, 3], ["regressed", 1, "open"],
    ]  # fmt: skip
    assert run("list", "--json").json["items"][0]["category"] == "network"


def test_alerts_are_told(run: Run, plugin: Write, heard: Callable[[], list[Any]]) -> None:
    plugin(LISTENER)
    run("alert", "add", "any", "--when", "count > 0 in 1h")
    run("add", "boom")
    assert ["alert", "any", "firing"] in heard()


def test_imports_run_no_hooks(run: Run, plugin: Write, heard: Callable[[], list[Any]], cli: CommandLine) -> None:
    other = CommandLine(cli.directory / "other", cli.directory)
    other("add", "old news")
    other("export", "--output", cli.directory / "all.jsonl")
    plugin(LISTENER + "    @hookimpl\n    def event_received(event):\n        return None\n")
    run("import", cli.directory / "all.jsonl")
    assert run("list", "--json").json["total"] == 1
    assert heard() == []


def test_what_a_plugin_records_is_not_shown_to_plugins(run: Run, plugin: Write) -> None:
    plugin("""
        from crashvault import core, pipeline
        @hookimpl
        def issue_created(issue, event):
            with core.open_vault() as store:
                pipeline.record_events(store, [{"message": f"about {event['message']}"}])
    """)
    run("add", "boom")
    assert sorted(item["title"] for item in run("list", "--json").json["items"]) == ["about boom", "boom"]


def test_rules_for_scrubbing_and_grouping(run: Run, plugin: Write) -> None:
    plugin("""
        @hookimpl
        def scrub_rules():
            return {"keys": ["badge"], "patterns": ["emp-[0-9]+"]}
        @hookimpl
        def grouping_rules():
            return [{"match": {"message": "*timeout*"}, "fingerprint": ["timeouts"]}]
    """)
    first = event_of(run, "timeout for emp-77", "--context", "badge=4711")
    assert first["message"] == "timeout for [Filtered]" and first["context"] == {"badge": "[Filtered]"}
    assert event_of(run, "another timeout")["issue_id"] == first["issue_id"]


def test_readers_of_stack_traces(run: Run, plugin: Write) -> None:
    plugin("""
        import re
        def read(text):
            found = re.findall(r"WHEN (\\w+) IN (\\w+):(\\d+)", text)
            if not found:
                return None
            return {"exception": {"type": "Halt", "value": "stopped"},
                    "frames": [{"file": f"{file}.cbl", "function": name, "line": int(line)} for name, file, line in found]}
        @hookimpl
        def stacktrace_parsers():
            return {"other": read}
    """)
    event = event_of(run, "it stopped", "--stack", "-", stdin="WHEN MAIN IN payroll:10\nWHEN SUM IN totals:7\n")
    assert event["exception"] == {"type": "Halt", "value": "stopped"}
    assert [(frame["file"], frame["line"]) for frame in event["frames"]] == [("payroll.cbl", 10), ("totals.cbl", 7)]
    python = 'Traceback (most recent call last):\n  File "a.py", line 1, in main\nKeyError: 1\n'
    assert event_of(run, "ours", "--stack", "-", stdin=python)["exception"]["type"] == "KeyError"


def test_crashes_of_programs_pass_plugins_too(
    cli: CommandLine, run: Run, plugin: Write, heard: Callable[[], list[Any]]
) -> None:
    plugin(
        LISTENER
        + "    @hookimpl\n    def event_received(event):\n        event['tags'].append('seen')\n        return event\n"
    )
    program = cli.directory / "program.py"
    program.write_text("print('out')\n1 / 0\n")
    done = run("autolog", program, code=1)
    assert done.out == "out\n"
    assert "seen" in run("events", "--json").json["items"][0]["tags"]
    assert ["created", 1, None, 1] in heard()
