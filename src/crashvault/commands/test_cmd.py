"""`crashvault test`: run the tests of the repository you stand in."""

from __future__ import annotations

import os
import shlex

import click

from ..errors import NotFoundError
from .context import Context, command, emit

_EXAMPLES = """
crashvault test
crashvault test -- -k orders
crashvault test --dry-run
"""


@command("test", _EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS…]")
@click.option("--no-record", is_flag=True, help="Do not record a failure.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Give the event a tag; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only show what would be run.")
def test(context: Context, arguments: tuple[str, ...], no_record: bool, tags: tuple[str, ...], dry_run: bool) -> int:
    """Run the tests of the repository you stand in, and record it when they fail, as `wrap` does.

    How they are run is seen from its files: a test script, Makefile, package.json, Cargo.toml, go.mod, pytest …
    ARGS go to the tests; the exit code is theirs."""
    from ..testing import find_tests

    found = find_tests(os.getcwd())
    if found is None:
        raise NotFoundError("no tests were found here", "Run them with: crashvault wrap -- COMMAND")
    argv = [*found.argv, *_separated(found.argv, arguments)]
    if dry_run:
        if context.json:
            emit({"command": argv, "directory": found.directory, "reason": found.reason})
        else:
            click.echo(f"cd {shlex.quote(found.directory)} && {shlex.join(argv)}")
        return 0
    return _run(context, argv, found.directory, tags, no_record)


def _separated(argv: list[str], arguments: tuple[str, ...]) -> tuple[str, ...]:
    """npm takes arguments for itself unless they stand behind `--`."""
    return ("--", *arguments) if arguments and argv[:2] in (["npm", "test"], ["pnpm", "test"]) else arguments


def _run(context: Context, argv: list[str], directory: str, tags: tuple[str, ...], no_record: bool) -> int:
    from ..child import run_child
    from ..console import err_console, escape
    from .wrap_cmd import event_body, own_tags, record

    os.chdir(directory)
    err_console.print(f"[muted]{escape(shlex.join(argv))} in {escape(directory)}[/muted]")
    result = run_child(argv)
    if result.exit_code and not no_record:
        text = result.output.decode("utf-8", "replace")
        given = {"level": None, "shell": False, "release": None, "environment": None}
        body = event_body(argv, result, text, ["test", *tags, *own_tags(argv, result, False)], given)
        record(context, body, False, text)
    return result.exit_code
