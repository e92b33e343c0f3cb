"""`crashvault search`: find events by what they say and what is known of them."""

from __future__ import annotations

import click

from .context import Context, command, joined_query, page_options, query_argument
from .reading import event_page

_EXAMPLES = """
crashvault search timeout
crashvault search 'exception:KeyError file:orders/*.py'
crashvault search --text "connection reset" --since 24h --level '>=error'
"""


@command("search", _EXAMPLES, reads=True)
@query_argument
@click.option("--level", metavar="LEVEL", help="A level, or a comparison such as '>=error'.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word or KEY=VALUE; may be repeated.")
@click.option("--text", metavar="TEXT", help="Words that stand next to each other.")
@click.option("--since", metavar="TIME", help="Not before: 2h, 7d, or ISO 8601.")
@click.option("--until", metavar="TIME", help="Before that time.")
@page_options
def search(
    context: Context, query: tuple[str, ...], level: str | None, tags: tuple[str, ...], text: str | None,
    since: str | None, until: str | None, limit: int, offset: int, cursor: str | None,
) -> None:  # fmt: skip
    """Find events, latest first. QUERY is written in the query language: `crashvault help query`."""
    extra = [f"since:{since}"] if since else []
    extra += [f"until:{until}"] if until else []
    extra += [phrase(text)] if text else []
    event_page(
        context, joined_query(query), level=level, tags=tags, extra=extra, limit=limit, offset=offset, cursor=cursor
    )


def phrase(text: str) -> str:
    """A text as a quoted phrase of the query language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
