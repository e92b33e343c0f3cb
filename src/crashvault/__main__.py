"""`crashvault` and `python -m crashvault`: run a command, turn every failure into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import NoReturn

import click

from .commands.context import COMPLETE, Context
from .errors import CrashvaultError, QueryError

FAILED, USAGE, INTERRUPTED, READER_GONE = 1, 2, 130, 141
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    from .cli import cli

    context = Context()
    code = _run(cli, arguments, context)
    _flush()
    _deliver(context)
    _tell_plugins(context)
    _close(context)
    _flush()
    # Skipping the interpreter's tear-down is worth a tenth of a short command's time; everything is closed by hand.
    os._exit(code)


def _run(cli: click.Group, arguments: list[str] | None, context: Context) -> int:
    if COMPLETE in os.environ:
        from .completion import answer

        return answer(cli, context)
    try:
        result = cli.main(arguments, prog_name="crashvault", standalone_mode=False, obj=context)
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        _show_usage(error)
        return USAGE
    except click.ClickException as error:
        _complain(error.format_message())
        return FAILED
    except click.Abort:
        _cancelled()
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return READER_GONE
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else FAILED
    except Exception as error:
        if context.debug:
            import traceback

            traceback.print_exc()
        _complain(_in_one_line(error))
        return USAGE if isinstance(error, QueryError) else FAILED


def _in_one_line(error: Exception) -> str:
    if isinstance(error, QueryError):
        hint = f". {error.hint[:1].upper()}{error.hint[1:]}" if error.hint else ""
        return f"{error.message}{hint}\n  {_printable(error.text)}\n  {' ' * _cells(error)}^"
    if isinstance(error, CrashvaultError):
        return str(error)
    if isinstance(error, OSError) and error.errno in _CANNOT_WRITE and error.filename is None:
        return f"the output cannot be written ({os.strerror(error.errno or 0)}). Free some space, or send it elsewhere"
    return f"{type(error).__name__}: {error}. Run again with --debug to see where, and please report it"


def _cells(error: QueryError) -> int:
    return len(_printable(error.text[: error.position]))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _complain(message: str) -> None:
    from .console import err_console, escape

    first, *rest = message.split("\n")
    err_console.print(f"[error]Error:[/error] {escape(first)}")
    for line in rest:
        err_console.print(escape(line))


def _cancelled() -> None:
    """Somebody said no; or nobody could be asked."""
    from .commands.asking import somebody_there
    from .console import err_console

    hint = "" if somebody_there() else " Where nobody can be asked, add --yes."
    err_console.print(f"[muted]Cancelled.{hint}[/muted]")


def _show_usage(error: click.UsageError) -> None:
    from .console import err_console, escape

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    if error.ctx is not None:
        err_console.print(escape(error.ctx.get_usage()))
        err_console.print(escape(f"Try '{error.ctx.command_path} --help' for help."))
    message = _usage_message(error)
    _complain(message[:1].lower() + message[1:] if message[1:2].islower() else message)


def _usage_message(error: click.UsageError) -> str:
    """Click's message, with one suggestion, the nearest, and without words of programmers."""
    if isinstance(error, click.NoSuchOption):
        return f"no such option '{error.option_name}'. {_option_hint(error)}"
    message = " ".join(error.format_message().split())
    return message.replace("a valid integer range", "a whole number").replace("a valid float range", "a number")


def _option_hint(error: click.NoSuchOption) -> str:
    if error.possibilities:
        import difflib

        nearest = difflib.get_close_matches(error.option_name, error.possibilities, 1, 0)[0]
        return f"Did you mean '{nearest}'?"
    path = error.ctx.command_path if error.ctx else "crashvault"
    takes_query = error.ctx is not None and any(given.name == "query" for given in error.ctx.command.params)
    term = f"; a query that begins with - goes behind --: {path} -- '-tag:test'" if takes_query else ""
    return f"See: {path} --help{term}"


def _deliver(context: Context) -> None:
    """Look at alerts and send what this command has queued, after everything was said and where no server does it."""
    try:
        told = _look_at_alerts(context) if context.has_counted else False
        if told or context.has_queued:
            from .notify.service import deliver_briefly

            deliver_briefly(context.home)
    except (CrashvaultError, KeyboardInterrupt) as error:  # it stays queued
        if context.debug:
            _complain(str(error))


def _look_at_alerts(context: Context) -> bool:
    """Whether people are to be told of an alert."""
    from .watch import look_once, show_on_desktop

    told = look_once(context.home)
    show_on_desktop(told)
    return bool(told)


def _tell_plugins(context: Context) -> None:
    """Let plugins hear what this command has stored. Most commands have never asked whether there is one."""
    telling = sys.modules.get("crashvault.telling")
    try:
        if telling is not None and not telling.finish():
            _complain(
                "a plugin took too long to hear of what was stored, and was left behind. See: crashvault plugin list"
            )
    except KeyboardInterrupt:
        pass


def _close(context: Context) -> None:
    try:
        context.close()
    except CrashvaultError as error:
        _complain(str(error))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError, AttributeError):
            pass


if __name__ == "__main__":
    main()
