"""`crashvault webhook`: tell people where they are of new issues, regressions and alerts."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import Any

import click

from ..errors import InvalidError
from .context import Context, command, emit, key_values
from .group import SubGroup

_KINDS = ("event", "new-issue", "regression", "resolved", "alert")
_STATES = ("queued", "delivering", "retry", "held", "delivered", "failed", "merged")
_ADD_EXAMPLES = """
crashvault webhook add slack --url https://hooks.slack.com/services/T000/B000/XXXX --events '>=error'
crashvault webhook add http --url https://ci.example.com/crashes --name ci --on new-issue --on resolved
crashvault webhook add discord --url https://discord.com/api/webhooks/1/x --query 'tag:payment' --rate-limit 30/minute
"""


@click.group("webhook", cls=SubGroup)
def webhook() -> None:
    """Webhooks: messages to chat, mail and programs when something breaks."""


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `add` and `edit` may set."""
    for option in reversed(_SETTINGS):
        function = option(function)
    return function


_SETTINGS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option("--url", metavar="URL", help="Where messages go; - reads it from standard input."),
    click.option("--secret", metavar="TEXT", help="Signs messages of type http; - reads it from standard input."),
    click.option("--on", multiple=True, type=click.Choice(_KINDS, case_sensitive=False),
                 help="What to tell; may be repeated. [default: new-issue, regression, alert]"),
    click.option("--events", metavar="LEVELS", help="Only of these levels: error,critical or >=error; all for no limit."),
    click.option("--query", metavar="QUERY", help="Only of events that this query finds."),
    click.option("--only-project", metavar="NAME", help="Only of this project. [default: --project, else all]"),
    click.option("--template", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True),
                 help="A Jinja2 template of the message."),
    click.option("--template-text", metavar="TEXT", help="The same, inline."),
    click.option("--rate-limit", metavar="RATE", help="Such as 30/minute; what is over goes in one summary. none: no limit."),
    click.option("--pause", type=int, metavar="SECONDS",
                 help="With --on event: events of one issue within this time are one message. [default: 30]"),
    click.option("--attach/--no-attach", default=None, help="Send event, stack trace and attachments as files along."),
    click.option("--header", "headers", multiple=True, metavar="K=V", help="A header of each request; may be repeated."),
    click.option("--option", "options", multiple=True, metavar="K=V", help="An option of the service; may be repeated."),
    click.option("--timeout", type=int, metavar="SECONDS", help="That an answer may take, 1 to 30. [default: 10]"),
    click.option("--max-attempts", type=int, metavar="N", help="Then a delivery has failed. [default: 10]"),
)  # fmt: skip


@command("add", _ADD_EXAMPLES)
@click.argument("webhook_type", metavar="TYPE")
@click.option("--name", metavar="NAME", help="How to call it. [default: the type]")
@_options
def add(context: Context, webhook_type: str, **given: Any) -> None:
    """Make a webhook of type http, slack, discord, teams, apprise or push, or of one that a plugin adds."""
    from ..console import console, escape
    from ..notify import manage

    store = context.store
    given["only_project"] = given["only_project"] or context.project
    made = manage.add(store, webhook_type, _read(given), allow_private=_allow_private(context))
    shape = manage.shape(store, made.webhook)
    if context.json:
        emit(shape | ({"secret": made.secret} if made.secret else {}))
        return
    name = escape(made.webhook.name)
    console.print(f"[success]Made[/success] webhook [highlight]{name}[/highlight] to {escape(shape['url'])}")
    _show_secret(made.secret)
    console.print(f"Try it with: crashvault webhook test {escape(shlex.quote(made.webhook.name))}")


