"""`crashvault dedup`: find issues that are the same crash, and make them one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from .context import Context, command, emit
from .grouped import confirm, sketch_all
from .triage import named

_EXAMPLES = """
crashvault dedup
crashvault dedup --threshold 0.9 --apply
crashvault dedup --regroup
crashvault dedup --undo
"""
_SHOWN = 50  # clusters


@command("dedup", _EXAMPLES)
@click.option(
    "--threshold", type=click.FloatRange(0.5, 1), metavar="N",
    help="How alike issues must be, from 0.5 to 1. [default: grouping.threshold, moved by what you merged and took apart]",
)  # fmt: skip
@click.option(
    "--regroup", is_flag=True, help="Instead: lead the keys of the present rules and algorithm to the old issues."
)
@click.option("--apply", "apply_", is_flag=True, help="Do it; without, only show it.")
@click.option("--undo", is_flag=True, help="Take back what the last --apply did.")
@click.option("--dry-run", is_flag=True, help="Only show it, whatever else is said.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def dedup(
    context: Context, threshold: float | None, regroup: bool, apply_: bool, undo: bool, dry_run: bool, yes: bool
) -> None:
    """Find issues whose stack traces are almost surely the same crash; --apply makes them one.

    The oldest issue of each cluster takes the others in; they can be taken out again. Pairs that you took apart
    before are left alone."""
    if undo:
        if regroup or apply_ or dry_run:
            raise click.UsageError("--undo goes alone")
        _undo(context)
    elif regroup:
        _regroup(context, apply_ and not dry_run, yes)
    else:
        _find(context, threshold, apply_ and not dry_run, yes)


def _find(context: Context, threshold: float | None, apply_: bool, yes: bool) -> None:
    from .. import core, deduplication
    from ..clock import now
    from ..console import err_console

    store = context.store
    sketch_all(store)
    configured = threshold if threshold is not None else core.get_setting(store, "grouping.threshold")[0]
    with store.reading():
        total = deduplication.size(store, context.project)
        with err_console.progress("Comparing issues", total) as bar:
            found = deduplication.find(
                store, context.project, configured, exact=threshold is not None, progress=bar.advance
            )
        titles = {
            issue.id: issue.title for issue in store.issues.by_ids([one for item in found for one in item.issues])
        }
    merged = 0
    if not context.json:
        _show(found, titles, total)
    if found and apply_:
        count = sum(len(item.issues) - 1 for item in found)
        if not yes:
            confirm(f"Make {count} issues part of {len(found)} others?")
        merged = deduplication.apply(store, found, context.actor, now())
    if context.json:
        emit({
            "clusters": [
                {"target": item.issues[0], "issues": list(item.issues), "score": round(item.score, 4),
                 "reasons": list(item.reasons), "title": titles.get(item.issues[0])}
                for item in found
            ],
            "issues": total, "threshold": configured, "applied": bool(merged), "merged": merged,
        })  # fmt: skip
    else:
        _conclude(len(found), apply_, merged, f"Merged {merged} issues", "crashvault dedup --apply")


def _show(found: Sequence[Any], titles: dict[int, str], total: int) -> None:
    from ..console import console, escape

    for item in found[:_SHOWN]:
        target, *others = item.issues
        console.print(f"{named([target])} {escape(titles.get(target, ''))}")
        console.print(
            f"  takes {named(others)} [muted]{item.score:.1%} alike: {escape(', '.join(item.reasons))}[/muted]"
        )
    if len(found) > _SHOWN:
        console.print(f"[muted]… and {len(found) - _SHOWN} more clusters[/muted]")
    if not found:
        console.print(f"[success]No duplicates[/success] among {total} issues")


def _conclude(found: int, apply_: bool, done: int, words: str, command: str) -> None:
    from ..console import console

    if not found:
        return
    if apply_ and done:
        console.print(f"[success]{words}[/success]; undo with: crashvault dedup --undo")
    elif apply_:
        console.print("[muted]Nothing was left to do[/muted]")
    else:
        console.print(f"[muted]Nothing is changed yet. Do it with: {command}[/muted]")


def _regroup(context: Context, apply_: bool, yes: bool) -> None:
    from .. import core, regrouping
    from ..clock import now
    from ..console import err_console
    from ..grouping import compile_rules

    store = context.store
    rules = compile_rules(core.get_setting(store, "grouping.rules")[0])
    with store.reading(), err_console.progress("Reading events") as bar:
        found = regrouping.plan(store, context.project, rules, bar.advance)
    aliases = merged = 0
    if not context.json:
        _show_plan(found)
    if apply_ and (found.aliases or found.merges):
        if not yes:
            confirm(
                f"Lead {len(found.aliases)} new keys to their issues, and merge {len(found.merges)} groups of issues?"
            )
        aliases, merged = regrouping.apply(store, found, context.actor, now())
    if context.json:
        emit({
            "hashes": found.hashes,
            "aliases": [
                {"issue": row.issue, "from": row.hash, "to": grouping.hash, "key": grouping.key} for row, grouping in found.aliases
            ],
            "merges": [joined._asdict() for joined in found.merges],
            "applied": bool(aliases or merged),
        })  # fmt: skip
    else:
        words = f"Led {aliases} keys to their issues and merged {merged} issues"
        _conclude(
            len(found.aliases) + len(found.merges),
            apply_,
            aliases + merged,
            words,
            "crashvault dedup --regroup --apply",
        )


def _show_plan(found: Any) -> None:
    from ..console import console, escape
    from ..output.shapes import short_hash

    for joined in found.merges[:_SHOWN]:
        console.print(f"{named(joined.issues)} would be one: {escape(joined.key)}")
    for row, grouping in found.aliases[:_SHOWN]:
        console.print(
            f"{named([row.issue])} [muted]{short_hash(row.hash)} → {short_hash(grouping.hash)}[/muted] {escape(grouping.key)}"
        )
    if len(found.aliases) > _SHOWN:
        console.print(f"[muted]… and {len(found.aliases) - _SHOWN} more keys[/muted]")
    if not found.aliases and not found.merges:
        console.print(f"[success]All {found.hashes} keys are those of the present rules[/success]")


def _undo(context: Context) -> None:
    from .. import deduplication
    from ..clock import now

    done = deduplication.undo(context.store, context.actor, now())
    if context.json:
        emit(done._asdict())
        return
    from ..console import console

    parts = [named(done.unmerged)] if done.unmerged else []
    parts += [f"{done.aliases} keys"] if done.aliases else []
    console.print(f"[success]Took back[/success] {' and '.join(parts) or 'nothing'}")
    if done.kept:
        console.print(f"[muted]{done.kept} have changed since, and stay as they are[/muted]")
