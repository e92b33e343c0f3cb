"""Source code that realistic stack traces point into.

Python frames come from the real standard library of the interpreter that runs the benchmark: real
functions, real neighbouring lines, real names of local variables. Some packages of it play the
installed libraries, the rest play the applications' own modules. JavaScript files are written here
from statement patterns, one file per service and entity. Java frames carry no source, since
the Java SDK sends none.
"""

from __future__ import annotations

import functools
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks.vocabulary import JS_STATEMENTS, NOUNS, PROPERTIES, VERBS

CONTEXT_LINES = 5  # both SDKs send five lines before and five after
_LINE_LIMIT = 140  # @sentry/node snips longer lines
_LEFT_OUT = frozenset(
    """test tests idlelib site-packages dist-packages lib2to3 turtledemo ensurepip __pycache__
    pydoc_data encodings tkinter msilib distutils""".split()
)
_LIBRARIES = frozenset(
    """asyncio concurrent http urllib socketserver.py threading.py wsgiref logging json sqlite3 xmlrpc
    ssl.py socket.py selectors.py queue.py contextlib.py functools.py runpy.py ctypes importlib unittest
    multiprocessing email re dbm curses""".split()
)
_DEF = re.compile(r"( *)(?:async )?def (\w+)\((.*)")
_CLASS = re.compile(r"( *)class (\w+)")
_ASSIGNED = re.compile(r"^\s+(?:for |with .* as )?([a-z_]\w*)(?:, ([a-z_]\w*))? (?:=|in) ")
_ARGUMENT = re.compile(r"(?:^|, ?)\*{0,2}([a-z_]\w*)")


class Function(NamedTuple):
    """A function of a source file: its lines are `lines[first:last]`, counted from 0."""

    path: str  # relative to the folder on sys.path, "email/parser.py"
    module: str
    name: str
    qualified: str  # with its class
    owner: str  # class, or ""
    first: int
    last: int
    lines: list[str]  # of the whole file


class Line(NamedTuple):
    """One place in a source file, as a frame shows it. `number` is 1-based."""

    number: int
    pre: list[str]
    text: str
    post: list[str]


def line_at(lines: list[str], index: int) -> Line:
    """The line at a 0-based index with its neighbours."""
    return Line(
        index + 1,
        [line[:_LINE_LIMIT] for line in lines[max(0, index - CONTEXT_LINES) : index]],
        lines[index][:_LINE_LIMIT],
        [line[:_LINE_LIMIT] for line in lines[index + 1 : index + 1 + CONTEXT_LINES]],
    )


def crash_line(function: Function, rng: Random) -> Line:
    """A line of code inside a function: neither blank nor a comment nor its docstring."""
    lines = function.lines
    body = range(_body_start(function), function.last)
    code = [index for index in body if (text := lines[index].strip()) and text[0] not in "#\"')}]"]
    return line_at(lines, rng.choice(code or [function.last - 1]))


def _body_start(function: Function) -> int:
    """Index of the first line behind the signature and the docstring."""
    lines, index = function.lines, function.first
    while index < function.last - 1 and not lines[index].rstrip().endswith(":"):
        index += 1
    index += 1
    quotes = lines[index].lstrip()[:3] if index < function.last else ""
    if quotes in ('"""', "'''"):
        closed = lines[index].count(quotes) > 1
        while not closed and index < function.last - 1:
            index += 1
            closed = quotes in lines[index]
        index += 1
    return index


@functools.cache
def python_functions() -> tuple[tuple[Function, ...], tuple[Function, ...]]:
    """(functions of libraries, functions of applications), in a fixed order for one Python version."""
    root = Path(sysconfig.get_paths()["stdlib"])
    libraries: list[Function] = []
    applications: list[Function] = []
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).parts
        if _LEFT_OUT.isdisjoint(parts) and not parts[0].startswith(("config-", "_sysconfig")):
            pool = libraries if parts[0] in _LIBRARIES else applications
            pool.extend(_functions("/".join(parts), file.read_text("utf-8", "replace")))
    return tuple(libraries), tuple(applications)


def _functions(path: str, text: str) -> Iterator[Function]:
    lines = text.split("\n")
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    owner, owner_indent = "", -1
    for index, line in enumerate(lines):
        if match := _CLASS.match(line):
            owner, owner_indent = match[2], len(match[1])
        elif match := _DEF.match(line):
            indent = len(match[1])
            if indent <= owner_indent:
                owner, owner_indent = "", -1
            last = _end_of_block(lines, index, indent)
            if last - index > 3:
                name = match[2]
                qualified = f"{owner}.{name}" if owner else name
                yield Function(path, module, name, qualified, owner, index, last, lines)


def _end_of_block(lines: list[str], start: int, indent: int) -> int:
    """Index after the last line of the block that the `def` at `start` opens."""
    last = start + 1
    for index in range(start + 1, min(start + 120, len(lines))):
        line = lines[index]
        if line.strip():
            if len(line) - len(line.lstrip(" ")) <= indent and line.lstrip()[0] not in ")]":
                break
            last = index + 1
    return last


def local_names(function: Function, upto: int) -> tuple[str, ...]:
    """Arguments and variables that are set before the 1-based line `upto`."""
    match = _DEF.match(function.lines[function.first])
    names = dict.fromkeys(_ARGUMENT.findall(match[3])) if match else {}
    for line in function.lines[function.first + 1 : upto - 1]:
        if found := _ASSIGNED.match(line):
            names.update(dict.fromkeys(name for name in found.groups() if name))
    return tuple(names)


class Script(NamedTuple):
    """A synthetic JavaScript file: its functions are (name, first, last), counted from 0."""

    path: str
    lines: list[str]
    functions: list[tuple[str, int, int]]


@functools.lru_cache(maxsize=4096)
def javascript_file(service: str, noun: str, folder: str) -> Script:
    """The file `src/<folder>/<noun>.js` of a service, always the same for the same names."""
    rng = Random(f"{service}/{folder}/{noun}")
    near = [noun, *rng.sample(NOUNS, 5)]
    lines = ["'use strict';", f"const {{ {noun.title()}Repository }} = require('../{folder}/{near[1]}');", ""]
    functions = []
    for _ in range(rng.randint(5, 12)):
        name = f"{rng.choice(VERBS)}{rng.choice(near).title()}"
        first = len(lines)
        lines.append(f"async function {name}({near[0]}, {rng.choice(near)}, options = {{}}) {{")
        lines.extend(javascript_line(rng, near) for _ in range(rng.randint(8, 24)))
        lines.append("}")
        functions.append((name, first, len(lines) - 1))
        lines.append("")
    return Script(f"src/{folder}/{noun}.js", lines, functions)


def javascript_line(rng: Random, near: list[str]) -> str:
    """One statement about the entities in `near`."""
    noun, other = rng.sample(near, 2)
    words = {"noun": noun, "Noun": noun.title(), "other": other, "Other": other.title()}
    words |= {"verb": rng.choice(VERBS), "verb2": rng.choice(VERBS)}
    words |= {"prop": rng.choice(PROPERTIES), "prop2": rng.choice(PROPERTIES)}
    text = rng.choice(JS_STATEMENTS).format(**words, limit=rng.randint(2, 5000))
    return f"{'  ' * rng.randint(1, 3)}{text}" if text else ""
