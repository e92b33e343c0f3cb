"""Whatever a plugin does, it is named once, and nothing else suffers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import CommandLine, Result

Run = Callable[..., Result]
Write = Callable[..., Path]

NOT_LOADED = {
    "syntax": ("def (", "SyntaxError"),
    "import": ("import no_such_module", "No module named 'no_such_module'"),
    "exit": ("import sys; sys.exit(3)", "tried to end the program (sys.exit(3))"),
    "raises": ("raise BaseException('odd')", "BaseException: odd"),
    "newer hooks": ("CRASHVAULT_API = 99", "it wants version 99 of the hook API, and this Crashvault has 1"),
    "odd version": ("CRASHVAULT_API = 'two'", "it wants version 'two'"),
    "unknown hook": ("@hookimpl\ndef event_received_soon(event): pass", "there is no hook event_received_soon"),
    "unknown argument": ("@hookimpl\ndef event_received(event, more): pass", "more"),
    "wrapper": ("@hookimpl(wrapper=True)\ndef event_received(event):\n    yield", "is a wrapper"),
}


@pytest.mark.parametrize("what", NOT_LOADED)
def test_what_cannot_be_loaded(run: Run, plugin: Write, what: str) -> None:
    source, why = NOT_LOADED[what]
    plugin(source)
    plugin("@hookimpl\ndef event_received(event):\n    event['tags'].append('seen')\n    return event\n", "sound")
    added = run("add", "boom", "--json")
    assert added.err.count("Warning:") == 1
    assert "plugin mine: it cannot be loaded (" in added.err and why in added.err
    assert run("events", "--json").json["items"][0]["tags"] == ["seen"]
    known = {one["name"]: one for one in run("plugin", "list", "--json").json["items"]}
    assert known["mine"]["state"] == "broken" and why in known["mine"]["error"]
    assert known["sound"]["state"] == "loaded"


AT_WORK = {
    "raises": ("raise ValueError('no\\nway')", "event_received failed (ValueError: no way)"),
    "exits": ("import sys; sys.exit()", "tried to end the program"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "another type": ("return 7", "event_received gives int, neither the event nor None"),
    "odd things": (
        "class Odd:\n        __eq__ = lambda self, other: 1 / 0\n    event['host'] = Odd()\n    return event",
        "event_received gives what is no event (ZeroDivisionError",
    ),
    "a ring": ("event['context']['self'] = event\n    return event", "RecursionError"),
    "recursion": ("return event_received(event)", "RecursionError"),
}


@pytest.mark.parametrize("what", AT_WORK)
def test_what_goes_wrong_at_work(run: Run, plugin: Write, what: str) -> None:
    body, why = AT_WORK[what]
    plugin(f"def event_received(event):\n    event['message'] = 'spoilt'\n    {body}\nhookimpl(event_received)\n")
    added = run("add", "boom", "--json")
    assert added.json["issue_created"] is True
    assert added.err.count("Warning:") == 1 and why in added.err
    assert run("events", "--json").json["items"][0]["message"] == "boom"


def test_what_fails_after_the_commit(run: Run, plugin: Write) -> None:
    plugin("""
        import sys
        @hookimpl
        def event_recorded(event, issue):
            1 / 0
        @hookimpl
        def issue_created(issue):
            sys.exit(9)
        @hookimpl
        def classify(event):
            return ["no", "word"]
    """)
    plugin("@hookimpl\ndef issue_created(issue):\n    import sys\n    print('heard', file=sys.stderr)\n", "other")
    added = run("add", "boom", "--json")
    assert added.err.count("Warning:") == 1 and "plugin mine" in added.err and "heard" in added.err


def test_who_takes_too_long_is_not_waited_for(run: Run, plugin: Write, cli: CommandLine) -> None:
    plugin("""
        import threading
        @hookimpl
        def event_received(event):
            event["message"] = "too late"
            threading.Event().wait()
    """)
    cli.environment["CRASHVAULT_PLUGINS_TIME_LIMIT"] = "50"
    added = run("add", "boom", "--json")
    assert "it took longer than 0.05 s; the event is stored as it was" in added.err
    assert run("events", "--json").json["items"][0]["message"] == "boom"


def test_who_is_late_too_often_is_not_asked_any_more(cli: CommandLine, plugin: Write) -> None:
    plugin("""
        import threading
        @hookimpl
        def event_received(event):
            threading.Event().wait()
    """)
    program = (
        "import sys\nfrom crashvault import core, pipeline\n"
        "with core.open_vault(sys.argv[1]) as store:\n"
        "    receipts = pipeline.record_events(store, [{'message': f'boom {n}'} for n in range(200)])\n"
        "    print(sum(one.issue_id is not None for one in receipts))\n"
    )
    environment = cli.environment | {"CRASHVAULT_PLUGINS_TIME_LIMIT": "100"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(cli.home)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "200\n", done.stderr
    assert done.stderr.count("Warning: plugin mine") == 1


def test_what_it_prints_goes_to_standard_error(run: Run, plugin: Write) -> None:
    plugin("""
        import sys
        print("while it is imported")
        @hookimpl
        def event_received(event):
            print("while it is asked")
            sys.stdout.write("and so\\n")
            return event
        @hookimpl
        def event_recorded(event):
            print("while it is told")
        @hookimpl
        def register_commands(cli):
            print("while it registers")
    """)
    added = run("add", "boom", "--json")
    assert added.json["issue_id"] == 1
    for text in ("while it is imported", "while it is asked", "and so", "while it is told"):
        assert text in added.err
    assert "while it registers" not in run("--help").out


def test_names_that_are_taken_stay_with_their_owners(run: Run, plugin: Write) -> None:
    source = """
        import click
        from crashvault.plugins.types import Exporter, ReportFormat
        @hookimpl
        def register_commands(cli):
            @cli.command()
            def {name}():
                click.echo("{who}")
            @cli.command("list")
            def list_():
                click.echo("mine")
        @hookimpl
        def register_exporters():
            return {{"csv": Exporter(lambda *all: 1 / 0), "Bad Name": Exporter(print), "number": 7}}
        @hookimpl
        def register_webhook_providers():
            return {{"slack": "nowhere:at_all"}}
    """
    plugin(source.format(name="hello", who="mine"))
    plugin(source.format(name="hello", who="other"), "other")
    assert run("list", "--json").json["total"] == 0
    said = run("hello")
    assert said.out in ("mine\n", "other\n")
    assert "there is one of that name already" in said.err
    assert run("export", "--format", "csv").out.startswith("event_id,")
    assert "plugin mine" in run("export", "--format", "csv").err


def test_broken_formats_and_webhook_types_are_told(run: Run, plugin: Write) -> None:
    plugin("""
        from crashvault.plugins.types import Exporter, ReportFormat
        def write(source, out, progress):
            out.write(b"half")
            raise ValueError("no more")
        @hookimpl
        def register_exporters():
            return {"half": Exporter(write, "", (".half",))}
        @hookimpl
        def register_report_formats(report):
            return {"odd": ReportFormat(lambda report: 1 / 0)}
        @hookimpl
        def register_webhook_providers():
            return {"pager": "no_such_module:PROVIDER"}
    """)
    run("add", "boom")
    failed = run("export", "--output", "x.half", code=1)
    assert (
        failed.err
        == "Error: the format half is broken (ValueError: no more). It is a plugin's; see: crashvault plugin list\n"
    )
    assert "the format odd is broken" in run("generate-report", "--format", "odd", code=1).err
    refused = run("webhook", "add", "pager", "--url", "https://pager.example", code=1)
    assert refused.err.startswith("Error: the webhook type 'pager' is broken")
    assert "Use one of: http, slack, discord, teams, apprise, push, pager" in run("webhook", "add", "x", "--url", "https://x.example", code=1).err  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_what_others_could_have_written_is_not_run(run: Run, plugin: Write) -> None:
    path = plugin("raise SystemExit")
    path.chmod(0o666)
    assert "others may write to" in run("add", "boom").err
    path.chmod(0o600)
    path.parent.chmod(0o777)
    assert "others may write to" in run("add", "boom").err


def test_all_of_them_can_be_left_out(run: Run, plugin: Write) -> None:
    plugin("raise ValueError('broken')")
    assert run("add", "boom", env={"CRASHVAULT_PLUGINS": "off"}).err == ""
    run("plugin", "disable", "mine")
    assert run("add", "boom").err == ""
    assert run("plugin", "list", "--json").json["items"][0]["state"] == "disabled"
    run("plugin", "enable", "mine")
    assert "cannot be loaded" in run("add", "boom").err
