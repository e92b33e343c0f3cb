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


def confirm_deletion(question: str) -> None:
    """The same for what cannot be taken back. Raises UsageError where nobody can be asked."""
    if not somebody_there():
        raise click.UsageError(
            "deleting wants a confirmation, and this is no terminal. Add --yes, or look first with --dry-run"
        )
    confirm(question)
