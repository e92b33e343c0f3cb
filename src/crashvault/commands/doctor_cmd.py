"""`crashvault doctor`: is the vault well?"""

from __future__ import annotations

import click

from .context import Context, command, emit


@command("doctor", "crashvault doctor\ncrashvault doctor --deep")
@click.option("--deep", is_flag=True, help="Read every page of the file and check the index too.")
def doctor(context: Context, deep: bool) -> int:
    """Check the vault's health, and say what is wrong and what to do about it; exit code 1 when something is."""
    from .. import core
    from ..errors import CrashvaultError

    problems, results = [], []
    try:
        results = core.examine(context.store, deep)
        problems = [finding for _, found in results for finding in found]
    except CrashvaultError as error:
        problems = [core.broken(error)]
    if context.json:
        emit(
            {
                "healthy": not problems,
                "checks": [name for name, _ in results],
                "findings": [item._asdict() for item in problems],
            }
        )
    else:
        _print(context, results, problems)
    return 1 if any(item.severity == "error" for item in problems) else 0


def _print(context: Context, results: list, problems: list) -> None:
    from .. import core
    from ..console import console, escape

    console.print(f"[muted]Vault[/muted] [highlight]{escape(core.shown_place(context.home))}[/highlight]")
    for name, found in results:
        console.print(f"[success]ok[/success]      {name}" if not found else f"[warning]look[/warning]    {name}")
    for item in problems:
        console.print(
            f"[{item.severity}]{item.severity}[/{item.severity}]  {escape(item.message)}. {escape(item.hint)}"
        )
    if not problems:
        console.print("[success]Everything is well.[/success]")
