"""`crashvault event`: one event whole."""

from __future__ import annotations

from typing import Any

import click

from ..output.shapes import event_shape
from .context import Context, command, emit


@command("event", "crashvault event 4f1c9a7e\ncrashvault event 4f1c9a7e --json", reads=True)
@click.argument("event_id")
def event(context: Context, event_id: str) -> None:
    """Show one event whole: stack trace, local variables, context, breadcrumbs.

    The beginning of its id is enough where it fits one event only."""
    store = context.store
    found = store.events.get(event_id)
    shape = event_shape(found.event, found.issue_id, found.fingerprint)
    shape["attachments"] = [*shape["attachments"], *_attached_later(store, found.row, shape["attachments"])]
    if context.json:
        emit(shape)
        return
    from ..output.events import print_event

    print_event(shape, {level.name: level for level in store.levels.list()})


def _attached_later(store: Any, row: int, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The files that came with `crashvault attach`."""
    names = {(file.get("name"), file.get("digest")) for file in known}
    return [file.info() for file in store.attachments.of_event(row) if (file.name, file.digest) not in names]
