"""`crashvault plugin`, and what plugins add to the command line, its help and its completion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import CommandLine, Result

Run = Callable[..., Result]
Write = Callable[..., Path]

FORMATS = """
    __doc__ = "Adds formats."
    import json
    from crashvault.plugins.types import Exporter, ReportFormat
    from crashvault.webhooks.http import PROVIDER
    def write(source, out, progress):
        for event in source.shapes():
            out.write((event["message"] + "\\n").encode())
            progress(1)
        out.write(json.dumps([issue["title"] for issue in source.issue_shapes()]).encode())
    @hookimpl
    def register_exporters():
        return {"lines": Exporter(write, "messages", (".lines",))}
    @hookimpl
    def register_report_formats(report):
        return {"keys": ReportFormat(lambda found: report + " " + " ".join(found), "keys", (".keys",))}
    @hookimpl
    def register_webhook_providers():
        return {"pager": PROVIDER}
"""


def completed(run: Run, line: str) -> list[str]:
    answer = run(env={"_CRASHVAULT_COMPLETE": "bash_complete", "COMP_LINE": line})
    return [row.split("\t")[1] for row in answer.lines if row]


def test_formats_are_equal_to_ours(run: Run, plugin: Write, cli: CommandLine) -> None:
    plugin(FORMATS)
    run("add", "boom")
    assert run("export", "--format", "LINES").out == 'boom\n["boom"]'
    assert run("export", "--output", "x.lines.gz", "--json").json["format"] == "lines"
    assert "|lines]" in run("export", "--help").out
    assert "lines" in completed(run, "crashvault export --format ")
    assert run("export", "--format", "nope", code=2).err.count("lines") == 1
    for report in (["generate-report"], ["batch-analyze"], ["changes", "--since", "1d"]):
        assert run(*report, "--format", "keys").out.startswith(report[0])
        assert run(*report, "--output", "x.keys", "--json").json["format"] == "keys"
    assert "keys" in completed(run, "crashvault batch-analyze --format ")


def test_webhook_types_are_equal_to_ours(run: Run, plugin: Write) -> None:
    plugin(FORMATS)
    run("webhook", "add", "pager", "--url", "https://pager.example/x")
    assert run("webhook", "list", "--json").json["items"][0]["type"] == "pager"
    assert completed(run, "crashvault webhook add pa") == ["pager"]


def test_commands(run: Run, plugin: Write) -> None:
    plugin("""
        import click
        from crashvault.commands.context import command, emit
        @command("open-count", "crashvault open-count")
        def open_count(context):
            '''Count open issues.'''
            emit({"count": len(context.store.issues.by_ids([1, 2])), "home": context.home})
        @hookimpl
        def register_commands(cli):
            cli.add_command(open_count)
            @cli.group()
            def tools():
                '''Some tools.'''
            @tools.command()
            @click.argument("word")
            def echo(word):
                click.echo(word)
    """)
    run("add", "boom")
    assert run("open-count").json["count"] == 1
    assert run("tools", "echo", "x").out == "x\n"
    assert "open-count" in run("--help").out and "Count open issues." in run("--help").out
    assert completed(run, "crashvault open-") == ["open-count"]
    assert "Did you mean 'open-count'?" in run("open-cuont", code=2).err


def test_commands_of_the_vault_that_is_named_behind_them(run: Run, plugin: Write, cli: CommandLine) -> None:
    plugin("@hookimpl\ndef register_commands(cli):\n    import click\n"
           "    from crashvault.commands.context import command\n"
           "    cli.add_command(command('where')(lambda context: click.echo(context.home)))\n")  # fmt: skip
    nowhere = {"CRASHVAULT_HOME": str(cli.directory / "elsewhere")}
    assert run("where", "--home", cli.home, env=nowhere).out == f"{cli.home}\n"
    run("where", env=nowhere, code=2)


def test_list_and_info(run: Run, plugin: Write) -> None:
    assert "No plugins yet" in run("plugin", "list").out
    assert run("plugin", "list", "--json").json == {"items": [], "total": 0, "next_cursor": None}
    path = plugin(FORMATS)
    (one,) = run("plugin", "list", "--json").json["items"]
    hooks = ["register_webhook_providers", "register_exporters", "register_report_formats"]
    assert one == {"name": "mine", "state": "loaded", "about": "Adds formats.", "from": "file", "value": str(path),
                   "hooks": hooks, "error": None}  # fmt: skip
    adds = {"webhook_types": ["pager"], "export_formats": ["lines"], "report_formats": ["keys"]}
    assert run("plugin", "info", "mine", "--json").json == one | {"adds": adds}
    assert "Adds export formats: lines" in run("plugin", "info", "mine").out
    assert "There are: mine" in run("plugin", "info", "other", code=1).err
    assert completed(run, "crashvault plugin info ") == ["mine"]


def test_enable_and_disable(run: Run, plugin: Write, cli: CommandLine) -> None:
    plugin(FORMATS)
    assert run("plugin", "disable", "mine", "--json").json == {"name": "mine", "enabled": False, "changed": True}
    assert run("plugin", "disable", "mine", "--json").json["changed"] is False
    assert json.loads((cli.home / "config.json").read_text()) == {"plugins.disabled": ["mine"]}
    assert run("export", "--format", "lines", code=2)
    assert run("plugin", "list", "--json").json["items"][0]["state"] == "disabled"
    run("plugin", "enable", "mine")
    run("export", "--format", "lines")
    run("plugin", "enable", "nobody", code=1)


def test_new_single_file(run: Run) -> None:
    written = run("plugin", "new", "word-count", "--single-file", "--json").json
    assert written["files"] == ["word_count.py"]
    run("add", "it does not work")
    assert "word-count=4" in run("events", "--json").json["items"][0]["tags"]
    assert run("word-count", "--json").json == {"open": 1}
    assert "is there already" in run("plugin", "new", "word-count", "--single-file", code=1).err


@pytest.mark.parametrize("name", ["Upper", "a b", "../up", "1st", "", "a" * 60])
def test_new_refuses_names(run: Run, name: str) -> None:
    assert "cannot be called" in run("plugin", "new", name, code=1).err
