"""What all commands share: the options that stand before or after every command, the open vault, JSON output."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

from ..errors import CrashvaultError, InvalidError

if TYPE_CHECKING:
    from ..storage.store import Store

COMPLETE = "_CRASHVAULT_COMPLETE"  # of the environment, set by a shell that wants a word completed

_SHARED: dict[str, dict[str, Any]] = {
    "home": {"metavar": "DIR", "help": "Vault directory. [default: $CRASHVAULT_HOME or ~/.crashvault]"},
    "project": {"metavar": "NAME", "help": "Project inside the vault."},
    "json": {"is_flag": True, "help": "Print JSON and nothing else on standard output."},
    "debug": {"is_flag": True, "help": "Log every step with its duration, and show tracebacks."},
    "no_color": {"is_flag": True, "help": "Plain text without colours."},
}


class Context:
    """The options of this run, and the vault once somebody needs it."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self._store: Store | None = None
        self.has_told = False  # whether people are to be told of alerts that this run has looked at
        self.reads = False  # whether this run changes nothing in the vault

    def update(self, given: dict[str, Any]) -> None:
        """Take over what was given; an option may stand before the command's name or behind it."""
        self.options.update({name: value for name, value in given.items() if value not in (None, False)})
        if self.options.get("no_color"):
            from ..console import configure

            configure(no_color=True)

    @property
    def json(self) -> bool:
        return bool(self.options.get("json"))

    @property
    def debug(self) -> bool:
        return bool(self.options.get("debug")) or os.environ.get("CRASHVAULT_DEBUG", "") not in ("", "0")

    @property
    def project(self) -> str | None:
        """The chosen project; None means all of them when reading."""
        return self.options.get("project") or os.environ.get("CRASHVAULT_PROJECT") or None

    @property
    def home(self) -> str:
        from .. import core

        return core.home_dir(self.options.get("home"))

    @property
    def store(self) -> Store:
        if self._store is None:
            from .. import core
            from ..logs import timed

            self.start_logging()
            with timed("open the vault", home=self.home):
                self._store = core.open_for_reading(self.home) if self.reads else core.open_vault(self.home)
            if self._store.legacy is not None:
                _tell_legacy(self._store.legacy)
        return self._store

    @property
    def has_queued(self) -> bool:
        """Whether this run has left something for webhooks."""
        return self._store is not None and "outbox" in vars(self._store) and self._store.outbox.added > 0

    @property
    def has_counted(self) -> bool:
        """Whether this run has recorded something that alert rules count."""
        return self._store is not None and "alerts" in vars(self._store) and self._store.alerts.counted > 0

    def start_logging(self) -> None:
        from .. import core, logs

        logs.start(core.log_dir(self.home), os.environ.get("CRASHVAULT_LOG_LEVEL", "info"), self.debug)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def actor(self) -> str:
        """Who is at the keyboard, for the activity log."""
        for variable in ("CRASHVAULT_ACTOR", "USER", "LOGNAME", "USERNAME"):
            if os.environ.get(variable):
                return os.environ[variable]
        try:
            import pwd

            return pwd.getpwuid(os.getuid()).pw_name
        except (ImportError, KeyError):  # Windows; an id without a name, as in some containers
            return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _tell_legacy(report: Any) -> None:
    """What the import of an old vault did, on standard error."""
    from ..console import err_console, escape, print_warning
    from ..output.times import counted

    for path, why in report.unreadable:
        print_warning(f"{path} could not be imported: {why}")
    err_console.print(
        f"[info]Imported the old vault:[/info] {counted(report.issues, 'issue')}, "
        f"{counted(report.events, 'event')}, {counted(report.attachments, 'attachment')}; its files are in {escape(report.moved_to)}/"
    )


pass_context = click.make_pass_decorator(Context, ensure=True)


def shared_params(*, hidden: bool) -> list[click.Option]:
    """The shared options; behind a command's name only `--json` is listed, to keep its help short."""
    return [
        click.Option(
            [f"--{name.replace('_', '-')}", f"shared_{name}"], hidden=hidden and name != "json", expose_value=False,
            callback=_remember, is_eager=True, **options,
        )
        for name, options in _SHARED.items()
    ]  # fmt: skip


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    name = str(parameter.name).removeprefix("shared_")
    context.ensure_object(Context).update({name: value})


