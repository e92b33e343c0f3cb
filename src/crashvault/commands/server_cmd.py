"""`crashvault server`: start, stop and watch the HTTP server."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from .context import Context, command, emit, emit_line
from .group import SubGroup

if TYPE_CHECKING:
    from ..serving.pidfile import Running

_STOP_SECONDS = 60.0


@click.group("server", cls=SubGroup)
def server() -> None:
    """The HTTP server: takes events from any Sentry SDK, OTLP exporter and HTTP client, and serves the API."""


_START = """
crashvault server start
crashvault server start --port 8000 --background
crashvault server start --host 0.0.0.0 --workers 2
"""


@command("start", _START)
@click.option("--host", help="Address to listen on. [default: setting server.host, 127.0.0.1]")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65_535), help="Port; 0 takes a free one. [default: server.port, 5678]"
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 64),
    help="Processes that share the vault. [default: server.workers, 1]",
)
@click.option("--background", is_flag=True, help="Return as soon as it serves.")
@click.option("--spotlight", is_flag=True, help="Also take what SDKs show to Spotlight, on port 8969.")
@click.option("--auth", type=click.Choice(["required", "local", "off"], case_sensitive=False),
              help="Who needs a key: all, all but this machine, or nobody. [default: server.auth, local]")  # fmt: skip
@click.option("--unix-socket", metavar="PATH", help="Listen on a Unix socket instead of an address.")
@click.option("--tls-cert", metavar="FILE", help="Certificate chain in PEM, for HTTPS.")
@click.option("--tls-key", metavar="FILE", help="Its private key in PEM.")
@click.option("--access-log", is_flag=True, help="Show each request; they are in logs/access.log anyway.")
def start(context: Context, background: bool, **options: Any) -> None:
    """Serve this vault over HTTP until Ctrl-C or `crashvault server stop`."""
    from ..server import Plan, serve

    if background:
        _start_in_background(context)
        return
    context.start_logging()
    _make_vault(context)
    serve(Plan(context.home, **options), lambda found: _tell_started(context, found))


def _make_vault(context: Context) -> None:
    """Make the vault where there is none, and close it: a server's processes open it for themselves."""
    from .. import core

    with core.open_vault(context.home):
        pass


def _tell_started(context: Context, found: Running) -> None:
    from ..serving.background import tell_started

    if not tell_started():
        show_started(context, found)


def show_started(context: Context, found: Running) -> None:
    from .. import core
    from ..console import console, escape

    with core.open_vault(context.home) as store:
        dsn, keys = _access(store, found)
        setup = _setup_link(store, found)
    if context.json:
        emit({**_described(found), "dsn": dsn, **({"setup": setup} if setup else {})})
        sys.stdout.flush()
        return
    console.print(f"[success]Crashvault serves[/success] [highlight]{escape(found.url)}[/highlight]")
    console.print(f"  DSN     {escape(dsn)}")
    console.print(f"  keys    {'needed' if found.needs_key else 'not needed on this machine'}")
    if found.spotlight:
        console.print(f"  sink    {escape(found.spotlight)} for SDKs with SENTRY_SPOTLIGHT=1")
    if setup:
        console.print("[warning]Nobody can log in yet.[/warning] Make the first user, once, within a day:")
        console.print(f"  {escape(setup)}")
    if found.needs_key and not keys:
        console.print("[warning]There is no API key yet.[/warning] SDKs send with the DSN; for reading make one:")
        console.print("  crashvault api-key create laptop --scope read")
    sys.stdout.flush()


def _access(store: Any, found: Running) -> tuple[str, bool]:
    """The DSN of the default project, and whether there are keys."""
    from .. import core
    from ..auth import dsn
    from ..models import DEFAULT_PROJECT

    url = core.get_setting(store, "server.public_url")[0] or found.url
    project = store.projects.require(DEFAULT_PROJECT)
    return dsn(url, project), bool(store.keys.list())


