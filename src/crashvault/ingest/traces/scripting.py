"""Languages that cost a table entry each: Perl, Lua, R, Dart, Swift.

An entry says how a headline and a frame look; frames are the lines below (or, for R, named in) it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ...models import Frame
from .shapes import CRASH, Found, last_of, make_exception, make_frame


class _Language(NamedTuple):
    """Groups named `type`, `value`, `file`, `line`, `column` and `function` are taken from the matches."""

    mark: str  # occurs in each headline
    headline: re.Pattern[str]
    skip: str  # the line between headline and frames, if there is one
    frame: re.Pattern[str] | None
    type: str | None = None  # where the headline names none
    needs_frames: bool = True
    callers: bool = False  # frames are (called function, place of the call), so places and functions shift


_LANGUAGES: tuple[_Language, ...] = (
    _Language(
        " line ",
        re.compile(
            r"(?P<value>\S.*) at (?P<file>\S{0,400}\.(?:pl|pm|t|cgi|psgi|plx)|-e|\(eval \d{1,9}\))"
            r" line (?P<line>\d{1,9})(?:, <\w{1,40}> (?:line|chunk) \d{1,12})?\.?$"
        ),
        "",
        re.compile(r"\t(?P<function>\S.*?)(?:\(.*\))? called at (?P<file>\S.*?) line (?P<line>\d{1,9})"),
        "die",
        needs_frames=False,
        callers=True,
    ),
    _Language(
        ": ",
        re.compile(r"(?:lua[\w.-]{0,20}|luajit): (?:(?P<file>[^:]{1,400}):" r"(?P<line>\d{1,9}): )?(?P<value>.*)$"),
        "stack traceback:",
        re.compile(r"\t(?P<file>[^:]{1,400}):(?:(?P<line>\d{1,9}):)? in (?P<function>.+)$"),
        "error",
    ),
    _Language(
        "Error",
        re.compile(r"Error(?: in (?P<function>.{1,300}?) ?)?: ?(?P<value>.*)$"),
        "",
        re.compile(r"Calls: (?P<function>.+)$"),
        "error",
    ),
    _Language(
        "",
        re.compile(r"(?:(?P<type>[A-Z]\w{0,100})(?: \([^)]{0,100}\))?: )?(?P<value>.*)$"),
        "",
        re.compile(
            r"#\d{1,6} {2,8}(?P<function>\S.*?) \((?P<file>\S.*?)(?::"
            r"(?P<line>\d{1,9}))?(?::(?P<column>\d{1,9}))?\)$"
        ),
    ),
    _Language(
        "Fatal error: ",
        re.compile(
            r"(?:(?P<file>[^:]{1,400}\.swift):(?P<line>\d{1,9}): )?"
            r"(?P<type>Fatal error): (?P<value>.*?)(?:: file .*)?$"
        ),
        "",
        None,
        needs_frames=False,
    ),
)
_LUA_NAME = re.compile(r"(?:function|upvalue|local|method|field|global|metamethod) [<'](.+)[>']$")


def find(lines: Sequence[str]) -> Found | None:
    traces = []
    at = 0
    while at < len(lines):
        found = _at(lines, at)
        if found is not None:
            traces.append(found)
            at = found.last
        at += 1
    return last_of(traces)


def _at(lines: Sequence[str], at: int) -> Found | None:
    for language in _LANGUAGES:
        if language.mark not in lines[at] or not _may_begin(lines, at, language):
            continue
        headline = language.headline.match(lines[at])
        found = _found(lines, at, language, headline) if headline else None
        if found is not None:
            return found
    return None


def _may_begin(lines: Sequence[str], at: int, language: _Language) -> bool:
    """Whether the line below is what must follow: that test is cheap, a headline may look like any text."""
    if not language.needs_frames:
        return not lines[at][:1].isspace()
    if at + 1 >= len(lines):
        return False
    below = lines[at + 1]
    return below == language.skip if language.skip else bool(language.frame and language.frame.match(below))


def _found(lines: Sequence[str], at: int, language: _Language, headline: re.Match[str]) -> Found | None:
    start = at + 2 if language.skip else at + 1
    after = start
    calls: list[dict[str, str | None]] = []
    while language.frame and after < len(lines) and (call := language.frame.match(lines[after])):
        calls.append(call.groupdict())
        after += 1
    said = headline.groupdict()
    if language.needs_frames and not calls:
        return None
    if not calls and not said.get("file"):
        return None
    if language.callers:
        calls = _shifted(said, calls)
    elif said.get("function"):
        calls = _called(said["function"] or "", calls)
    exception = make_exception(said.get("type") or language.type, said["value"], [_frame(call) for call in calls[::-1]])
    if not calls and said.get("file"):
        exception["frames"] = [_frame(said)]
    return Found(at, max(at, after - 1), [exception], None, (), CRASH)


def _shifted(said: dict[str, str | None], calls: list[dict[str, str | None]]) -> list[dict[str, str | None]]:
    """Perl writes a function beside the place it was called from."""
    functions = [*(call["function"] for call in calls), None]
    return [{**place, "function": name} for place, name in zip([said, *calls], functions, strict=True)]


def _called(function: str, calls: list[dict[str, str | None]]) -> list[dict[str, str | None]]:
    """R names the functions in one line, the oldest call first, and no places."""
    names = (calls[0]["function"] or "").split(" -> ") if calls else [function.partition("(")[0]]
    return [{"function": name.strip()} for name in reversed(names)]


def _frame(call: dict[str, str | None]) -> Frame:
    name = call.get("function")
    quoted = _LUA_NAME.match(name) if name else None
    function = quoted[1] if quoted else name
    return make_frame("other", call.get("file"), call.get("line"), call.get("column"), function)
