"""Write the reference pages from the code, and the man page. Usage: reference.py [--check]"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from crashvault import __version__
from crashvault.cli import cli
from crashvault.config import SETTINGS, Setting, shown_value

sys.path.insert(0, str(Path(__file__).parent))

import manpage

DOCS = Path(__file__).resolve().parents[1] / "docs"
NOTE = "<!-- Written by scripts/docs from the code; change it there. -->"

# name: what it does, and what else says the same
VARIABLES = {
    "CRASHVAULT_HOME": ("The vault's directory; `--home` wins.", "`~/.crashvault`"),
    "CRASHVAULT_PROJECT": (
        "The project inside the vault; `--project` wins.",
        "all when reading, `default` when recording",
    ),
    "CRASHVAULT_LOG_LEVEL": ("What goes to `logs/app.log`; wins over the setting `logging.level`.", "`info`"),
    "CRASHVAULT_DEBUG": ("`1` is the same as `--debug`.", ""),
    "CRASHVAULT_ACTOR": ("Who is named in an issue's activity.", "the login name"),
    "NO_COLOR": ("Anything but nothing: plain text, as with `--no-color`.", ""),
    "COLUMNS": ("Width of tables on a terminal, in cells.", "the terminal's"),
    "EDITOR": ("The editor of `crashvault config edit`; `VISUAL` wins.", "`vi`"),
}

_CLI_INTRO = """# Command line

```
crashvault [--home DIR] [--project NAME] [--json] [--debug] [--no-color] COMMAND [ARGS]…
```

Exit codes: 0 done; 1 a failure, told in one line; 2 wrong usage or a wrong query; 130 after Ctrl-C;
[`wrap`](#crashvault-wrap) and [`autolog`](#crashvault-autolog) end with the code of what they ran.

`--json` makes a command print one JSON document and nothing else on standard output; `tail` prints an object a line.
QUERY stands for the [query language](query-language.md). The beginning of an event's id is enough wherever an id is taken.

## Options of every command

They may stand before the command's name or behind it.
"""

_CONFIGURATION_INTRO = """# Configuration

Crashvault needs none. What can be changed is changed with `crashvault config set KEY VALUE`, which checks the value and
writes it where it belongs: settings **of the vault** are kept in it and hold for every process that uses it, settings
**of the node** are in `config.json` beside it. `crashvault config list` shows each with its value and where that comes from;
an environment variable wins over both.

```console
$ crashvault config set scrub.keys badge,employee_id
$ crashvault config get scrub.keys
$ crashvault config list
$ crashvault config unset scrub.keys
```

## Settings
"""


def command_pages(group: click.Group, parent: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its whole name and context; the commands of a group follow it."""
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent, max_content_width=110)
        yield context.command_path, command, context
        if isinstance(command, click.Group):
            yield from command_pages(command, context)


def root_context() -> click.Context:
    """The context of the command line; Click remembers the help option it makes for the first one."""
    return click.Context(cli, info_name="crashvault", **cli.context_settings)


def cli_page() -> str:
    root = root_context()
    commands = list(command_pages(cli, root))
    parts = [
        NOTE,
        _CLI_INTRO,
        *_option_rows(cli, root),
        "",
        "## Commands",
        "",
        "| command | what it does |",
        "| --- | --- |",
    ]
    parts += [
        f"| [`{path}`](#{_anchor(path)}) | {_summary(command)} |"
        for path, command, _ in commands
        if path.count(" ") == 1
    ]
    pairs = sorted(cli.short_names().items())
    parts += ["", f"Short names: {', '.join(f'`{short}` is `{name}`' for short, name in pairs)}.", ""]
    for path, command, context in commands:
        parts += _command_section(path, command, context)
    return "\n".join(parts).rstrip() + "\n"


def _command_section(path: str, command: click.Command, context: click.Context) -> list[str]:
    level = "##" if path.count(" ") == 1 else "###"
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"{level} {path}", "", _prose(command), "", "```", usage, "```", ""]
    options = _option_rows(command, context)
    if options:
        parts += [*options, ""]
    examples = examples_of(command)
    if examples:
        parts += ["Examples:", "", "```sh", *examples, "```", ""]
    return parts


def _option_rows(command: click.Command, context: click.Context) -> list[str]:
    records = [
        parameter.get_help_record(context)
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and not (parameter.hidden or _is_json_of_command(command, parameter))
    ]
    rows = [f"| `{_cell(name)}` | {_cell(about)} |" for name, about in filter(None, records)]
    rows = [row for row in rows if not row.startswith("| `-h, --help`") and not row.startswith("| `--help`")]
    return ["| option | meaning |", "| --- | --- |", *rows] if rows else []


def _is_json_of_command(command: click.Command, parameter: click.Option) -> bool:
    return parameter.name == "shared_json" and command is not cli


def examples_of(command: click.Command) -> list[str]:
    """The example lines of a command, without the heading."""
    return [line.strip() for line in (command.epilog or "").splitlines()[1:] if line.strip()]


