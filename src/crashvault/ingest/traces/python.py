"""Python tracebacks, as `traceback` and the interpreter print them: chains, groups, threads, tasks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...models import ExceptionInfo, Frame
from .shapes import CRASH, PARTIAL, WEAK, Found, indent, last_of, make_exception, make_frame

MAX_MESSAGE_LINES = 60
MAX_GROUP_DEPTH = 25  # `traceback` itself stops at 10
_LOOKAHEAD = 3  # lines of somebody else that may interrupt a traceback
_PRELUDE_REACH = 80  # lines between an announcement and its traceback (asyncio's debug mode prints a stack there)

_HEADER = "Traceback (most recent call last)"
_GROUP_HEADER = "+ Exception Group Traceback (most recent"
_STACK_HEADERS = ("Stack (most recent call last)", "Call stack:", "Object created at (most recent call last)")
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_FRAME = re.compile(r'\s*File "(.+?)", line (\d{1,9})(?:, in (.+))?$')
_EXCEPTION = re.compile(r"\s*([^\W\d]\w*(?:\.(?:\w+|<locals>))*)(?::\s?(.*))?$")
_REPEATED = re.compile(r"\s*\[Previous line repeated (\d{1,9}) more times?\]$")
_PRELUDES: tuple[tuple[str, str], ...] = (
    ("threading", r".*Exception in thread (.{1,200}?):$"),
    ("threading", r"(Process \S{1,200}):$"),
    ("asyncio", r".*(?:Task|Future) exception was never retrieved$"),
    ("asyncio", r".*Exception in callback .*"),
    ("unraisablehook", r".*Exception ignored (?:in|on|while|from|during)\b.*"),
    ("logging", r"--- Logging error ---$"),
)
_PRELUDE_MARKS = ("xception", "Process ", "--- Logging")
_TASK_NAME = re.compile(r"(?:future|handle): <\w{1,60}(?: finished)? name='([^']{1,200})'")
# What follows an exception line and is not a further line of its message; text, as few tracebacks need it.
_MESSAGE_END = r"""(?x)Traceback\ \(|\s*\+\ Exception\ Group|During\ handling\ of|The\ above\ exception|
    Exception\ (?:ignored|in)\ |
    Fatal\ Python|Task\ exception|Call\ stack:|Process\ \S+:$|Thread\ 0x|\"\"\"$|>>>\ |\$\ |sys:\d+:|
    [^\s:]{1,200}:\d{1,9}:\ \w*Warning:|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)[:\ ]|
    (?:make|gmake)(?:\[\d+\])?:\ \*\*\*|npm\ (?:ERR!|error)|error:\ Recipe"""


class _Traceback(NamedTuple):
    """One exception. `after` is the number of the line that follows it."""

    first: int
    after: int
    frames: list[Frame]
    type: str | None
    value: str | None
    children: list[list[_Traceback]]  # of a group, a chain each
    kind: str  # "traceback", or "stack" where no exception belongs to the frames


class _Prelude(NamedTuple):
    line: int
    kind: str
    name: str | None


def find(lines: Sequence[str]) -> Found | None:
    """The last traceback in `lines` that ended something, else the last ignored or incomplete one."""
    return last_of(list(_traces(lines)))


def _traces(lines: Sequence[str]) -> list[Found]:
    traces: list[Found] = []
    chain: list[_Traceback] = []
    prelude: _Prelude | None = None
    prelude_of_chain: _Prelude | None = None
    linked = False
    at = 0
    while at < len(lines):
        line = lines[at]
        traceback = _begin(lines, at)
        if traceback is None:
            linked = linked or line.strip() in _LINKS
            prelude = _prelude(line, at, prelude)
            at += 1
            continue
        if chain and not linked:
            traces.append(_found(lines, chain, prelude_of_chain))
            chain = []
        if not chain:
            prelude_of_chain = prelude
        if traceback.kind == "traceback":
            prelude = None
        chain.append(traceback)
        linked = False
        at = traceback.after
    if chain:
        traces.append(_found(lines, chain, prelude_of_chain))
    return traces


def _begin(lines: Sequence[str], at: int) -> _Traceback | None:
    line = lines[at]
    if _GROUP_HEADER in line:
        return _group(lines, at)
    if _HEADER in line or any(header in line for header in _STACK_HEADERS):
        return _traceback(lines, at)
    if 'File "' in line and _FRAME.match(line):
        return _traceback(lines, at)
    return None


def _prelude(line: str, at: int, current: _Prelude | None) -> _Prelude | None:
    """What announces the next traceback: the newest announcement, for as long as it is near."""
    if any(mark in line for mark in _PRELUDE_MARKS):
        for kind, pattern in _PRELUDES:
            found = re.match(pattern, line)
            if found:
                return _Prelude(at, kind, found[1] if found.re.groups else None)
    if current is None or at - current.line > _PRELUDE_REACH:
        return None
    task = _TASK_NAME.match(line) if current.kind == "asyncio" else None
    return current._replace(name=task[1]) if task else current


def _found(lines: Sequence[str], chain: list[_Traceback], prelude: _Prelude | None) -> Found:
    if prelude is not None:
        chain[-1] = _without_further_lines(chain[-1])
    exceptions = _flatten(chain)
    raised, last = exceptions[-1], chain[-1]
    first = chain[0].first
    message = None
    if prelude is not None and first - prelude.line <= _PRELUDE_REACH:
        first = prelude.line
        raised["mechanism"] = {"type": prelude.kind, **raised.get("mechanism", {})}
        if prelude.name:
            raised["thread"] = prelude.name
    elif first > 1 and lines[first - 1] == '"""' and "RemoteTraceback" in lines[first - 2]:
        first -= 2
    if raised["type"] is None:
        message = lines[first].strip()
    return Found(first, last.after - 1, exceptions, message, (), _strength(last, prelude))


