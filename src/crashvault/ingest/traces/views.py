"""Text as lines, and the ways in which a log may have scattered a trace over them.

Output of a container or a logger carries prefixes (`web_1  | `, `2026-11-23 18:56:00,123 [41] `),
colours, carriage returns and lines of other processes in between. A `View` is one reading of the text
as plain lines; `views` yields all sensible readings, so that language parsers see a trace the way its
runtime printed it and need no idea of logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

MAX_LINE = 8192  # characters; what a longer line has beyond that is nothing a stack trace needs
MAX_DEPTH = 4  # prefixes within prefixes: container, timestamp, process, level
_TIME_KEY = "time"

# Patterns are text here and compiled when first used (`re` remembers them): most texts need none of them, and
# this lies on the way of every event with a stack.
_ANSI = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])"

_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ZONE = r"(?:Z|\ ?[+-]\d\d:?\d\d|\ UTC)?"
_PREFIX = rf"""(?x)(?:
    (?P<time>
        \[?\d{{4}}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{{1,9}})?)?{_ZONE}\]?[:,]?
      | \[?{_CLOCK}\]?
      | \[\d\d-[A-Z][a-z]{{2}}-\d{{4}}\ {_CLOCK}(?:\ [A-Z][\w/]{{0,30}})?\]
      | \[(?:[A-Z][a-z]{{2}}\ )?[A-Z][a-z]{{2}}\ [\ \d]\d\ {_CLOCK}(?:\ \d{{4}})?\]
      | [A-Z][a-z]{{2}}\ [\ \d]\d\ {_CLOCK}
      | \[\ {{0,8}}\d{{1,9}}\.\d{{1,9}}\]
    )
    | (?P<name>
        (?:\d{{1,4}}\|)?[A-Za-z][\w.@-]{{0,63}}\ {{0,40}}\|   # docker compose, foreman, pm2
      | \[pod/[^\]\s]{{1,200}}\]                               # kubectl logs --prefix
      | \[(?:pid\ )?\d{{1,10}}\]:?                             # [1234]
      | (?:[\w.-]{{1,64}}\ )?[\w./@-]{{1,64}}\[\d{{1,10}}\]:   # syslog: host program[1234]:
      | (?:std(?:out|err))(?:\ [FP]|:)                         # a Kubernetes node's own log files
      | \[(?:[a-z_]{{1,20}}:)?(?:debug|info|notice|warn(?:ing)?|error|crit(?:ical)?|fatal|stderr|stdout)\]
      | \[(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\](?!\ FATAL\ UNHANDLED)
    ))(?:\ |$)"""
# A level without brackets counts as a prefix only behind another one: alone it is a word like any other.
_LEVEL = (
    r"(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRITICAL|FATAL(?! ERROR| UNHANDLED))"
    r"(?::| -)? {1,4}(?!\w+Sanitizer|DATA RACE)"
)


class View(NamedTuple):
    """One reading of a text. `bodies[n]` is the n-th line without colour, prefix and line end;
    `spans[n]` is where all of that line lies in the original text, as (start, end) offsets."""

    bodies: Sequence[str]
    spans: Sequence[tuple[int, int]]


def read_lines(text: str, plain: str) -> View:
    """The view of all lines of `text`; `plain` is the same text without terminal control sequences."""
    bodies = plain.split("\n")
    if "\r" in plain:
        bodies = [_after_carriage_return(body) for body in bodies]
    if len(plain) > MAX_LINE:
        bodies = [body[:MAX_LINE] for body in bodies]
    return View(bodies, _spans(text))


def strip_ansi(text: str) -> str:
    return re.sub(_ANSI, "", text) if "\x1b" in text else text


def _after_carriage_return(body: str) -> str:
    """What a terminal would show of a line that a progress bar has overwritten."""
    return body.rstrip("\r").rpartition("\r")[2]


def _spans(text: str) -> list[tuple[int, int]]:
    spans = []
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        spans.append((start, end - 1 if line.endswith("\r") else end))
        start = end + 1
    return spans


def views(whole: View, depth: int = MAX_DEPTH) -> Iterator[View]:
    """All readings of `whole` that differ: it without prefixes, each source of lines on its own, and each
    log record on its own. The lines of all views together number at most a small multiple of its lines."""
    cuts = _prefixes(whole.bodies, depth < MAX_DEPTH) if depth else {}
    if not cuts:
        yield whole
        return
    sources: dict[str, list[int]] = {}
    for number, (_, source) in cuts.items():
        sources.setdefault(source, []).append(number)
    bare = [number for number in range(len(whole.bodies)) if number not in cuts]
    for numbers in sources.values():
        yield from views(_select(whole, numbers, cuts), depth - 1)
    if any(whole.bodies[number] for number in bare):
        yield from _records(whole, cuts, depth)
        yield _select(whole, bare, cuts)


def _prefixes(bodies: Sequence[str], is_inner: bool) -> dict[int, tuple[int, str]]:
    """For each line that has a prefix: its first prefix's length, and what tells the line's source. A time
    does not, it differs from line to line."""
    suspects = [n for n, body in enumerate(bodies) if body and (is_inner or _may_have_prefix(body))]
    if not suspects:
        return {}
    prefix, level = re.compile(_PREFIX).match, re.compile(_LEVEL).match
    cuts: dict[int, tuple[int, str]] = {}
    for number in suspects:
        body = bodies[number]
        if found := prefix(body):
            cuts[number] = found.end(), _TIME_KEY if found["time"] else found["name"]
        elif found := level(body) if is_inner else None:
            cuts[number] = found.end(), found[0]
    return cuts


def _may_have_prefix(body: str) -> bool:
    """A cheap test that all lines with a prefix pass."""
    head = body[:145]
    return (
        head[0] in "[0123456789"  # a time, a process id
        or "|" in head
        or "]:" in head
        or head.startswith("std")
        or (head[3:4] == " " and head[9:10] == ":")  # Nov 23 18:56
    )


def _select(whole: View, numbers: Sequence[int], cuts: dict[int, tuple[int, str]]) -> View:
    bodies = [whole.bodies[n][cuts[n][0] :] if n in cuts else whole.bodies[n] for n in numbers]
    return View(bodies, [whole.spans[n] for n in numbers])


def _records(whole: View, cuts: dict[int, tuple[int, str]], depth: int) -> Iterator[View]:
    """Each prefixed line together with the lines without a prefix that follow it."""
    starts = [*cuts, len(whole.bodies)]
    for first, after in pairwise(starts):
        if after - first > 1:
            record = _select(whole, range(first, after), {first: cuts[first]})
            yield View([_bare(record.bodies[0], depth), *record.bodies[1:]], record.spans)


def _bare(body: str, depth: int) -> str:
    for _ in range(depth):
        found = _prefixes([body], is_inner=True)
        if not found:
            break
        body = body[found[0][0] :]
    return body
