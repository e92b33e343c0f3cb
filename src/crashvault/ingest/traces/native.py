"""Native code: debuggers, sanitizers, and the last words of libc and the C++ runtime.

Frames come in a dozen notations (`_FRAMES`), headlines in another dozen (`_HEADLINES`). A crash is a
headline with the frames below it; either may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ...models import Frame
from .shapes import CRASH, PARTIAL, WEAK, Found, last_of, make_exception, make_frame

_REACH = 40  # lines between a headline and its frames

_PLACE = re.compile(r"(.+?):(\d{1,9})(?::(\d{1,9}))?$")
_GDB = re.compile(r"#\d{1,6}\s+(?:(0x[0-9a-f]{1,16}) in )?(.+)$")
_SANITIZER = re.compile(r"\s{2,8}#\d{1,6} (?:(0x[0-9a-f]{1,16}) +)?(?:in )?(.+)$")
_MODULE = re.compile(r"(.*?) ?\(([^()]{1,1000}?)\+(0x[0-9a-f]{1,16})\)(?:\s*\(BuildId: [0-9a-f]{1,80}\))?$")
_LLDB = re.compile(r"\s*(?:\* )?frame #\d{1,6}: (0x[0-9a-f]{1,16}) (\S[^`]{0,500})`(.+?)(?: at (\S.*))?$")
_GLIBC = re.compile(r"(\S[^()\[\]]{0,1000})\(([^()]*?)(?:\+0x[0-9a-f]{1,16})?\) ?\[(0x[0-9a-f]{1,16})\]$")
_NUMBERED = re.compile(r"\s*\d{1,4}# (.+?) (?:at|in) (\S.*?)(?: \[0x[0-9a-f]{1,16}\])?$")
_VALGRIND = re.compile(r"==\d{1,10}==    (?:at|by) (0x[0-9A-F]{1,16}): (.+) \((.{1,1000})\)$")
_APPLE = re.compile(r"\d{1,4}\s{1,8}(\S.{0,200}?)\s+(0x[0-9a-f]{8,16}) (.+?) \+ \d{1,12}(?: \((.+)\))?$")
_LOCAL = re.compile(r"        (\w{1,200}) = (.*)$")

_THREAD = re.compile(r"Thread (\d{1,9}) \((.{1,200})\):$")
_GDB_THREAD = re.compile(
    r"(?:Thread (\d{1,9}) .{0,200}?|Program )(?:received|terminated with) signal (SIG\w{1,10})(?:, (.+?))?\.?$"
)
_SANITIZER_HEAD = re.compile(
    r"(?:==\d{1,10}==\s?)?(?:ERROR|WARNING): (\w{1,40}Sanitizer): (detected memory leaks|data race(?: on vptr)?|[\w-]+(?: \w+(?= on| \())?|.{1,80})(.*)$"
)
_ACCESS = re.compile(r"\s*((?:READ|WRITE|Read|Write|Atomic \w+|Direct leak|Indirect leak) of .*?):?$")
_RELATED = re.compile(
    r"\s*(?:==\d+==\s*)?((?:freed|previously allocated|allocated|Previous|As if|Thread|Direct leak|Indirect leak|Mutex|"
    r"Location|Uninitialized|Memory was|Address).{0,300}?):?$"
)
_UNDEFINED = re.compile(r"(.+?):(\d{1,9}):(\d{1,9}): runtime error: (.+)$")
_VALGRIND_HEAD = re.compile(
    r"==\d{1,10}== ((?:Invalid|Use of|Conditional jump|Process terminating|Jump to|Syscall param|Mismatched).+)$"
)

_Headline = tuple[str | None, str | None, list[Frame]]


def _terminate(found: re.Match[str], below: Sequence[str]) -> _Headline:
    value = below[0].partition("what():")[2].strip() if below and "what():" in below[0] else None
    return found[1], value, []


def _assertion(found: re.Match[str], below: Sequence[str]) -> _Headline:
    return "Assertion failed", found["what"], [_native(found["function"], found["file"], found["line"])]


_ASSERT = r"(?P<file>[^:]{1,500}):(?P<line>\d{1,9}): (?:(?P<function>.{1,500}?): )?Assertion [`'](?P<what>.*)' failed\.$"
_HEADLINES: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str], Sequence[str]], _Headline]], ...] = (
    ("terminate called", re.compile(r"terminate called after throwing an instance of '(.+)'$"), _terminate),
    ("terminate called", re.compile(r"terminate called (.+)$"), lambda m, _: ("std::terminate", m[1], [])),
    (
        "terminating",
        re.compile(r"libc\+\+(?:abi)?(?:\.dylib)?: terminating (?:due to|with) uncaught exception of type (\S.*?)(?:: (.*))?$"),
        lambda m, _: (m[1], m[2], []),
    ),
    ("Assertion ", re.compile(rf"(?:[^:]{{1,200}}: )?{_ASSERT}"), _assertion),
    (
        "Assertion failed: ",
        re.compile(r"Assertion failed: \(?(?P<what>.+?)\)?, function (?P<function>.+?), file (?P<file>.+?), line (?P<line>\d{1,9})\.$"),
        _assertion,
    ),
    (
        "Assertion failed: ",
        re.compile(r"Assertion failed: (?P<what>.+) \((?P<file>[^():]+): (?P<function>[^():]+): (?P<line>\d{1,9})\)$"),
        _assertion,
    ),
    ("***", re.compile(r"\*\*\* (.+ detected) \*\*\*:.*$"), lambda m, _: ("SIGABRT", m[1], [])),
    (
        "",
        re.compile(
            r"(?:\*\*\* Error in .{0,300}?: )?((?:double free or corruption|(?:free|malloc|realloc|calloc|munmap_chunk|"
            r"malloc_consolidate|mremap_chunk)\(\): |corrupted (?:size vs|double-linked)).*?)(?:: 0x[0-9a-f]{1,16} \*\*\*)?$"
        ),
        lambda m, _: ("SIGABRT", m[1], []),
    ),
    ("runtime error: ", _UNDEFINED, lambda m, _: ("undefined behavior", m[4], [_native(None, m[1], m[2], m[3])])),
    ("Thread ", _GDB_THREAD, lambda m, _: (m[2], m[3], [])),
    ("Program ", _GDB_THREAD, lambda m, _: (m[2], m[3], [])),
    (
        "stop reason = ",
        re.compile(r"\* thread #.{0,300}? stop reason = (?:signal )?(\w{1,40})(?: \((.*)\))?"),
        lambda m, _: (m[1], m[2], []),
    ),
    (
        "Exception Type: ",
        re.compile(r"Exception Type: {1,8}(\w{1,40})(?: \((.*)\))?"),
        lambda m, _: (m[1], m[2], []),
    ),
    ("== ", _VALGRIND_HEAD, lambda m, _: ("Valgrind", m[1], [])),
    (
        "#  SIG",
        re.compile(r"#  (SIG\w{1,10}) \(0x[0-9a-f]+\) at (pc=0x[0-9a-f]+).*$"),
        lambda m, _: (m[1], f"A fatal error has been detected by the Java Runtime Environment: {m[2]}", []),
    ),
)  # fmt: skip
_SHELL = re.compile(
    r"(?:.{0,200}?: line \d{1,9}: +|.{0,100}?: )?(?:\d{1,10} )?(Segmentation fault|Aborted|Bus error|Illegal instruction|"
    r"Floating point exception|Trace/breakpoint trap)(?:\s+\(core dumped\))?(?:\s.*)?$"
)
_SHELL_SIGNALS = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
    "Floating point exception": "SIGFPE",
    "Trace/breakpoint trap": "SIGTRAP",
}


class _Stack(NamedTuple):
    """Adjacent frames, the crash first, and what stands above them."""

    first: int
    last: int
    frames: list[Frame]
    thread: tuple[str, str] | None  # gdb's number and description


class _Said(NamedTuple):
    """A headline. `after` is the number of the line from which on its frames may follow."""

    first: int
    after: int
    type: str | None
    value: str | None
    frames: list[Frame]
    is_sanitizer: bool = False
    thread: str | None = None
    strength: int = CRASH


def find(lines: Sequence[str]) -> Found | None:
    said = list(_headlines(lines))
    stacks = list(_stacks(lines))
    return last_of(sorted(_crashes(lines, said, stacks), key=lambda found: found.last))


def _crashes(lines: Sequence[str], said: list[_Said], stacks: list[_Stack]) -> Iterator[Found]:
    """Each headline with the stacks below it up to the next headline, and stacks that have no headline."""
    following = 0
    while following < len(stacks) and (not said or stacks[following].first < said[0].first):
        following += 1
    for unannounced in _dumps(stacks[:following]):
        yield _from_stacks(lines, unannounced, None)
    pending: _Said | None = None
    for number, headline in enumerate(said):
        end = said[number + 1].first if number + 1 < len(said) else len(lines)
        mine = []
        while following < len(stacks) and stacks[following].first < end:
            mine.append(stacks[following])
            following += 1
        joined = _joined(pending, headline)
        near = bool(mine) and (mine[0].first - headline.after <= _REACH)
        if near:
            yield _from_stacks(lines, mine, joined)
            pending = None
        else:
            yield _from_headline(joined)
            for unannounced in _dumps(mine):
                yield _from_stacks(lines, unannounced, None)
            pending = joined


def _joined(before: _Said | None, headline: _Said) -> _Said:
    """Under a debugger a program's own last words come right before the signal: they say more than SIGABRT."""
    if (
        before is None
        or headline.first - before.after > 4
        or headline.type != "SIGABRT"
        or before.is_sanitizer
    ):
        return headline
    return before._replace(after=headline.after, thread=headline.thread)


