"""`crashvault project`: projects and their DSNs."""

from __future__ import annotations

from typing import Any

import click

from .context import Context, command, emit
from .group import SubGroup


@click.group("project", cls=SubGroup)
def project() -> None:
    """Projects: namespaces of issues, each with a DSN that SDKs send to."""


@command("list", "crashvault project list")
def list_projects(context: Context) -> None:
    """List projects with their DSNs."""
    from ..console import Column, console, escape
    from ..output.shapes import listing

    found = [_described(context, one) for one in context.store.projects.list()]
    if context.json:
        emit(listing(found, len(found), None))
        return
    rows = [[str(one["id"]), escape(one["name"]), escape(one["dsn"])] for one in found]
    console.table((Column("id", justify="right"), Column("name"), Column("DSN")), rows)


@command("add", "crashvault project add shop")
@click.argument("name")
def add(context: Context, name: str) -> None:
    """Make a project and show its DSN."""
    from ..clock import now

    _show(context, context.store.projects.add(name, now()), "[success]Made[/success] project")


@command("show", "crashvault project show shop --json")
@click.argument("known", metavar="NAME")
def show(context: Context, known: str) -> None:
    """Show a project: its id, its DSN and every public key that is good for it."""
    _show(context, context.store.projects.require(known), "Project")


def _show(context: Context, found: Any, what: str) -> None:
    from ..console import console, escape

    described = _described(context, found)
    described["public_keys"] = list(context.store.projects.public_keys(found))
    if context.json:
        emit(described)
        return
    console.print(f"{what} [highlight]{escape(found.name)}[/highlight]")
    console.print(f"  id       {found.id}")
    console.print(f"  DSN      {escape(described['dsn'])}")
    for key in described["public_keys"][1:]:
        console.print(f"  also     {escape(key)}")


def _described(context: Context, found: Any) -> dict[str, Any]:
    from ..auth import dsn
    from ..clock import to_iso

    return {
        "id": found.id,
        "name": found.name,
        "dsn": dsn(_address(context), found),
        "created_at": to_iso(found.created_at),
    }


def _address(context: Context) -> str:
    """Where clients reach the server: what the settings say, else where one runs, else where one would."""
    from .. import core
    from ..serving import pidfile

    if public := core.get_setting(context.store, "server.public_url")[0]:
        return str(public)
    running = pidfile.running(context.home)
    if running is not None and not running.url.startswith("unix:"):
        return running.url
    host, port = (core.get_setting(context.store, f"server.{name}")[0] for name in ("host", "port"))
    return f"http://{host}:{port}"


for one in (list_projects, add, show):
    project.add_command(one)
