"""`crashvault export`: the vault, or a part of it, as a file."""

from __future__ import annotations

from typing import Any

import click

from .choosing import export_formats
from .context import Context, command, emit, joined_query, query_argument
from .triage import IssueId

_EXAMPLES = """
crashvault export --output vault.jsonl.gz
crashvault export --issue 12 --issue 15 --format md
crashvault export --query 'is:open level:>=error' --since 7d --output week.csv
"""


@command("export", _EXAMPLES, reads=True)
@query_argument
@click.option(
    "--issue", "issues", multiple=True, type=IssueId(), metavar="N", help="This issue, whole; may be repeated."
)
@click.option("--query", "asked", metavar="QUERY", help="Events that fit, with their issues.")
@click.option("--since", metavar="TIME", help="Events not before: 2h, 7d, or ISO 8601.")
@click.option(
    "--format", "format_", type=export_formats(),
    help="jsonl and json lose nothing, the others are for people. [default: what the file's name says, else jsonl]",
)  # fmt: skip
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(),
    help="File to write, compressed if it ends in .gz; - is standard output.",
)
def export(
    context: Context, query: tuple[str, ...], issues: tuple[int, ...], asked: str | None, since: str | None,
    format_: str | None, output: str | None,
) -> None:  # fmt: skip
    """Export the whole vault, or the issues and events that are asked for."""
    from ..clock import now
    from ..console import progress
    from ..exchange import export_vault
    from ..exchange.files import output as opened
    from ..plugins.parts import exporters, format_named
    from ..storage.exporting import Exporting
    from .reading import narrowed

    store, moment = context.store, now()
    Exporting(store.db).require_issues(issues)
    texts = [joined_query(query), asked or "", f"since:{since}" if since else ""]
    texts += [f"issue:{','.join(map(str, issues))}"] if issues else []
    node, _ = narrowed(
        context, store.search(moment), texts[0], status="all", extra=[text for text in texts[1:] if text]
    )
    format_ = format_ or format_named(output, exporters()) or ("json" if context.json and not output else "jsonl")
    with opened(output) as out, progress("Exporting") as bar:

        def begin(count: int) -> Any:
            bar.update(total=count)
            return bar.advance

        found = export_vault(
            store, out, format=format_, node=node, query=_shown(context, texts), now=moment, begin=begin
        )
    if output not in (None, "-"):
        _report(context, found, str(output), format_)


def _shown(context: Context, texts: list[str]) -> str:
    parts = [f"({text})" if " OR " in text else text for text in texts if text]
    return " ".join([*parts, *([f"project:{context.project}"] if context.project else [])])


def _report(context: Context, found: Any, output: str, format_: str) -> None:
    if context.json:
        emit({"output": output, "format": format_, **found._asdict()})
        return
    from ..console import console, escape
    from ..output.times import counted

    console.print(
        f"[success]Exported[/success] {counted(found.issues, 'issue')} and {counted(found.events, 'event')} to [highlight]{escape(output)}[/highlight]"
    )
