"""`crashvault alert`: rules that watch what arrives, and tell people when it crosses a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from ..models import SEVERITIES
from .context import Context, command, emit
from .group import SubGroup

_ADD_EXAMPLES = """
crashvault alert add many-errors --when "count > 10 in 1m" --where "level:>=error"
crashvault alert add checkout --when "users >= 5 in 1h" --where "tag:checkout" --notify slack --severity high
crashvault alert add came-back --when "regression or reappears in release" --notify slack
crashvault alert add busy --when "spike in 1h" --by project --dry-run --since 30d
crashvault alert add dead-cron --when "silence > 25h" --where "source:nightly" --notify desktop
"""
_SHOWN = 50


@click.group("alert", cls=SubGroup)
def alert() -> None:
    """Alerts: rules that watch what arrives, and tell people when it crosses a line."""


@command("add", _ADD_EXAMPLES)
@click.argument("name")
@click.option("--when", "condition", required=True, metavar="CONDITION",
              help="count, users or hosts against a number in a window; count against the window before; spike; "
                   "new issue; regression; reappears in release; silence; joined by and, or.")  # fmt: skip
@click.option("--where", "query", metavar="QUERY", help="Count only events that this query finds.")
@click.option("--by", metavar="issue|project|tag.KEY",
              help="An alert for each of them. [default: issue for conditions on issues, else all together]")  # fmt: skip
@click.option("--notify", multiple=True, metavar="WEBHOOK|desktop|push",
              help="Whom to tell; push means phones and browsers that have subscribed; may be repeated. "
                   "[default: every webhook that hears of alerts]")  # fmt: skip
@click.option(
    "--cooldown", metavar="SPAN", default="10m", show_default=True, help="Tell of it at most once in that time."
)
@click.option("--for", "hold", metavar="SPAN", help="Fire only when it has held for so long.")
@click.option("--resolve-after", "linger", metavar="SPAN", default="1m", show_default=True,
              help="It is over when it has not held for so long.")  # fmt: skip
@click.option("--severity", type=click.Choice(SEVERITIES, case_sensitive=False), help="Said in its messages.")
@click.option("--dry-run", is_flag=True, help="Only show when it would have fired.")
@click.option("--since", metavar="TIME", default="7d", show_default=True, help="How far back --dry-run looks.")
def add(context: Context, name: str, dry_run: bool, since: str, **given: Any) -> None:
    """Make an alert rule."""
    from .. import watch
    from ..clock import now
    from ..console import console, escape

    moment = now()
    fields = watch.checked_rule(context.store, name, moment, project=context.project, **_spans(given))
    if dry_run:
        _try(context, fields, since, moment)
        return
    rule = watch.add_rule(context.store, fields, moment)
    shape = watch.rule_shape(rule, context.store.alerts.alerts(rule.id), ())
    if context.json:
        emit(shape)
        return
    console.print(f"[success]Watching[/success] [highlight]{escape(rule.name)}[/highlight]: {_sentence(shape)}")
    console.print(f"[muted]{_listeners(context, rule.notify)}[/muted]")
    console.print(f"See when it would have fired: crashvault alert test {escape(_quoted(rule.name))} --since 7d")


@command("list", "crashvault alert list\ncrashvault alert list --firing")
@click.option("--firing", is_flag=True, help="Only those that fire now.")
def list_alerts(context: Context, firing: bool) -> None:
    """List the rules, and which of them fire."""
    from ..clock import now
    from ..console import Column, console, escape
    from ..output.shapes import listing

    shapes = [shape for shape in _shapes(context, now()) if not firing or shape["state"] == "firing"]
    if context.json:
        emit(listing(shapes, len(shapes), None))
        return
    if not shapes:
        console.print(
            "[muted]Nothing fires.[/muted]" if firing
            else '[muted]No alerts yet.[/muted] Make one: crashvault alert add errors --when "count > 10 in 1m"'
        )  # fmt: skip
        return
    rows = [
        [_state(shape), escape(shape["name"]), escape(_sentence(shape)), escape(", ".join(shape["notify"]))]
        for shape in shapes
    ]
    console.table((Column("state"), Column("name"), Column("condition"), Column("tells")), rows)


@command("show", "crashvault alert show many-errors")
@click.argument("alert_name", metavar="NAME")
def show(context: Context, alert_name: str) -> None:
    """Show a rule: where it stands, and what happened last."""
    from .. import watch
    from ..clock import now
    from ..console import console, escape

    store, moment = context.store, now()
    rule = store.alerts.require(alert_name)
    shape = watch.rule_shape(rule, store.alerts.alerts(rule.id), store.alerts.mutes(moment))
    shape["history"] = [watch.entry_shape(entry) for _, entry in store.alerts.history(rule.id, 10)]
    if context.json:
        emit(shape)
        return
    console.print(f"{_state(shape)} [highlight]{escape(rule.name)}[/highlight]  {escape(_sentence(shape))}")
    told = f"at most once in {shape['cooldown']}; over after {shape['linger']}"
    console.print(f"[muted]{_listeners(context, rule.notify)}; {told}[/muted]")
    for mute in shape["mutes"]:
        what = f"events of {escape(mute['query'])}" if mute["query"] else "all of it"
        console.print(f"[warning]Muted:[/warning] {what} {_until(mute['until'])}")
    for one in shape["firing"]:
        group = f"{escape(one['group'])}: " if one["group"] else ""
        console.print(
            f"  [danger]firing[/danger] {group}{escape(one['reason'])} [secondary]since {one['since'][:19]}Z[/secondary]"
        )
    _print_happenings(shape["history"], "History, latest first")


@command("test", "crashvault alert test many-errors --since 30d")
@click.argument("alert_name", metavar="NAME")
@click.option("--since", metavar="TIME", default="24h", show_default=True, help="How far back to look.")
def test(context: Context, alert_name: str, since: str) -> None:
    """Replay what has arrived, and tell when this rule would have fired and why."""
    from ..clock import now

    _try(context, context.store.alerts.require(alert_name)._asdict(), since, now())


@command("mute", "crashvault alert mute many-errors --for 2h\ncrashvault alert mute busy --query environment:staging")
@click.argument("alert_name", metavar="NAME")
@click.option("--for", "span", metavar="SPAN", help="For so long.")
@click.option("--until", metavar="TIME", help="Until then, ISO 8601.")
@click.option("--query", metavar="QUERY", default="", help="Only: don't count events that this query finds.")
def mute(context: Context, alert_name: str, span: str | None, until: str | None, query: str) -> None:
    """Keep a rule quiet, for a while or until `alert unmute`."""
    from .. import watch
    from ..clock import now
    from ..console import console, escape

    moment = now()
    rule = context.store.alerts.require(alert_name)
    context.store.search(moment).parse(query)
    end = watch.end_of_mute(span, until, moment)
    found = context.store.alerts.mute(rule.id, query, end, moment)
    shape = watch.mute_shape(found)
    if context.json:
        emit({"name": rule.name, **shape})
        return
    what = f"what {escape(query)} finds is not counted" if query else "it says nothing"
    console.print(
        f"[success]Muted[/success] [highlight]{escape(rule.name)}[/highlight]: {what} {_until(shape['until'])}"
    )


@command("unmute", "crashvault alert unmute many-errors")
@click.argument("alert_name", metavar="NAME")
def unmute(context: Context, alert_name: str) -> None:
    """Let a rule speak again."""
    from ..console import console, escape

    rule = context.store.alerts.require(alert_name)
    count = context.store.alerts.unmute(rule.id)
    if context.json:
        emit({"name": rule.name, "unmuted": count})
        return
    what = "[success]Speaks again:[/success]" if count else "[muted]Was not muted:[/muted]"
    console.print(f"{what} [highlight]{escape(rule.name)}[/highlight]")


@command("remove", "crashvault alert remove many-errors")
@click.argument("alert_name", metavar="NAME")
def remove(context: Context, alert_name: str) -> None:
    """Remove a rule with its history."""
    from ..console import console, escape

    rule = context.store.alerts.require(alert_name)
    context.store.alerts.remove(rule.id)
    if context.json:
        emit({"removed": rule.name})
        return
    console.print(f"[success]Removed[/success] alert [highlight]{escape(rule.name)}[/highlight]")


@command("history", "crashvault alert history\ncrashvault alert history many-errors --limit 20")
@click.argument("alert_name", metavar="[NAME]", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=_SHOWN, show_default=True, help="How many to show.")
def history(context: Context, alert_name: str | None, limit: int) -> None:
    """What alerts have fired and ended, latest first, with the numbers that made them."""
    from .. import watch
    from ..console import console
    from ..output.shapes import listing

    rule = context.store.alerts.require(alert_name).id if alert_name else None
    found = context.store.alerts.history(rule, limit + 1)
    shapes = [watch.entry_shape(entry) for _, entry in found[:limit]]
    if context.json:
        emit(listing(shapes, len(shapes), str(found[limit - 1][0]) if len(found) > limit else None))
        return
    if not shapes:
        console.print("[muted]Nothing has fired yet.[/muted]")
    _print_happenings(shapes, "", with_name=alert_name is None)


for _command in (add, list_alerts, show, test, mute, unmute, remove, history):
    alert.add_command(_command)


# What they share


def _spans(given: dict[str, Any]) -> dict[str, Any]:
    """Spans of time as microseconds; 0 may be written for none."""
    from ..units import parse_span

    for name in ("cooldown", "hold", "linger"):
        text = given[name]
        given[name] = None if text is None else 0 if text.strip() in ("0", "0s", "none") else parse_span(text)
    return given


def _shapes(context: Context, moment: int) -> list[dict[str, Any]]:
    from .. import watch

    store = context.store
    mutes = store.alerts.mutes(moment)
    return [
        watch.rule_shape(rule, store.alerts.alerts(rule.id), mutes)
        for rule in store.alerts.rules()
        if context.project in (None, rule.project)
    ]


def _try(context: Context, fields: Mapping[str, Any], since: str, moment: int) -> None:
    """Show what a rule would have done."""
    from .. import watch
    from ..clock import to_iso
    from ..console import console, err_console

    start = watch.start_of(since, moment)
    with err_console.progress("Replaying", None) as progress:
        found = []
        for happening in watch.try_rule(context.store, fields, start, moment):
            found.append(watch.happening_shape(happening))
            progress.advance(1)
    fired = sum(one["what"] == "fired" and one["told"] == "yes" for one in found)
    if context.json:
        emit({"condition": fields["condition"], "since": to_iso(start), "fired": fired, "items": found})
        return
    ago = f"since {to_iso(start)[:19]}Z"
    times = "once" if fired == 1 else f"{fired} times"
    console.print(
        f"It would have fired [highlight]{times}[/highlight] {ago}." if fired else f"It would not have fired {ago}."
    )
    _print_happenings(found[:_SHOWN], "")
    if len(found) > _SHOWN:
        console.print(f"[muted]… and {len(found) - _SHOWN} more; all of them with --json[/muted]")


def _print_happenings(shapes: Sequence[Mapping[str, Any]], title: str, *, with_name: bool = False) -> None:
    from ..console import Column, console, escape

    if not shapes:
        return
    if title:
        console.print(f"[muted]{title}[/muted]")
    columns = [Column("when", style="secondary"), Column("what"), Column("group"), Column("why"), Column("told")]
    rows = [
        [f"{one['at'][:19]}Z", _what(one["what"]), escape(one["group"] or ""), escape(one["reason"]), one["told"]]
        for one in shapes
    ]
    if with_name:
        columns.insert(1, Column("alert"))
        for row, one in zip(rows, shapes, strict=True):
            row.insert(1, escape(one["alert"]))
    console.table(tuple(columns), rows)


def _what(what: str) -> str:
    return f"[danger]{what}[/danger]" if what == "fired" else f"[success]{what}[/success]"


_STATES = {"firing": "[danger]firing[/danger]", "pending": "[warning]pending[/warning]", "ok": "[success]ok[/success]"}


def _state(shape: Mapping[str, Any]) -> str:
    return f"{_STATES[shape['state']]}{' [muted]muted[/muted]' if shape['muted'] else ''}"


def _sentence(shape: Mapping[str, Any]) -> str:
    """`count > 10 in 1m where level:>=error, by issue`."""
    parts = [shape["condition"]]
    if shape["query"]:
        parts.append(f" where {shape['query']}")
    if shape["project"]:
        parts.append(f" in {shape['project']}")
    if shape["by"]:
        parts.append(f", by {shape['by']}")
    if shape["hold"] != "0s":
        parts.append(f", for {shape['hold']}")
    return "".join(parts)


def _listeners(context: Context, notify: Iterable[str]) -> str:
    """Who hears of it, in words."""
    from ..console import escape

    named = list(notify) or [hook.name for hook in context.store.webhooks.listening() if "alert" in hook.kinds]
    if not named:
        return (
            "Tells nobody yet: add a webhook (crashvault webhook add), subscribe on a phone (on the dashboard's page of "
            "alerts), or use --notify desktop"
        )
    return f"Tells {escape(', '.join(named))}"


def _until(until: str | None) -> str:
    return f"until {until[:19]}Z" if until else "until you take it back: crashvault alert unmute"


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name
