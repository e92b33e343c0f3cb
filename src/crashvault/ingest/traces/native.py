"""Native code: debuggers, sanitizers, and the last words of libc and the C++ runtime.

Headlines are a table (`_HEADLINES`), notations of frames another one (in `native_frames`). A crash is a
headline with the frames below it; either may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ...models import Frame
from .native_frames import native_frame, notation
from .shapes import CRASH, PARTIAL, WEAK, Found, last_of, make_exception

_REACH = 40  # lines between a headline and its frames

_LOCAL = re.compile(r"        (\w{1,200}) = (.*)$")

_THREAD = re.compile(r"Thread (\d{1,9}) \((.{1,200})\):$")
_GDB_THREAD = re.compile(
    r"(?:Thread (\d{1,9}) .{0,200}?|Program )(?:received|terminated"
    r" with) signal (SIG\w{1,10})(?:, (.+?))?\.?$"
)
_SANITIZER_HEAD = re.compile(
    r"(?:==\d{1,10}==\s?)?(?:ERROR|WARNING): (\w{1,40}Sanitizer): (detected memory"
    r" leaks|data race(?: on vptr)?|[\w-]+(?: \w+(?= on| \())?|.{1,80})(.*)$"
)
_ACCESS = re.compile(r"\s*((?:READ|WRITE|Read|Write|Atomic \w+|Direct leak|Indirect leak) of .*?):?$")
_RELATED = re.compile(
    r"\s*(?:==\d+==\s*)?((?:freed|previously"
    r" allocated|allocated|Previous|As if|Thread|Direct leak|Indirect leak|Mutex|"
    r"Location|Uninitialized|Memory was|Address).{0,300}?):?$"
)
_UNDEFINED = re.compile(r"(.+?):(\d{1,9}):(\d{1,9}): runtime error: (.+)$")
_VALGRIND_HEAD = re.compile(
    r"==\d{1,10}== ((?:Invalid|Use of|Conditional jump|Process"
    r" terminating|Jump to|Syscall param|Mismatched).+)$"
)

_Headline = tuple[str | None, str | None, list[Frame]]


def _terminate(found: re.Match[str], below: Sequence[str]) -> _Headline:
    value = below[0].partition("what():")[2].strip() if below and "what():" in below[0] else None
    return found[1], value, []


def _assertion(found: re.Match[str], below: Sequence[str]) -> _Headline:
    return "Assertion failed", found["what"], [native_frame(found["function"], found["file"], found["line"])]


_ASSERT = (
    r"(?P<file>[^:]{1,500}):(?P<line>\d{1,9}): (?:"
    r"(?P<function>.{1,500}?): )?Assertion [`'](?P<what>.*)' failed\.$"
)
_HEADLINES: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str], Sequence[str]], _Headline]], ...] = (
    ("terminate called", re.compile(r"terminate called after throwing an instance of '(.+)'$"), _terminate),
    ("terminate called", re.compile(r"terminate called (.+)$"), lambda m, _: ("std::terminate", m[1], [])),
    (
        "terminating",
        re.compile(
            r"libc\+\+(?:abi)?(?:\.dylib)?: terminating (?:due to|with)"
            r" uncaught exception of type (\S.*?)(?:: (.*))?$"
        ),
        lambda m, _: (m[1], m[2], []),
    ),
    ("Assertion ", re.compile(rf"(?:[^:]{{1,200}}: )?{_ASSERT}"), _assertion),
    (
        "Assertion failed: ",
        re.compile(
            r"Assertion failed: \(?(?P<what>.+?)\)?, function (?P<function>.+?),"
            r" file (?P<file>.+?), line (?P<line>\d{1,9})\.$"
        ),
        _assertion,
    ),
    (
        "Assertion failed: ",
        re.compile(
            r"Assertion failed: (?P<what>.+) \((?P<file>[^():]+): "
            r"(?P<function>[^():]+): (?P<line>\d{1,9})\)$"
        ),
        _assertion,
    ),
    ("***", re.compile(r"\*\*\* (.+ detected) \*\*\*:.*$"), lambda m, _: ("SIGABRT", m[1], [])),
    (
        "",
        re.compile(
            r"(?:\*\*\* Error in .{0,300}?: )?((?:double free or corruption|"
            r"(?:free|malloc|realloc|calloc|munmap_chunk|"
            r"malloc_consolidate|mremap_chunk)\(\): |corrupted (?:size"
            r" vs|double-linked)).*?)(?:: 0x[0-9a-f]{1,16} \*\*\*)?$"
        ),
        lambda m, _: ("SIGABRT", m[1], []),
    ),
    (
        "runtime error: ",
        _UNDEFINED,
        lambda m, _: ("undefined behavior", m[4], [native_frame(None, m[1], m[2], m[3])]),
    ),
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
)
_SHELL = re.compile(
    r"(?:.{0,200}?: line \d{1,9}: +|.{0,100}?: )?(?:\d{1,10} )?"
    r"(Segmentation fault|Aborted|Bus error|Illegal instruction|"
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
    """Under a debugger a program's own last words come right before the signal: they say more than
    SIGABRT."""
    if before is None or headline.first - before.after > 4 or headline.type != "SIGABRT" or before.is_sanitizer:
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
    crashed = next((n for n, stack in enumerate(stacks) if said and stack.thread and stack.thread[0] == said.thread), 0)
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
        read = notation(lines[at])
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
