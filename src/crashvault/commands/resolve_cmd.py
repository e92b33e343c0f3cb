"""`crashvault resolve`."""

from __future__ import annotations

import click

from .context import Context, command
from .triage import change, issues_argument


@command("resolve", "crashvault resolve 12\ncrashvault resolve 12 15 --in 1.4.0\ncrashvault resolve 12 --in next")
@issues_argument
@click.option("--in", "release", metavar="RELEASE",
              help="The release that mends it, or next: events of older releases don't reopen it.")  # fmt: skip
def resolve(context: Context, issues: tuple[int, ...], release: str | None) -> None:
    """Mark issues as resolved; an event that comes later reopens them."""
    from .. import lifecycle

    if release:
        change(context, lifecycle.resolve_in, issues, "Resolved", release)
    else:
        change(context, lifecycle.set_status, issues, "Resolved", "resolved")
