"""`crashvault comment`: write a comment on an issue."""

from __future__ import annotations

import click

from .context import Context, command, emit
from .reading import text_or_input
from .triage import IssueId

_EXAMPLES = """
crashvault comment 12 "Happens only with the old driver"
git log -1 | crashvault comment 12 -
"""


@command("comment", _EXAMPLES)
@click.argument("issue", type=IssueId())
@click.argument("text", metavar="TEXT|-")
def comment(context: Context, issue: int, text: str) -> None:
    """Write a comment on an issue; - reads it from standard input."""
    from .. import lifecycle
    from ..clock import now, to_iso

    moment = now()
    text = text_or_input(text)
    lifecycle.comment(context.store, issue, text, context.actor, moment)
    if context.json:
        emit({"issue_id": issue, "at": to_iso(moment), "actor": context.actor, "text": text})
        return
    from ..console import console

    console.print(f"[success]Commented on[/success] [highlight]#{issue}[/highlight]")
