"""The man page, made of the help texts: what `man crashvault` shows. roff as in groff_man(7)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator

import click

Commands = Iterable[tuple[str, click.Command, click.Context]]

_HEAD = r""".\" Written by scripts/docs from the code; change it there.
.TH CRASHVAULT 1 "" "Crashvault {version}" "User Commands"
.SH NAME
crashvault \- a local\-first crash and error vault
.SH SYNOPSIS
.B crashvault
.RI [ OPTIONS ]
.I COMMAND
.RI [ ARGS ]...
.SH DESCRIPTION
"""
_EXIT = (
    (0, "Done."),
    (1, "A failure, told in one line."),
    (2, "Wrong usage or a wrong query."),
    (130, "Ended by Ctrl-C."),
)


def page(
    cli: click.Group, root: click.Context, commands: Commands, variables: dict[str, tuple[str, str]], version: str
) -> str:
    """The whole page; `variables` are environment variables with what they do and what holds without them."""
    lines = [_HEAD.format(version=version).rstrip("\n"), *_prose(cli.help or "")]
    lines += [".SH OPTIONS", *_options(cli, root), ".SH COMMANDS"]
    for path, command, context in commands:
        lines += _command(path, command, context)
    lines.append(".SH ENVIRONMENT")
    for name, (about, default) in variables.items():
        lines += [
            ".TP",
            f".B {_text(name)}",
            _text(_plain(about)),
            *([_text(f"Without it: {_plain(default)}.")] if default else []),
        ]
    lines.append(".SH EXIT STATUS")
    for code, about in _EXIT:
        lines += [".TP", f".B {code}", _text(about)]
    lines += [".SH SEE ALSO", _text("crashvault help TOPIC, crashvault docs")]
    return "\n".join(lines) + "\n"


def _command(path: str, command: click.Command, context: click.Context) -> Iterator[str]:
    if command.hidden:
        return
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    yield from (f'.SS "{_text(usage)}"', *_prose(command.help or ""), *_options(command, context))
    examples = [line.strip() for line in (command.epilog or "").splitlines()[1:] if line.strip()]
    if examples:
        yield from (".PP", "Examples:", ".EX", *map(_text, examples), ".EE")


def _prose(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).replace("\b\n", "").split("\n\n"):
        yield from (".PP", _text(" ".join(paragraph.split())))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record and not parameter.hidden and record[0] not in ("-h, --help", "--help"):
            yield from (".TP", f'.B "{_text(record[0])}"', _text(record[1]))


def _plain(text: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")


def _text(text: str) -> str:
    """Text of a line, with nothing in it that roff takes for an instruction of its own."""
    text = " ".join(text.split()).replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return rf"\&{text}" if text[:1] in (".", "'") else text
