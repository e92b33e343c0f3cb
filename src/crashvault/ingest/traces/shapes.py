"""What language parsers hand back, and the frames they make it of."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...models import ExceptionInfo, Frame
from ..in_app import is_in_app

MAX_MESSAGE_LINES = 40  # lines between a headline and its first frame
MAX_SHARED_FRAMES = 5000  # frames that "… n more" may stand for in one trace; each costs a few bytes of text only

CRASH = 2  # what ends a program
WEAK = 1  # a warning, an ignored exception, the shell's word that a program died
PARTIAL = 0  # a trace whose end is missing


class Found(NamedTuple):
    """A trace in a view. `first` and `last` are the numbers of its first and last line in the view."""

    first: int
    last: int
    exceptions: list[ExceptionInfo]
    message: str | None = None
    threads: Sequence[dict[str, Any]] = ()
    strength: int = CRASH


def make_frame(
    platform: str,
    file: str | None = None,
    line: str | int | None = None,
    column: str | int | None = None,
    function: str | None = None,
    module: str | None = None,
) -> Frame:
    """A frame with the keys that are known. `line` and `column` may be text of decimal digits."""
    frame: Frame = {}
    if file:
        frame["file"] = file
    if line:
        frame["line"] = int(line)
    if column:
        frame["column"] = int(column)
    if function:
        frame["function"] = function
    if module:
        frame["module"] = module
    frame["in_app"] = is_in_app(platform, file, module, function)
    return frame


def make_exception(
    type_: str | None, value: str | None, frames: list[Frame], module: str | None = None
) -> ExceptionInfo:
    made: ExceptionInfo = {"type": type_, "value": value or None, "frames": frames}
    if module:
        made["module"] = module
    return made


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def last_of(traces: Sequence[Found]) -> Found | None:
    """The last one of the strongest, as a program's last words are what ended it."""
    best = None
    for found in traces:
        if best is None or found.strength >= best.strength:
            best = found
    return best


def line_above(
    lines: Sequence[str],
    at: int,
    floor: int,
    pattern: re.Pattern[str],
    is_sure: Callable[[re.Match[str]], bool],
) -> tuple[int, re.Match[str]] | None:
    """The headline of the frames that begin in line `at`: the nearest line above, but not above `floor`,
    whose match `is_sure`, because messages have several lines; else the line right above if it matches at
    all."""
    fallback = None
    for number in range(at - 1, max(floor, at - MAX_MESSAGE_LINES) - 1, -1):
        found = pattern.match(lines[number])
        if found is None:
            continue
        if is_sure(found):
            return number, found
        if number == at - 1:
            fallback = number, found
    return fallback
