"""`crashvault attachments`: the files of an event or an issue, and their content."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

import click

from .context import Context, command, emit
from .triage import IssueId

_EXAMPLES = """
crashvault attachments --event 4f1c9a7e
crashvault attachments --issue 12 --save crash-files
crashvault attachments --event 4f1c9a7e --cat log.txt | less
"""


@command("attachments", _EXAMPLES)
@click.option("--event", metavar="EVENT_ID", help="Those of this event; the beginning of the id is enough.")
@click.option("--issue", type=IssueId(), metavar="ISSUE", help="Those that people put on this issue.")
@click.option("--save", metavar="DIR", type=click.Path(file_okay=False), help="Write them all to this directory.")
@click.option("--cat", metavar="NAME", help="Write the one of this name to standard output.")
def attachments(context: Context, event: str | None, issue: int | None, save: str | None, cat: str | None) -> None:
    """List the files of an event or an issue, or bring them back."""
    if (event is None) == (issue is None):
        raise click.UsageError("say whose files: --event EVENT_ID or --issue ISSUE")
    store = context.store
    if event is not None:
        found = store.attachments.of_event(store.events.resolve(event))
    else:
        assert issue is not None
        store.issues.get(issue)
        found = store.attachments.of_issue(issue)
    if cat is not None:
        _write(store, found, cat)
        return
    saved = _save(store, found, save) if save is not None else []
    if context.json:
        more = [{"path": path} for path in saved] or [{} for _ in found]
        emit(
            {
                "items": [{**file.info(), **extra} for file, extra in zip(found, more, strict=True)],
                "total": len(found),
                "next_cursor": None,
            }
        )
    else:
        _print(found, saved)


def _write(store: Any, found: list[Any], name: str) -> None:
    from ..errors import NotFoundError

    for file in found:
        if file.name == name:
            with store.attachments.open(file) as content:
                shutil.copyfileobj(content, sys.stdout.buffer)
            return
    names = ", ".join(file.name for file in found)
    raise NotFoundError(f"there is no file {name!r}", f"There are: {names}" if names else "There are none")


def _save(store: Any, found: list[Any], folder: str) -> list[str]:
    """Write the files, those of the same name with a number before it; what is there already stays."""
    from .. import core

    paths = []
    for file in found:
        path = core.free_path(folder, file.name)
        with store.attachments.open(file) as content, core.atomic_file(path) as target:
            shutil.copyfileobj(content, target)
        paths.append(path)
    return paths


def _print(found: list[Any], saved: list[str]) -> None:
    from ..console import Column, console, escape

    if not found:
        console.print("[muted]No files.[/muted]")
        return
    rows = [[escape(file.name), escape(file.content_type), str(file.size)] for file in found]
    console.table((Column("name"), Column("type"), Column("bytes", justify="right")), rows)
    for path in saved:
        console.print(f"[success]Wrote[/success] {escape(os.path.relpath(path))}")
