"""`crashvault batch-analyze`: what many events say together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..models import STATUSES
from .choosing import report_formats
from .context import Context, command, joined_query
from .models import add_narrative, model_choice, model_options, print_prompt, prompt_limits

_EXAMPLES = """
crashvault batch-analyze
crashvault batch-analyze 'level:>=error' --since 7d --limit 20000
crashvault batch-analyze --tag region=eu --format html --output week.html
crashvault batch-analyze --since 24h --provider ollama --model llama3.2
"""
_GIT_SECONDS = 20.0  # for all suspects together


@command("batch-analyze", _EXAMPLES, reads=True)
@click.argument("query", nargs=-1)
@click.option(
    "--status",
    type=click.Choice([*STATUSES, "all"], case_sensitive=False),
    help="Events of which issues. [default: open]",
)
@click.option("--level", metavar="LEVEL", help="A level, or a comparison such as '>=error'.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word or KEY=VALUE; may be repeated.")
@click.option("--since", metavar="TIME", help="Events not before: 2h, 7d, or ISO 8601.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True,
    help="Events examined; of more that fit, an even sample.",
)  # fmt: skip
@click.option(
    "--format", "format_", type=report_formats("batch-analyze"),
    help="[default: what the file's name says, else text]",
)  # fmt: skip
@click.option("--output", "-o", metavar="FILE", help="File to write; - is standard output.")
@click.option(
    "--source", type=click.Path(exists=True, file_okay=False), default=".",
    help="Where the program's source is, to find suspect commits. [default: here]",
)  # fmt: skip
@model_options
@click.option(
    "--pager/--no-pager", default=None, help="Show the text in a pager. [default: where it is longer than the terminal]"
)
def batch_analyze(
    context: Context, query: tuple[str, ...], status: str | None, level: str | None, tags: tuple[str, ...], since: str | None,
    limit: int, format_: str | None, output: str | None, source: str, pager: bool | None, provider: str | None,
    model: str | None, timeout: int | None, show_prompt: bool,
) -> None:  # fmt: skip
    """Find what many events have in common: clusters, what stands out, bursts, suspect commits, what to do first.

    Everything is computed on this machine; with a provider a model adds a narrative, which is marked as such.
    QUERY is written in the query language: `crashvault help query`."""
    from ..analysis.batch import Options, analyze
    from ..clock import now
    from .reading import narrowed
    from .reports import chosen_format, shown_query, steps, timer, write_out

    chosen = chosen_format(context, "batch-analyze", format_, output)
    choice = model_choice(context, provider, model, timeout)
    store, moment, text = context.store, now(), joined_query(query)
    extra = [f"since:{since}"] if since else []
    search = store.search(moment)
    node, open_only = narrowed(context, search, text, status=status, level=level, tags=tags, extra=extra)
    shown = shown_query(context, text, status or ("open" if open_only else None), level, tags, since)
    with steps("Reading events") as begin:
        options = Options(limit=limit, query=shown, directory=source, time_is_up=timer(_GIT_SECONDS))
        report = analyze(store, node, moment, options, begin)
    if show_prompt:
        print_prompt(_prompt(context, report))
        return
    live = choice is not None and chosen == "text" and output in (None, "-") and not pager
    if live:
        write_out(context, report, chosen, output, False, _renderers())
    if choice is not None and report["clusters"]:
        facts = [fact["id"] for fact in report["facts"]]
        add_narrative(context, report, choice, _prompt(context, report), facts, live)
    if not live:
        write_out(context, report, chosen, output, pager, _renderers())


def _prompt(context: Context, report: dict[str, Any]) -> Any:
    from ..analysis.narrative import prompt

    return prompt(report, *prompt_limits(context))


def _renderers() -> dict[str, Callable[[Any], Any]]:
    from ..console import console
    from ..output.analysis_text import analysis_lines
    from .reports import renderers

    return renderers("batch-analyze", lambda report: analysis_lines(report, console.width))