def _without_further_lines(traceback: _Traceback) -> _Traceback:
    """The program went on after this one, so what follows its first line is more likely output than
    message."""
    head, newline, rest = (traceback.value or "").partition("\n")
    if not newline:
        return traceback
    return traceback._replace(value=head, after=traceback.after - 1 - rest.count("\n"))


def _strength(last: _Traceback, prelude: _Prelude | None) -> int:
    if last.type is None:
        return PARTIAL
    return WEAK if prelude is not None and prelude.kind in ("unraisablehook", "logging") else CRASH


def _traceback(lines: Sequence[str], at: int) -> _Traceback:
    """The traceback whose header, or whose first frame if the header was cut off, is line `at`."""
    headless = _FRAME.match(lines[at]) is not None
    kind = "stack" if any(header in lines[at] for header in _STACK_HEADERS) else "traceback"
    base = indent(lines[at])
    base = max(0, base - 2) if headless else base
    first, at = at, at if headless else at + 1
    frames: list[Frame] = []
    while at < len(lines):
        line = lines[at]
        if found := _FRAME.match(line) if 'File "' in line else None:
            frames.append(make_frame("python", found[1], found[2], None, found[3]))
        elif _HEADER in line or not line.strip():
            break
        elif indent(line) > base:
            _add_detail(frames, line)
        elif frames and kind == "traceback" and (found := _EXCEPTION.match(line)) and not _resumes(lines, at, base):
            value, after = _message(lines, at, base, found[2])
            return _Traceback(first, after, frames, found[1], value, [], kind)
        elif not _resumes(lines, at, base) and indent("".join(lines[at + 1 : at + 2])) < base + 4:
            break
        at += 1
    return _Traceback(first, at, frames, None, None, [], kind)


def _resumes(lines: Sequence[str], at: int, base: int) -> bool:
    """Whether line `at` only interrupts a traceback: a frame of it follows before anything else begins."""
    for line in lines[at + 1 : at + 1 + _LOOKAHEAD]:
        if _HEADER in line:
            return False
        if 'File "' in line and indent(line) == base + 2:
            return _FRAME.match(line) is not None
    return False


def _add_detail(frames: list[Frame], line: str) -> None:
    """Take over a line below a frame: the source, the marks below the source, or the note of a recursion."""
    text = line.strip()
    if not frames:
        return
    repeated = _REPEATED.match(line) if text.startswith("[Prev") else None
    if repeated:
        frames[-1]["count"] = int(repeated[1]) + 1
    elif "context_line" not in frames[-1] and text.strip("^~ "):
        frames[-1]["context_line"] = text


def _message(lines: Sequence[str], at: int, base: int, start: str | None) -> tuple[str | None, int]:
    """The message that begins in line `at` with `start`, and the number of the line after its last."""
    parts = [start or ""]
    for line in lines[at + 1 : at + MAX_MESSAGE_LINES]:
        text = line[base:]
        if not text.strip() or indent(line) < base or re.match(_MESSAGE_END, text):
            break
        parts.append(text.rstrip())
    return "\n".join(parts).strip("\n") or None, at + len(parts)


