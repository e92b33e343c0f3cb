"""`crashvault retention`: how much the vault keeps, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..errors import CrashvaultError
from .context import Context, command, emit
from .group import SubGroup

_KINDS = ("max-age", "max-events", "max-events-per-issue", "max-size")


@click.group("retention", cls=SubGroup)
def retention() -> None:
    """Data retention: which events go when there are too many or they are too old; what was counted of them stays."""


def _scoped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that limit a policy to a part of the events."""
    for option in (
        click.option("--query", metavar="QUERY", help="Only events that match."),
        click.option("--level", metavar="LEVEL", help="Only events of this level; also '<=info'."),
    ):
        function = option(function)
    return function


@command("show", "crashvault retention show\ncrashvault retention show --json")
def show(context: Context) -> None:
    """Show the policies, how much there is, and what the last run did."""
    from ..clock import now
    from ..output.retention import print_status, status_shape

    found = context.store.retention
    status = status_shape(found.policies.list(), found.last_run(), found.sizes(now()), found.runs(20))
    if context.json:
        emit(status)
        return
    print_status(status)


_SET = """
crashvault retention set max-age 90d
crashvault retention set max-age 7d --level '<=info'
crashvault retention set max-events-per-issue 1000
crashvault retention set max-events 1000000 --project shop
crashvault retention set max-size 10GiB
"""


@command("set", _SET)
@click.argument("kind", type=click.Choice(_KINDS, case_sensitive=False))
@click.argument("value")
@_scoped
def set_(context: Context, kind: str, value: str, level: str | None, query: str | None) -> None:
    """Set a policy, of everything or with --project, --level and --query of a part; the one of that kind before it goes.

    VALUE is a span such as 90d for max-age, a size such as 10GiB for max-size, else a number of events. Nothing
    goes before the next `crashvault retention run`, which a server does every hour."""
    from ..clock import now
    from ..storage.policies import Scope

    made = context.store.retention.policies.set(kind, value, Scope(level, context.project, query), now())
    _tell(context, made.as_dict(), f"[success]Set[/success] {_shown(made)}")


@command("unset", "crashvault retention unset max-age\ncrashvault retention unset max-age --level '<=info'")
@click.argument("kind", type=click.Choice(_KINDS, case_sensitive=False))
@_scoped
def unset(context: Context, kind: str, level: str | None, query: str | None) -> None:
    """Take a policy back: the one that was set with the same --project, --level and --query."""
    from ..clock import now
    from ..storage.policies import Policy, Scope

    scope = Scope(level, context.project, query)
    context.store.retention.policies.unset(kind, scope, now())
    _tell(context, {"kind": kind, **scope._asdict()}, f"[success]Unset[/success] {_shown(Policy(kind, '', scope))}")


@command("run", "crashvault retention run --dry-run\ncrashvault retention run")
@click.option("--dry-run", is_flag=True, help="Only tell what would go, and why.")
def run(context: Context, dry_run: bool) -> None:
    """Apply the policies now, in steps so short that those who record hardly notice.

    The first, the latest and the most informative event of each issue stay, and so do all counts and charts."""
    from ..clock import now
    from ..output.retention import print_report, report_shape

    found = context.store.retention
    report = found.plan(now()) if dry_run else _run(found, now())
    shape = report_shape(report, dry_run=dry_run)
    if context.json:
        emit(shape)
    else:
        print_report(shape)
    wrong = [str(one.policy) for one in report.outcomes if one.error]
    if wrong:
        raise CrashvaultError(
            f"not applied: {', '.join(wrong)}", "Set them anew, or unset them: crashvault retention show"
        )


def _run(found: Any, now: int) -> Any:
    from ..console import progress

    with progress("Looking at what is too much") as bar:
        bar.update(total=found.plan(now).evicted)

        def tell(what: str, count: int) -> None:
            bar.update(description=what)
            bar.advance(count)

        return found.run(now, tell=tell)


def _shown(policy: Any) -> str:
    from ..console import escape

    return f"[highlight]{escape(str(policy))}[/highlight]"


def _tell(context: Context, shape: dict[str, Any], text: str) -> None:
    from ..console import console

    if context.json:
        emit(shape)
        return
    console.print(text)


for _command in (show, set_, unset, run):
    retention.add_command(_command)
