"""`crashvault changes`: what changed in the vault between two moments."""

from __future__ import annotations

from typing import Any

import click

from .choosing import report_formats
from .context import Context, command

_EXAMPLES = """
crashvault changes --since 7d
crashvault changes --since v1.4.0 --output CHANGES_SUMMARY.md
crashvault changes --since shop@1.4.0 --until shop@1.5.0
crashvault changes --read CHANGES_SUMMARY.md --json
"""
_GIT_SECONDS = 20.0


@command("changes", _EXAMPLES, reads=True)
@click.option(
    "--since",
    metavar="TIME|RELEASE|REV",
    help="From then on: 7d, 2026-11-01, a release, or a tag, branch or commit of git.",
)
@click.option("--until", metavar="TIME|RELEASE|REV", help="Until before then. [default: now]")
@click.option("--read", "given", metavar="FILE", help="Show a summary that was written before; - is standard input.")
@click.option(
    "--format",
    "format_",
    type=report_formats("changes"),
    help="[default: what the file's name says, else text]",
)
@click.option("--output", "-o", metavar="FILE", help="File to write, such as CHANGES_SUMMARY.md; - is standard output.")
@click.option(
    "--source", type=click.Path(exists=True, file_okay=False), default=".",
    help="Where the program's source is, for revisions and suspect commits. [default: here]",
)  # fmt: skip
def changes(
    context: Context,
    since: str | None,
    until: str | None,
    given: str | None,
    format_: str | None,
    output: str | None,
    source: str,
) -> None:
    """Summarize what changed: new, regressed, resolved, worsened, improved and quiet issues, per release.

    As Markdown the summary is compared with `diff` and read back with --read; see docs/CHANGES_SUMMARY.md."""
    from ..console import console
    from ..output.changes_document import read_summary
    from ..output.changes_text import changes_lines
    from .reports import chosen_format, renderers, write_out

    if (since is None) == (given is None):
        raise click.UsageError("give --since TIME|RELEASE|REV, or --read FILE")
    chosen = chosen_format(context, "changes", format_, output)
    summary = read_summary(_text(str(given))) if given is not None else _summary(context, str(since), until, source)
    report = summary if chosen in ("text", "markdown") else summary.shape()
    lines = lambda found: changes_lines(found, console.width)
    write_out(context, report, chosen, output, None, renderers("changes", lines))


def _summary(context: Context, since: str, until: str | None, source: str) -> Any:
    from ..analysis.changes import moment_of, summarize
    from ..clock import now, to_iso
    from ..console import progress
    from ..errors import InvalidError
    from .reports import timer

    moment, store = now(), context.store
    first = moment_of(store, since, moment, source)
    last = moment_of(store, until, moment, source) if until else moment
    if first >= last:
        raise InvalidError(
            f"{to_iso(first)[:19]} is not before {to_iso(last)[:19]}", "Give --since an earlier moment than --until"
        )
    with progress("Comparing"):
        return summarize(store, first, last, project=context.project, directory=source, time_is_up=timer(_GIT_SECONDS))


def _text(path: str) -> str:
    from ..exchange.files import given as opened

    with opened(path) as file:
        return file.read(16 << 20).decode("utf-8", "replace")