def _group(lines: Sequence[str], at: int) -> _Traceback:
    chain, after = _block(lines, at, lines[at].index("+"), 0)
    return chain[-1]._replace(first=at, after=max(after, at + 1))


def _block(lines: Sequence[str], at: int, margin: int, depth: int) -> tuple[list[_Traceback], int]:
    """The chain drawn at column `margin` from line `at` on, and the number of the line after it."""
    chain: list[_Traceback] = []
    inner: list[str] = []
    while at < len(lines):
        column, mark, rest = _margin(lines[at])
        if column < margin or not mark or (mark == "+" and rest.startswith("---")):
            break
        at += 1
        if column > margin:
            continue
        if rest.startswith("-+-"):
            chain += _plain_chain(inner)
            inner = []
            children, at = _children(lines, at, margin + 2, depth + 1)
            if chain and depth < MAX_GROUP_DEPTH:
                chain[-1] = chain[-1]._replace(children=children)
        else:
            inner.append(rest[1:])
    return (chain + _plain_chain(inner)) or [_Traceback(at, at, [], None, None, [], "traceback")], at


def _margin(line: str) -> tuple[int, str, str]:
    """Column of the margin, its mark (`|`, `+` or nothing) and what follows the mark."""
    column = indent(line)
    mark = line[column : column + 1]
    return (column, mark, line[column + 1 :]) if mark and mark in "|+" else (column, "", "")


def _children(lines: Sequence[str], at: int, margin: int, depth: int) -> tuple[list[list[_Traceback]], int]:
    children: list[list[_Traceback]] = []
    while at < len(lines):
        if depth > MAX_GROUP_DEPTH:
            return children, _skip_margin(lines, at)
        chain, at = _block(lines, at, margin, depth)
        children.append(chain)
        column, mark, rest = _margin(lines[at]) if at < len(lines) else (0, "", "")
        if column != margin or mark != "+":
            break
        at += 1
        if not rest.strip("-"):
            break
    return children, at


def _skip_margin(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and _margin(lines[at])[1]:
        at += 1
    return at


def _plain_chain(lines: list[str]) -> list[_Traceback]:
    """The tracebacks in `lines`, of which the margin was cut off; also an exception that shows no frames."""
    chain = []
    at = 0
    while at < len(lines):
        line = lines[at]
        found = _EXCEPTION.match(line)
        if _HEADER in line or _FRAME.match(line):
            chain.append(_traceback(lines, at))
            at = chain[-1].after
        elif found and line not in _LINKS:
            value, after = _message(lines, at, 0, found[2])
            chain.append(_Traceback(at, after, [], found[1], value, [], "traceback"))
            at = after
        else:
            at += 1
    return chain


def _flatten(chain: list[_Traceback]) -> list[ExceptionInfo]:
    """The exceptions of a chain, root cause first. Where a group is among them all get the ids by which
    Sentry links exceptions: 0 is the one raised last, `parent_id` names the group or what was caused, and
    `is_exception_group` marks the groups themselves, `source` the place of a member in its group."""
    if not any(traceback.children for traceback in chain):
        return [_exception(traceback) for traceback in chain]
    made: list[ExceptionInfo] = []
    _link(chain, None, made)
    return made[::-1]


def _link(chain: list[_Traceback], parent: int | None, made: list[ExceptionInfo], source: str | None = None) -> None:
    """Append the chain, the one raised last first, and below each group its members."""
    for traceback in reversed(chain):
        own = len(made)
        mechanism: dict[str, Any] = {"type": "chained", "exception_id": own}
        if traceback.children:
            mechanism["is_exception_group"] = True
        if parent is not None:
            mechanism["parent_id"] = parent
        if source is not None:
            mechanism["source"] = source
        made.append({**_exception(traceback), "mechanism": mechanism})
        for number, child in enumerate(traceback.children):
            _link(child, own, made, f"exceptions[{number}]")
        parent, source = own, None


def _exception(traceback: _Traceback) -> ExceptionInfo:
    module, _, name = (traceback.type or "").rpartition(".")
    return make_exception(name or None, traceback.value, traceback.frames, module)