def _dumps(stacks: list[_Stack]) -> Iterator[list[_Stack]]:
    """Stacks without a headline, those of one `thread apply all bt` together."""
    group: list[_Stack] = []
    for stack in stacks:
        if group and not (stack.thread and group[-1].thread):
            yield group
            group = []
        group.append(stack)
    if group:
        yield group


def _from_headline(said: _Said) -> Found:
    exception = make_exception(said.type, said.value, said.frames)
    return Found(said.first, said.after - 1, [exception], None, (), said.strength)


def _from_stacks(lines: Sequence[str], stacks: list[_Stack], said: _Said | None) -> Found:
    crashed = next(
        (n for n, stack in enumerate(stacks) if said and stack.thread and stack.thread[0] == said.thread), 0
    )
    threads: list[dict[str, Any]] = [
        {"name": _stack_name(lines, stack), "frames": stack.frames[::-1]}
        for number, stack in enumerate(stacks)
        if number != crashed
    ]
    frames = stacks[crashed].frames[::-1]
    if said is None:
        first = stacks[0].first - (1 if stacks[0].thread else 0)
        exception = make_exception(None, None, frames)
        return Found(
            first,
            stacks[-1].last,
            [exception],
            lines[first].strip(),
            threads,
            WEAK if len(frames) > 1 else PARTIAL,
        )
    exception = make_exception(said.type, said.value, frames)
    if stacks[crashed].thread:
        exception["thread"] = stacks[crashed].thread[1]  # type: ignore[index]
    return Found(said.first, stacks[-1].last, [exception], None, threads, said.strength)


