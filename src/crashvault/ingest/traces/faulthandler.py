"""Dumps of Python's `faulthandler` and fatal errors of the interpreter: every thread, most recent call
first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...models import Frame
from .shapes import CRASH, WEAK, Found, last_of, make_exception, make_frame

_HEADLINE = re.compile(r"(Fatal Python error|Windows fatal exception|Timeout)(?:: | \()(.*?)\)?!?$")
_SECTION = re.compile(r"((?:Current )?[Tt]hread\b.{0,200}?|Stack) \(most recent call first\):$")
_FRAME = re.compile(r'\s+File "(.+?)", line (\d{1,9}|\?\?\?) in (.+)$')
_C_FRAME = re.compile(r'\s+Binary file "(.+?)", at (\S*?)(?:\+0x[0-9a-f]+)? ?\[(0x[0-9a-f]{1,16})\]$')


def find(lines: Sequence[str]) -> Found | None:
    dumps = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if _HEADLINE.match(line) or (line.endswith("first):") and _SECTION.match(line)):
            dumps.append(_dump(lines, at))
            at = dumps[-1].last + 1
        else:
            at += 1
    return last_of(dumps)


def _dump(lines: Sequence[str], first: int) -> Found:
    headline = _HEADLINE.match(lines[first])
    at = last = first if headline is None else first + 1
    sections: list[tuple[str, list[Frame]]] = []
    while at < len(lines):
        line = lines[at]
        if section := _SECTION.match(line):
            sections.append((section[1], []))
        elif sections and (frame := _frame(line)):
            sections[-1][1].append(frame)
        elif _HEADLINE.match(line) or (line.strip() and sections and not line.startswith("  ")):
            break
        if line.strip():
            last = at
        at += 1
    return _found(first, min(last, len(lines) - 1), headline, sections)


def _frame(line: str) -> Frame | None:
    if found := _FRAME.match(line):
        return make_frame("python", found[1], found[2].strip("?"), None, found[3])
    if found := _C_FRAME.match(line):
        frame = make_frame("native", None, None, None, found[2])
        frame["package"] = found[1]
        frame["instruction_addr"] = found[3]
        return frame
    return None


def _found(first: int, last: int, headline: re.Match[str] | None, sections: list[tuple[str, list[Frame]]]) -> Found:
    crashed = next((n for n, (name, _) in enumerate(sections) if name[:7] in ("Current", "Stack")), 0)
    threads: list[dict[str, Any]] = [{"name": _thread_name(name), "frames": frames[::-1]} for name, frames in sections]
    crash: dict[str, Any] = threads.pop(crashed) if threads else {"name": "", "frames": []}
    exception = make_exception(headline and headline[1], headline and headline[2], crash["frames"])
    if crash["name"] not in ("", "Stack"):
        exception["thread"] = crash["name"]
    if headline is None:
        return Found(first, last, [exception], crash["name"], threads, WEAK)
    return Found(first, last, [exception], None, threads, CRASH)


def _thread_name(title: str) -> str:
    return title.removeprefix("Current thread ").removeprefix("Thread ")
