"""Frames of machine code: a reader for each notation of debuggers, sanitizers and libraries."""

from __future__ import annotations

import re
from collections.abc import Callable

from ...models import Frame
from .shapes import make_frame

_PLACE = re.compile(r"(.+?):(\d{1,9})(?::(\d{1,9}))?$")
_GDB = re.compile(r"#\d{1,6}\s+(?:(0x[0-9a-f]{1,16}) in )?(.+)$")
_SANITIZER = re.compile(r"\s{2,8}#\d{1,6} (?:(0x[0-9a-f]{1,16}) +)?(?:in )?(.+)$")
_MODULE = re.compile(r"(.*?) ?\(([^()]{1,1000}?)\+(0x[0-9a-f]{1,16})\)(?:\s*\(BuildId: [0-9a-f]{1,80}\))?$")
_LLDB = re.compile(r"\s*(?:\* )?frame #\d{1,6}: (0x[0-9a-f]{1,16}) (\S[^`]{0,500})`(.+?)(?: at (\S.*))?$")
_GLIBC = re.compile(r"(\S[^()\[\]]{0,1000})\(([^()]*?)(?:\+0x[0-9a-f]{1,16})?\) ?\[(0x[0-9a-f]{1,16})\]$")
_NUMBERED = re.compile(r"\s*\d{1,4}# (.+?) (?:at|in) (\S.*?)(?: \[0x[0-9a-f]{1,16}\])?$")
_VALGRIND = re.compile(r"==\d{1,10}==    (?:at|by) (0x[0-9A-F]{1,16}): (.+) \((.{1,1000})\)$")
_APPLE = re.compile(r"\d{1,4}\s{1,8}(\S.{0,200}?)\s+(0x[0-9a-f]{8,16}) (.+?) \+ \d{1,12}(?: \((.+)\))?$")


def _gdb_frame(line: str) -> Frame | None:
    found = _GDB.match(line)
    if found is None:
        return None
    address, rest = found[1], found[2]
    if rest == "<signal handler called>":
        return native_frame(rest, None, None, address=address)
    head, from_, library = rest.rpartition(" from ")
    if from_ and ")" not in library:
        return native_frame(_without_arguments(head), None, None, package=library, address=address)
    head, at, place = rest.rpartition(" at ")
    located = _PLACE.match(place) if at else None
    if located:
        return native_frame(_without_arguments(head), located[1], located[2], located[3], address=address)
    arguments = rest.partition(" (")[2]
    if not arguments.endswith(")") or (arguments != ")" and "=" not in arguments):  # PHP and Dart number frames too
        return None
    return native_frame(_without_arguments(rest), None, None, address=address)


def _sanitizer_frame(line: str) -> Frame | None:
    found = _SANITIZER.match(line)
    if found is None:
        return None
    address, rest = found[1], found[2].rstrip()
    package = None
    if rest.endswith(")") and (module := _MODULE.match(rest)):
        rest, package = module[1], module[2]
    function, _, place = rest.rpartition(" ")
    located = _PLACE.match(place)
    if located and function:
        return native_frame(function, located[1], located[2], located[3], package, address)
    if function and place.startswith("/"):  # built without line numbers
        return native_frame(function, place, None, None, package, address)
    return native_frame(rest, None, None, None, package, address) if address or package else None


def _lldb_frame(line: str) -> Frame | None:
    found = _LLDB.match(line)
    if found is None:
        return None
    located = _PLACE.match(found[4]) if found[4] else None
    function = _without_arguments(found[3].partition(" + ")[0])
    if located is None:
        return native_frame(function, None, None, None, found[2], found[1])
    return native_frame(function, located[1], located[2], located[3], found[2], found[1])


def _glibc_frame(line: str) -> Frame | None:
    found = _GLIBC.match(line)
    return native_frame(found[2] or None, None, None, None, found[1], found[3]) if found else None


def _numbered_frame(line: str) -> Frame | None:
    found = _NUMBERED.match(line)
    if found is None:
        return None
    located = _PLACE.match(found[2])
    if located:
        return native_frame(_without_arguments(found[1]), located[1], located[2], located[3])
    return native_frame(_without_arguments(found[1]), None, None, package=found[2])


def _valgrind_frame(line: str) -> Frame | None:
    found = _VALGRIND.match(line)
    if found is None:
        return None
    located = _PLACE.match(found[3])
    if located:
        return native_frame(_without_arguments(found[2]), located[1], located[2], address=found[1])
    return native_frame(
        _without_arguments(found[2]), None, None, package=found[3].removeprefix("in "), address=found[1]
    )


def _apple_frame(line: str) -> Frame | None:
    found = _APPLE.match(line)
    if found is None:
        return None
    located = _PLACE.match(found[4]) if found[4] else None
    function, package = _without_arguments(found[3]), found[1].strip()
    if located is None:
        return native_frame(function, None, None, None, package, found[2])
    return native_frame(function, located[1], located[2], None, package, found[2])


_FRAMES: tuple[tuple[str, Callable[[str], Frame | None]], ...] = (
    ("frame #", _lldb_frame),
    ("#0 ", _gdb_frame),
    ("#0 ", _sanitizer_frame),
    ("#1 ", _sanitizer_frame),
    ("[0x", _glibc_frame),
    (" 0# ", _numbered_frame),
    ("==    at 0x", _valgrind_frame),
    ("0x0", _apple_frame),
)


def _without_arguments(text: str) -> str:
    """`shop::pick (cart=..., n=3)` without its arguments; gdb puts a space before them, C++ names may hold
    parentheses of their own, as `operator()` and `(anonymous namespace)`."""
    text = text.strip()
    if not text.endswith(")"):
        return text
    opened = text.find(" (")
    while opened >= 0 and text.startswith(" (anonymous", opened):
        opened = text.find(" (", opened + 1)
    if opened > 0:
        text = text[:opened]
    return text


def native_frame(
    function: str | None,
    file: str | None,
    line: str | None,
    column: str | None = None,
    package: str | None = None,
    address: str | None = None,
) -> Frame:
    """A frame of machine code. Whether it is the application's may show in the library it lies in alone."""
    function = None if function in ("", "??", "<unknown>") else _base_name(function) if function else None
    frame = make_frame("native", file, line, column, function, None if file else package)
    frame.pop("module", None)
    if package:
        frame["package"] = package
    if address:
        frame["instruction_addr"] = address
    return frame


def _base_name(function: str) -> str:
    """The name without parameter types, so that `f(int)` of a sanitizer and `f (n=1)` of gdb are one
    function."""
    if not function.endswith((")", ") const")) or function.endswith("operator()"):
        return function
    depth = 0
    for at in range(function.rindex(")"), -1, -1):
        depth += {")": 1, "(": -1}.get(function[at], 0)
        if depth == 0:
            return function[:at] or function
    return function


def notation(line: str) -> Callable[[str], Frame | None] | None:
    """The reader for a stack whose first frame is `line`."""
    for mark, read in _FRAMES:
        if mark in line and read(line) is not None:
            return read
    return None