def _prose(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _summary(command: click.Command) -> str:
    return _cell(_prose(command).split("\n\n")[0].split(". ")[0].rstrip("."))


def _anchor(path: str) -> str:
    return path.replace(" ", "-")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def configuration_page() -> str:
    parts = [
        NOTE,
        _CONFIGURATION_INTRO,
        "| setting | value | default | of the | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    parts += [_setting_row(key, setting) for key, setting in sorted(SETTINGS.items())]
    parts += ["", "## Environment variables", "", "| variable | meaning | default |", "| --- | --- | --- |"]
    parts += [f"| `{name}` | {about} | {default} |" for name, (about, default) in VARIABLES.items()]
    return "\n".join(parts) + "\n"


def _setting_row(key: str, setting: Setting) -> str:
    kind = (
        ", ".join(f"`{choice}`" for choice in setting.kind.split("|")) if "|" in setting.kind else _KINDS[setting.kind]
    )
    default = shown_value(key, setting.default)
    variable = f" (`{setting.variable}` wins)" if setting.variable else ""
    default = f"`{default}`" if default else ""
    return f"| `{key}` | {kind} | {default} | {'vault' if setting.shared else 'node'} | {setting.about}{variable} |"


_KINDS = {"bool": "`true`, `false`", "int": "whole number", "number": "number", "text": "text", "list": "`a,b` or JSON", "size": "size such as `20MiB`",
          "rate": "rate such as `600/minute`, `none`"}  # fmt: skip


_API_INTRO = """# The HTTP interface

JSON in and out, times in UTC. Every error is `{"error": {"code", "message", "details"}}`, and every answer has an
`X-Request-ID`. Lists are `{"items", "total", "next_cursor"}`; give `next_cursor` back as `cursor` for the next page,
with the same query and order, until it is `null`. A page begins behind the last item of the page before, whatever arrived
meanwhile: nothing comes twice, and what did not change is not left out. `total` is that of the first page, and at least that
where `total_exact` is false; a query for which many events must be read may give pages shorter than `limit`. Keys and limits are described in [The server](server.md). A server shows this page at `/api/docs`, and OpenAPI 3.1 at `/api/openapi.json`.
"""


def http_page() -> str:
    """docs/http-api.md"""
    from crashvault.api.openapi import document
    from crashvault.api.routes import ENDPOINTS

    lines = [NOTE, "", _API_INTRO]
    described = document(ENDPOINTS)
    for tag in described["tags"]:
        lines += [f"## {tag['name'].capitalize()}", "", "| endpoint | scope | what |", "| --- | --- | --- |"]
        details: list[str] = []
        for path, operations in described["paths"].items():
            for method, operation in operations.items():
                if operation["tags"][0] == tag["name"]:
                    name = f"`{method.upper()} {path}`"
                    lines.append(f"| {name} | {operation.get('x-scope', '')} | {operation['summary']} |")
                    details += _operation_details(name, operation, described["components"]["schemas"])
        lines += ["", *details]
    return "\n".join(lines).rstrip() + "\n"


def _operation_details(name: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """Parameters of the query string, and fields of the body."""
    rows = [
        f"| `{one['name']}` | {_schema_kind(one['schema'])} | {one.get('description', '')} |"
        for one in operation.get("parameters", ())
        if one["in"] == "query"
    ]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = schemas.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
        needed = schema.get("required", ())
        rows += [
            f"| `{field}` (body) | {_schema_kind(kind)} | {'required' if field in needed else ''} |"
            for field, kind in schema.get("properties", {}).items()
        ]
    if rows:
        yield from (f"{name}:", "", "| parameter | type | meaning |", "| --- | --- | --- |", *rows, "")


def _schema_kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_schema_kind(one) for one in schema["anyOf"])
    kind = "object" if "$ref" in schema else str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_schema_kind(schema.get('items', {}))}"
    span = f" from {schema['minimum']} to {schema['maximum']}" if "maximum" in schema and "minimum" in schema else ""
    default = schema.get("default")
    return f"{kind}{span}" if default is None else f"{kind}{span}, default `{default}`"


_WORDS_INTRO = """# Words

What may stand where a command, a query, a request or a message takes one of several words; made from the code.
"""


def words_page() -> str:
    """docs/reference.md"""
    parts = [NOTE, _WORDS_INTRO]
    for title, text, rows in _word_tables():
        parts += [f"## {title}", "", *([text, ""] if text else []), *rows, ""]
    return "\n".join(parts).rstrip() + "\n"


def _word_tables() -> Iterator[tuple[str, str, list[str]]]:
    """Headings, what to say below them, and tables."""
    from crashvault import models
    from crashvault.ingest.limits import REASONS
    from crashvault.plugins import parts
    from crashvault.query import fields
    from crashvault.webhooks import base

    yield "Query fields", "Described in [the query language](query-language.md).", fields.markdown_table().splitlines()
    aliases = {known: other for other, known in models.LEVEL_ALIASES.items()}
    levels = [
        (f"`{name}`", rank, models.LEVEL_LOOKS[name][1], f"`{aliases[name]}`" if name in aliases else "")
        for name, rank in models.LEVEL_RANKS.items()
    ]
    yield "Levels", "`crashvault level add` makes more.", _table(("level", "rank", "emoji", "also"), levels)
    words = [("severity of an issue", models.SEVERITIES), ("status of an issue", models.STATUSES),
             ("format of `export`", parts.exporters()), ("what `webhook add --on` takes", base.CHOICES)]  # fmt: skip
    listed = [(what, ", ".join(f"`{name}`" for name in names)) for what, names in words]
    yield "Other words", "", _table(("of", "words"), listed)
    providers = [parts.provider(name) for name in parts.webhook_types()]
    rows = [
        (
            f"`{one.name}`",
            one.title,
            "yes" if one.signed else "",
            "<br>".join(f"`{key}` {about}" for key, about in one.options.items()),
        )
        for one in providers
    ]
    text = "Described in [Webhooks](webhooks.md). Options are given as `--option NAME=VALUE`."
    yield "Webhook providers", text, _table(("type", "service", "signed", "options"), rows)
    reasons = [(f"`{name}`", about) for name, about in REASONS.items()]
    text = "In `errors` of an event, with the field; the [limits](storage.md#limits-of-an-event) say how much is kept."
    yield "Why a part of an event was changed", text, _table(("reason", "what was done"), reasons)


def _table(heads: tuple[str, ...], rows: list[Any]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    return [*lines, *(f"| {' | '.join(_cell(str(value)) for value in row)} |" for row in rows)]


_HOOKS_INTRO = """# Plugin hooks

Version {version} of the hook API, made from its signatures. A plugin implements those that it wants, and takes the arguments that it
needs; how one is written stands in [Plugins](plugins.md). Events and issues are dictionaries in the shapes of the
[HTTP interface](http-api.md). Within one version hooks, arguments and keys are added, and nothing is changed.

A plugin may say `CRASHVAULT_API = {version}`; one that wants a version which this Crashvault does not know is not loaded.
"""


def hooks_page() -> str:
    """docs/plugin-hooks.md"""
    from crashvault.plugins import specs, types

    parts = [NOTE, _HOOKS_INTRO.format(version=specs.API_VERSION)]
    for title, hooks in specs.GROUPS.items():
        parts += [f"## {title}", ""]
        for hook in hooks:
            signature = str(inspect.signature(hook)).replace("'", "")
            parts += [
                f"### {hook.__name__}",
                "",
                "```python",
                f"def {hook.__name__}{signature}",
                "```",
                "",
                _text(hook),
                "",
            ]
    parts += ["## What plugins give", "", "From `crashvault.plugins.types`; `Named` is text such as `package.module:name`, imported when it is wanted.", ""]  # fmt: skip
    for kind in (types.Exporter, types.ReportFormat, types.Route, types.Request, types.Reply, types.Panel):
        parts += [f"### {kind.__name__}", "", _text(kind), "", *_fields(kind), ""]
    return "\n".join(parts).rstrip() + "\n"


def _text(thing: Any) -> str:
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(thing.__doc__).split("\n\n"))


def _fields(kind: Any) -> list[str]:
    """The fields of a named tuple: type, default, and the comment behind each in the source."""
    remarks = dict(re.findall(r"^    (\w+): [^#\n]*# (.*)$", inspect.getsource(kind), re.M))
    rows = [
        (f"`{name}`", f"`{kind.__annotations__[name].__forward_arg__}`",
         f"`{kind._field_defaults[name]!r}`" if name in kind._field_defaults else "", remarks.get(name, ""))
        for name in kind._fields
    ]  # fmt: skip
    return _table(("field", "type", "default", ""), rows)


def man_page() -> str:
    """docs/crashvault.1"""
    root = root_context()
    return manpage.page(cli, root, command_pages(cli, root), VARIABLES, __version__)


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "crashvault.1": man_page,
    "configuration.md": configuration_page,
    "http-api.md": http_page,
    "plugin-hooks.md": hooks_page,
    "reference.md": words_page,
}


def outdated() -> list[str]:
    """Names of the pages that are not what the code says."""
    return [
        name for name, page in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text("utf-8") != page()
    ]


def main(arguments: list[str]) -> int:
    names = outdated()
    if arguments == ["--check"]:
        if names:
            print(
                f"Error: out of date: {', '.join(f'docs/{name}' for name in names)}. Run: scripts/docs", file=sys.stderr
            )
        return 1 if names else 0
    if arguments:
        print("Usage: scripts/docs [--check]", file=sys.stderr)
        return 2
    for name in names:
        (DOCS / name).write_text(PAGES[name](), "utf-8")
        print(f"Wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
