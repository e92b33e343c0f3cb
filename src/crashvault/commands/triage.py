"""What triage commands share: many issue ids, one change, a line that says what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from .context import Context, emit


def issues_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """One or more issue ids."""
    return click.argument("issues", metavar="ISSUE…", nargs=-1, required=True, type=IssueId())(function)


class IssueId(click.ParamType):
    """An issue's number, with or without `#`."""

    name = "issue"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        text = str(value).removeprefix("#")
        if not text.isdecimal() or not 0 < int(text) < 1 << 62:
            self.fail(f"{value!r} is not an issue; issues are numbers, see: crashvault list", parameter, context)
        return int(text)


def report(context: Context, issues: Sequence[int], changed: Sequence[int], what: str) -> None:
    """Say which issues were changed, and which were so already."""
    unchanged = [issue for issue in dict.fromkeys(issues) if issue not in changed]
    if context.json:
        emit({"changed": list(changed), "unchanged": unchanged})
        return
    from ..console import console

    if changed:
        console.print(f"[success]{what}[/success] {named(changed)}")
    if unchanged:
        console.print(f"[muted]Unchanged:[/muted] {named(unchanged)}")


def named(issues: Sequence[int]) -> str:
    """Issues for people, as markup."""
    return ", ".join(f"[highlight]#{issue}[/highlight]" for issue in issues)


def change(
    context: Context, operation: Callable[..., list[int]], issues: Sequence[int], what: str, *values: Any
) -> None:
    """Run one of `lifecycle`'s changes on issues and report it."""
    from ..clock import now

    changed = operation(context.store, issues, *values, context.actor, now())
    report(context, issues, changed, what)
