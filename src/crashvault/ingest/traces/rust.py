"""Rust: panics with and without a backtrace, stack overflows, and errors that `anyhow` or `eyre` report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...models import Frame
from .shapes import CRASH, Found, last_of, make_exception, make_frame

MAX_MESSAGE_LINES = 60

_PANIC = re.compile(r".{0,300}?thread '([^']{0,200})'(?: \(\d{1,20}\))? panicked at (.*)$")
_NEW_PLACE = re.compile(r"(.+?):(\d{1,9}):(\d{1,9}):$")
_OVERFLOW = re.compile(r"thread '([^']{0,200})'(?: \(\d{1,20}\))? has overflowed its stack$")
_FATAL = re.compile(r"fatal runtime error: (.*)$")
_SYMBOL = re.compile(r"\s*\d{1,6}: (?:\s*(0x[0-9a-f]{1,16}) - )?(.+)$")
_HASH = re.compile(r"::h[0-9a-f]{16}$|\[[0-9a-f]{16}\]")  # of the old and of the new symbol mangling
_PLACE = re.compile(r"\s+at (\S.*?):(\d{1,9})(?::(\d{1,9}))?$")
_CAUSE = re.compile(r"    (?:\s{0,6}\d{1,4}: )?(\S.*)$")
_ABORTING = "thread caused non-unwinding panic. aborting."
_NO_TRACE = ("note: run with `RUST_BACKTRACE", "note: Run with `RUST_BACKTRACE")


def find(lines: Sequence[str]) -> Found | None:
    traces: list[Found] = []
    at = 0
    while at < len(lines):
        found = _at(lines, at)
        if found is not None:
            at = found.last
            while traces and _is_caused(found, traces[-1]):
                cause = traces.pop()
                found = found._replace(first=cause.first, exceptions=[*cause.exceptions, *found.exceptions])
            traces.append(found)
        at += 1
    return last_of(traces)


def _is_caused(found: Found, before: Found) -> bool:
    """Whether a panic tells of the one printed before it: of a thread that was joined, or while that unwound."""
    said, first, cause = found.exceptions[-1], found.exceptions[0], before.exceptions[-1]
    value = said.get("value") or ""
    if found.first - before.last > 2 or not said["type"] == cause["type"] == "panic":
        return False
    if said.get("thread") == cause.get("thread"):
        return _ABORTING in value
    return "Any { .. }" in value and first is said


def _at(lines: Sequence[str], at: int) -> Found | None:
    line = lines[at]
    if "panicked at " in line and (panic := _PANIC.match(line)):
        return _panic(lines, at, panic)
    if line.endswith("its stack") and (overflow := _OVERFLOW.match(line)):
        exception = make_exception("stack overflow", None, [])
        exception["thread"] = overflow[1]
        fatal = at + 1 < len(lines) and _FATAL.match(lines[at + 1])
        return Found(at, at + 1 if fatal else at, [exception])
    if line.startswith("fatal runtime error: ") and (fatal := _FATAL.match(line)):
        return Found(at, at, [make_exception("fatal runtime error", fatal[1], [])])
    if line.startswith("Error: ") and at + 3 < len(lines) and lines[at + 2] == "Caused by:":
        return _report(lines, at)
    return None


def _panic(lines: Sequence[str], first: int, panic: re.Match[str]) -> Found:
    thread, rest = panic[1], panic[2]
    after = _end_of_message(lines, first + 1)
    place: tuple[str, str, str] | None
    if new := _NEW_PLACE.match(rest):
        message, place = "\n".join(lines[first + 1 : after]), (new[1], new[2], new[3])
    else:
        message, place = _old_headline("\n".join([rest, *lines[first + 1 : after]]))
    frames, last = _backtrace(lines, after)
    if place:
        _add_place(frames, place)
    exception = make_exception("panic", message.strip(), frames[::-1])
    exception["thread"] = thread
    return Found(first, last, [exception], None, (), CRASH)


def _old_headline(text: str) -> tuple[str, tuple[str, str, str] | None]:
    """Message and place of `'message', src/main.rs:4:5`, as it was until Rust 1.73."""
    message, quoted, place = text.strip().rpartition("', ")
    parts = place.rsplit(":", 2)
    if not quoted or len(parts) < 3 or not all(part.isdecimal() and len(part) < 10 for part in parts[1:]):
        return text, None
    return message.removeprefix("'"), (parts[0], parts[1], parts[2])


def _end_of_message(lines: Sequence[str], start: int) -> int:
    """Number of the line after the message. A blank line ends it unless a backtrace shows that it goes on."""
    blank = None
    for at in range(start, min(len(lines), start + MAX_MESSAGE_LINES)):
        line = lines[at]
        if line == "stack backtrace:" or line.startswith(_NO_TRACE):
            return at
        if "panicked at " in line:
            return at if blank is None else blank
        if not line.strip() and blank is None:
            blank = at
    return blank if blank is not None else min(len(lines), start + MAX_MESSAGE_LINES)


def _backtrace(lines: Sequence[str], at: int) -> tuple[list[Frame], int]:
    """The frames listed from line `at` on, the crash first, and the number of the last line."""
    if at >= len(lines) or not lines[at].lower().startswith("stack backtrace:"):
        noted = at < len(lines) and lines[at].startswith(_NO_TRACE)
        return [], at if noted else at - 1
    frames: list[Frame] = []
    last = at
    for number in range(at + 1, len(lines)):
        line = lines[number]
        place = _PLACE.match(line)
        symbol = None if place else _SYMBOL.match(line)
        if symbol:
            frames.append(_frame(symbol[2], symbol[1]))
        elif place and frames:
            _place_frame(frames[-1], place)
        elif not line.startswith("note: "):
            break
        last = number
    return frames, last


def _frame(symbol: str, address: str | None) -> Frame:
    module, function = split_symbol(_HASH.sub("", symbol))
    frame = make_frame("rust", None, None, None, function, module)
    if address:
        frame["instruction_addr"] = address
    return frame


def _place_frame(frame: Frame, place: re.Match[str]) -> None:
    made = make_frame(
        "rust", place[1].removeprefix("./"), place[2], place[3], frame.get("function"), frame.get("module")
    )
    frame.update(made)


def split_symbol(symbol: str) -> tuple[str | None, str]:
    """Path and function: `shop::cart::pick::{{closure}}` is `shop::cart`, `pick::{{closure}}`; what is in
    angle brackets is one part. Of `<T as Trait>::f` the path is that of `T`."""
    parts = _split_path(symbol)
    cut = len(parts) - 1
    while cut > 0 and parts[cut].startswith(("{", "<")):
        cut -= 1
    module = "::".join(parts[:cut])
    if module.startswith("<"):
        type_, as_, _ = module[1:].partition(" as ")
        module = type_ if as_ else type_.removesuffix(">")
    return module or None, "::".join(parts[cut:])


def _split_path(symbol: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, character in enumerate(symbol):
        if character in "<({[":
            depth += 1
        elif character in ">)}]":
            depth -= 1 if symbol[at - 1 : at + 1] != "->" else 0
        elif character == ":" and depth == 0 and symbol[at : at + 2] == "::":
            parts.append(symbol[start:at])
            start = at + 2
    return [*parts, symbol[start:]]


def _add_place(frames: list[Frame], place: tuple[str, str, str]) -> None:
    """The place that the panic message names: of a backtrace without line numbers it tells that of the frame
    that panicked, and where there is no backtrace it is all that is known."""
    known = make_frame("rust", *place)
    if any(frame.get("line") == known["line"] and frame.get("file") for frame in frames):
        return
    panicked = next((frame for frame in frames if frame["in_app"]), None)
    if panicked is None:
        frames.insert(0, known)
    elif "file" not in panicked:
        panicked.update(known)


def _report(lines: Sequence[str], first: int) -> Found:
    """What `anyhow` prints when `main` returns an error: the error, its causes, maybe a backtrace."""
    values = [lines[first].removeprefix("Error: ")]
    at = first + 3
    while at < len(lines) and (cause := _CAUSE.match(lines[at])):
        values.append(cause[1])
        at += 1
    frames, last = _backtrace(lines, at + 1) if at + 1 < len(lines) else ([], at - 1)
    exceptions = [make_exception("Error", value, []) for value in reversed(values)]
    exceptions[-1]["frames"] = frames[::-1]
    return Found(first, last if frames else at - 1, exceptions)
