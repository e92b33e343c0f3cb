"""What the commands about grouping share: the index brought up to date, rules as a person gives them, confirmation."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from ..errors import InvalidError


def sketch_all(store: Any) -> None:
    """Make what similarity compares of the hashes that have none yet, with a progress bar."""
    pending = 0 if store.db.read_only else store.similarity.pending()
    if not pending:
        return
    from .. import core
    from ..console import err_console
    from ..grouping import compile_rules

    rules, _ = core.get_setting(store, "grouping.rules")
    with err_console.progress("Reading stack traces", pending) as bar:
        store.similarity.fill(compile_rules(rules), progress=bar.advance)


def rules_from(text: str, present: Sequence[Any]) -> list[Any]:
    """Rules as a person gives them: JSON, or @FILE; one rule alone comes before the present ones."""
    if text.startswith("@"):
        try:
            with open(text[1:], encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidError(f"{text[1:]} cannot be read ({error})", "Give the rules as @FILE, or as JSON") from error
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidError(
            f"the rules are not JSON ({error})",
            'Such as \'{"match": {"type": "TimeoutError"}, "fingerprint": ["timeouts"]}\'',
        ) from None
    if isinstance(found, dict):
        return [found, *present]
    return found if isinstance(found, list) else [found]


def confirm(question: str) -> None:
    """Ask at a terminal; without one, refuse."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            "this wants a confirmation, and this is no terminal. Add --yes, or look first without --apply"
        )
    click.confirm(question, abort=True, err=True)
