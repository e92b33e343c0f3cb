"""Ruby: uncaught exceptions in both orders of printing, with causes, and backtraces in Rails logs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ...models import Frame
from .shapes import CRASH, WEAK, Found, last_of, make_exception, make_frame

MAX_MESSAGE_LINES = 60

_HEADER = re.compile(r"(\S.*?):(\d{1,9})(?::in [`'](.{1,300}?)')?: (.*)$")
_TYPE = re.compile(r"(.*?) ?\(([A-Z]\w*(?:::\w+)*)\)$")
_FROM = re.compile(r"\s+(?:\d{1,6}: )?from (\S.*?):(\d{1,9})(?::in [`'](.{1,300})')?$")
_LEVELS = re.compile(r"\s+\.\.\. (\d{1,9}) levels\.\.\.$")
_LOGGED = re.compile(r"\s*(\S.*?):(\d{1,9}):in [`'](.{1,300})'$")
_LOGGED_HEADER = re.compile(r"\s*([A-Z]\w*(?:::\w+)*)(?: \((.*)\):?|: (.*))$")
_SYNTAX = re.compile(r"(\S.*?\.rb):(\d{1,9}): (syntax error.*)$")
_BUG = re.compile(r"(\S.*?):(\d{1,9}): (\[BUG\] .*)$")
_REVERSED = "Traceback (most recent call last):"


class _Block(NamedTuple):
    """One exception with its backtrace, the crash first."""

    first: int
    last: int
    type: str
    value: str
    frames: list[Frame]


def find(lines: Sequence[str]) -> Found | None:
    traces: list[Found] = []
    chain: list[_Block] = []
    at = 0
    while at < len(lines):
        block = _block(lines, at)
        if block is None:
            at += 1
            continue
        if chain and block.first != chain[-1].last + 1:
            traces.append(_found(chain))
            chain = []
        chain.append(block)
        at = block.last + 1
    if chain:
        traces.append(_found(chain))
    return last_of(sorted(traces + _logged(lines), key=lambda found: found.last))


def _found(chain: list[_Block]) -> Found:
    """Ruby prints the exception raised last first, and its causes below; one that a thread reported comes twice."""
    exceptions = []
    for block in reversed(chain):
        _mark_core(block.frames)
        exception = make_exception(block.type, block.value, block.frames[::-1])
        if exception not in exceptions:
            exceptions.append(exception)
    weak = not chain[0].frames
    return Found(chain[0].first, chain[-1].last, exceptions, None, (), WEAK if weak else CRASH)


def _mark_core(frames: Sequence[Frame]) -> None:
    """Methods written in C are shown where they were called from: their frames are not the application's."""
    for frame, caller in pairwise(frames):
        name, above = frame.get("function") or "", caller.get("function") or ""
        if (frame.get("file"), frame.get("line")) != (caller.get("file"), caller.get("line")):
            continue
        if " in " not in name and not name.startswith("<") and name != above.rpartition(" in ")[2]:
            frame["in_app"] = False


def _block(lines: Sequence[str], at: int) -> _Block | None:
    line = lines[at]
    if line == _REVERSED:
        return _reversed_block(lines, at)
    if ".rb:" in line and (syntax := _SYNTAX.match(line)):
        frame = make_frame("ruby", syntax[1], syntax[2])
        return _Block(at, at, "SyntaxError", syntax[3], [frame])
    if "[BUG]" in line and (bug := _BUG.match(line)):
        return _Block(at, at, "[BUG]", bug[3].removeprefix("[BUG] "), [make_frame("ruby", bug[1], bug[2])])
    header = _HEADER.match(line) if ":in " in line or "(" in line else None
    if header is None or line[0].isspace():
        return None
    return _forward_block(lines, at, header)


def _forward_block(lines: Sequence[str], at: int, header: re.Match[str]) -> _Block | None:
    """Headline, rest of the message, then `from` lines; the class stands at the end of the headline, or of
    the message where the message begins with a line end."""
    start = _first_from(lines, at + 1)
    message = [header[4], *lines[at + 1 : start]]
    typed = _TYPE.match(message[0])
    if typed:
        type_, message[0] = typed[2], typed[1]
    elif header[4] == "unhandled exception":
        type_ = "RuntimeError"
    else:
        return None
    frames = [_frame(header[1], header[2], header[3])]
    after = _add_from_lines(lines, start, frames)
    if header[3] is None and after == start:  # `x.c:3: f (Y)` alone could be anybody's
        return None
    return _Block(at, after - 1, type_, "\n".join(message).strip(), frames)


def _first_from(lines: Sequence[str], at: int) -> int:
    """Number of the first `from` line that belongs to the headline above line `at`, or `at` if there is
    none."""
    for number in range(at, min(len(lines), at + MAX_MESSAGE_LINES)):
        line = lines[number]
        if "from " in line and _FROM.match(line):
            return number
        if ":in " in line and line[:1].strip() and _HEADER.match(line):
            break
    return at


def _add_from_lines(lines: Sequence[str], at: int, frames: list[Frame]) -> int:
    while at < len(lines):
        line = lines[at]
        if found := _FROM.match(line) if "from " in line else None:
            frames.append(_frame(found[1], found[2], found[3]))
        elif found := _LEVELS.match(line) if frames and "levels" in line else None:
            frames[-1]["count"] = int(found[1]) + 1
        else:
            break
        at += 1
    return at


def _reversed_block(lines: Sequence[str], first: int) -> _Block | None:
    frames: list[Frame] = []
    at = _add_from_lines(lines, first + 1, frames)
    header = _HEADER.match(lines[at]) if at < len(lines) and frames else None
    typed = _TYPE.match(header[4]) if header else None
    if header is None or typed is None:
        return None
    frames.append(_frame(header[1], header[2], header[3]))
    return _Block(first, at, typed[2], typed[1], frames[::-1])


def _logged(lines: Sequence[str]) -> list[Found]:
    """Backtraces without `from`, below a line `Type (message):`, as Rails and test runners log them."""
    traces = []
    at = 0
    while at < len(lines):
        frames: list[Frame] = []
        first = at
        while at < len(lines) and ":in " in lines[at] and (found := _LOGGED.match(lines[at])):
            frames.append(_frame(found[1], found[2], found[3]))
            at += 1
        if not frames:
            at += 1
        elif header := _logged_header(lines, first):
            number, found = header
            exception = make_exception(found[1], (found[2] or found[3] or "").strip(), frames[::-1])
            traces.append(Found(number, at - 1, [exception]))
    return traces


def _logged_header(lines: Sequence[str], at: int) -> tuple[int, re.Match[str]] | None:
    for number in range(at - 1, max(-1, at - 8), -1):
        found = _LOGGED_HEADER.match(lines[number])
        if found:
            return number, found
    return None


def _frame(file: str, line: str, function: str | None) -> Frame:
    module, name = _split_label(function) if function else (None, None)
    return make_frame("ruby", file, line, None, name, module)


def _split_label(label: str) -> tuple[str | None, str]:
    """Class and method: since 3.4 labels are `block in Shop::Cart#price`, before they were `block in
    price`."""
    before, in_, qualified = label.rpartition(" in ")
    for separator in ("#", "."):
        module, found, method = qualified.rpartition(separator)
        if found and method and module[:1].isupper():
            return module, f"{before}{in_}{method}"
    return None, label
