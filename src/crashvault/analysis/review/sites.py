"""Where a file has crashed: the innermost own frames of past events, laid on the file as it was before a change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...grouping.frames import judge
from ...source_tree import Source, find
from ...storage.analysing import Analysing, Crash
from ...storage.store import Store
from .functions import Span, innermost


class Site(NamedTuple):
    """One issue at one place of a file."""

    issue: int
    title: str
    status: str
    level: int  # rank
    exception: str  # type; "" where there is none
    function: str  # its own name; of an anonymous one, of that in which it stands
    line: int | None  # in the file before the change; None: it is not there any more, or reads otherwise
    events: int
    first: int  # microseconds
    last: int
    resolved_at: int | None


def sites(store: Store, source: Source, path: str, lines: Sequence[str], functions: Sequence[Span]) -> list[Site]:
    """Past crashes of a file of the repository, those with the most events first. `lines`: the file before the change."""
    reads = Analysing(store.db)
    name = path.rsplit("/", 1)[-1]
    called = [
        value
        for value in reads.files_called(name)
        if find(_folded(source), {"file": value, "in_app": True}) == path.casefold()
    ]
    found: dict[tuple[int, str, int | None], Site] = {}
    crashes = [(crash, frame) for crash in reads.crashes_in(called) if (frame := _crashing(crash, set(called)))]
    issues = {issue.id: issue for issue in store.issues.by_ids(sorted({crash.issue for crash, _ in crashes}))}
    for crash, frame in crashes:
        issue = issues.get(crash.issue)
        if issue is None or issue.status == "ignored":
            continue
        line = place(lines, frame, functions)
        function = _function(frame, line, functions)
        key = (issue.id, function, line)
        known = found.get(key)
        found[key] = Site(
            issue.id, issue.title, issue.status, issue.level, frame.get("exception") or "", function, line,
            crash.events + (known.events if known else 0), min(crash.first, known.first if known else crash.first),
            max(crash.last, known.last if known else 0), issue.resolved_at,
        )  # fmt: skip
    return sorted(found.values(), key=lambda site: (-site.events, site.issue, site.line or 0))


def _folded(source: Source) -> Source:
    """The paths of a repository as the words of the vault have them."""
    paths: dict[str, list[str]] = {}
    for name, held in source.paths.items():
        paths.setdefault(name.casefold(), []).extend(path.casefold() for path in held)
    return source._replace(paths=paths)


def _crashing(crash: Crash, paths: set[str]) -> Mapping[str, Any] | None:
    """The innermost frame of the program's own, of the root cause that has any, if it is in one of the files."""
    own: Mapping[str, Any] | None = None
    links: list[list[Mapping[str, Any]]] = []  # of one exception after the other, each from its oldest call on
    for frame in crash.frames:
        if frame["position"] == 0:
            links.append([])
        links[-1].append(frame)
    for link in links:
        own = next((frame for frame in reversed(link) if _is_own(frame)), None)
        if own is not None:
            break
    file = str((own or {}).get("file") or "").casefold().replace("\\", "/")
    return own if file in paths else None


def _is_own(frame: Mapping[str, Any]) -> bool:
    return frame.get("in_app") is not False and judge(frame, None).app  # type: ignore[arg-type]


def place(lines: Sequence[str], frame: Mapping[str, Any], functions: Sequence[Span]) -> int | None:
    """Where the line of a frame is in a file: by what it said, inside of its function first, nearest to where it was."""
    number, text = frame.get("line"), (frame.get("context_line") or "").strip()
    if not text:
        return number if number and 0 < number <= len(lines) else None
    same = [n for n, line in enumerate(lines, 1) if text in line and line.strip() == text]
    same.sort(key=lambda n: abs(n - (number or n)))
    name = short_name(frame.get("function"))
    inside = (n for n in same if (span := innermost(functions, n)) and span.name == name)
    return next(inside, same[0] if same else None)


def _function(frame: Mapping[str, Any], line: int | None, functions: Sequence[Span]) -> str:
    """The name of the function that crashed, as the file calls it."""
    name = short_name(frame.get("function"))
    span = innermost(functions, line) if line is not None else None
    return span.name if span and all(item.name != name for item in functions) else name


_INSIDE = re.compile(r"(?:block|rescue|ensure) (?:\(\d+ levels\) )?in |^(?:async |new |bound )")  # Ruby, JavaScript
_CLOSURE = re.compile(r"(?:\.func\d+(?:\.\d+)*|\.\d+|-fm|::\{\{?closure\}?\}(?:#\d+)?|::\{closure#\d+\})+$")  # Go, Rust
_LAMBDA = re.compile(r"lambda\$([\w$]+?)\$\d+")  # Java
_RECEIVER = re.compile(r"\(\*?([\w.\[\]]+)\)\.")  # Go
_HASH = re.compile(r"::h[0-9a-f]{16}$")  # Rust
_TEMPLATE = re.compile(r"(?<=\w)<.*>$")  # C++


def short_name(function: str | None) -> str:
    """A function's own name: `Cart.total` and `shop::Cart::total(int)` are `total`, and so is what is anonymous in it."""
    name = _INSIDE.sub("", function or "").replace("(anonymous namespace)::", "")
    name = _CLOSURE.sub("", _HASH.sub("", name))
    name = _RECEIVER.sub(r"\1.", name)
    name = _TEMPLATE.sub("", name.partition("(")[0].strip() or name)
    for mark in (".", "::", "#", ">", "/"):
        name = name.rpartition(mark)[2] or name
    found = _LAMBDA.fullmatch(name)
    return found[1] if found else name
