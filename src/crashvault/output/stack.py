"""Stack traces as people read them: the crash last, source around it, own code bright and foreign code dim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..console import escape

_CONTEXT = 2  # source lines shown before and after the line of a frame
_FOREIGN_SHOWN = 2  # foreign frames in a row that are shown before they are folded
_VARIABLES = 12  # of one frame
_VALUE = 120  # characters of a variable's value


def stack_markup(event: Mapping[str, Any], *, variables: bool = False, fold: bool = False) -> Iterator[str]:
    """Lines of markup for all exceptions of an event in its documented shape, or for its bare stack."""
    chain = event["exceptions"]
    if not any(link["frames"] for link in chain):
        yield from _frames(event["frames"], variables, fold)
        if not event["frames"] and event["stacktrace"]:
            yield from (escape(line) for line in event["stacktrace"].split("\n"))
        return
    for position, link in enumerate(chain):
        if position:
            joint = "one of those in" if _is_member(chain[position - 1]) else "which led to"
            yield f"[muted]{joint}[/muted]"
        yield from _frames(link["frames"], variables, fold)
        kind = f"[error]{escape(link['type'] or 'Error')}[/error]"
        first, *rest = escape(link["value"] or "", multiline=True).split("\n")
        yield f"{kind}: {first}" if first else kind
        yield from rest


def _is_member(link: Mapping[str, Any]) -> bool:
    """Whether an exception is one of a group, and not a cause."""
    mechanism = link.get("mechanism")
    return isinstance(mechanism, dict) and str(mechanism.get("source", "")).startswith("exceptions[")


def _frames(frames: Sequence[Mapping[str, Any]], variables: bool, fold: bool) -> Iterator[str]:
    own = any(frame["in_app"] for frame in frames)
    position = 0
    while position < len(frames):
        end = position
        while fold and own and end < len(frames) and not frames[end]["in_app"]:
            end += 1
        if end - position > _FOREIGN_SHOWN and end < len(frames):
            yield f"  [muted]… {end - position} frames of libraries[/muted]"
            position = end
            continue
        yield from _frame(frames[position], variables, last=position == len(frames) - 1)
        position += 1


def _frame(frame: Mapping[str, Any], variables: bool, last: bool) -> Iterator[str]:
    where = escape(frame["file"] or frame["module"] or frame.get("package") or frame.get("instruction_addr") or "?")
    line = f":[highlight]{frame['line']}[/highlight]" if frame["line"] else ""
    function = f" in [bold]{escape(frame['function'])}[/bold]" if frame["function"] else ""
    repeated = f" [muted](repeated {frame['count']} times)[/muted]" if frame.get("count", 1) > 1 else ""
    style = "info" if frame["in_app"] else "muted"
    yield f"  [{style}]{where}[/{style}]{line}{function}{repeated}"
    yield from _source(frame, around=frame["in_app"] or last)
    if variables and frame["vars"]:
        yield from _variables(frame["vars"])


def _source(frame: Mapping[str, Any], around: bool) -> Iterator[str]:
    if not frame["context_line"]:
        return
    number = frame["line"] or 0
    before = frame["pre_context"][-_CONTEXT:] if around else []
    after = frame["post_context"][:_CONTEXT] if around else []
    for offset, text in enumerate([*before, frame["context_line"], *after], start=-len(before)):
        shown = escape(text.rstrip().expandtabs(4)) if text else ""
        label = f"{number + offset:>6}" if number else " " * 6
        yield f"  [bold]>{label}[/bold] {shown}" if offset == 0 else f"  [muted] {label} {shown}[/muted]"


def own_variables(values: Mapping[str, Any]) -> dict[str, Any]:
    """Variables without those that Python itself gives to every module."""
    return {name: value for name, value in values.items() if not (name.startswith("__") and name.endswith("__"))}


def _variables(values: Mapping[str, Any]) -> Iterator[str]:
    values = own_variables(values)
    for name, value in list(values.items())[:_VARIABLES]:
        text = value if isinstance(value, str) else repr(value)
        yield f"          [muted]{escape(name)} =[/muted] {escape(text[:_VALUE])}{'…' if len(text) > _VALUE else ''}"
    if len(values) > _VARIABLES:
        yield f"          [muted]… {len(values) - _VARIABLES} more[/muted]"
