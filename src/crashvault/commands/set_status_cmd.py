"""`crashvault set-status`."""

from __future__ import annotations

import click

from ..models import STATUSES
from .context import Context, command
from .triage import change, issues_argument


@command("set-status", "crashvault set-status 12 15 resolved")
@issues_argument
@click.argument("status", metavar="STATUS", type=click.Choice(STATUSES, case_sensitive=False))
def set_status(context: Context, issues: tuple[int, ...], status: str) -> None:
    """Give issues a status: open, resolved or ignored."""
    from .. import lifecycle

    change(context, lifecycle.set_status, issues, f"Now {status}:", status)
