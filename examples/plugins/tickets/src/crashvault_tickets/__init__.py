"""Opens tickets on GitHub and in Jira: `crashvault webhook add github`, `… add jira`, `crashvault ticket ISSUE`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from crashvault.clock import now
from crashvault.commands.context import Context, command, emit
from crashvault.errors import InvalidError
from crashvault.plugins import hookimpl

if TYPE_CHECKING:
    from crashvault.storage.webhooks import Webhook

CRASHVAULT_API = 1
_TYPES = ("github", "jira")


@hookimpl
def register_webhook_providers() -> Mapping[str, str]:
    return {name: f"crashvault_tickets.{name}:PROVIDER" for name in _TYPES}


@hookimpl
def register_commands(cli: click.Group) -> None:
    cli.add_command(ticket)


@command("ticket", "crashvault ticket 12\ncrashvault ticket 12 --webhook jira")
@click.argument("issue", type=int, metavar="ISSUE")
@click.option("--webhook", metavar="NAME", help="The webhook that opens it. [default: the only one that could]")
def ticket(context: Context, issue: int, webhook: str | None) -> None:
    """Queue a ticket for an issue that is there already; nothing is opened twice."""
    from crashvault.console import console, escape
    from crashvault.storage.outbox import Wanted
    from crashvault.webhooks.base import NEW_ISSUE

    store = context.store
    found = store.issues.get(issue)
    chosen = _chosen(context, webhook)
    with store.writing():
        store.outbox.add([Wanted(chosen.id, NEW_ISSUE, found.id, found.last_event)], now())
    if context.json:
        emit({"issue_id": found.id, "webhook": chosen.name, "queued": True})
        return
    console.print(f"[success]Queued[/success] a ticket for [highlight]#{found.id}[/highlight] at {escape(chosen.name)}")


def _chosen(context: Context, name: str | None) -> Webhook:
    known = [one for one in context.store.webhooks.list() if one.type in _TYPES]
    if name is not None:
        found = context.store.webhooks.require(name)
        if found.type not in _TYPES:
            raise InvalidError(f"the webhook {found.name!r} opens no tickets", f"Its type is {found.type}")
        return found
    if len(known) != 1:
        hint = (
            f"Name one with --webhook: {', '.join(one.name for one in known)}"
            if known
            else "Make one: crashvault webhook add github --help"
        )
        raise InvalidError(f"there are {len(known) or 'no'} webhooks that open tickets", hint)
    return known[0]
