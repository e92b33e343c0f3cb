"""`crashvault note`: a free note."""

from __future__ import annotations

import click

from ..errors import InvalidError
from .add_cmd import print_receipt
from .context import Context, command
from .reading import text_or_input

_EXAMPLES = """
crashvault note "Deployed 1.4.2, watch the payment errors" --tag deploy
git log -1 | crashvault note - --tag release=1.4.2
"""


@command("note", _EXAMPLES)
@click.argument("text", metavar="TEXT|-")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word or KEY=VALUE; may be repeated.")
def note(context: Context, text: str, tags: tuple[str, ...]) -> None:
    """Write a note among the events: an event of level info; - reads it from standard input."""
    from .. import pipeline

    text = text_or_input(text)
    if not text.strip():
        raise InvalidError("the note is empty", "Give a text, or - to read it from standard input")
    body = {"message": text, "level": "info", "source": "note", "tags": list(tags), "user": context.actor}
    receipt = pipeline.record_events(context.store, [body], source="cli", project=context.project or "default")[0]
    print_receipt(context, receipt)