class Command(click.Command):
    """A command that takes the shared options behind its name too."""

    def __init__(self, *args: Any, json_help: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = {option for parameter in self.params for option in parameter.opts}
        shared = [option for option in shared_params(hidden=True) if not taken.intersection(option.opts)]
        for option in shared:
            if json_help and "--json" in option.opts:
                option.help = json_help
        self.params += shared
        if COMPLETE in os.environ:
            from ..completion import equip

            equip(self.params)

    def invoke(self, context: click.Context) -> Any:
        texts = {str(parameter.name) for parameter in self.params if parameter.type is click.STRING}
        context.params.update({name: _readable(context.params[name]) for name in texts.intersection(context.params)})
        return super().invoke(context)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples keep their lines."""
        if self.epilog:
            formatter.write_paragraph()
            for line in self.epilog.splitlines():
                formatter.write(f"{line.rstrip()}\n")


def _readable(value: Any) -> Any:
    """Typed text with bytes that are no UTF-8 replaced, because nothing can store them."""
    if isinstance(value, tuple):
        return tuple(map(_readable, value))
    return value if not isinstance(value, str) or value.isprintable() else re.sub("[\ud800-\udfff]", "\ufffd", value)


def command(
    name: str, examples: str = "", *, reads: bool = False, **kwargs: Any
) -> Callable[[Callable[..., Any]], Command]:
    """`@click.command` with the shared options, the context as first argument, and examples below the help.

    What only `reads` is answered by a copy of the database, where there is one.
    """

    def decorate(function: Callable[..., Any]) -> Command:
        def run(context: click.Context, /, *args: Any, **values: Any) -> Any:
            from ..logs import timed

            ours = context.ensure_object(Context)
            ours.reads = reads
            if ours.debug:
                ours.start_logging()
            with timed("command", name=context.command_path):
                return function(ours, *args, **values)

        wrapped = update_wrapper(click.pass_context(run), function)
        epilog = f"Examples:\n{_indented(examples)}" if examples else None
        return click.command(name=name, cls=Command, epilog=epilog, **kwargs)(wrapped)

    return decorate


def _indented(text: str) -> str:
    return "\n".join(f"  {line.strip()}" for line in text.strip().splitlines())


def emit(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(encoded(value, 2))


def emit_line(value: Any) -> None:
    """One JSON object of a stream, on a line of its own, at once."""
    click.echo(encoded(value, None))


def encoded(value: Any, indent: int | None) -> bytes:
    """JSON without raw characters that act on a terminal, turn text around or end a line for some readers."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    if not text.isascii() or "\x7f" in text:
        text = re.sub(_ACTIVE, lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode("utf-8", "backslashreplace")


_ACTIVE = "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"


def query_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Words of a query."""
    return click.argument("query", nargs=-1, metavar="[QUERY…]")(function)


def page_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which part of a listing to show."""
    function = click.option(
        "--cursor", metavar="CURSOR", help="Go on where a listing ended: `next_cursor` of its JSON."
    )(function)
    function = click.option(
        "--offset", type=Offset(), metavar="N", default=0, show_default=True, help="Leave out the first N."
    )(function)
    limit = click.option("--limit", metavar="N", type=click.IntRange(0, 10_000), default=50, show_default=True,
                         help="Rows at the most.")  # fmt: skip
    return limit(function)


class Offset(click.IntRange):
    """How many to leave out; one that no vault reaches is as good as any other."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        return min(int(super().convert(value, parameter, context)), 1 << 60)


def joined_query(words: Iterable[str]) -> str:
    """A query as the shell handed it over: each argument with blanks was quoted by the user for that."""
    return " ".join(words)


def key_values(given: Iterable[str], what: str) -> dict[str, str]:
    """`K=V` options as a dictionary. Raises InvalidError that shows what is wrong."""
    found = {}
    for item in given:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise InvalidError(f"{what} {item!r} is not KEY=VALUE", f"Write it as: {what} key=value")
        found[key] = value
    return found


__all__ = [
    "Command",
    "Context",
    "CrashvaultError",
    "command",
    "emit",
    "emit_line",
    "joined_query",
    "key_values",
    "page_options",
    "pass_context",
    "query_argument",
    "shared_params",
]
