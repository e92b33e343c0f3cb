"""Stack traces of the JVM: Java, Kotlin, Scala, Groovy, Clojure, also as Logback and Log4j print them.

Suppressed exceptions are read, so that frames they share with others are known, but not reported: they
are neither a cause nor what was thrown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ...models import Frame
from .shapes import (
    CRASH,
    MAX_SHARED_FRAMES,
    PARTIAL,
    Found,
    indent,
    last_of,
    line_above,
    make_exception,
    make_frame,
)

_MAX_GAP = 3  # lines of somebody else between an exception and its cause

_FRAME = re.compile(r"\s*at ([^()]{1,1000})\(([^()]{0,300})\)(?:\s*~?\[[^\]]{0,300}\])?\s*$")
_HEADER = re.compile(
    r"""\s*(?:(?P<role>Caused\ by|Suppressed|Wrapped\ by):\s
    |.{0,200}?Exception\ in\ thread\ "(?P<thread>[^"]{0,200})"\s)?
    (?P<type>[A-Za-z_$][\w$]*(?:\.[\w$]+)*)(?::(?:\s(?P<value>.*))?)?$""",
    re.VERBOSE,
)
_STRONG = re.compile(r"(?:Exception|Error|Throwable|Failure|Fault|Interrupt\w*|Death|NonLocalReturnControl)\d?$")
_MORE = re.compile(r"\s*\.\.\. (\d{1,9}) (?:more|common frames omitted)")
_EXTENSIONS = frozenset({"java", "kt", "kts", "scala", "sc", "groovy", "clj", "cljc", "xtend", "jsp", "aj"})
_NO_FILE = frozenset({"Native Method", "Unknown Source", "<generated>", "Redefined", "Hidden Source"})


class _Section(NamedTuple):
    """One throwable as printed: the crash first."""

    first: int
    last: int
    indent: int
    role: str | None
    thread: str | None
    type: str | None
    value: str | None
    frames: list[Frame]
    more: int  # frames at the end that it shares with the throwable it is printed below


def find(lines: Sequence[str]) -> Found | None:
    traces: list[Found] = []
    tree: list[_Section] = []
    for section in _sections(lines):
        if tree and not (section.role and section.first - tree[-1].last <= _MAX_GAP):
            traces.append(_found(tree))
            tree = []
        if not tree and section.role == "Caused by" and (outer := _without_frames(lines, section.first - 1)):
            tree.append(outer)
        tree.append(section)
    if tree:
        traces.append(_found(tree))
    return last_of(traces)


def _sections(lines: Sequence[str]) -> list[_Section]:
    sections = []
    floor = at = 0
    while at < len(lines):
        frames: list[Frame] = []
        more, start = 0, at
        while at < len(lines) and not more:
            if (frame := _frame(lines[at])) is not None:
                frames.append(frame)
            elif "... " in lines[at] and (found := _MORE.match(lines[at])):
                more = int(found[1])
            else:
                break
            at += 1
        if at == start:
            at += 1
            continue
        section = _section(lines, start, at, floor, frames, more)
        if section is not None:
            sections.append(section)
        floor = at
    return sections


def _section(
    lines: Sequence[str], start: int, after: int, floor: int, frames: list[Frame], more: int
) -> _Section | None:
    header = line_above(lines, start, floor, _HEADER, _is_strong) or _header_within(lines, start, floor)
    if header is None:
        return _Section(start, after - 1, 0, None, None, None, None, frames, more) if frames else None
    number, found = header
    value = "\n".join([found["value"] or "", *lines[number + 1 : start]]).strip()
    return _Section(
        number,
        after - 1,
        indent(lines[number]),
        found["role"],
        found["thread"],
        found["type"],
        value,
        frames,
        more,
    )


def _without_frames(lines: Sequence[str], at: int) -> _Section | None:
    """A throwable that the JVM shows without frames, as when the main class cannot be initialized."""
    header = _HEADER.match(lines[at]) if at >= 0 else None
    if header is None or header["role"] or not _is_strong(header):
        return None
    return _Section(at, at, indent(lines[at]), None, header["thread"], header["type"], header["value"] or "", [], 0)


def _is_strong(found: re.Match[str]) -> bool:
    return bool(found["role"] or found["thread"] or _STRONG.search(found["type"]))


def _header_within(lines: Sequence[str], start: int, floor: int) -> tuple[int, re.Match[str]] | None:
    """A header after other words of a log line: `ERROR o.s.Boot - failed: java.lang.Error: no`."""
    if start <= floor:
        return None
    line = lines[start - 1]
    word = max(line.find("Exception"), line.find("Error:"))
    found = _HEADER.match(line, line.rfind(" ", 0, word) + 1) if word > 0 else None
    return (start - 1, found) if found and "." in found["type"] else None


def _found(tree: list[_Section]) -> Found:
    frames = _expanded(tree)
    chain = [number for number, section in enumerate(tree) if _in_chain(tree, number)]
    exceptions = []
    for number in chain:
        section = tree[number]
        package, _, name = (section.type or "").rpartition(".")
        exceptions.append(make_exception(name or None, section.value, frames[number][::-1], package))
    if tree[0].thread is not None:
        exceptions[0]["thread"] = tree[0].thread
    if tree[-1].role != "Wrapped by":  # Logback can print the root cause first
        exceptions.reverse()
    return Found(tree[0].first, tree[-1].last, exceptions, None, (), PARTIAL if tree[0].type is None else CRASH)


def _in_chain(tree: list[_Section], number: int) -> bool:
    """Whether a throwable is the one thrown or a cause of it, and not a suppressed one or a cause of such."""
    section = tree[number]
    return number == 0 or (section.role != "Suppressed" and section.indent <= tree[0].indent)


def _expanded(tree: list[_Section]) -> list[list[Frame]]:
    """The frames of each throwable with `... n more` filled in from the one it is printed below."""
    expanded: list[list[Frame]] = []
    budget = MAX_SHARED_FRAMES
    latest: dict[int, list[Frame]] = {}  # indentation → frames of the last throwable there
    for section in tree:
        enclosing = latest.get(section.indent - 1 if section.role == "Suppressed" else section.indent, [])
        frames = section.frames
        if 0 < section.more <= budget:
            shared = enclosing[-section.more :]
            frames = frames + [frame.copy() for frame in shared]
            budget -= len(shared)
        latest[section.indent] = frames
        expanded.append(frames)
    return expanded


def _frame(line: str) -> Frame | None:
    found = _FRAME.match(line) if "at " in line else None
    if found is None:
        return None
    qualified, place = found[1], found[2]
    file, number = _place(place)
    module, dot, function = _without_module_name(qualified).rpartition(".")
    if not dot or file is None or qualified.endswith(" "):  # JavaScript and Mono put a space there
        return None
    return make_frame("java", file or None, number, None, function, module)


def _place(place: str) -> tuple[str | None, str | None]:
    """File ("" if the JVM has none) and line of what stands in parentheses, or None if that is no Java."""
    file, colon, number = place.rpartition(":")
    if colon and number.isdecimal() and len(number) < 10:
        return file, number
    if place in _NO_FILE:
        return "", None
    return (place, None) if place.rpartition(".")[2] in _EXTENSIONS else (None, None)


def _without_module_name(qualified: str) -> str:
    """`app//shop.Cart.pay` and `java.base@17/java.lang.Thread.run` without class loader and module. The slash
    of a hidden class, `Cart$$Lambda/0x01.run`, is part of its name."""
    head, slash, tail = qualified.rpartition("/")
    if not slash:
        return qualified
    if tail.startswith("0x"):
        return f"{head.rpartition('/')[2]}/{tail}"
    return tail
