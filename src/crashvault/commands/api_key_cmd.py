"""`crashvault api-key`: keys of the HTTP interface."""

from __future__ import annotations

import click

from .context import Context, command, emit
from .group import SubGroup

_SCOPES = ("ingest", "read", "write", "admin")


@click.group("api-key", cls=SubGroup)
def api_key() -> None:
    """Keys of the HTTP interface: shown once, stored as a digest only."""


@command(
    "create",
    "crashvault api-key create laptop --scope read\ncrashvault api-key create ci --scope ingest --project shop --expires 90d",
)
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(_SCOPES, case_sensitive=False),
              help="What the key allows; may be repeated. write includes read, admin includes all.")  # fmt: skip
@click.option("--expires", metavar="SPAN", help="After that time the key ends, such as 90d.")
@click.option("--project", "only", metavar="NAME", help="Only for this project.")
def create(context: Context, name: str, scopes: tuple[str, ...], expires: str | None, only: str | None) -> None:
    """Make a key and show it, once."""
    from .. import auth
    from ..auth import key_shape
    from ..clock import now
    from ..console import console, escape
    from ..units import parse_span

    moment = now()
    made, key = auth.create_key(
        context.store, name, scopes, project=only or context.project, now=moment,
        expires_at=moment + parse_span(expires) if expires else None,
    )  # fmt: skip
    if context.json:
        emit({**key_shape(made, moment), "key": key})
        return
    console.print(f"[success]Made[/success] key [highlight]{escape(made.name)}[/highlight] ({', '.join(made.scopes)}):")
    console.print(f"  {escape(key)}")
    console.print("[warning]It is not shown again.[/warning] Send it as Authorization: Bearer KEY, or X-API-Key: KEY")


@command("list", "crashvault api-key list")
def list_keys(context: Context) -> None:
    """List keys: what they allow, and when they were last used."""
    from ..auth import key_shape
    from ..clock import now
    from ..console import Column, console, escape
    from ..output.shapes import listing
    from ..output.times import short

    found = [key_shape(key, now()) for key in context.store.keys.list()]
    if context.json:
        emit(listing(found, len(found), None))
        return
    if not found:
        console.print("[muted]No keys yet.[/muted] Make one: crashvault api-key create laptop --scope read")
        return
    rows = [
        [str(one["id"]), escape(one["name"]), escape(one["prefix"] + "…"), ", ".join(one["scopes"]),
         escape(one["project"] or "all"), one["status"], short(one["last_used_at"]) if one["last_used_at"] else "never"]
        for one in found
    ]  # fmt: skip
    heads = ("id", "name", "key", "scopes", "project", "status", "last used")
    console.table(tuple(Column(head) for head in heads), rows)


@command("revoke", "crashvault api-key revoke laptop")
@click.argument("api_key", metavar="KEY")
def revoke(context: Context, api_key: str) -> None:
    """Take a key out of force, from the next request on: by its name, number or beginning."""
    from ..auth import key_shape
    from ..clock import now
    from ..console import console, escape

    moment = now()
    found = context.store.keys.revoke(context.store.keys.require(api_key).id, moment)
    if context.json:
        emit(key_shape(found, moment))
        return
    console.print(f"[success]Revoked[/success] key [highlight]{escape(found.name)}[/highlight].")


for one in (create, list_keys, revoke):
    api_key.add_command(one)
