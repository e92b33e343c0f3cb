"""What plugins are asked and told about events, issues and alerts.

Asked before the transaction: `event_received` and the readers of stack traces. Told after the commit (`telling`): what
was recorded, resolved and fired. Where there is no plugin all of this is one look at a variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from . import core, plugins
from .errors import InvalidError
from .models import Event

if TYPE_CHECKING:
    from .plugins.loading import Plugins
    from .storage.store import Store
    from .telling import Recorded

_FIXED = frozenset({"event_id", "project", "received_at", "attachments", "errors"})  # of an event, for plugins
_STACK = frozenset({"exception", "exceptions", "frames", "stacktrace"})
_PARSED = ("message", "exception", "exceptions", "frames")  # what a reader of stack traces may tell


class DroppedByPluginError(InvalidError):
    """A plugin does not want an event to be stored."""

    def __init__(self, plugin: str) -> None:
        self.code = f"plugin:{plugin}"  # the reason in the ledger
        super().__init__(f"the plugin {plugin} dropped it")


def asked(home: str) -> Plugins | None:
    """The plugins of a vault that events have to pass; None where there are none, and for what plugins record."""
    core.use_plugins(home)
    found = plugins.active()
    if found is None:
        return None
    from .plugins.calling import inside

    return None if inside() else found


# Before


def parsed(found: Plugins, raw: dict[str, Any]) -> dict[str, Any]:
    """The raw event with what a plugin reads in its stack, if that is only there as text."""
    text = raw.get("stacktrace") or raw.get("stack")
    if not isinstance(text, str) or raw.get("exception") or raw.get("exceptions") or raw.get("frames"):
        return raw
    for plugin, platform, read in found.once("readers", lambda: list(_readers(found))):
        told = found.in_time(plugin, f"its reader of {platform} stack traces", partial(_told, read), text)
        if isinstance(told, Mapping):
            known = {key: told[key] for key in _PARSED if told.get(key) and not (key == "message" and raw.get(key))}
            return {**raw, "platform": raw.get("platform") or platform, **known}
    return raw


def _told(read: Callable[[str], Any], text: str) -> Any:
    from .plugins.calling import copied

    return copied(read(text))


def _readers(found: Plugins) -> Iterable[tuple[str, str, Any]]:
    from .plugins.parts import given

    for plugin, answer in given(found, "stacktrace_parsers", Mapping):
        yield from ((plugin, str(platform), read) for platform, read in answer.items())


def received(found: Plugins, event: Event, levels: Mapping[str, int]) -> Event:
    """The event as `event_received` of all plugins leaves it: the same object where nothing was changed.

    Raises DroppedByPluginError.
    """
    if not found.has("event_received"):
        return event
    from .plugins.calling import Failure, call, complain

    shape = shown = _shape(event)
    last = ""
    for plugin, ask in found.each_in_time("event_received"):
        answer = ask(shown)
        if answer is None:
            raise DroppedByPluginError(plugin)
        if isinstance(answer, Failure):
            continue
        if type(answer) is dict:
            shown, last = answer, plugin
        else:
            complain(plugin, f"event_received gives {type(answer).__name__}, neither the event nor None")
    if shown is shape:
        return event
    made = call(
        _changed, event, shape, shown, levels
    )  # things of a plugin's own may do anything when they are compared
    if isinstance(made, Failure):
        complain(last, f"event_received gives what is no event ({made.reason})")
        return event
    changed: Event = made
    return changed


def _shape(event: Event) -> dict[str, Any]:
    """An event in its documented shape, as far as it has one before it is grouped."""
    from .output.shapes import event_shape

    shape = event_shape(event, 0, "")
    for key in ("issue_id", "hash", "client_fingerprint"):
        shape.pop(key, None)
    shape["fingerprint"] = list(event.get("fingerprint", ()))
    return shape


def _changed(event: Event, before: dict[str, Any], after: dict[str, Any], levels: Mapping[str, int]) -> Event:
    """The event with what plugins changed, checked and cut as if a client had sent it."""
    from .ingest.normalize import normalize
    from .plugins.calling import copied

    keys = {key for key in (*before, *after) if before.get(key) != after.get(key)} - _FIXED
    if not keys:
        return event
    raw: dict[str, Any] = {key: after[key] for key in after if key in keys - _STACK and after[key] is not None}
    if keys & _STACK:
        raw.update(_stack(keys, after))
    rest = {key: value for key, value in event.items() if key not in keys}
    if keys & _STACK:
        rest = {key: value for key, value in rest.items() if key not in ("exceptions", "frames", "stacktrace")}
    made = normalize(
        copied(raw | {key: value for key, value in rest.items() if key not in raw}),
        received_at=event["received_at"], levels=levels, project=event["project"],
    )  # fmt: skip
    for key in ("event_id", "attachments"):
        if key in event:
            made[key] = event[key]
    return made


def _stack(keys: set[str], after: dict[str, Any]) -> dict[str, Any]:
    """The parts of a raw event that make the stack that a plugin means."""
    from .plugins.calling import copied

    if "stacktrace" in keys and not keys & {"exception", "exceptions", "frames"}:
        return {"stacktrace": after.get("stacktrace"), "exception": after.get("exception")}
    chain = copied(after.get("exceptions") or [])
    one = after.get("exception")
    if "exception" in keys and "exceptions" not in keys:
        chain = [*chain[:-1], {**(chain[-1] if chain else {}), **one}] if isinstance(one, dict) else []
    if "frames" in keys and chain and isinstance(chain[-1], dict):
        chain[-1]["frames"] = after.get("frames")
    found = {"exceptions": chain} if chain else {"frames": after.get("frames")}
    return {**found, "stacktrace": after["stacktrace"]} if after.get("stacktrace") and "stacktrace" in keys else found


def more_rules(scrubbing: dict[str, Any], grouping: Sequence[Any]) -> tuple[dict[str, Any], list[Any]]:
    """The vault's rules for scrubbing and grouping, and behind them those of plugins that can be read."""
    found = plugins.active()
    if found is None:
        return scrubbing, list(grouping)
    scrubs, rules = found.once("rules", lambda: _checked_rules(found))
    merged = dict(scrubbing)
    for name, values in scrubs.items():
        merged[name] = [*scrubbing.get(name, ()), *values]
    return merged, [*grouping, *rules]


