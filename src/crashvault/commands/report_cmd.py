"""`crashvault report`: a structured bug report."""

from __future__ import annotations

from typing import Any

import click

from ..errors import InvalidError
from ..models import SEVERITIES
from .add_cmd import print_receipt, stored_file
from .asking import somebody_there
from .context import Context, command
from .reading import text_or_input

_EXAMPLES = """
crashvault report
crashvault report --title "Freezes on start" --no-input
crashvault report --title "Invoice shows the wrong tax" --severity high --expected 19% --actual 7%
crashvault report --title "Crashes on exit" --steps - --attach screenshot.png < steps.txt
"""
_ASKED = {
    "steps": "What did you do",
    "expected": "What should have happened",
    "actual": "What happened instead",
}


@command("report", _EXAMPLES)
@click.option("--title", metavar="TEXT", help="What is wrong, in one line.")
@click.option("--severity", type=click.Choice(SEVERITIES, case_sensitive=False), help="Triage severity of its issue.")
@click.option("--level", metavar="LEVEL", default="error", show_default=True, help="Level of the event.")
@click.option("--steps", metavar="TEXT|-", help="How to see it happen; - reads standard input.")
@click.option("--expected", metavar="TEXT", help="What should have happened.")
@click.option("--actual", metavar="TEXT", help="What happened instead.")
@click.option("--release", metavar="VERSION", help="Version of the program.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word or KEY=VALUE; may be repeated.")
@click.option(
    "--attach",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="A file to keep with it; may be repeated.",
)
@click.option("--no-input", is_flag=True, help="Do not ask; a report needs no more than a title.")
def report(
    context: Context, tags: tuple[str, ...], attach: tuple[str, ...], level: str, no_input: bool, **given: Any
) -> None:
    """Report what went wrong in your own words; on a terminal it asks for what is not given."""
    from .. import lifecycle, pipeline
    from ..clock import now

    store = context.store
    level = store.levels.require(level).name
    answers = _answers(given, asks=not no_input and somebody_there())
    body = {
        "message": answers["title"], "level": level, "source": "report", "user": context.actor,
        "tags": ["report", *tags], "release": given["release"],
        "context": {name: answers[name] for name in _ASKED if answers[name]},
    }  # fmt: skip
    files = [stored_file(store, path) for path in attach]
    body = {key: value for key, value in body.items() if value}
    project = context.project or "default"
    receipt = pipeline.record_events(store, [body], source="cli", project=project, attachments={0: files})[0]
    if answers["severity"] and receipt.issue_id is not None:
        lifecycle.set_severity(store, [receipt.issue_id], answers["severity"], context.actor, now())
    print_receipt(context, receipt)


def _answers(given: dict[str, Any], asks: bool) -> dict[str, Any]:
    """What was given, completed by asking for the rest. Raises InvalidError without a title."""
    answers = dict(given)
    if answers["steps"]:
        answers["steps"] = text_or_input(answers["steps"])
    if asks:
        _ask(answers)
    if not (answers["title"] or "").strip():
        raise InvalidError("the report has no title", "Say what is wrong with: --title TEXT")
    return answers


def _ask(answers: dict[str, Any]) -> None:
    if answers["title"] is None:
        answers["title"] = click.prompt("What is wrong, in one line", err=True)
    if answers["severity"] is None:
        answers["severity"] = click.prompt(
            "How bad is it", type=click.Choice(SEVERITIES, case_sensitive=False), default="medium", err=True
        )
    for name, question in _ASKED.items():
        if answers[name] is None:
            answers[name] = click.prompt(f"{question}, or nothing", default="", show_default=False, err=True)
