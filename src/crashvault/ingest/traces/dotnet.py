""".NET and Mono: exceptions with inner exceptions, aggregates, asynchronous methods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ...models import Frame
from .shapes import CRASH, PARTIAL, Found, last_of, line_above, make_exception, make_frame

_FRAME = re.compile(r"\s+at ([^\s(][^()]{0,1000}?) ?\(([^()]*)\)(?: \[0x[0-9a-f]+\])?(?: in (.*))?$")
_PLACE = re.compile(r"(.+):(?:line )?(\d{1,9})$")
_HEADER = re.compile(
    r"""\s*(?:Unhandled\ [Ee]xception[.:]\s|\[ERROR\]\ FATAL\ UNHANDLED\ EXCEPTION:\s|-{1,3}>\s)?
    (?:\(Inner\ Exception\ \#\d+\)\s)?(?P<type>[A-Za-z_][\w]*(?:[.+][\w`]+)*)(?::\s?(?P<value>.*))?$""",
    re.VERBOSE,
)
_STRONG = re.compile(r"(?:Exception|Error|Failure)$")
_SEPARATOR = re.compile(r"\s*--- End of (inner exception stack trace|stack trace from previous location.*) ---\s*$")
_MEMBER = re.compile(r"\s*---> \(Inner Exception #(\d{1,6})\)")
_ASYNC = re.compile(r"<(\w+)>d__\d+$")
_GENERIC = re.compile(r"\[[^\[\]]*\]")
_HEX_FILE = re.compile(r"<[0-9a-f]{8,64}>$")


class _Error(NamedTuple):
    type: str
    value: str
    frames: list[Frame]  # the crash first


def find(lines: Sequence[str]) -> Found | None:
    traces: list[Found] = []
    floor = at = 0
    while at < len(lines):
        if _frame(lines[at]) is None:
            at += 1
            continue
        groups, after = _groups(lines, at)
        found = _found(lines, at, after, floor, groups)
        member = _MEMBER.match(lines[found.first])
        if member and traces:
            traces[-1] = _with_member(traces[-1], found, int(member[1]))
        else:
            traces.append(found)
        at = floor = after
    return last_of(traces)


def _with_member(aggregate: Found, member: Found, number: int) -> Found:
    """Below an `AggregateException` all it holds are listed; number 0 was already shown as its inner
    exception."""
    exceptions = aggregate.exceptions
    if number > 0:
        exceptions = [*exceptions[:-1], *member.exceptions, exceptions[-1]]
    return aggregate._replace(last=member.last, exceptions=exceptions)


def _groups(lines: Sequence[str], at: int) -> tuple[list[list[Frame]], int]:
    """The frames of each exception, the innermost exception first, and the number of the line after them."""
    groups: list[list[Frame]] = [[]]
    after = at
    while at < len(lines):
        line = lines[at]
        separator = _SEPARATOR.match(line) if "---" in line else None
        frame = _frame(line)
        if frame is not None:
            groups[-1].append(frame)
        elif separator and separator[1].startswith("inner"):
            groups.append([])
        elif not separator:
            break
        at += 1
        after = at
        if line.rstrip().endswith("<---"):
            break
    return groups, after


def _found(lines: Sequence[str], at: int, after: int, floor: int, groups: list[list[Frame]]) -> Found:
    header = line_above(lines, at, floor, _HEADER, lambda found: _STRONG.search(found["type"]) is not None)
    if header is None:
        return Found(at, after - 1, [make_exception(None, None, groups[-1][::-1])], None, (), PARTIAL)
    first = _outermost_header(lines, header[0], floor)
    errors = _errors("\n".join(lines[first:at]))
    # Frames are listed from the innermost exception outwards; an inner one that was never thrown has none.
    frames = groups[-len(errors) :]
    frames = [[]] * (len(errors) - len(frames)) + frames
    exceptions = [
        make_exception(type_, value, own[::-1]) for (type_, value), own in zip(reversed(errors), frames, strict=True)
    ]
    if first > floor and lines[first - 1].strip() in ("Unhandled Exception:", "Unhandled exception."):
        first -= 1
    return Found(first, after - 1, exceptions, None, (), CRASH)


def _outermost_header(lines: Sequence[str], number: int, floor: int) -> int:
    """The outer exceptions have a line each above: ` ---> Inner` follows the one that holds it."""
    while number > floor and lines[number].lstrip().startswith("--->"):
        above = line_above(lines, number, floor, _HEADER, lambda found: _STRONG.search(found["type"]) is not None)
        if above is None:
            break
        number = above[0]
    return number


def _errors(text: str) -> list[tuple[str, str]]:
    """(type, value) of `Outer: m ---> Inner: n`, the outer one first."""
    errors = []
    for part in text.split("---> "):
        found = _HEADER.match(part.partition("\n")[0])
        if found:
            rest = part.partition("\n")[2].strip()
            value = (found["value"] or "").strip()
            errors.append((found["type"], f"{value}\n{rest}" if rest else value))
        elif errors:
            errors[-1] = (errors[-1][0], f"{errors[-1][1]}---> {part}".strip())
    return errors or [("Exception", text.strip())]


def _frame(line: str) -> Frame | None:
    found = _FRAME.match(line.rstrip().removesuffix("<---").rstrip()) if "at " in line else None
    if found is None:
        return None
    qualified, parameters, place = found[1], found[2], found[3]
    named = "." in qualified or qualified.startswith("lambda_method")
    if not named or "/" in qualified or _is_foreign(qualified, parameters):
        return None
    located = _PLACE.match(place) if place else None
    file, number = (located[1], located[2]) if located else (None, None)
    if file and _HEX_FILE.match(file):  # Mono has a module id where it has no debugging symbols
        file = number = None
    module, function = split_method(qualified)
    return make_frame("csharp", file, number, None, function, module)


def _is_foreign(qualified: str, parameters: str) -> bool:
    """Java and JavaScript print frames of the same shape, with a place where .NET has the parameters."""
    tail = parameters.rpartition(":")[2]
    if tail.isdecimal() or parameters in ("Native Method", "Unknown Source", "<anonymous>", "native"):
        return True
    return parameters.endswith((".java", ".kt", ".scala")) or " " in qualified.partition("[")[0]


def split_method(qualified: str) -> tuple[str, str]:
    """Type and method. The compiler's state machine of an asynchronous method stands for that method."""
    module, _, function = _GENERIC.sub("", qualified).rpartition(".")
    if function in ("ctor", "cctor") and module.endswith("."):
        return module[:-1], f".{function}"
    outer, _, inner = module.replace("+", ".").rpartition(".")
    found = _ASYNC.match(inner) if function == "MoveNext" else None
    return (outer, found[1]) if found else (module, function)