def _stack_name(lines: Sequence[str], stack: _Stack) -> str:
    if stack.thread:
        return stack.thread[1]
    related = _RELATED.match(lines[stack.first - 1]) if stack.first else None
    return related[1] if related else ""


def _headlines(lines: Sequence[str]) -> Iterator[_Said]:
    at = 0
    while at < len(lines):
        line = lines[at]
        said = _sanitizer(lines, at) if "Sanitizer: " in line else _spoken(lines, at)
        if said is not None:
            yield said
            at = said.after
        else:
            at += 1


def _spoken(lines: Sequence[str], at: int) -> _Said | None:
    line = lines[at]
    for mark, pattern, read in _HEADLINES:
        found = pattern.match(line) if mark in line else None
        if found:
            type_, value, frames = read(found, lines[at + 1 : at + 2])
            after = at + 2 if "throwing" in line and "what():" in "".join(lines[at + 1 : at + 2]) else at + 1
            thread = found[1] if pattern is _GDB_THREAD else None
            return _Said(at, after, type_, value, frames, pattern is _UNDEFINED, thread)
    found = _SHELL.match(line) if any(word in line for word in _SHELL_SIGNALS) else None
    if found:
        return _Said(at, at + 1, _SHELL_SIGNALS[found[1]], found[1], [], strength=WEAK)
    return None


def _sanitizer(lines: Sequence[str], at: int) -> _Said | None:
    head = _SANITIZER_HEAD.match(lines[at].lstrip())
    if head is None:
        return None
    tool, kind, rest = head[1], head[2].strip(), head[3].strip()
    value = rest.partition(" (pc ")[0].partition(" at pc ")[0]
    after = at + 1
    for line in lines[at + 1 : at + 6]:
        after += 1
        if access := _ACCESS.match(line):
            value = access[1]
            break
        if line.lstrip().startswith("#"):
            after -= 1
            break
    first = at - 1 if at and lines[at - 1].startswith("=====") else at
    return _Said(first, after, f"{tool}: {kind}", value or None, [], True)


