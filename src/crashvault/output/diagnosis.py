"""A diagnosis for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..clock import SECOND, to_iso
from ..console import console, escape
from .stack import own_variables
from .times import ago, counted

_VALUE_SHOWN = 200  # characters of a variable
_VARIABLES_SHOWN = 20  # of a frame


def print_diagnosis(found: Mapping[str, Any]) -> None:
    console.print(f"[bold]{escape(found['headline'])}[/bold]")
    console.print(
        f"[muted]event[/muted] [highlight]{found['event_id']}[/highlight] [muted]of issue[/muted] #{found['issue_id']}"
    )
    console.print(f"[muted]source from[/muted] {escape(_origin(found))}")
    exception = None
    for frame in found["frames"]:
        if frame["exception"] != exception:
            exception = frame["exception"]
            if exception:
                console.print(f"\n[error]{escape(exception)}[/error]")
        for line in _frame(frame):
            console.print(line)
    if not found["frames"]:
        console.print("\n[muted]This event has no stack trace.[/muted]")


def _origin(found: Mapping[str, Any]) -> str:
    if not found["repository"]:
        return "the event: this is no git repository; run it where the program's source is"
    if found["commit"]:
        return f"commit {found['commit'][:10]} (release {found['release']}) in {found['repository']}"
    release = found["release"]
    why = f"git knows no tag {release}" if release else "the event names no release"
    return f"the working tree of {found['repository']}: {why}"


def _frame(frame: Mapping[str, Any]) -> Iterator[str]:
    place = f"{frame['path'] or frame['file'] or '?'}:{frame['line'] or '?'}"
    note = f" [warning]{escape(frame['note'])}[/warning]" if frame["note"] else ""
    yield f"\n[highlight]{escape(place)}[/highlight] in {escape(frame['function'] or '?')}{note}"
    for line in frame["lines"]:
        mark, tag = (">", "error") if line["crashed"] else (" ", "muted")
        yield f"[{tag}]{mark} {line['number']:>5}[/{tag}] {escape(line['text'].expandtabs(4))}"
    variables = own_variables(frame["vars"])
    for name, value in list(variables.items())[:_VARIABLES_SHOWN]:
        yield f"    [info]{escape(name)}[/info] = {escape(_value(value))}"
    if len(variables) > _VARIABLES_SHOWN:
        yield f"    [muted]… and {counted(len(variables) - _VARIABLES_SHOWN, 'more variable')}[/muted]"
    if frame["blame"]:
        yield f"  [muted]last changed by[/muted] {_blame(frame['blame'])}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _VALUE_SHOWN else f"{text[:_VALUE_SHOWN]}…"


def _blame(blame: Mapping[str, Any]) -> str:
    if not blame["commit"]:
        return "you, and not committed yet"
    when = to_iso(blame["at"] * SECOND)
    return (
        f"{escape(blame['author'])} [secondary]{when[:10]}, {ago(when)}[/secondary] in "
        f"[highlight]{blame['commit'][:10]}[/highlight] {escape(blame['summary'])}"
    )