@command(
    "edit",
    "crashvault webhook edit slack --events critical --rate-limit 10/minute\ncrashvault webhook edit ci --rotate-secret",
)
@click.argument("webhook")
@click.option("--name", metavar="NAME", help="Call it so from now on.")
@click.option("--rotate-secret", "rotate", is_flag=True, help="Sign with a new secret, and with the old one as well.")
@click.option("--drop-old-secret", "drop_old", is_flag=True, help="Sign with the newest secret only.")
@_options
def edit(context: Context, webhook: str, **given: Any) -> None:
    """Change a webhook; what is not given stays. An empty --query, --template-text or --only-project takes it away."""
    from ..console import console, escape
    from ..notify import manage

    store = context.store
    found = store.webhooks.require(webhook)
    made = manage.edit(store, found, _read(given, found), allow_private=_allow_private(context))
    if context.json:
        emit(manage.shape(store, made.webhook) | ({"secret": made.secret} if made.secret else {}))
        return
    console.print(f"[success]Changed[/success] webhook [highlight]{escape(made.webhook.name)}[/highlight]")
    _show_secret(made.secret)


def _read(given: dict[str, Any], before: Any = None) -> dict[str, Any]:
    """The options as `notify.manage` takes them: what stands in files and on standard input is read."""
    kept = (
        item for item in given.items() if item[0] == "attach" or (item[1] not in (None, ()) and item[1] is not False)
    )
    found: dict[str, Any] = dict(kept)
    if given["url"] == given["secret"] == "-":
        raise InvalidError("standard input cannot be address and secret", "Give one of them as it is")
    for name in ("url", "secret"):
        if found.get(name) == "-":
            found[name] = sys.stdin.readline().strip()
    if "template" in found:
        with click.open_file(found["template"], encoding="utf-8") as file:
            found["template"] = file.read()
    if "template_text" in found:
        found["template"] = found.pop("template_text")
    if "only_project" in found:
        found["project"] = found.pop("only_project")
    for name in ("headers", "options"):
        if name in found:
            old = dict(getattr(before, name)) if before else {}
            new = old | key_values(found[name], f"--{name[:-1]}")
            found[name] = {key: value for key, value in new.items() if value}
    return found


def _show_secret(secret: str | None) -> None:
    from ..console import console, escape

    if secret:
        console.print("Its messages are signed with this secret; [warning]it is not shown again[/warning]:")
        console.print(f"  {escape(secret)}")


def _allow_private(context: Context) -> bool:
    from .. import core

    return bool(core.get_setting(context.store, "webhook.allow_private")[0])


@command("list", "crashvault webhook list")
def list_webhooks(context: Context) -> None:
    """List webhooks: where they go, what they are told, and how it goes."""
    from ..console import Column, console, escape
    from ..notify import manage
    from ..output.shapes import listing
    from ..output.times import short

    found = manage.shapes(context.store)
    if context.json:
        emit(listing(found, len(found), None))
        return
    if not found:
        console.print("[muted]No webhooks yet.[/muted] Make one: crashvault webhook add slack --url URL")
        return
    rows = [
        [escape(one["name"]), one["type"], escape(one["url"]), ", ".join(one["on"]), _status(one),
         str(one["deliveries"]["waiting"] + one["deliveries"]["held"]), str(one["deliveries"]["failed"])]
        for one in found
    ]  # fmt: skip
    heads = ("name", "type", "to", "on", "status", "waiting", "failed")
    console.table(tuple(Column(head) for head in heads), rows)
    for one in found:
        if one["status"] == "failing":
            console.print(
                f"[warning]{escape(one['name'])}[/warning] failed {one['failures']} times in a row "
                f"({escape(one['last_error'] or '')}) and is left alone until {short(one['silent_until'])}"
            )


def _status(one: dict[str, Any]) -> str:
    tag = {"active": "success", "failing": "error", "waiting": "warning", "disabled": "muted"}[one["status"]]
    return f"[{tag}]{one['status']}[/{tag}]"


