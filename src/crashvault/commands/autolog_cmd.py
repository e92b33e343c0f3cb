"""`crashvault autolog`: run a Python program with its uncaught exceptions recorded."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from ..errors import CrashvaultError
from .context import Context, command

_EXAMPLES = """
crashvault autolog app.py --port 8000
crashvault autolog --tag nightly --release 1.4.2 -m shop.import feed.csv
crashvault autolog --ignore BrokenPipeError --ignore shop.errors.Refused app.py
crashvault autolog --python .venv/bin/python app.py
"""


@command("autolog", _EXAMPLES, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word or KEY=VALUE; may be repeated.")
@click.option(
    "--level", metavar="LEVEL", help="Severity of what is recorded. [default: error; critical for fatal signals]"
)
@click.option("--release", metavar="VERSION", help="Version of the program. [default: $SENTRY_RELEASE]")
@click.option("--environment", metavar="NAME", help="Such as production. [default: $SENTRY_ENVIRONMENT]")
@click.option(
    "--ignore", multiple=True, metavar="TYPE", help="Exceptions not to record, with their subclasses; may be repeated."
)
@click.option("--python", metavar="PATH", help="Interpreter that runs the program; Crashvault must be installed there.")
@click.option("--quiet", is_flag=True, help="Do not say what was recorded.")
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT|-m MODULE|-c CODE|-] [ARGS…]")
def autolog(context: Context, program: tuple[str, ...], python: str | None, quiet: bool, **given: Any) -> None:
    """Run Python with uncaught exceptions recorded, in threads, asyncio and child processes too.

    Everything behind the options is given to Python as it is. Traceback and exit code stay what they are
    without Crashvault; one line on standard error tells the event's issue.
    """
    _check_program(program)
    from ..sdk import supervise

    settings = _settings(context, quiet, given)
    outcome = supervise.run(supervise.python_path(python) if python else sys.executable, program, settings)
    if outcome.deaths:
        _record(context, outcome.deaths, program, settings)
    _end(context, outcome.status)


def _check_program(program: tuple[str, ...]) -> None:
    """What stands where the program should: click leaves unknown options to us."""
    if not program:
        raise click.UsageError("there is no program to run. Give a SCRIPT, -m MODULE, -c CODE, or - for standard input")
    first = program[0]
    if first in ("-m", "-c") and len(program) == 1:
        raise click.UsageError(f"argument expected for the {first} option")
    if first.startswith("-") and first not in ("-", "-m", "-c"):
        known = [
            "--tag",
            "--level",
            "--release",
            "--environment",
            "--ignore",
            "--python",
            "--quiet",
            "--project",
            "--home",
        ]
        import difflib

        raise click.NoSuchOption(first, possibilities=difflib.get_close_matches(first, known, 2, 0.5))


def _settings(context: Context, quiet: bool, given: dict[str, Any]) -> dict[str, Any]:
    level = given["level"]
    if level:
        level = context.store.levels.require(level).name
        context.close()  # the program may run for days
    if context.project:
        from ..storage.projects import check_name

        check_name(context.project)
    found = {"home": context.home, "project": context.project, "quiet": quiet, **given, "level": level}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items() if value}


def _record(context: Context, deaths: Any, program: tuple[str, ...], settings: dict[str, Any]) -> None:
    """A vault that cannot be written must not change how the program ends."""
    from ..console import err_console, escape
    from ..sdk import supervise
    from ..sdk.autolog import recorded_line

    try:
        lines = [
            recorded_line(receipt) for receipt in supervise.record_deaths(context.store, deaths, program, settings)
        ]
    except CrashvaultError as error:
        err_console.print(escape(f"crashvault: the crash could not be recorded ({error})"))
        return
    for line in lines if not settings.get("quiet") else ():
        err_console.print(escape(line))


def _end(context: Context, status: int) -> NoReturn:
    from ..sdk import supervise

    try:
        context.close()
    except CrashvaultError:  # what was recorded is safe, and the program's end counts
        pass
    supervise.end_like(status)
