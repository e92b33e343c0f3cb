"""`crashvault sql`: read-only SQL."""

from __future__ import annotations

import sys

import click

from .context import Context, command, emit

_EXAMPLES = """
crashvault sql "SELECT project, count(*) FROM v_issues GROUP BY project"
crashvault sql "SELECT file, count(*) n FROM v_frames WHERE in_app GROUP BY file ORDER BY n DESC LIMIT 10"
crashvault sql "SELECT * FROM v_events LIMIT 100" --format csv > events.csv
"""


@command("sql", _EXAMPLES)
@click.argument("query")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json", "csv"], case_sensitive=False),
    default="table",
    show_default=True,
)
@click.option(
    "--limit", metavar="N", type=click.IntRange(1), default=100_000, show_default=True, help="Rows at the most."
)
def sql(context: Context, query: str, style: str, limit: int) -> None:
    """Run a read-only SQL query over the views v_issues, v_events, v_frames and v_tags."""
    from .. import core

    if query == "-":
        query = sys.stdin.read()
    context.store.close()
    names, rows = core.run_sql(context.home, query, limit)
    if context.json or style == "json":
        emit([dict(zip(names, row, strict=True)) for row in rows])
    elif style == "csv":
        _print_csv(names, rows)
    else:
        from ..console import Column, console, escape

        columns = [Column(escape(name), ratio=1) for name in names]
        console.table(columns, [["" if value is None else escape(value) for value in row] for row in rows])


def _print_csv(names: list[str], rows: list[tuple[object, ...]]) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows(rows)
    click.echo(text.getvalue(), nl=False)
