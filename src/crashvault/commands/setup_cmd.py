"""`crashvault setup`: set up for the first time."""

from __future__ import annotations

import os
import shlex
from typing import Any

import click

from .asking import somebody_there
from .context import Context, command, emit

_EXAMPLES = """
crashvault setup
crashvault setup --yes
crashvault --home ./vault --project shop setup --yes --shell none
"""


@command("setup", _EXAMPLES)
@click.option(
    "--shell",
    type=click.Choice(("bash", "zsh", "fish", "none"), case_sensitive=False),
    help="Install completion for it. [default: yours]",
)
@click.option("--yes", is_flag=True, help="Do not ask; take the defaults.")
def setup(context: Context, shell: str | None, yes: bool) -> None:
    """Set up Crashvault: vault, project, completion in the shell, scrubbing of secrets, and a first event.

    What is set up already stays; it may be run again."""
    asks = not yes
    if asks and not somebody_there():
        raise click.UsageError(
            "setup asks questions, and this is no terminal. Take the defaults with: crashvault setup --yes"
        )
    chosen = _chosen(context, shell or _own_shell(), asks)
    done = _set_up(context, chosen)
    if context.json:
        emit(done)
    else:
        _print(done)


def _own_shell() -> str:
    name = os.path.basename(os.environ.get("SHELL", ""))
    return name if name in ("bash", "zsh", "fish") else "none"


def _chosen(context: Context, shell: str, asks: bool) -> dict[str, Any]:
    """What is wanted: the defaults, or what people answer."""
    chosen: dict[str, Any] = {
        "home": context.home,
        "project": context.project or "default",
        "scrub": True,
        "shell": shell,
    }
    if not asks:
        return chosen
    click.echo("Crashvault keeps crashes and errors in one directory on this machine.", err=True)
    chosen["home"] = os.path.abspath(
        os.path.expanduser(click.prompt("Directory of the vault", default=chosen["home"], err=True))
    )
    chosen["project"] = click.prompt("Project that you record into", default=chosen["project"], err=True).strip()
    chosen["scrub"] = click.confirm("Take secrets out of events before they are stored?", default=True, err=True)
    if shell != "none" and not click.confirm(f"Install completion for {shell}?", default=True, err=True):
        chosen["shell"] = "none"
    return chosen


def _set_up(context: Context, chosen: dict[str, Any]) -> dict[str, Any]:
    from .. import completion, core
    from ..clock import now
    from ..storage.projects import check_name

    check_name(chosen["project"])
    usual = core.home_dir()
    context.update({"home": chosen["home"]})
    store = context.store
    if store.projects.find(chosen["project"]) is None:
        store.projects.add(chosen["project"], now())
    if core.get_setting(store, "scrub.enabled")[0] != chosen["scrub"]:
        core.set_setting(store, "scrub.enabled", str(chosen["scrub"]).lower(), now())
    done = {**chosen, "completion": None, "hint": "", "event_id": _first_event(store, chosen["project"])}
    if chosen["shell"] != "none":
        done["completion"], _, done["hint"] = completion.install(chosen["shell"])
    variables = {"CRASHVAULT_HOME": chosen["home"] if chosen["home"] != usual else "",
                 "CRASHVAULT_PROJECT": chosen["project"] if chosen["project"] != "default" else ""}  # fmt: skip
    done["export"] = [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if value]
    return done


def _first_event(store: Any, project: str) -> str | None:
    """Record something to look at; its id. Not in a vault that has events."""
    from .. import pipeline

    if store.events.newest_row():
        return None
    body = {"message": "Crashvault is set up", "level": "info", "source": "setup", "tags": ["setup"]}
    return pipeline.record_events(store, [body], source="cli", project=project)[0].event_id


def _print(done: dict[str, Any]) -> None:
    from ..console import console, escape

    console.print(
        f"[success]Ready:[/success] vault [highlight]{escape(done['home'])}[/highlight], project {escape(done['project'])}"
    )
    console.print(
        f"Secrets are {'taken out of events' if done['scrub'] else 'kept in events'}; change it with: crashvault config set scrub.enabled"
    )
    if done["completion"]:
        console.print(f"Completion for {done['shell']}: {escape(done['completion'])}")
    if done["hint"]:
        console.print(f"  [muted]{escape(done['hint'])}[/muted]")
    if done["export"]:
        console.print("Add to your shell's start-up file:")
        for line in done["export"]:
            console.print(f"  {escape(line)}")
    if done["event_id"]:
        console.print(f"A first event: crashvault event {done['event_id'][:8]}")
    console.print("Next: crashvault wrap -- COMMAND · crashvault list · crashvault help")
