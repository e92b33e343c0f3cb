"""`crashvault generate-report`: figures and charts of the vault, as a file to hand on."""

from __future__ import annotations

import click

from ..models import STATUSES
from .choosing import report_formats
from .context import Context, command

_EXAMPLES = """
crashvault generate-report --output week.html --since 7d
crashvault generate-report --query 'level:>=error environment:production' --format markdown
crashvault generate-report --status open --json
"""


@command("generate-report", _EXAMPLES)
@click.option("--query", metavar="QUERY", default="", help="Events that fit: `crashvault help query`.")
@click.option(
    "--status",
    type=click.Choice([*STATUSES, "all"], case_sensitive=False),
    help="Events of which issues. [default: all]",
)
@click.option("--level", metavar="LEVEL", help="A level, or a comparison such as '>=error'.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word or KEY=VALUE; may be repeated.")
@click.option("--since", metavar="TIME", help="Events not before: 2h, 7d, or ISO 8601.")
@click.option(
    "--format",
    "format_",
    type=report_formats("generate-report"),
    help="[default: what the file's name says, else markdown]",
)
@click.option("--output", "-o", metavar="FILE", help="File to write; - is standard output.")
def generate_report(
    context: Context, query: str, status: str | None, level: str | None, tags: tuple[str, ...], since: str | None,
    format_: str | None, output: str | None,
) -> None:  # fmt: skip
    """Write a report: events over time, by level, by weekday and hour, and the issues with the most events.

    The HTML is one file with its charts, and asks nobody for anything."""
    from ..analysis.report import collect
    from ..clock import now
    from .reading import narrowed
    from .reports import chosen_format, renderers, shown_query, steps, write_out

    chosen = chosen_format(context, "generate-report", format_, output)
    store, moment = context.store, now()
    extra = [f"since:{since}"] if since else []
    node, _ = narrowed(
        context, store.search(moment), query, status=status or "all", level=level, tags=tags, extra=extra
    )
    shown = shown_query(context, query, status, level, tags, since)
    with steps("Counting events") as begin:
        report = collect(store, node, moment, shown, begin)
    write_out(context, report, chosen, output, None, renderers("generate-report"))
