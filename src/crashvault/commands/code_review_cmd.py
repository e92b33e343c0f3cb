"""`crashvault code-review`: code beside what has crashed in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from .choosing import report_formats
from .context import Context, command
from .models import add_narrative, model_choice, model_options, print_prompt, prompt_limits

_EXAMPLES = """
crashvault code-review --diff
crashvault code-review --diff --staged --fail-on high
crashvault code-review --range main..HEAD --format sarif --output review.sarif
crashvault code-review --file shop/orders.py
crashvault code-review --error 4f1c9a7e
"""
_SEVERITIES = ("low", "medium", "high")


@command("code-review", _EXAMPLES)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="PATH",
    help="This file, whole; may be repeated.",
)
@click.option("--error", "event_id", metavar="EVENT_ID", help="The files that this event's stack goes through.")
@click.option("--diff", is_flag=True, help="What is not staged yet.")
@click.option("--staged", is_flag=True, help="With --diff: what is staged.")
@click.option("--commit", metavar="REV", help="One commit.")
@click.option("--range", "range_", metavar="A..B", help="What changed from A to B; A...B: what B did since it left A.")
@click.option(
    "--fail-on",
    type=click.Choice(_SEVERITIES, case_sensitive=False),
    help="Exit with 1 at a finding of this severity, or a higher one.",
)
@click.option(
    "--format",
    "format_",
    type=report_formats("code-review"),
    help="[default: what the file's name says, else text]",
)
@click.option("--output", "-o", metavar="FILE", help="File to write; - is standard output.")
@click.option(
    "--tools/--no-tools", default=True, help="Ask Ruff and Bandit too, where they are installed. [default: --tools]"
)
@model_options
def code_review(
    context: Context, files: tuple[str, ...], event_id: str | None, diff: bool, staged: bool, commit: str | None, range_: str | None,
    fail_on: str | None, format_: str | None, output: str | None, tools: bool, provider: str | None, model: str | None,
    timeout: int | None, show_prompt: bool,
) -> int:  # fmt: skip
    """Review code with what has crashed in it: changed lines and functions, fixes undone, crashes swallowed, tests missing.

    Works as a pre-commit hook. Severities are low, medium and high, each with its reason."""
    from ..analysis.review.review import review
    from ..clock import now
    from .reports import chosen_format, steps, write_out

    _check_usage(files, event_id, diff or staged, commit, range_)
    chosen = chosen_format(context, "code-review", format_, output)
    choice = model_choice(context, provider, model, timeout)
    subject = _subject(context, files, event_id, staged, commit, range_)
    with steps("Looking for crashes") as begin:
        report = review(context.store, subject, now(), begin, with_tools=tools)
    if show_prompt:
        print_prompt(_prompt(context, report, subject))
        return 0
    live = choice is not None and chosen == "text" and output in (None, "-")
    if live:
        write_out(context, report, chosen, output, False, _renderers())
    if choice is not None and report["files"]:
        facts = [item["id"] for item in report["findings"]]
        add_narrative(context, report, choice, _prompt(context, report, subject), facts, live)
    if not live:
        write_out(context, report, chosen, output, False, _renderers())
    at_least = _SEVERITIES[_SEVERITIES.index(fail_on) :] if fail_on else ()
    return int(any(item["severity"] in at_least for item in report["findings"]))


def _check_usage(
    files: tuple[str, ...], event_id: str | None, diff: bool, commit: str | None, range_: str | None
) -> None:
    given = [bool(files), event_id is not None, diff, commit is not None, range_ is not None]
    if sum(given) != 1:
        raise click.UsageError("give one of --file, --error, --diff, --commit and --range")


def _subject(
    context: Context, files: tuple[str, ...], event_id: str | None, staged: bool, commit: str | None, range_: str | None
) -> Any:
    from ..analysis.review import review

    if files:
        return review.of_files(".", files)
    if event_id is not None:
        return review.of_event(".", context.store.events.get(event_id).event)
    if commit is not None:
        return review.of_commit(".", commit)
    return review.of_range(".", range_) if range_ is not None else review.of_diff(".", staged=staged)


def _prompt(context: Context, report: dict[str, Any], subject: Any) -> Any:
    from ..analysis.narrative import review_prompt

    return review_prompt(report, _changed_lines(subject), *prompt_limits(context))


def _changed_lines(subject: Any) -> Iterator[str]:
    for change in subject.changes:
        if change.hunks:
            yield f"Changes of {change.path}:"
            yield from (f"  -{number} {text}" for number, text in change.removed.items())
            yield from (f"  +{number} {text}" for number, text in change.added.items())


def _renderers() -> dict[str, Callable[[Any], Any]]:
    from ..console import console
    from ..output.review_text import review_lines
    from .reports import renderers

    return renderers("code-review", lambda report: review_lines(report, console.width))
