"""`crashvault attach`: keep a file with an event or an issue."""

from __future__ import annotations

import os

import click

from .add_cmd import stored_file
from .context import Context, command, emit
from .triage import IssueId

_EXAMPLES = """
crashvault attach core.1234 --event 4f1c9a7e
crashvault attach screenshot.png --issue 12
pg_dump --schema-only shop | crashvault attach - --issue 12 --name schema.sql
"""


@command("attach", _EXAMPLES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="FILE|-")
@click.option("--event", metavar="EVENT_ID", help="Keep it with this event; the beginning of the id is enough.")
@click.option("--issue", type=IssueId(), metavar="ISSUE", help="Keep it with this issue.")
@click.option("--name", metavar="NAME", help="Its name in the vault. [default: the file's own]")
def attach(context: Context, file: str, event: str | None, issue: int | None, name: str | None) -> None:
    """Store a file, at most 20 MiB, with an event or an issue."""
    from .. import lifecycle
    from ..clock import now

    if (event is None) == (issue is None):
        raise click.UsageError("say what the file belongs to: --event EVENT_ID or --issue ISSUE")
    if file == "-" and not name:
        raise click.UsageError("standard input has no name; give one with --name NAME")
    store = context.store
    row = store.events.resolve(event) if event is not None else None
    if issue is not None:
        lifecycle.require(store, [issue])
    stored = stored_file(store, file, name or os.path.basename(file))
    added = store.attachments.add(stored, now(), event=row, issue=issue)
    owner = f"event {store.events.load([row])[0].event['event_id'][:8]}" if row is not None else f"issue #{issue}"
    if context.json:
        emit({**stored, "added": added})
        return
    from ..console import console, escape

    what = "[success]Attached[/success]" if added else "[muted]Unchanged:[/muted]"
    how = "to" if added else "was already with"
    console.print(f"{what} {escape(stored['name'])} ({stored['size']} bytes) {how} [highlight]{owner}[/highlight]")
