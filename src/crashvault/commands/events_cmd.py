"""`crashvault events`: the events, latest first."""

from __future__ import annotations

import click

from .context import Context, command, cursor_option, joined_query
from .reading import event_page

_EXAMPLES = """
crashvault events --issue 12
crashvault events 'release:2.4.* user:ana'
crashvault events --limit 500 --json
"""


@command("events", _EXAMPLES)
@click.argument("query", nargs=-1)
@click.option("--issue", type=click.IntRange(1), metavar="N", help="Only those of this issue.")
@click.option("--limit", type=click.IntRange(0, 10_000), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, show_default=True)
@cursor_option
def events(
    context: Context, query: tuple[str, ...], issue: int | None, limit: int, offset: int, cursor: str | None
) -> None:
    """List events, latest first."""
    if issue is not None:
        context.store.issues.get(issue)
    extra = [f"issue:{issue}"] if issue is not None else []
    event_page(context, joined_query(query), extra=extra, limit=limit, offset=offset, cursor=cursor)
