"""`crashvault resolve`."""

from __future__ import annotations

from .context import Context, command
from .triage import change, issues_argument


@command("resolve", "crashvault resolve 12\ncrashvault resolve 12 15 18")
@issues_argument
def resolve(context: Context, issues: tuple[int, ...]) -> None:
    """Mark issues as resolved; an event that comes later reopens them."""
    from .. import lifecycle

    change(context, lifecycle.set_status, issues, "Resolved", "resolved")
