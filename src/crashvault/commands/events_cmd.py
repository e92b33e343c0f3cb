"""`crashvault events`: the events, latest first."""

from __future__ import annotations

import click

from .context import Context, command, joined_query, page_options, query_argument
from .reading import event_page
from .triage import IssueId

_EXAMPLES = """
crashvault events --issue 12
crashvault events 'release:2.4.* user:ana'
crashvault events --limit 500 --json
"""


@command("events", _EXAMPLES, reads=True)
@query_argument
@click.option("--issue", type=IssueId(), metavar="N", help="Only those of this issue.")
@page_options
def events(
    context: Context, query: tuple[str, ...], issue: int | None, limit: int, offset: int, cursor: str | None
) -> None:
    """List events, latest first."""
    if issue is not None:
        context.store.issues.get(issue)
    extra = [f"issue:{issue}"] if issue is not None else []
    event_page(context, joined_query(query), extra=extra, limit=limit, offset=offset, cursor=cursor)