def _setup_link(store: Any, found: Running) -> str:
    """Where the first user of the dashboard is made; nothing where nobody has to log in, or somebody can."""
    from .. import core, users
    from ..clock import now

    if not found.needs_key or store.users.any():
        return ""
    url = core.get_setting(store, "server.public_url")[0] or found.url
    if url.startswith("unix:"):  # no browser gets there
        return ""
    return f"{url}/setup?token={users.invite(store, now())}"


def _described(found: Running) -> dict[str, Any]:
    return {"running": True, **found._asdict()}


def _start_in_background(context: Context) -> None:
    from .. import core
    from ..serving import background, pidfile
    from ..serving.errors import ServerError

    already = pidfile.running(context.home)
    if already is not None:
        raise ServerError(
            f"a server for this vault runs already (pid {already.pid}) at {already.url}",
            "Stop it with: crashvault server stop",
        )
    _make_vault(context)
    arguments = [word for word in sys.argv[1:] if word != "--background"]
    background.start(arguments, context.home, core.log_dir(context.home))
    found = pidfile.running(context.home)
    if found is None:
        raise ServerError("the server ended at once", "See: crashvault server logs")
    show_started(context, found)


# The others


@command("stop", "crashvault server stop")
@click.option("--timeout", type=float, default=_STOP_SECONDS, show_default=True, help="Seconds to wait for its end.")
def stop(context: Context, timeout: float) -> None:
    """Stop the server; it stores all that it has accepted before it ends."""
    from ..console import console
    from ..serving import pidfile

    found = pidfile.stop(context.home, timeout)
    if context.json:
        emit({"stopped": found is not None, "pid": found.pid if found else None})
    elif found is None:
        console.print("No server runs for this vault.")
    else:
        console.print(f"[success]Stopped[/success] the server (pid {found.pid}).")


@command("status", "crashvault server status --json")
def status(context: Context) -> None:
    """Show whether a server runs for this vault, where, and how it is; exit code 1 when none runs."""
    from ..console import console, escape
    from ..serving import pidfile
    from ..units import shown_size

    found = pidfile.running(context.home)
    if context.json:
        emit({**_described(found), "health": pidfile.health(found)} if found else {"running": False})
    elif found is None:
        console.print("No server runs for this vault. Start one with: crashvault server start")
    else:
        console.print(f"[success]Running[/success] at [highlight]{escape(found.url)}[/highlight]")
        console.print(f"  pid      {found.pid}")
        console.print(f"  workers  {found.workers}")
        console.print(f"  since    {found.started_at}")
        health = pidfile.health(found)
        console.print(f"  health   {escape(health['status'])}")
        if "spool" in health:
            spool = health["spool"]
            console.print(
                f"  spool    {spool['requests']} requests, {shown_size(spool['bytes'])}, oldest {spool['oldest_seconds']:g} s"
            )
    if found is None:
        raise click.exceptions.Exit(1)


@command("logs", "crashvault server logs -f\ncrashvault server logs --access -n 100")
@click.option("--follow", "-f", is_flag=True, help="Go on as lines are written.")
@click.option(
    "--lines", "-n", metavar="N", type=click.IntRange(0), default=20, show_default=True, help="Lines to begin with."
)
@click.option("--access", is_flag=True, help="The requests, instead of what the server says.")
def logs(context: Context, follow: bool, lines: int, access: bool) -> None:
    """Show what the server has written to its logs."""
    from .. import core
    from ..log_files import followed, last_lines, size_of

    name = "access.log" if access else core.LOG_FILE
    path = os.path.join(core.log_dir(context.home), name)
    end = size_of(path)
    for line in last_lines(path, lines, end):
        _print_line(context, line)
    if follow:
        for line in followed(path, end):
            _print_line(context, line)


def _print_line(context: Context, line: str) -> None:
    from ..log_files import parsed

    if context.json:
        emit_line(parsed(line))
    else:
        click.echo(line)


for one in (start, stop, status, logs):
    server.add_command(one)
