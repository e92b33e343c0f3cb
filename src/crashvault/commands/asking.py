"""Asking people, which only works where there are some: at a terminal."""

from __future__ import annotations

import sys

import click


def somebody_there() -> bool:
    """Whether there is somebody to read a question and to answer it; questions go to standard error."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def confirm(question: str) -> None:
    """Go on only if somebody says yes. Ends the command with code 130 if not."""
    click.confirm(question, abort=True, err=True)


def confirm_deletion(question: str, advice: str = "") -> None:
    """Ask before deleting. Raises UsageError where nobody can answer, ClickException where the answer is no."""
    try:
        is_wanted = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin is not None and sys.stdin.isatty():
            click.echo(err=True)  # behind ^C
            raise
        hint = f", or {advice}" if advice else ""
        raise click.UsageError(
            f"deleting wants a confirmation, and this is no terminal. Add --yes{hint}", click.get_current_context()
        ) from None
    if not is_wanted:
        raise click.ClickException("nothing was deleted, as you said. Answer y to delete, or give --yes")
