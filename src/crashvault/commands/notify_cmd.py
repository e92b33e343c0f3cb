"""`crashvault notify`: show an event as a desktop notification."""

from __future__ import annotations

import click

from .context import Context, command, emit


@command("notify", "crashvault notify 4f1c9a7e")
@click.argument("event_id")
def notify(context: Context, event_id: str) -> None:
    """Show an event as a notification on the desktop."""
    from .. import desktop
    from ..output.events import headline, place
    from ..output.shapes import event_shape

    store = context.store
    found = store.events.get(event_id)
    event = event_shape(found.event, found.issue_id, found.fingerprint)
    title = f"{event['level']}: {headline(event)}"
    body = "\n".join(filter(None, (place(event), f"issue #{event['issue_id']} in {event['project']}")))
    program = desktop.notify(title, body, urgent=event["level"] == "critical")
    if context.json:
        emit({"event_id": event["event_id"], "program": program, "title": title, "body": body})
        return
    from ..console import console

    console.print(f"[success]Notified[/success] through {program}")
