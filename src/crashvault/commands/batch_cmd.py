"""`crashvault batch`: change many issues at once."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import click

from ..models import SEVERITIES, STATUSES
from ..output.times import counted
from .asking import confirm, confirm_deletion, somebody_there
from .context import Context, command, emit
from .triage import IssueId, named

_EXAMPLES = """
crashvault batch 12 15 18 --resolve --tag fixed-in-1.4
crashvault batch --query 'is:open last-seen:<30d' --ignore --dry-run
crashvault batch --query 'file:billing/*.py' --assign ana --severity high --yes
crashvault batch --query 'environment:test' --delete --yes
"""
_SHOWN = 100  # changes printed one by one
_UNDO_SHOWN = 3  # commands
_LOOK_FIRST = "look first with --dry-run"

_SHORT = {"resolve": "resolved", "reopen": "open", "ignore": "ignored"}


@command("batch", _EXAMPLES)
@click.argument("issues", nargs=-1, metavar="[ISSUE…]", type=IssueId())
@click.option("--query", metavar="QUERY", help="All issues that fit, whatever their status: `crashvault help query`.")
@click.option("--resolve", is_flag=True, help="Set the status to resolved.")
@click.option("--reopen", is_flag=True, help="Set the status to open.")
@click.option("--ignore", is_flag=True, help="Set the status to ignored.")
@click.option("--status", type=click.Choice(STATUSES, case_sensitive=False), help="Set the status.")
@click.option("--severity", type=click.Choice(SEVERITIES, case_sensitive=False), help="Set the severity.")
@click.option("--no-severity", is_flag=True, help="Take the severity away.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Give a tag; may be repeated.")
@click.option("--untag", "untags", multiple=True, metavar="TAG", help="Take a tag that people gave; may be repeated.")
@click.option("--assign", metavar="USER", help="Assign to somebody.")
@click.option("--unassign", is_flag=True, help="Assign to nobody.")
@click.option("--delete", is_flag=True, help="Delete the issues with all their events.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def batch(
    context: Context, issues: tuple[int, ...], query: str | None, tags: tuple[str, ...], untags: tuple[str, ...],
    delete: bool, dry_run: bool, yes: bool, **given: Any,
) -> None:  # fmt: skip
    """Change many issues in one step: all or none. Prints what changed, and how to undo it."""
    fields = _fields(given)
    _check_usage(issues, query, fields, tags, untags, delete)
    found = _chosen(context, issues, query)
    if delete:
        _delete(context, found, dry_run, yes)
    else:
        _change(context, found, fields, tags, untags, dry_run, yes or query is None)


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """The fields to set. Raises UsageError where options contradict each other."""
    statuses = [value for name, value in _SHORT.items() if given[name]] + ([given["status"]] if given["status"] else [])
    if len(statuses) > 1:
        raise click.UsageError("--resolve, --reopen, --ignore and --status exclude each other; give one of them")
    fields: dict[str, Any] = {"status": statuses[0]} if statuses else {}
    for field, value, none in (("severity", "severity", "no_severity"), ("assigned", "assign", "unassign")):
        if given[value] is not None and given[none]:
            raise click.UsageError(f"--{value} and --{none.replace('_', '-')} exclude each other; give one of them")
        if given[value] is not None or given[none]:
            fields[field] = given[value]
    return fields


def _check_usage(
    issues: Sequence[int], query: str | None, fields: dict[str, Any], tags: Sequence[str], untags: Sequence[str], delete: bool
) -> None:  # fmt: skip
    if bool(issues) == (query is not None):
        raise click.UsageError("give either ISSUE… or --query QUERY")
    if query is not None and not query.strip():
        raise click.UsageError("the query is empty, and would mean every issue; say so with: --query 'count:>=0'")
    both = set(tags) & set(untags)
    if both:
        raise click.UsageError(f"--tag and --untag {sorted(both)[0]!r} exclude each other; give one of them")
    changes = bool(fields or tags or untags)
    if changes == delete:
        how = "--delete goes alone" if delete else "say what to change, such as --resolve or --tag TAG"
        raise click.UsageError(f"{how}; see: crashvault batch --help")


def _chosen(context: Context, issues: Sequence[int], query: str | None) -> list[int]:
    from .. import lifecycle
    from ..clock import now
    from .reading import narrowed

    store = context.store
    if query is None:
        chosen = list(dict.fromkeys(issues))
        lifecycle.require(store, chosen)
        return chosen
    search = store.search(now())
    node, _ = narrowed(context, search, query, open_by_default=False)
    return search.every_issue(node)


def _change(
    context: Context, issues: list[int], fields: dict[str, Any], tags: Sequence[str], untags: Sequence[str],
    dry_run: bool, sure: bool,
) -> None:  # fmt: skip
    from .. import lifecycle
    from ..clock import now

    def run(dry: bool) -> list[Any]:
        return lifecycle.change_issues(
            context.store, issues, fields, context.actor, now(), tags=tags, untags=untags, dry_run=dry
        )

    changes = run(True)
    touched = len({change.issue for change in changes})
    if not dry_run and changes:
        if not sure and touched > 1 and somebody_there():  # a script that named a query meant it
            confirm(f"Change {counted(touched, 'issue')}?")
        changes = run(False)
    undo = _undo_commands(changes)
    if context.json:
        emit({
            "changed": [{"id": c.issue, "field": c.field, "from": c.before, "to": c.after} for c in changes],
            "unchanged": sorted(set(issues) - {change.issue for change in changes}),
            "dry_run": dry_run, "undo": [] if dry_run else undo,
        })  # fmt: skip
        return
    _print_changes(changes, len(issues), dry_run, undo)


def _undo_commands(changes: Sequence[Any]) -> list[str]:
    """Commands that take changes back, one for all issues that were alike."""
    options: dict[int, list[str]] = {}
    for change in changes:
        options.setdefault(change.issue, []).append(_undo_option(change))
    alike: dict[str, list[int]] = {}
    for issue, given in options.items():
        alike.setdefault(" ".join(given), []).append(issue)
    return [f"crashvault batch {' '.join(map(str, issues))} {given}" for given, issues in alike.items()]


def _undo_option(change: Any) -> str:
    if change.field == "tag":
        return (
            f"--untag {shlex.quote(change.after)}" if change.before is None else f"--tag {shlex.quote(change.before)}"
        )
    if change.before is None:
        return {"severity": "--no-severity", "assigned": "--unassign"}[change.field]
    option = {"assigned": "--assign"}.get(change.field, f"--{change.field}")
    return f"{option} {shlex.quote(change.before)}"


def _print_changes(changes: Sequence[Any], asked: int, dry_run: bool, undo: Sequence[str]) -> None:
    from ..console import console, escape

    for change in changes[:_SHOWN]:
        before, after = ("-" if value is None else escape(value) for value in (change.before, change.after))
        console.print(f"{named([change.issue])} [muted]{change.field}[/muted] {before} → {after}")
    if len(changes) > _SHOWN:
        console.print(f"[muted]… and {len(changes) - _SHOWN} more; all with --json[/muted]")
    touched = len({change.issue for change in changes})
    what = "[info]Would change[/info]" if dry_run else "[success]Changed[/success]"
    unchanged = f", {asked - touched} are so already" if asked > touched else ""
    console.print(f"{what} {counted(touched, 'issue')}{unchanged}" if asked else "[muted]No issues fit.[/muted]")
    if undo and not dry_run:
        for line in undo[:_UNDO_SHOWN]:
            console.print(f"[muted]Undo with: {escape(line)}[/muted]")
        if len(undo) > _UNDO_SHOWN:
            console.print(f"[muted]… and {len(undo) - _UNDO_SHOWN} more commands; --json lists them[/muted]")


def _delete(context: Context, issues: list[int], dry_run: bool, yes: bool) -> None:
    from ..clock import now
    from ..console import console, progress
    from ..output.times import counted

    store = context.store
    events = sum(issue.count for issue in store.issues.by_ids(issues))
    if not dry_run and issues:
        if not yes:
            confirm_deletion(f"Delete {counted(len(issues), 'issue')} with {counted(events, 'event')}?", _LOOK_FIRST)
        with progress("Deleting events", events) as bar:
            events = store.deletion.issues(issues, now(), bar.advance)
            store.deletion.merge_index()
    if context.json:
        emit({
            "changed": [{"id": issue, "field": "deleted", "from": False, "to": True} for issue in issues],
            "deleted_issues": len(issues), "deleted_events": events, "dry_run": dry_run, "undo": [],
        })  # fmt: skip
        return
    if not issues:
        console.print("[muted]No issues fit.[/muted]")
        return
    console.print(f"{named(issues[:_SHOWN])}{' …' if len(issues) > _SHOWN else ''}")
    what = "[info]Would delete[/info]" if dry_run else "[danger]Deleted[/danger]"
    console.print(f"{what} {counted(len(issues), 'issue')} with {counted(events, 'event')}")