def _checked_rules(found: Plugins) -> tuple[dict[str, list[str]], list[Any]]:
    from .grouping import compile_rules
    from .ingest.scrub import policy_from
    from .plugins.calling import Failure, call, complain
    from .plugins.parts import given

    scrubs: dict[str, list[str]] = {"keys": [], "patterns": []}
    rules: list[Any] = []
    for plugin, answer in given(found, "scrub_rules", Mapping):
        wrong = call(policy_from, {name: list(values) for name, values in answer.items()})
        if isinstance(wrong, Failure) or not scrubs.keys() >= answer.keys():
            complain(plugin, "scrub_rules gives what is no rule; it may have keys and patterns")
            continue
        for name, values in answer.items():
            scrubs[name] += values
    for plugin, answer in given(found, "grouping_rules", (list, tuple)):
        wrong = call(compile_rules, list(answer))
        if isinstance(wrong, Failure):
            complain(plugin, f"grouping_rules gives what is no rule ({wrong.reason})")
        else:
            rules += answer
    return scrubs, rules


# After


def tell_recorded(found: Plugins, home: str, stored: Iterable[Recorded]) -> None:
    """Tell plugins of events that were committed."""
    if found.has("event_recorded", "issue_created", "issue_regressed", "classify"):
        for one in stored:
            _queue(found, home, "event_recorded", one)


def tell_resolved(store: Store, issues: Sequence[int]) -> None:
    """Tell plugins of issues that were resolved, once that is committed."""
    found = asked(store.home) if issues else None
    if found is not None and found.has("issue_resolved"):
        store.after_commit(lambda: _queue(found, store.home, "issue_resolved", list(issues)))


def tell_alert(home: str, alert: dict[str, Any]) -> None:
    """Tell plugins of an alert that was committed, and has told people."""
    found = asked(home)
    if found is not None and found.has("alert_fired"):
        _queue(found, home, "alert_fired", alert)


def _queue(found: Plugins, home: str, hook: str, about: Any) -> None:
    from .telling import queue

    queue(found, home, hook, about)
