"""`crashvault reopen`."""

from __future__ import annotations

from .context import Context, command
from .triage import change, issues_argument


@command("reopen", "crashvault reopen 12\ncrashvault reopen 12 15 18")
@issues_argument
def reopen(context: Context, issues: tuple[int, ...]) -> None:
    """Open issues again."""
    from .. import lifecycle

    change(context, lifecycle.set_status, issues, "Reopened", "open")
