"""The root of the command line: finds commands by name, imports them when needed, suggests the nearest name."""

from __future__ import annotations

import difflib
import os
from importlib import import_module
from typing import Any

import click

from .. import __version__
from .context import COMPLETE, Context, shared_params

_ABOUT = """A vault for crashes and errors, in one file on your machine.

Record a failing command with `crashvault wrap -- CMD`, look at what broke with `crashvault list` and
`crashvault show ISSUE`."""

_EPILOG = """Examples:
  crashvault wrap -- python app.py
  crashvault add "Payment failed" --level critical --tag billing
  crashvault list is:open level:>=error since:24h
  crashvault show 1"""


class VaultGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules: dict[str, str] = {}
        self._aliases: dict[str, str] = {}

    @classmethod
    def root(cls) -> VaultGroup:
        return cls(
            name="crashvault",
            help=_ABOUT,
            params=_root_params(),
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
            epilog=_EPILOG,
        )

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Whoever types nothing but the name wants to know what there is."""
        return super().parse_args(context, args or ["--help"])

    def add_lazy_command(self, name: str, *aliases: str) -> None:
        """Register the command that `commands/<name>_cmd.py` defines, under its name and short names."""
        self._modules[name] = f"crashvault.commands.{name.replace('-', '_')}_cmd"
        self._aliases.update(dict.fromkeys(aliases, name))

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*self._modules, *super().list_commands(context), *self._of_plugins(context)})

    def _of_plugins(self, context: click.Context) -> dict[str, click.Command]:
        from .plugged import commands

        return commands(context, {*self._modules, *self._aliases, *self.commands})

    def short_names(self) -> dict[str, str]:
        """Short name → command."""
        return dict(self._aliases)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        name = self._aliases.get(name, name)
        if name in self._modules:
            module = import_module(self._modules[name])
            found: click.Command = getattr(module, name.replace("-", "_"))  # the function named like the command
            return found
        return super().get_command(context, name) or self._of_plugins(context).get(name)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[Any]:
        """Complete names of commands without importing them; what each does is the first line of its module."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(context) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, context, incomplete)
        return [*(CompletionItem(name, help=_about(self._modules.get(name, ""))) for name in names), *options]

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self._modules:
            _note_home(context, args)
        command = self.get_command(context, args[0])
        if command is None and not args[0].startswith("-"):
            known = [*self.list_commands(context), *self._aliases]
            close = difflib.get_close_matches(args[0], known, 1, 0.5)
            hint = f"Did you mean {close[0]!r}?" if close else "See: crashvault --help"
            raise click.UsageError(f"there is no command {args[0]!r}. {hint}", context)
        return super().resolve_command(context, args)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        if self._aliases:
            pairs = ", ".join(f"{short} = {name}" for short, name in sorted(self._aliases.items()))
            formatter.write_paragraph()
            formatter.write_text(f"Short names: {pairs}")
        if self.epilog:
            formatter.write(f"\n{self.epilog}\n")


def _note_home(context: click.Context, args: list[str]) -> None:
    """Whose plugin a command is must be known before its options are read, so that `--home` behind it counts already."""
    ours = context.find_object(Context)
    for place, word in enumerate(args):
        if word == "--":  # what follows is somebody else's
            return
        given = word.removeprefix("--home=") if word.startswith("--home=") else ""
        if word == "--home" and place + 1 < len(args):
            given = args[place + 1]
        if given and ours is not None:
            ours.update({"home": given})


def _about(module: str) -> str:
    """What a command does, as its module's first line says behind the colon."""
    path = os.path.join(os.path.dirname(__file__), f"{module.rpartition('.')[2]}.py")
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip().strip('"').partition(": ")[2].rstrip(".")
    except OSError:  # a plugin's command, or installed without sources
        return ""


def _root_params() -> list[click.Parameter]:
    found: list[click.Parameter] = [*shared_params(hidden=False), _version_option()]
    if COMPLETE in os.environ:
        from ..completion import equip

        equip(found)
    return found


class SubGroup(click.Group):
    """A command with commands of its own, such as `config get`."""

    command_class = None

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(context, args[0]) is None and not args[0].startswith("-"):
            names = self.list_commands(context)
            close = difflib.get_close_matches(args[0], names, 1, 0.5)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(names)}"
            raise click.UsageError(f"{context.command_path} has no command {args[0]!r}. {hint}", context)
        return super().resolve_command(context, args)


def _version_option() -> click.Option:
    def show(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            click.echo(f"crashvault {__version__}")
            context.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show,
        help="Show the version and exit.",
    )