def _stacks(lines: Sequence[str]) -> Iterator[_Stack]:
    at = 0
    while at < len(lines):
        read = _notation(lines[at])
        if read is None:
            at += 1
            continue
        first = at
        frames: list[Frame] = []
        last = at
        while at < len(lines):
            frame = read(lines[at]) if not (frames and _restarts(lines[at])) else None
            if frame is not None:
                frames.append(frame)
                last = at
            elif not _belongs_to_frame(lines[at], frames):
                break
            at += 1
        thread = _THREAD.match(lines[first - 1]) if first else None
        yield _Stack(first, last, frames, (thread[1], thread[2]) if thread else None)


def _restarts(line: str) -> bool:
    return line.lstrip().startswith("#0 ")


def _belongs_to_frame(line: str, frames: list[Frame]) -> bool:
    """Whether a line between frames is gdb's list of local variables; if so it becomes the frame's `vars`."""
    if line == "No locals." or line.startswith(("No symbol table", "(More stack frames follow")):
        return True
    if not line.startswith("        ") or line.lstrip().startswith("#"):
        return False
    local = _LOCAL.match(line)
    if local and frames:
        frames[-1].setdefault("vars", {})[local[1]] = local[2]
    return True


def _notation(line: str) -> Callable[[str], Frame | None] | None:
    """The reader for a stack whose first frame is `line`."""
    for mark, read in _FRAMES:
        if mark in line and read(line) is not None:
            return read
    return None


def _gdb_frame(line: str) -> Frame | None:
    found = _GDB.match(line)
    if found is None:
        return None
    address, rest = found[1], found[2]
    if rest == "<signal handler called>":
        return _native(rest, None, None, address=address)
    head, from_, library = rest.rpartition(" from ")
    if from_ and ")" not in library:
        return _native(_without_arguments(head), None, None, package=library, address=address)
    head, at, place = rest.rpartition(" at ")
    located = _PLACE.match(place) if at else None
    if located:
        return _native(_without_arguments(head), located[1], located[2], located[3], address=address)
    arguments = rest.partition(" (")[2]
    if not arguments.endswith(")") or (
        arguments != ")" and "=" not in arguments
    ):  # PHP and Dart number frames too
        return None
    return _native(_without_arguments(rest), None, None, address=address)


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
        return _native(function, located[1], located[2], located[3], package, address)
    if function and place.startswith("/"):  # built without line numbers
        return _native(function, place, None, None, package, address)
    return _native(rest, None, None, None, package, address) if address or package else None


def _lldb_frame(line: str) -> Frame | None:
    found = _LLDB.match(line)
    if found is None:
        return None
    located = _PLACE.match(found[4]) if found[4] else None
    function = _without_arguments(found[3].partition(" + ")[0])
    if located is None:
        return _native(function, None, None, None, found[2], found[1])
    return _native(function, located[1], located[2], located[3], found[2], found[1])


def _glibc_frame(line: str) -> Frame | None:
    found = _GLIBC.match(line)
    return _native(found[2] or None, None, None, None, found[1], found[3]) if found else None


def _numbered_frame(line: str) -> Frame | None:
    found = _NUMBERED.match(line)
    if found is None:
        return None
    located = _PLACE.match(found[2])
    if located:
        return _native(_without_arguments(found[1]), located[1], located[2], located[3])
    return _native(_without_arguments(found[1]), None, None, package=found[2])


def _valgrind_frame(line: str) -> Frame | None:
    found = _VALGRIND.match(line)
    if found is None:
        return None
    located = _PLACE.match(found[3])
    if located:
        return _native(_without_arguments(found[2]), located[1], located[2], address=found[1])
    return _native(
        _without_arguments(found[2]), None, None, package=found[3].removeprefix("in "), address=found[1]
    )


def _apple_frame(line: str) -> Frame | None:
    found = _APPLE.match(line)
    if found is None:
        return None
    located = _PLACE.match(found[4]) if found[4] else None
    function, package = _without_arguments(found[3]), found[1].strip()
    if located is None:
        return _native(function, None, None, None, package, found[2])
    return _native(function, located[1], located[2], None, package, found[2])


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


def _native(
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
    """The name without parameter types, so that `f(int)` of a sanitizer and `f (n=1)` of gdb are one function."""
    if not function.endswith((")", ") const")) or function.endswith("operator()"):
        return function
    depth = 0
    for at in range(function.rindex(")"), -1, -1):
        depth += {")": 1, "(": -1}.get(function[at], 0)
        if depth == 0:
            return function[:at] or function
    return function
