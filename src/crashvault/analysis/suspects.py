"""Which commit it probably was: what changed between the release before and the first one that crashed, near the frames.

Every commit of that range is a candidate. It gains by what it did, most for the frame that crashed and less the
further out: it wrote the very line, it changed the function (or took lines out of it), it changed a function that is
called there, it changed the file, or what it changed is named on the line that crashed. What only moves code, names it, or
adds to a table counts for little. Without releases the range ends at the time of the first crash, and older commits
count less. git is asked through a few calls with limits, until the time is up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .. import git
from ..clock import SECOND
from ..source_tree import Source, find, open_source, place_line
from .program import NAME, Program
from .review.functions import innermost, spans

MOST = 3  # suspects told
FRAMES = 6  # own frames looked at, from the crash on
_DEEP = 3  # of those, frames whose lines' history is asked for
_COMMITS = 300  # of a range
_AROUND = 12  # lines that stand for the function where its extent is not known
_HALF_AGE = 14 * 86_400  # seconds after which a commit counts half, where no release bounds the range

_WROTE_LINE, _CHANGED_FUNCTION, _CHANGED_CALLED, _MENTIONS, _CHANGED_FILE = 5.0, 4.0, 3.0, 2.5, 1.5
_TOOK_OUT, _CHANGED_BESIDE, _PUT_IN = 3.0, 2.1, 1.5  # a name of the line that crashed
_HALF_RENAMED = 2.0
_CREATED_FILE = 0.12  # of what else it did counts for a commit that brought the whole file
_LESS = 0.4  # what a frame counts for, the further it is from the crash
_OLDER = 0.05  # what a commit before the range is worth
_WORTH = {"nothing": 0.05, "numbers": 0.15, "text": 0.2, "entries": 0.3, "code": 1.0}  # by what a commit did at most
_LIMITS = 0.5  # what a changed number is worth where the crash is about numbers
_ABOUT_NUMBERS = re.compile(
    r"\b(range|index|bounds|zero|length|limit|size|overflow|too (many|large|long|small)|timed? ?out)", re.I
)
_DEFINITION = re.compile(
    r"\b(?:def|class|function|func|fn|sub|struct|interface|trait|impl|module)\s+([A-Za-z_$][\w$]*)"
)
_COMMENT = re.compile(r"\s*(?:$|#|//|/?\*|--|;|<!--|(['\"]{3}).*\1$)")
_DOCUMENTS = (".md", ".rst", ".txt", ".adoc")
_ASSIGNED = re.compile(
    r"^[\s@+-]*(?:const|let|var|static|public|private|final|export|\s)*([A-Za-z_$][\w$]{2,})\s*(?::[^=]*)?=(?!=)"
)
_CALLED = re.compile(r"([A-Za-z_$][\w$]{2,})\s*\(")
_QUOTED = re.compile(r"""['"`‘“]([^'"`’”\n]{3,60})['"`’”]""")


class Suspect(NamedTuple):
    commit: str  # 40 hexadecimal digits
    author: str
    at: int  # microseconds
    summary: str
    score: float  # points; only their order means something
    reasons: tuple[str, ...]  # the strongest first


class Case(NamedTuple):
    """What is known of the first crash."""

    frames: Sequence[Mapping[str, Any]]  # of the documented shape, the program's own, the crash first
    release: str | None  # in which it was first seen
    earlier: Sequence[str]  # other releases that were seen before that, latest first
    first_seen: int  # microseconds
    message: str = ""  # of the exception


class Range(NamedTuple):
    """The commits among which the cause is looked for."""

    until: str
    after: str | None  # the release before
    described: str


class Repository:
    """A repository that several cases are asked about; what git said is remembered."""

    def __init__(self, directory: str) -> None:
        self.root = git.repository(directory)
        self._sources: dict[str | None, Source] = {}
        self._histories: dict[tuple[str, str | None], list[git.Change]] = {}
        self._programs: dict[tuple[str, str | None, tuple[str, ...]], Program] = {}

    def source(self, commit: str) -> Source:
        found = self._sources.get(commit)
        if found is None:
            assert self.root is not None
            found = self._sources[commit] = open_source(self.root, commit)
        return found

    def history(self, until: str, after: str | None) -> list[git.Change]:
        key = (until, after)
        if key not in self._histories:
            assert self.root is not None
            self._histories[key] = git.history(self.root, until, after, limit=_COMMITS if after else 100, patches=True)
        return self._histories[key]

    def program(self, which: Range, traced: Sequence[str]) -> Program:
        """The program at the end of a range, with what its commits did."""
        key = (which.until, which.after, tuple(traced))
        if key not in self._programs:
            root = self.root
            assert root is not None
            self._programs[key] = Program(
                lambda paths: git.read_all(root, which.until, paths),
                git.files(root, which.until),
                self.history(which.until, which.after),
                traced,
            )
        return self._programs[key]

    def ids(self, which: Range) -> set[str]:
        """The commits of a range."""
        return {change.id for change in self.history(which.until, which.after)}


def range_of(root: str, case: Case) -> Range | None:
    """The commits between the release before and the first that crashed; without releases, those before the crash."""
    until = git.commit_of_release(root, case.release) if case.release else None
    if until is None:
        seconds = case.first_seen // SECOND
        last = git.commit_before(root, seconds + 1)
        return Range(last, None, "the commits before it was first seen") if last else None
    for release in case.earlier:
        before = git.commit_of_release(root, release)
        if before and git.is_ancestor(root, before.id, until.id):
            return Range(until.id, before.id, f"{before.name}..{until.name}")
    package = (case.release or "").rpartition("@")[0]
    tag = git.tag_before(root, until.id, f"{package}@*" if package and "@" in until.name else None)
    if tag:
        return Range(until.id, tag.id, f"{tag.name}..{until.name}")
    return Range(until.id, None, f"the commits up to {until.name}")


def suspects(repository: Repository, case: Case, time_is_up: Callable[[], bool]) -> tuple[Range | None, list[Suspect]]:
    """The commits that most probably brought a crash, the first one first."""
    root = repository.root
    found = range_of(root, case) if root else None
    if root is None or found is None:
        return None, []
    changes = {change.id: change for change in repository.history(found.until, found.after)}
    points: dict[str, dict[str, float]] = {}
    located = list(_located(repository, found.until, case.frames))
    program = repository.program(found, [place.path for place in located])
    for depth, place in enumerate(located):
        if time_is_up():
            break
        for commit, reason, gain in _gains(root, found, place, depth, changes, program):
            if f"--- /dev/null\n+++ b/{place.path}\n" in f"{commit.patch}\n":
                gain *= _CREATED_FILE
            reasons = points.setdefault(commit.id, {})
            changes.setdefault(commit.id, commit)
            reasons[reason] = max(reasons.get(reason, 0.0), gain / (1 + _LESS * depth))
    for commit, reason, gain in _mentions(case.message, [changes[key] for key in repository.ids(found)]):
        points.setdefault(commit.id, {})[reason] = gain
    for key in repository.ids(found):
        if program.is_half_renamed(key):
            points.setdefault(key, {})["renamed something that is still used by its old name"] = _HALF_RENAMED
    known = repository.ids(found)
    scored = [
        _suspect(changes[key], reasons, found, case, key in known, program.kind(key)) for key, reasons in points.items()
    ]
    return found, sorted(scored, key=lambda item: (-item.score, -item.at, item.commit))[:MOST]


class _Located(NamedTuple):
    path: str
    line: int
    first: int  # of the function around
    last: int
    function: str
    text: str  # of the function


def _located(repository: Repository, commit: str, frames: Sequence[Mapping[str, Any]]) -> Iterator[_Located]:
    """The frames that lie in the repository, with the function around the line."""
    source = repository.source(commit)
    assert source.root is not None
    for frame in frames[:FRAMES]:
        path = find(source, frame)
        lines = git.read(source.root, source.commit.id if source.commit else None, path) if path else None
        line = place_line(lines, frame) if lines and frame["line"] else None
        if path and lines and line:
            first, last = function_around(path, lines, line)
            yield _Located(path, line, first, last, str(frame["function"] or ""), "\n".join(lines[first - 1 : last]))


def function_around(path: str, lines: Sequence[str], line: int) -> tuple[int, int]:
    """First and last line of the innermost function around a line, or of a stretch where no function is known."""
    span = innermost(spans(path, lines), line)
    return (span.first, span.last) if span else (max(1, line - _AROUND), min(len(lines), line + _AROUND // 2))


_Gain = tuple[git.Change, str, float]


def _gains(
    root: str, found: Range, place: _Located, depth: int, changes: Mapping[str, git.Change], program: Program
) -> Iterator[_Gain]:
    """What commits did to a frame."""
    where = f"{place.path}:{place.line}"
    name = f"{place.function}()" if place.function else f"the lines around {where}"
    blame = git.blame_lines(root, found.until, place.path, place.line, place.line).get(place.line)
    if blame and blame.commit:
        wrote = changes.get(blame.commit) or git.Change(blame.commit, blame.author, blame.at, blame.summary, "")
        yield wrote, f"wrote the line {where}", _WROTE_LINE
    if depth < _DEEP:
        for change in git.line_history(
            root, found.until, place.path, place.first, place.last, after=found.after, limit=10
        ):
            yield changes.get(change.id, change), f"changed {name} in {place.path}", _CHANGED_FUNCTION
    crashing = set(NAME.findall(place.text.split("\n")[place.line - place.first])) - {place.function}
    called = dict.fromkeys(set(_CALLED.findall(place.text)) - {place.function}, 0.8)
    called |= dict.fromkeys(_given(place.text, crashing) - {place.function}, 0.9) | dict.fromkeys(crashing, 1.0)
    reached = program.reach(called)
    for change in changes.values():
        if place.path in change.files:
            yield change, f"changed {place.path}", _CHANGED_FILE
        names = program.touched.get(change.id, set()) | changed_names(change.patch)
        for function in sorted(names & reached.keys()):
            yield change, f"changed {function}, which {name} uses", _CHANGED_CALLED * reached[function]
        yield from _of_line(change, crashing, program, where)


def _given(text: str, names: set[str]) -> set[str]:
    """What is called where some names get their values in a function."""
    lines = [line for line in text.split("\n") if set(_ASSIGNED.findall(line)) & names]
    return {name for line in lines for name in _CALLED.findall(line)}


def _of_line(change: git.Change, crashing: set[str], program: Program, where: str) -> Iterator[_Gain]:
    """What a commit did to names that stand on the line, wherever it did so."""
    for edit in program.edits.get(change.id, ()):
        for found, gain in ((edit.removed, _TOOK_OUT), (edit.beside, _CHANGED_BESIDE), (edit.added, _PUT_IN)):
            for name in sorted(crashing & {token.strip("\"'`@:") for token in found})[:1]:
                yield change, f"changed something about {name}, which stands on the line {where}", gain


def _mentions(message: str, changes: Iterable[git.Change]) -> Iterator[_Gain]:
    """Commits whose changed code has what the exception names in quotes."""
    words = list(dict.fromkeys(_QUOTED.findall(message)))[:3]
    for change in changes if words else ():
        lines = [line for part in code_lines(change.patch) for line in part]
        for word in words:
            if any(word in line for line in lines):
                yield change, f"changed lines with “{word}”", _MENTIONS


def changed_names(patch: str) -> set[str]:
    """Names of what a patch touches: functions, classes and variables, by its hunks' headings and the lines it writes."""
    found: set[str] = set()
    for row in patch.split("\n"):
        if row.startswith("@@"):
            row = row.split("@@", 2)[-1]
        elif row[:1] not in ("+", "-") or row.startswith(("+++", "---")) or _COMMENT.match(row, 1):
            continue
        found.update(_DEFINITION.findall(row))
        found.update(_ASSIGNED.findall(row))
    return found


def code_lines(patch: str) -> tuple[list[str], list[str]]:
    """The lines that a patch adds and removes, without comments, blank lines and what lies in documents."""
    added: list[str] = []
    removed: list[str] = []
    document = False
    for row in patch.split("\n"):
        if row.startswith(("--- ", "+++ ")):
            document = row.endswith(_DOCUMENTS)
        elif row[:1] in ("+", "-") and not document and not _COMMENT.match(row, 1):
            (added if row[0] == "+" else removed).append(row[1:])
    return added, removed


def _suspect(
    change: git.Change, reasons: Mapping[str, float], found: Range, case: Case, in_range: bool, kind: str
) -> Suspect:
    points = sum(sorted(reasons.values(), reverse=True)[:4])
    if found.after:
        points *= 1.0 if in_range else _OLDER
    else:
        age = max(0, case.first_seen // SECOND - change.at)
        points *= 0.5 ** (age / _HALF_AGE) + 0.05
    points *= _weight(change, reasons, case, kind)
    order = sorted(reasons, key=lambda reason: -reasons[reason])
    said = (*order[:3], *((f"is one of {found.described}",) if found.after and in_range else ()))
    return Suspect(change.id, change.author, change.at * SECOND, change.summary, round(points, 2), said)


def _weight(change: git.Change, reasons: Mapping[str, float], case: Case, kind: str) -> float:
    """How probable it is that what a commit did breaks anything."""
    if change.patch and not any(code_lines(change.patch)):
        return _WORTH["nothing"]
    if kind == "numbers" and _WROTE_LINE in reasons.values():
        return 1.0
    return _LIMITS if kind == "numbers" and _ABOUT_NUMBERS.search(case.message) else _WORTH[kind]
