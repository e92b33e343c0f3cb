"""`crashvault user`: people who may log in to the dashboard."""

from __future__ import annotations

import sys
from typing import Any

import click

from .context import Context, command, emit
from .group import SubGroup

_ROLES = ("admin", "member", "viewer")


@click.group("user", cls=SubGroup)
def user() -> None:
    """People who may log in to the dashboard, with a role: admins do all, members triage, viewers read."""


@command(
    "add", "crashvault user add ana --role admin\necho 'four words in a row' | crashvault user add bob --password-stdin"
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(_ROLES, case_sensitive=False),
    default="member",
    show_default=True,
    help="What they may do.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def add(context: Context, name: str, role: str, password_stdin: bool) -> None:
    """Let somebody log in; asks for a password."""
    from .. import users
    from ..clock import now

    made = users.add_user(context.store, name, role, _password(password_stdin), now())
    _tell(context, made, f"Made[/success] user [highlight]{{}}[/highlight] ({made.role}).")


@command("list", "crashvault user list")
def list_users(context: Context) -> None:
    """List users, their roles, and when they logged in last."""
    from ..console import Column, console, escape
    from ..output.shapes import listing

    found = [_shape(one) for one in context.store.users.list()]
    if context.json:
        emit(listing(found, len(found), None))
        return
    if not found:
        console.print("[muted]No users yet.[/muted] Make one: crashvault user add NAME --role admin")
        return
    rows = [[escape(one["name"]), one["role"], (one["seen_at"] or "never")[:16]] for one in found]
    console.table(tuple(Column(head) for head in ("name", "role", "logged in")), rows)


@command("passwd", "crashvault user passwd ana")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def passwd(context: Context, name: str, password_stdin: bool) -> None:
    """Give somebody a new password; their sessions end."""
    from .. import users
    from ..clock import now

    found = context.store.users.require(name)
    users.set_password(context.store, found, _password(password_stdin), now())
    _tell(context, found, "Changed[/success] the password of [highlight]{}[/highlight].")


@command("set-role", "crashvault user set-role bob viewer")
@click.argument("name")
@click.argument("role", type=click.Choice(_ROLES, case_sensitive=False))
def set_role(context: Context, name: str, role: str) -> None:
    """Give somebody another role, from their next request on."""
    from ..clock import now

    store = context.store
    store.users.set_role(store.users.require(name), role, now())
    _tell(context, store.users.require(name), f"Changed[/success] the role of [highlight]{{}}[/highlight] to {role}.")


@command("remove", "crashvault user remove bob")
@click.argument("name")
def remove(context: Context, name: str) -> None:
    """Remove a user with all sessions and devices, from the next request on."""
    from .. import users

    found = context.store.users.require(name)
    users.remove_user(context.store, found)
    _tell(context, found, "Removed[/success] user [highlight]{}[/highlight].")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _shape(found: Any) -> dict[str, Any]:
    from ..clock import to_iso

    return {
        "name": found.name,
        "role": found.role,
        "created_at": to_iso(found.created_at),
        "seen_at": to_iso(found.seen_at) if found.seen_at else None,
    }


def _tell(context: Context, found: Any, words: str) -> None:
    from ..console import console, escape

    if context.json:
        emit(_shape(found))
    else:
        console.print(f"[success]{words.format(escape(found.name))}")


for one in (add, list_users, passwd, set_role, remove):
    user.add_command(one)
