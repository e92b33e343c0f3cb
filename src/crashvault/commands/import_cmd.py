"""`crashvault import`: an export back into a vault."""

from __future__ import annotations

import os
from typing import Any

import click

from .asking import confirm
from .context import Context, command, emit

_EXAMPLES = """
crashvault import vault.jsonl.gz
crashvault import colleague.jsonl --dry-run
crashvault import vault.json --mode replace
"""


@command("import", _EXAMPLES)
@click.argument("file", metavar="FILE|-", type=click.Path())
@click.option(
    "--mode", type=click.Choice(["merge", "replace", "skip"], case_sensitive=False), default="merge", show_default=True,
    help="Merge with what is there; replace all issues and events; or skip issues that are there.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only read and check the file, and say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask before replacing.")
def import_file(context: Context, file: str, mode: str, dry_run: bool, yes: bool) -> None:
    """Import what `crashvault export` wrote as jsonl or json.

    Importing twice changes nothing. No hooks, alerts or webhooks run."""
    from ..clock import now
    from ..console import progress
    from ..exchange import import_vault
    from ..exchange.files import given

    with given(file) as opened:
        if mode == "replace" and not dry_run and not yes:
            _confirm(context, file)
        size = os.path.getsize(file) if os.path.isfile(file) else None
        with progress("Importing", size) as bar:
            done = import_vault(
                context.store, opened, name=file if file != "-" else "standard input", mode=mode, dry_run=dry_run,
                project=context.options.get("project"), now=now(), progress=lambda position: bar.update(completed=position),
            )  # fmt: skip
    _report(context, done, dry_run)


globals()["import"] = import_file  # the name that the command line looks for, which Python keeps for itself


def _confirm(context: Context, file: str) -> None:
    from ..output.times import counted

    issues = context.store.statistics.totals().issues
    if issues and file == "-":
        raise click.UsageError("standard input is the file, so nobody can be asked; add --yes to replace")
    if issues:
        confirm(f"Replace ALL {counted(issues, 'issue')} and their events by those of {file}?")


def _report(context: Context, done: Any, dry_run: bool) -> None:
    if context.json:
        emit({"dry_run": dry_run, **done._asdict()})
        return
    from ..console import console
    from ..output.times import counted

    what = "[info]Would import[/info]" if dry_run else "[success]Imported[/success]"
    console.print(f"{what} {counted(done.issues_created, 'new issue')} and {counted(done.events_added, 'event')}")
    notes = [
        (done.issues_changed, "known issue", "changed" if not dry_run else "found"),
        (done.issues_unchanged, "issue", "left as before"),
        (done.events_known, "event", "in the vault already"),
        (done.events_skipped, "event", "of known issues skipped"),
        (done.events_repaired, "event", "normalized for not having the right form"),
        (done.attachments, "attachment", "added" if not dry_run else "to add"),
    ]
    shown = [f"{counted(count, what)} {how}" for count, what, how in notes if count]
    if shown:
        console.print(f"[muted]{', '.join(shown)}[/muted]")