@command("show", "crashvault webhook show slack")
@click.argument("webhook")
def show(context: Context, webhook: str) -> None:
    """Show a webhook: all of it that is no secret."""
    from ..console import console, escape
    from ..notify import manage

    found = manage.shape(context.store, context.store.webhooks.require(webhook))
    if context.json:
        emit(found)
        return
    console.print(f"[highlight]{escape(found['name'])}[/highlight] {_status(found)}")
    for name, value in found.items():
        if name not in ("name", "status") and value not in (None, {}, []):
            console.print(f"  {name.replace('_', ' '):<18} {escape(_shown(value))}")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


@command("test", "crashvault webhook test slack")
@click.argument("webhook")
def test(context: Context, webhook: str) -> int:
    """Send a test message now; exit code 1 when it does not arrive."""
    from ..console import console, escape
    from ..notify import manage

    store = context.store
    found = store.webhooks.require(webhook)
    verdict, status = manage.test(store, found)
    if context.json:
        emit(
            {"webhook": found.name, "delivered": verdict.delivered, "status": status, "reason": verdict.reason or None}
        )
    elif verdict.delivered:
        console.print(f"[success]Delivered[/success] a test message to [highlight]{escape(found.name)}[/highlight]")
    else:
        raise InvalidError(f"{found.name} did not take the test message: {verdict.reason}", "Check its address")
    return 0 if verdict.delivered else 1


@command("enable", "crashvault webhook enable slack")
@click.argument("webhook")
def enable(context: Context, webhook: str) -> None:
    """Let a webhook be told again, beginning with what still waits for it."""
    _switch(context, webhook, True)


@command("disable", "crashvault webhook disable slack")
@click.argument("webhook")
def disable(context: Context, webhook: str) -> None:
    """Tell a webhook nothing until it is enabled; what waits for it stays."""
    _switch(context, webhook, False)


def _switch(context: Context, which: str, enabled: bool) -> None:
    from ..clock import now
    from ..console import console, escape
    from ..notify import manage

    store = context.store
    changed = store.webhooks.change(store.webhooks.require(which).id, now(), enabled=enabled)
    if enabled:
        changed = manage.resumed(store, changed)
        store.outbox.added += 1
    if context.json:
        emit(manage.shape(store, changed))
        return
    done = "Enabled" if enabled else "Disabled"
    console.print(f"[success]{done}[/success] webhook [highlight]{escape(changed.name)}[/highlight]")


@command("remove", "crashvault webhook remove slack --yes")
@click.argument("webhook")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove(context: Context, webhook: str, yes: bool) -> None:
    """Remove a webhook with its deliveries."""
    from ..console import console, escape

    found = context.store.webhooks.require(webhook)
    if not yes and not context.json:
        click.confirm(f"Remove webhook {found.name} with its deliveries?", abort=True)
    waiting = context.store.webhooks.remove(found.id)
    if context.json:
        emit({"removed": found.name, "undelivered": waiting})
        return
    lost = f"; {waiting} deliveries were still to be made" if waiting else ""
    console.print(f"[success]Removed[/success] webhook [highlight]{escape(found.name)}[/highlight]{lost}")


