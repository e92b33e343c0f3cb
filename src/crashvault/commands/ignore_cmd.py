"""`crashvault ignore`."""

from __future__ import annotations

from .context import Context, command
from .triage import change, issues_argument


@command("ignore", "crashvault ignore 12\ncrashvault ignore 12 15 18")
@issues_argument
def ignore(context: Context, issues: tuple[int, ...]) -> None:
    """Ignore issues: they keep counting events and stay out of the list."""
    from .. import lifecycle

    change(context, lifecycle.set_status, issues, "Ignored", "ignored")
