"""JavaScript stacks: V8 (Node.js, Chrome, Deno, Bun), SpiderMonkey (Firefox) and JavaScriptCore (Safari)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...models import ExceptionInfo, Frame
from .shapes import (
    CRASH,
    MAX_SHARED_FRAMES,
    PARTIAL,
    WEAK,
    Found,
    indent,
    last_of,
    line_above,
    make_exception,
    make_frame,
)

_MAX_GAP = 60  # lines of an error's own properties between it and its cause

_HEADER = re.compile(
    r"""\s*(?P<cause>\[cause\]:\s|[Cc]aused\ by:\s)?(?:\[errors\]:\s\[\s?)?(?P<bracket>\[)?
    (?:\(node:\d{1,9}\)\s)?(?:\[DEP\d+\]\s)?
    (?:(?!\w*(?:Error|Exception|Warning)\b)(?!cause)[A-Za-z][\w ,.'-]{0,60}?:?\s
        (?=(?:Uncaught\s)?(?:[A-Z][\w$.]{0,60})?(?:Error|Exception)(?::|$)))?   # what a program says before it
    (?:error:\s)?(?:Uncaught\s(?:\(in\spromise\)\s)?)?(?:Unhandled\sPromise\sRejection:\s)?
    (?P<type>[A-Za-z_$][\w$.]*)(?:\s\[[\w.:-]{1,80}\])?(?::\s?(?P<value>.*))?$""",
    re.VERBOSE,
)
_STRONG = re.compile(r"(?:Error|Exception|Rejection|Warning|Failure|Trace)$")
_UNHANDLED_WARNING = "UnhandledPromiseRejectionWarning"
_BRACKETED = re.compile(r"\s*(?:\[cause\]: )?\[[\w$.]+(?:: .*)?\](?: \{|,)?$")
_ABRIDGED = "[... lines matching original stack trace ...]"
_SKIPPED = re.compile(r"\s*\.\.\. (\d{1,9}) lines matching cause stack trace \.\.\.$")
_SCHEMES = (
    "http:", "https:", "file:", "webpack:", "webpack-internal:", "app:", "resource:", "blob:", "capacitor:",
    "ionic:", "moz-extension:", "safari-extension:", "safari-web-extension:", "chrome-extension:", "chrome:",
    "[native code]", "debugger eval code",
)  # fmt: skip
_EVAL_ORIGIN = re.compile(r"\(([^()]+):(\d{1,9}):(\d{1,9})\)")
_POSITION = re.compile(r"(.+?)(?: line (\d{1,9}) > .*)$")
_CARET = re.compile(r"\s*\^[\^~]*\s*$")
_SOURCE_OF_THROW = re.compile(r"(\S.*):(\d{1,9})$")
_NO_FILES = ("<anonymous", "undefined")  # what Node.js calls a text that is no program, such as wrong JSON
_JS_STACK = "----- JavaScript stack trace -----"
_NUMBERED = re.compile(r"\d{1,4}: (\S.*)$")
_REASON = re.compile(
    r"This error originated either by throwing inside of an async function .*? (The promise rejected with .*)$", re.S
)
_NATIVE_FRAME = re.compile(r" ?\d{1,4}: (0x[0-9a-f]{1,16}) (.*?) ?\[([^\[\]\s]{1,300})\]$")


class _Error(NamedTuple):
    first: int  # number of its first line
    last: int
    indent: int
    is_cause: bool
    type: str | None
    value: str | None
    frames: list[Frame]  # as printed: the crash first
    skipped: tuple[int, int] | None  # (position in frames, number) of frames that its cause has too


def find(lines: Sequence[str]) -> Found | None:
    traces: list[Found] = []
    tree: list[_Error] = []
    for error in _errors(lines):
        if tree and not _belongs(error, tree):
            traces.append(_found(lines, tree))
            tree = []
        tree.append(error)
    if tree:
        traces.append(_found(lines, tree))
    traces += _without_stack(lines)
    return last_of(sorted(traces, key=lambda found: found.last))


def _belongs(error: _Error, tree: list[_Error]) -> bool:
    near = error.first - tree[-1].last <= _MAX_GAP
    return near and (error.is_cause or error.indent > tree[0].indent)


def _errors(lines: Sequence[str]) -> list[_Error]:
    errors: list[_Error] = []
    floor = at = 0
    while at < len(lines):
        line = lines[at]
        frame = _frame(line)
        if frame is None:
            if line.endswith(("] {", "],", "]")) and _BRACKETED.match(line):
                errors.append(_error_without_frames(line, at))
            at += 1
            continue
        frames, skipped, after = _run(lines, at)
        error = _error(lines, at, after, floor, frames, skipped)
        if error is not None:
            errors.append(error)
        at = floor = after
    return errors


def _run(lines: Sequence[str], at: int) -> tuple[list[Frame], tuple[int, int] | None, int]:
    frames: list[Frame] = []
    skipped = None
    while at < len(lines):
        line = lines[at]
        frame = _frame(line) or (_bare_url_frame(line) if frames else None)
        if frame is not None:
            frames.append(frame)
        elif found := _SKIPPED.match(line) if "... " in line else None:
            skipped = len(frames), int(found[1])
        elif frames and _ABRIDGED in line:
            pass
        else:
            break
        at += 1
        if line.endswith((" {", ",")):
            break
    return frames, skipped, at


def _error(
    lines: Sequence[str],
    at: int,
    after: int,
    floor: int,
    frames: list[Frame],
    skipped: tuple[int, int] | None,
) -> _Error | None:
    if at > floor and "Emitted '" in lines[at - 1]:  # Node.js shows where an event of an error was emitted
        return None
    header = line_above(lines, at, floor, _HEADER, lambda found: _STRONG.search(found["type"]) is not None)
    if header is None:
        return _Error(at, after - 1, indent(lines[at]), False, None, None, frames, skipped)
    number, found = header
    type_, value = _headline(lines, number, at, found)
    return _Error(number, after - 1, indent(lines[number]), bool(found["cause"]), type_, value, frames, skipped)


def _headline(lines: Sequence[str], number: int, at: int, found: re.Match[str]) -> tuple[str | None, str | None]:
    if found["type"] == _UNHANDLED_WARNING and found["value"]:
        found = _HEADER.match(found["value"]) or found
    rest = list(lines[number + 1 : at])
    for position, line in enumerate(rest):
        if _CARET.match(line):  # Deno shows the line of the throw below the message
            rest = rest[: max(0, position - 1)]
            break
    value = "\n".join([found["value"] or "", *rest]).strip()
    reason = _REASON.match(value) if found["type"] == "UnhandledPromiseRejection" else None
    return found["type"], (reason[1] if reason else value) or None


def _error_without_frames(line: str, at: int) -> _Error:
    cause = line.lstrip().startswith("[cause]")
    inner = line.strip().removeprefix("[cause]: ").removesuffix(" {").removesuffix(",")[1:-1]
    type_, _, value = inner.partition(": ")
    return _Error(at, at, indent(line), cause, type_, value or None, [], None)


def _found(lines: Sequence[str], tree: list[_Error]) -> Found:
    raised = tree[0]
    _expand_skipped(tree)
    first = _add_source_of_throw(lines, raised)
    exceptions = _linked(tree)
    last = max(error.last for error in tree)
    if raised.type is None or raised.type == "Trace":
        headline = lines[raised.first].strip() if raised.type else None
        frames = raised.frames[::-1]
        return Found(
            first,
            last,
            [make_exception(None, None, frames)],
            headline,
            (),
            PARTIAL if headline is None else WEAK,
        )
    strength = WEAK if raised.type.endswith("Warning") or not any(error.frames for error in tree) else CRASH
    return Found(first, last, exceptions, None, (), strength)


def _expand_skipped(tree: list[_Error]) -> None:
    budget = MAX_SHARED_FRAMES
    for error, cause in zip(tree[-2::-1], tree[:0:-1], strict=True):
        if error.skipped is None or not cause.is_cause:
            continue
        position, number = error.skipped
        before = error.frames[position - 1] if position else None
        if number <= budget and before in cause.frames:
            start = cause.frames.index(before) + 1
            shared = cause.frames[start : start + number]
            error.frames[position:position] = [frame.copy() for frame in shared]
            budget -= len(shared)


def _linked(tree: list[_Error]) -> list[ExceptionInfo]:
    """Root cause first. The text has each error before its cause or members, so ids are positions in it."""
    parents = _parents(tree)
    groups = {parent for parent, error in zip(parents, tree, strict=True) if not error.is_cause}
    made = []
    for number, error in enumerate(tree):
        exception = make_exception(error.type, error.value, error.frames[::-1])
        if groups - {None}:
            exception["mechanism"] = _mechanism(number, parents[number], number in groups)
        made.append(exception)
    return made[::-1]


def _parents(tree: list[_Error]) -> list[int | None]:
    """For each error the number of the one it lies within."""
    parents: list[int | None] = []
    above: list[int] = []
    for number, error in enumerate(tree):
        while above and tree[above[-1]].indent >= error.indent:
            above.pop()
        parents.append(above[-1] if above else None)
        above.append(number)
    return parents


def _mechanism(number: int, parent: int | None, is_group: bool) -> dict[str, Any]:
    mechanism: dict[str, Any] = {"type": "chained", "exception_id": number}
    if is_group:
        mechanism["is_exception_group"] = True
    if parent is not None:
        mechanism["parent_id"] = parent
    return mechanism


def _add_source_of_throw(lines: Sequence[str], raised: _Error) -> int:
    """Node.js prints file, source line and a caret above an uncaught error: use them. First line of it
    all."""
    caret = raised.first - 1
    while caret > 0 and not lines[caret].strip() and raised.first - caret < 3:
        caret -= 1
    place = _SOURCE_OF_THROW.match(lines[caret - 2]) if caret > 1 and _CARET.match(lines[caret]) else None
    if place is None:
        return raised.first
    if place[1].startswith(_NO_FILES):
        return caret - 2
    frame = make_frame("javascript", _file(place[1]), place[2], lines[caret].index("^") + 1)
    frame["context_line"] = lines[caret - 1].strip()
    same = next((f for f in raised.frames if (f.get("file"), f.get("line")) == (frame["file"], frame["line"])), None)
    if same is not None:
        same["context_line"] = frame["context_line"]
    elif raised.type == "SyntaxError" or (frame["in_app"] and not raised.frames):
        raised.frames.insert(0, frame)
    return caret - 2


def _without_stack(lines: Sequence[str]) -> list[Found]:
    """Thrown values that are no errors, and the engine's own fatal errors."""
    traces = []
    for at, line in enumerate(lines):
        if line.startswith("(Use `node --trace-uncaught"):
            traces += _thrown_value(lines, at)
        elif line.startswith("FATAL ERROR: "):
            traces.append(_fatal(lines, at))
        elif line == _JS_STACK:
            traces += _aborted(lines, at)
    return traces


def _aborted(lines: Sequence[str], at: int) -> list[Found]:
    """What Node.js prints when it ends itself: numbered frames, the crash first."""
    frames: list[Frame] = []
    last = at
    for number in range(at + 1, len(lines)):
        found = _NUMBERED.match(lines[number])
        frame = _v8_frame(found[1]) if found else None
        if frame:
            frames.append(frame)
            last = number
        elif lines[number].strip():
            break
    return [Found(at, last, [make_exception("Aborted", None, frames[::-1])])] if frames else []


def _thrown_value(lines: Sequence[str], at: int) -> list[Found]:
    for caret in range(at - 1, max(1, at - 12), -1):
        if _CARET.match(lines[caret]):
            value = "\n".join(line for line in lines[caret + 1 : at] if line not in ("", "Uncaught:"))
            thrown = _Error(caret + 1, at, 0, False, "Uncaught", value, [], None)
            first = _add_source_of_throw(lines, thrown)
            return [Found(first, at, [make_exception("Uncaught", value, thrown.frames)])]
    return []


def _fatal(lines: Sequence[str], first: int) -> Found:
    frames = []
    last = first
    for at in range(first + 1, len(lines)):
        found = _NATIVE_FRAME.match(lines[at])
        if found:
            last = at
            frame = make_frame("javascript", None, None, None, found[2])
            frame["package"], frame["instruction_addr"] = found[3], found[1]
            frames.append(frame)
        elif lines[at].strip(" -") and not lines[at].startswith("-----"):
            break
    value = lines[first].removeprefix("FATAL ERROR: ")
    return Found(first, last, [make_exception("FATAL ERROR", value, frames[::-1])])


def _frame(line: str) -> Frame | None:
    text = line.strip()
    if text.startswith("at "):
        return _v8_frame(text[3:].removesuffix(" {").removesuffix(","))
    if "@" in text:
        return _gecko_frame(text)
    return None


def _v8_frame(text: str) -> Frame | None:
    text = text.removeprefix("async ")
    function: str | None = None
    if text.endswith(")"):
        function, opened, place = text[:-1].partition(" (")
        if not opened:
            return None
    else:
        place = text
    if place.startswith("eval at "):
        origin = _EVAL_ORIGIN.search(place)
        if origin is None:
            return make_frame("javascript", "<eval>", None, None, function)
        return make_frame("javascript", _file(origin[1]), origin[2], origin[3], function)
    if place in ("<anonymous>", "native") or place.startswith("index "):
        return make_frame("javascript", "<anonymous>", None, None, function or place)
    place = place.removeprefix("address at ")
    file, line, column = _split_place(place)
    if line is None or file.endswith(".rs"):  # a Rust backtrace shows places the same way
        return None
    return make_frame("javascript", _file(file), line, column, function)


def _split_place(place: str) -> tuple[str, str | None, str | None]:
    """File, line and column of `file:line:column`; line and column are None where the text is no such
    thing."""
    parts = place.rsplit(":", 2)
    if len(parts) == 3 and _is_number(parts[1]) and _is_number(parts[2]):
        return parts[0], parts[1], parts[2]
    return place, None, None


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10


def _file(place: str) -> str:
    return place.removeprefix("file://")


def _gecko_frame(text: str) -> Frame | None:
    function, _, place = text.partition("@")
    if not place.startswith(_SCHEMES):
        return None
    if place == "[native code]":
        return make_frame("javascript", place, None, None, function)
    file, line, column = _split_place(place)
    if line is None and (parts := place.rpartition(":"))[1] and _is_number(parts[2]):
        file, line = parts[0], parts[2]
    if found := _POSITION.match(file):  # Firefox shows an eval as "file line 3 > eval:1:1"
        file, line, column = found[1], found[2], None
    return make_frame("javascript", _file(file), line, column, function.removeprefix("async*"))


def _bare_url_frame(line: str) -> Frame | None:
    """Safari's frame of an anonymous function: nothing but the place."""
    if not line.startswith(("http://", "https://", "file://")):
        return None
    file, number, column = _split_place(line)
    return make_frame("javascript", _file(file), number, column) if number else None
