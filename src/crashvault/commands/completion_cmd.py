"""`crashvault completion`: completion in the shell."""

from __future__ import annotations

import click

from .context import Context, command, emit

_EXAMPLES = """
crashvault completion bash --install
eval "$(crashvault completion zsh)"
crashvault completion fish | source
"""


@command("completion", _EXAMPLES)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish"), case_sensitive=False))
@click.option("--install", is_flag=True, help="Put the script where the shell looks for it.")
def completion(context: Context, shell: str, install: bool) -> None:
    """Print, or install, the script that completes commands, options, issue ids, tags, levels and queries."""
    from .. import completion

    if not install:
        text = completion.script(shell)
        if context.json:
            emit({"shell": shell, "script": text, "path": completion.script_path(shell)})
        else:
            click.echo(text, nl=False)
        return
    path, changed, hint = completion.install(shell)
    if context.json:
        emit({"shell": shell, "path": path, "changed": changed, "hint": hint})
        return
    from ..console import console, escape

    what = "[success]Installed[/success]" if changed else "[muted]Is installed already:[/muted]"
    console.print(f"{what} [highlight]{escape(path)}[/highlight]; it counts in the next shell")
    if hint:
        console.print(f"[muted]{escape(hint[0].upper() + hint[1:])}[/muted]")
