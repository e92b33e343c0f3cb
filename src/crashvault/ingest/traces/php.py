"""PHP: uncaught exceptions with what came before them, fatal and parse errors, warnings, Monolog's traces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ...models import ExceptionInfo, Frame
from .shapes import CRASH, PARTIAL, WEAK, Found, last_of, make_exception, make_frame

MAX_MESSAGE_LINES = 60

_KINDS = (
    "Fatal error", "Parse error", "Warning", "Notice", "Deprecated", "Recoverable fatal error",
    "Catchable fatal error", "Core error", "Compile error", "Strict Standards",
)  # fmt: skip
_HEADLINE = re.compile(rf"(?:PHP )?({'|'.join(_KINDS)}): {{1,2}}(.*)$")
_LINE_NUMBER = re.compile(r"(\d{1,9})(?=$|[\"'])")  # a web server's log quotes the message
_EXCEPTION = re.compile(r"([A-Za-z_\\][\w\\]*(?:@anonymous\S*)?)(?:: (.*))?$", re.DOTALL)
_FRAME = re.compile(r"\s*#\d{1,5} (?:\[internal function\]|(.+?)\((\d{1,9})\)): (.*)$")
_MAIN = re.compile(r"\s*#\d{1,5} \{main\}")
_LOGGED = re.compile(r"\[object\] \(([\w\\]+)\(code: [^)]{0,40}\): (.*) at ([^()]{1,400}):(\d{1,9})\)$")


class _Part(NamedTuple):
    """One exception of a report. `calls` are the frames as PHP means them, the crash first."""

    last: int
    exception: ExceptionInfo
    complete: bool


def find(lines: Sequence[str]) -> Found | None:
    traces = []
    at = 0
    while at < len(lines):
        found = _at(lines, at)
        if found is not None:
            traces.append(found)
            at = found.last
        at += 1
    return last_of(traces)


def _at(lines: Sequence[str], at: int) -> Found | None:
    line = lines[at]
    if "[object] (" in line:
        return _logged(lines, at)
    if line.startswith("#0 ") and _FRAME.match(line):
        return _calls_alone(lines, at)
    if ": " not in line or not any(kind in line for kind in _KINDS):
        return None
    start = min(position for kind in _KINDS if (position := line.find(kind)) >= 0)
    headline = _HEADLINE.match(line, start)
    if headline is None:
        return None
    if headline[2].startswith("Uncaught "):
        return _uncaught(lines, at, headline[2].removeprefix("Uncaught "))
    return _error(at, headline)


def _calls_alone(lines: Sequence[str], at: int) -> Found:
    """What `getTraceAsString()` gives: calls without an exception. Where the first was made is not known."""
    calls, last, complete = _calls(lines, at)
    frames = _frames((None, None), calls)
    return Found(at, last, [make_exception(None, None, frames)], lines[at], (), WEAK if complete else PARTIAL)


def _error(at: int, headline: re.Match[str]) -> Found | None:
    """An error that is no exception has a place and no calls."""
    message, file, line = _split_place(headline[2])
    if file is None:
        return None
    frame = make_frame("php", file, line)
    strength = CRASH if "error" in headline[1] else WEAK
    return Found(at, at, [make_exception(headline[1], message, [frame])], None, (), strength)


def _split_place(text: str) -> tuple[str, str | None, str | None]:
    """Message, file and line of `message in file on line 3` and of `message in file:3`."""
    for separator in (" on line ", ":"):
        head, _, tail = text.rpartition(separator)
        number = _LINE_NUMBER.match(tail)
        message, in_, file = head.rpartition(" in ")
        if number and in_ and file:
            return message, file, number[1]
    return text, None, None


def _uncaught(lines: Sequence[str], first: int, start: str) -> Found:
    """`Uncaught A: m in f:1`, calls, then `Next B: …` for each exception that was raised with A as
    previous."""
    parts = [_part(lines, first, start)]
    at = parts[0].last + 1
    while at + 1 < len(lines) and not lines[at].strip() and lines[at + 1].startswith("Next "):
        parts.append(_part(lines, at + 1, lines[at + 1].removeprefix("Next ")))
        at = parts[-1].last + 1
    if at < len(lines) and lines[at].startswith("  thrown in "):
        at += 1
    complete = parts[-1].complete
    return Found(first, at - 1, [part.exception for part in parts], None, (), CRASH if complete else PARTIAL)


def _part(lines: Sequence[str], first: int, start: str) -> _Part:
    message = [start]
    at = first + 1
    while at < min(len(lines), first + MAX_MESSAGE_LINES) and lines[at] != "Stack trace:":
        message.append(lines[at])
        at += 1
    if at >= len(lines) or lines[at] != "Stack trace:":
        message, at = [start], first
    calls, last, complete = _calls(lines, at + 1)
    text, file, line = _split_place("\n".join(message))
    text = text.removesuffix(" and defined")  # PHP's own joint between the message of a TypeError and the place
    typed = _EXCEPTION.match(text)
    frames = _frames((file, line), calls)
    exception = make_exception(typed and typed[1], typed[2] if typed else text, frames)
    return _Part(max(last, at), exception, complete)


def _calls(lines: Sequence[str], at: int) -> tuple[list[tuple[str | None, str | None, str]], int, bool]:
    """(file, line, call) of the lines `#0 file(line): call()` from line `at` on, the number of the last
    line, and whether `{main}` was reached."""
    calls: list[tuple[str | None, str | None, str]] = []
    while at < len(lines):
        line = lines[at]
        if _MAIN.match(line):
            return calls, at, True
        found = _FRAME.match(line)
        if found is None:
            break
        calls.append((found[1], found[2], found[3]))
        at += 1
    return calls, at - 1, False


def _frames(place: tuple[str | None, str | None], calls: list[tuple[str | None, str | None, str]]) -> list[Frame]:
    """Frames, oldest first. PHP writes where a function was called from beside the function's name; a
    frame is the function and the place within it."""
    places = [place, *((file, line) for file, line, _ in calls)]
    names = [*(call for _, _, call in calls), "{main}()"]
    frames = []
    for (file, line), call in zip(places, names, strict=True):
        module, function = _split_call(call)
        frames.append(make_frame("php", file, line, None, function, module))
    if calls and place[0] and place == calls[0][:2]:
        # Thrown where the function was called: it is one of PHP's own, which have no places.
        frames[0]["in_app"] = False
    return frames[::-1]


def _split_call(call: str) -> tuple[str | None, str]:
    name = call.partition("(")[0]
    for separator in ("->", "::"):
        module, found, function = name.partition(separator)
        if found:
            return module, function.rpartition("\\")[2] if "{closure" in function else function
    return None, name.rpartition("\\")[2] if "{closure" in name else name


def _unescape(text: str) -> str:
    """Text out of a JSON string, in which PHP also escapes slashes."""
    return text.replace("\\\\", "\\").replace("\\/", "/")


def _logged(lines: Sequence[str], at: int) -> Found | None:
    """Monolog, as Laravel uses it: `… {"exception":"[object] (Type(code: 0): message at file:3)`,
    `[stacktrace]`."""
    line = lines[at]
    found = _LOGGED.match(line, line.find("[object] ("))
    if found is None or at + 1 >= len(lines) or lines[at + 1] != "[stacktrace]":
        return None
    calls, last, complete = _calls(lines, at + 2)
    calls = [(file, line, _unescape(call)) for file, line, call in calls]
    exception = make_exception(_unescape(found[1]), found[2], _frames((_unescape(found[3]), found[4]), calls))
    return Found(at, max(last, at + 1), [exception], None, (), CRASH if complete else PARTIAL)
