"""`crashvault assign`: give issues to somebody, or to nobody."""

from __future__ import annotations

import click

from .context import Context, command
from .triage import IssueId, change

_EXAMPLES = """
crashvault assign 12 ana
crashvault assign 12 15 18 ana
crashvault assign 12 --none
"""


@command("assign", _EXAMPLES)
@click.argument("words", nargs=-1, required=True, metavar="ISSUE… USER|--none")
@click.option("--none", "nobody", is_flag=True, help="Assign to nobody; then no USER is given.")
def assign(context: Context, words: tuple[str, ...], nobody: bool) -> None:
    """Assign issues to somebody, or to nobody."""
    from .. import lifecycle
    from ..console import escape

    if nobody and not words[-1].removeprefix("#").isdecimal():
        raise click.UsageError(f"--none assigns to nobody; leave {words[-1]!r} out, or --none")
    *issues, user = (*words, None) if nobody else words
    if not issues:
        raise click.UsageError("say to whom: crashvault assign 12 ana; or to nobody: crashvault assign 12 --none")
    ids = [IssueId().convert(issue, None, click.get_current_context()) for issue in issues]
    change(context, lifecycle.assign, ids, f"Assigned to {escape(user)}:" if user else "Assigned to nobody:", user)
