"""`crashvault group`: why events are together."""

from __future__ import annotations

from typing import Any

import click

from .context import Context, command, emit
from .group import SubGroup
from .triage import IssueId


@click.group("group", cls=SubGroup)
def group() -> None:
    """Why an event is in its issue, and the rules that decide it."""


@command("explain", "crashvault group explain 12\ncrashvault group explain 4f1c9a7e")
@click.argument("event_or_issue")
def explain(context: Context, event_or_issue: str) -> None:
    """Say why an event, or the events of an issue, are where they are.

    A number is an issue, anything else the beginning of an event's id; `#12` is always an issue."""
    store = context.store
    is_issue = event_or_issue.startswith("#") or (event_or_issue.isdecimal() and len(event_or_issue) < 8)
    if is_issue:
        issue = IssueId().convert(event_or_issue, None, None)
        store.issues.get(issue)
        wanted = None
    else:
        found = store.events.get(event_or_issue)
        issue, wanted = found.issue_id, found.fingerprint
    hashes = [item for item in store.issues.hashes(issue) if wanted in (None, item.hash)]
    if context.json:
        emit({"issue_id": issue, "hashes": [item._asdict() for item in hashes]})
    else:
        _print(issue, hashes)


def _print(issue: int, hashes: list[Any]) -> None:
    from ..console import console, escape
    from ..output.shapes import short_hash
    from ..output.times import counted

    for item in hashes:
        merged = " [muted](merged into it)[/muted]" if item.merged else ""
        console.print(
            f"[highlight]{short_hash(item.hash)}[/highlight] in issue [highlight]#{issue}[/highlight]{merged} "
            f"[muted]{counted(item.count, 'event')}, algorithm {escape(item.algorithm)}[/muted]"
        )
        console.print(f"  {escape(item.reason)}")
        for what, value in item.parts:
            console.print(f"  [muted]{escape(what):<12}[/muted] {escape(value)}")
        console.print(f"  [muted]{'key':<12}[/muted] {escape(item.key)}")


@command(
    "rules",
    'crashvault group rules\ncrashvault config set grouping.rules \'[{"match": {"type": "TimeoutError"}, "fingerprint": ["timeouts"]}]\'',
)
def rules(context: Context) -> None:
    """Show the grouping rules; they are set with `crashvault config set grouping.rules`."""
    import json

    from .. import core
    from ..console import console, escape

    found, _ = core.get_setting(context.store, "grouping.rules")
    if context.json:
        emit({"items": found})
        return
    if not found:
        console.print(
            "[muted]No rules: events are grouped by exception, place and message. See: crashvault docs grouping[/muted]"
        )
    for position, rule in enumerate(found, start=1):
        console.print(f"[highlight]{position}[/highlight] {escape(json.dumps(rule, ensure_ascii=False))}")


_TRY_EXAMPLES = """
crashvault group try '{"match": {"type": "TimeoutError"}, "fingerprint": ["timeouts"]}'
crashvault group try @rules.json
"""
_SHOWN = 30


@command("try", _TRY_EXAMPLES)
@click.argument("given", metavar="RULES")
@click.option(
    "--sample", type=click.IntRange(1, 1_000), default=5, show_default=True,
    help="How many events of each key to look at: the latest.",
)  # fmt: skip
def try_(context: Context, given: str, sample: int) -> None:
    """Show which issues other rules would join or split, before anything is written.

    RULES is JSON, or @FILE: a list stands for all rules, one rule comes before the present ones."""
    from .. import core, regrouping
    from ..console import err_console
    from ..grouping import compile_rules
    from .grouped import rules_from

    store = context.store
    present, _ = core.get_setting(store, "grouping.rules")
    other = compile_rules(rules_from(given, present))
    with store.reading(), err_console.progress("Reading events") as bar:
        seen = regrouping.look_back(store, context.project, compile_rules(present), other, sample, bar.advance)
        trial = regrouping.attempt(list(seen))
    if context.json:
        emit({
            "joined": [one._asdict() for one in trial.joined],
            "split": [
                {"issue": one.issue, "keys": [{"hash": hash_, "key": key, "events": count} for hash_, key, count in one.keys]}
                for one in trial.split
            ],
            "renamed": trial.renamed, "events": trial.events, "changed": trial.changed,
        })  # fmt: skip
    else:
        _print_trial(trial)


def _print_trial(trial: Any) -> None:
    from ..console import console, escape
    from .triage import named

    for one in trial.joined[:_SHOWN]:
        console.print(f"[success]join[/success]  {named(one.issues)} by {escape(one.key)}")
    for one in trial.split[:_SHOWN]:
        console.print(f"[warning]split[/warning] {named([one.issue])}")
        for _, key, count in one.keys:
            console.print(f"        {count} events: {escape(key)}")
    if trial.renamed:
        more = " …" if len(trial.renamed) > _SHOWN else ""
        console.print(f"[info]new key[/info] {named(trial.renamed[:_SHOWN])}{more}, as a whole")
    console.print(
        f"[muted]{trial.changed} of {trial.events} events that were looked at would get another key. "
        f"Joined: {len(trial.joined)}, split: {len(trial.split)}, new key: {len(trial.renamed)}.[/muted]"
    )
    if trial.changed:
        console.print(
            "[muted]Nothing is changed yet: crashvault config set grouping.rules …, then crashvault dedup --regroup[/muted]"
        )


for _command in (explain, rules, try_):
    group.add_command(_command)