@command("deliveries", "crashvault webhook deliveries --failed\ncrashvault webhook deliveries slack --limit 5 --json")
@click.argument("webhook", required=False)
@click.option("--failed", is_flag=True, help="Only those that were given up.")
@click.option("--state", type=click.Choice(_STATES, case_sensitive=False), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@click.option("--before", type=int, metavar="DELIVERY", help="Only those queued before this one.")
def deliveries(
    context: Context, webhook: str | None, failed: bool, state: str | None, limit: int, before: int | None
) -> None:
    """List deliveries, the latest first: what was told, what waits, what failed and why."""
    from ..console import Column, console, escape
    from ..notify import manage
    from ..output.shapes import listing
    from ..output.times import ago

    store = context.store
    only = store.webhooks.require(webhook).id if webhook else None
    found, total = store.outbox.list(webhook=only, state="failed" if failed else state, limit=limit, before=before)
    shapes = manage.delivery_shapes(store, found)
    if context.json:
        more = str(found[-1].id) if len(found) == limit else None
        emit(listing(shapes, total, more))
        return
    if not shapes:
        console.print("[muted]No such deliveries.[/muted]" if failed or state else "[muted]No deliveries yet.[/muted]")
        return
    rows = [
        [str(one["id"]), escape(one["webhook"] or ""), one["kind"], f"#{one['issue_id']}" if one["issue_id"] else "",
         str(one["count"]), ago(one["queued_at"]), one["state"], str(one["attempts"]), escape(one["reason"] or "")]
        for one in shapes
    ]  # fmt: skip
    heads = ("id", "webhook", "kind", "issue", "events", "queued", "state", "attempts", "reason")
    console.table(tuple(Column(head) for head in heads), rows)
    if total > len(rows):
        console.print(f"[muted]{len(rows)} of {total}; further back: --before {found[-1].id}[/muted]")


@command("retry", "crashvault webhook retry 12\ncrashvault webhook retry --all --webhook slack")
@click.argument("delivery", required=False, type=int)
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@click.option("--webhook", metavar="NAME", help="With --all: only those of this webhook.")
def retry(context: Context, delivery: int | None, everything: bool, webhook: str | None) -> None:
    """Try a delivery again that was given up, under its old id."""
    from ..clock import now
    from ..console import console

    if (delivery is None) != everything:
        raise click.UsageError("give the number of a delivery, or --all")
    outbox = context.store.outbox
    if delivery is not None:
        outbox.retry(delivery, now())
        count = 1
    else:
        only = context.store.webhooks.require(webhook).id if webhook else None
        count = outbox.retry_all(now(), only)
    if context.json:
        emit({"retried": count})
        return
    console.print(f"[success]Queued[/success] {count} {'delivery' if count == 1 else 'deliveries'} again")


@command("preview", "crashvault webhook preview slack --event 4f1c9a7e")
@click.argument("webhook")
@click.option("--event", "event_id", metavar="ID", required=True, help="The stored event to tell of.")
@click.option("--on", "kind", type=click.Choice(_KINDS[:3], case_sensitive=False), help="As what to tell of it.")
def preview(context: Context, webhook: str, event_id: str, kind: str | None) -> None:
    """Show what would be sent for a stored event, and send nothing."""
    from ..notify import manage

    store = context.store
    found = store.webhooks.require(webhook)
    requests = manage.preview(store, found, store.events.resolve(event_id, context.project), kind or "")
    if context.json:
        emit({"webhook": found.name, "requests": requests})
        return
    for one in requests:
        click.echo(f"{one.get('method', 'RUN')} {one.get('url') or one.get('program')}")
        for name, value in one.get("headers", {}).items():
            click.echo(f"{name}: {value}")
        click.echo(f"\n{_pretty(one['body'])}\n")


def _pretty(body: str) -> str:
    """Without what acts on a terminal; JSON with its lines."""
    import json

    from ..console import visible

    try:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        pass
    return "\n".join(visible(line) for line in body.split("\n"))


@command("deliver", "crashvault webhook deliver --wait 30")
@click.option("--wait", type=click.FloatRange(0.1, 3_600), default=10.0, show_default=True, help="Seconds it may take.")
def deliver(context: Context, wait: float) -> None:
    """Send what is due now, for programs that only queue; a server does that by itself."""
    from ..console import console
    from ..notify.service import deliver_briefly
    from ..output.times import counted

    store = context.store
    made = deliver_briefly(context.home, wait)
    left = sum(count for states in store.outbox.counts().values() for state, count in states.items()
               if state in ("queued", "delivering", "retry", "held"))  # fmt: skip
    if context.json:
        emit({"attempts": made, "waiting": left})
        return
    console.print(
        f"[success]Made[/success] {counted(made, 'attempt')}; {left} {'delivery waits' if left == 1 else 'deliveries wait'}"
    )


for one in (add, list_webhooks, show, test, enable, disable, edit, remove, deliveries, retry, preview, deliver):
    webhook.add_command(one)
