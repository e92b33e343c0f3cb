"""Go: panics, fatal errors of the runtime, what `net/http` recovers, stack dumps and the race detector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...models import ExceptionInfo, Frame
from .shapes import CRASH, WEAK, Found, last_of, make_exception, make_frame

_MAX_HEADLINE_LINES = 40

_GOROUTINE = re.compile(r"goroutine (\d{1,12}) (?:[\w=. ]{0,80} )?\[([^\]]{1,200})\]:$")
_HEADLINE = re.compile(r"(?:.{0,200}?http: (panic) serving \S+: |(panic|fatal error): |(SIG[A-Z]{2,8}): )(.*)$")
_REPANIC = re.compile(r"\s+panic: (.*)$")
_RECOVERED = re.compile(r" \[recovered(?:, repanicked)?\]$")
_SIGNAL = re.compile(r"\[signal (SIG[A-Z]{2,8})")
_PLACE = re.compile(r"\s+(\S.*?):(\d{1,9})(?: \+0x[0-9a-f]{1,16}.*)?$")
_CREATED_BY = re.compile(r"created by (.+?)(?: in goroutine \d{1,12})?$")
_RACE_SECTION = re.compile(
    r"(Previous )?((?:[Rr]ead|[Ww]rite|[Aa]tomic \w+).{0,200}|Goroutine \d.{0,200} created at):$"
)


class _Goroutine(NamedTuple):
    first: int
    last: int
    number: str
    state: str
    frames: list[Frame]  # oldest call first

    @property
    def name(self) -> str:
        return f"goroutine {self.number} [{self.state}]"


def find(lines: Sequence[str]) -> Found | None:
    traces: list[Found] = []
    dump: list[_Goroutine] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("goroutine ") and (found := _GOROUTINE.match(line)):
            goroutine = _goroutine(lines, at, found)
            if dump and not _same_dump(lines, dump[-1], goroutine):
                traces.append(_found(lines, dump))
                dump = []
            dump.append(goroutine)
            at = goroutine.last
        elif line == "WARNING: DATA RACE":
            traces.append(_race(lines, at))
            at = traces[-1].last
        at += 1
    if dump:
        traces.append(_found(lines, dump))
    return last_of(sorted(traces, key=lambda found: found.last))


def _same_dump(lines: Sequence[str], before: _Goroutine, after: _Goroutine) -> bool:
    return not any(lines[number].strip() for number in range(before.last + 1, after.first))


def _goroutine(lines: Sequence[str], first: int, header: re.Match[str]) -> _Goroutine:
    frames: list[Frame] = []
    last = at = first
    while at + 1 < len(lines):
        at += 1
        frame = _frame(lines, at)
        if frame is not None:
            frames.append(frame)
            at += 1
        elif not lines[at].startswith("...") or "elided" not in lines[at]:
            break
        last = min(at, len(lines) - 1)
    return _Goroutine(first, last, header[1], header[2], frames[::-1])


def _frame(lines: Sequence[str], at: int) -> Frame | None:
    """The frame whose function is in line `at` and whose place is in the next one."""
    place = _PLACE.match(lines[at + 1]) if at + 1 < len(lines) else None
    line = lines[at].strip()
    if place is None:
        return None
    created = _CREATED_BY.match(line)
    if created:
        name = created[1]
    elif line.endswith(")"):
        name = line[: line.rfind("(")]
    else:
        return None
    module, function = split_symbol(name)
    return make_frame("go", place[1], place[2], None, function, module)


def split_symbol(symbol: str) -> tuple[str | None, str]:
    """Package and function of a symbol: `github.com/x/y%2ez.(*T).f` is `github.com/x/y.z`, `(*T).f`."""
    slash = symbol.rfind("/", 0, symbol.find("[") if "[" in symbol else len(symbol))
    dot = symbol.find(".", slash + 1)
    if dot < 0:
        return None, symbol
    return symbol[:dot].replace("%2e", "."), symbol[dot + 1 :]


def _found(lines: Sequence[str], dump: list[_Goroutine]) -> Found:
    crashed = dump[0]
    threads: list[dict[str, Any]] = [{"name": other.name, "frames": other.frames} for other in dump[1:]]
    first, headlines, signal = _headlines(lines, crashed.first)
    last = dump[-1].last
    if not headlines:
        frames = make_exception(None, None, crashed.frames)
        return Found(crashed.first, last, [frames], crashed.name, threads, WEAK)
    exceptions: list[ExceptionInfo] = [make_exception(kind, value, []) for kind, value in headlines]
    _share_frames(exceptions, crashed.frames)
    raised = exceptions[-1]
    raised["thread"] = crashed.name
    if signal:
        raised["mechanism"] = {"type": "signalhandler", "meta": {"signal": {"name": signal}}}
    if last + 1 < len(lines) and lines[last + 1].startswith("exit status "):
        last += 1
    return Found(first, last, exceptions, None, threads, CRASH)


def _share_frames(exceptions: list[ExceptionInfo], frames: list[Frame]) -> None:
    """Give the panic raised last all frames, and each earlier one those up to the call of `panic` that it
    was."""
    calls = [
        number for number, frame in enumerate(frames) if frame.get("function") == "panic" and "module" not in frame
    ]
    for exception, call in zip(exceptions[:-1], calls, strict=False):
        exception["frames"] = [frame.copy() for frame in frames[:call]]
    exceptions[-1]["frames"] = frames


def _headlines(lines: Sequence[str], at: int) -> tuple[int, list[tuple[str, str]], str | None]:
    """What is said above the first goroutine: number of its first line, (type, value) of each panic, the
    oldest first, and the signal."""
    signal = None
    for number in range(at - 1, max(-1, at - _MAX_HEADLINE_LINES), -1):
        line = lines[number]
        if line.startswith("[signal ") and (found := _SIGNAL.match(line)):
            signal = found[1]
        elif found := _HEADLINE.match(line):
            kind = found[1] or found[2] or found[3]
            return number, _panics(kind, found[4], lines[number + 1 : at]), signal
        elif _GOROUTINE.match(line):
            break
    return at, [], None


def _panics(kind: str, value: str, rest: Sequence[str]) -> list[tuple[str, str]]:
    panics = [(kind, value)]
    for line in rest:
        if repeated := _REPANIC.match(line):
            panics.append(("panic", repeated[1]))
        elif not line.strip() or line.startswith(("[signal ", "goroutine ", "runtime", "PC=")):
            break
        elif kind == "panic":
            panics[-1] = (panics[-1][0], f"{panics[-1][1]}\n{line.strip()}")
    return [(kind, _RECOVERED.sub("", value)) for kind, value in panics]


def _race(lines: Sequence[str], first: int) -> Found:
    """A report of the race detector: the access that it noticed, the rest of it as threads."""
    sections: list[tuple[str, list[Frame]]] = []
    at = first + 1
    while at < len(lines) and not lines[at].startswith(("=====", "WARNING: ")):
        section = _RACE_SECTION.match(lines[at])
        frame = _frame(lines, at) if sections and lines[at].startswith("  ") else None
        if section:
            sections.append((lines[at][:-1], []))
        elif frame:
            sections[-1][1].append(frame)
            at += 1
        elif lines[at].strip() and sections:
            break
        at += 1
    name, frames = sections[0] if sections else ("", [])
    threads = [{"name": other, "frames": frames[::-1]} for other, frames in sections[1:]]
    exception = make_exception("DATA RACE", name, frames[::-1])
    last = at if at < len(lines) and lines[at].startswith("=====") else at - 1
    return Found(first, last, [exception], None, threads, CRASH if sections else WEAK)
