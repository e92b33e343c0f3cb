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
@click.argument("words", nargs=-1, required=True, metavar="ISSUE… USER")
@click.option("--none", "nobody", is_flag=True, help="Assign to nobody; then no USER is given.")
def assign(context: Context, words: tuple[str, ...], nobody: bool) -> None:
    """Assign issues to somebody, or to nobody."""
    from .. import lifecycle
    from ..console import escape

    *issues, user = (*words, None) if nobody else words
    if not issues:
        raise click.UsageError("assign wants ISSUE… and then USER, as in: crashvault assign 12 ana")
    ids = [IssueId().convert(issue, None, click.get_current_context()) for issue in issues]
    change(context, lifecycle.assign, ids, f"Assigned to {escape(user)}:" if user else "Assigned to nobody:", user)
