"""A whole review: which files change, where they crashed, what the rules say."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ... import __version__, git
from ...clock import to_iso
from ...errors import InvalidError, NotFoundError
from ...models import Event
from ...source_tree import Source, find, open_source
from ...storage.store import Store
from ..signatures import places
from . import rules, tools, trees
from .code import read as read_code
from .findings import RULES, SEVERITIES, Finding, ordered
from .functions import spans
from .hunks import FileChange, parse_patch, whole_file
from .sites import sites

FORMAT = 1
MOST_FILES = 500
_TEST = re.compile(
    r"(^|/)(tests?|spec|__tests__)/|(^|/)test_[^/]*$|[._](test|spec)\.[^/]+$|_test\.[^/]+$|(Test|Tests|Spec)\.[^/]+$"
)

Begin = Callable[[str, int], Callable[[int], Any]]


class Subject(NamedTuple):
    """What is reviewed."""

    what: str  # in words
    source: Source
    changes: Sequence[FileChange]
    before: str | None  # commit of the state before; None: there is none, or it is the working tree
    after: str | None  # commit, git.INDEX, or None for the working tree


def of_files(directory: str, paths: Sequence[str]) -> Subject:
    """Whole files, in a repository or not. Raises NotFoundError."""
    root = git.repository(directory)
    base = root or os.path.realpath(directory)
    changes = []
    for path in paths:
        full = os.path.realpath(os.path.join(directory, path))
        inside = os.path.relpath(full, base).replace(os.sep, "/")
        lines = git.read(base, None, inside)
        if lines is None or inside.startswith("../"):
            raise NotFoundError(
                f"there is no file {path} that can be reviewed", "Name text files up to 2 MB, inside of this repository"
            )
        changes.append(whole_file(inside, lines))
    source = open_source(directory, None) if root else _source(base, [change.path for change in changes])
    return Subject(", ".join(change.path for change in changes), source, changes, None, None)


def of_event(directory: str, event: Event, limit: int = 10) -> Subject:
    """The files that an event's stack goes through, as far as they are here. Raises NotFoundError."""
    source = open_source(directory, None)
    base = _root(source)
    found = [find(source, {"file": place.file, "in_app": True}) for place in places(event)]
    paths = list(dict.fromkeys(path for path in found if path))[:limit]
    if not paths:
        raise NotFoundError(
            "no file of the event's stack is in this repository", "Run it where the program's source is"
        )
    changes = [whole_file(path, lines) for path in paths if (lines := git.read(base, None, path)) is not None]
    return Subject(f"the files of event {event['event_id'][:8]}", source, changes, None, None)


def of_diff(directory: str, *, staged: bool) -> Subject:
    """What is not staged yet, or what is staged."""
    source = open_source(directory, None)
    root = _root(source)
    patch = git.diff(root, *(("--cached",) if staged else ()))
    what = "what is staged" if staged else "what is not staged yet"
    return Subject(what, source, _changes(patch), git.resolve(root, "HEAD"), git.INDEX if staged else None)


def of_commit(directory: str, revision: str) -> Subject:
    """One commit against the one before."""
    source = open_source(directory, None)
    root = _root(source)
    commit = _resolved(root, revision)
    return Subject(
        f"commit {commit[:10]}",
        source,
        _changes(git.diff_of_commit(root, commit)),
        git.resolve(root, f"{commit}^"),
        commit,
    )


def of_range(directory: str, given: str) -> Subject:
    """`A..B`: from A to B; `A...B`: what B did since it left A."""
    source = open_source(directory, None)
    root = _root(source)
    left, dots, right = given.partition("..")
    if not dots:
        raise InvalidError(f"{given!r} is not a range", "Write it as A..B, such as main..HEAD")
    since_fork = right.startswith(".")
    first, last = _resolved(root, left or "HEAD"), _resolved(root, right.lstrip(".") or "HEAD")
    first = (git.merge_base(root, first, last) or first) if since_fork else first
    return Subject(f"{first[:10]}..{last[:10]}", source, _changes(git.diff(root, first, last)), first, last)


def _root(source: Source) -> str:
    if source.root is None:
        raise InvalidError("this is no git repository", "Go to one, or review files with: --file PATH")
    return source.root


def _resolved(root: str, revision: str) -> str:
    found = git.resolve(root, revision)
    if found is None:
        raise NotFoundError(f"git knows no revision {revision!r} here", "Name a commit, branch or tag")
    return found


def _changes(patch: str | None) -> list[FileChange]:
    if patch is None:
        raise InvalidError("git cannot tell the difference", "It may be larger than 16 MB; review a part of it")
    return [change for change in parse_patch(patch) if not change.deleted or change.removed][:MOST_FILES]


def _source(root: str, paths: Sequence[str]) -> Source:
    names: dict[str, list[str]] = {}
    for path in paths:
        names.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    return Source(root, None, names)


def review(store: Store, subject: Subject, now: int, begin: Begin, *, with_tools: bool = True) -> dict[str, Any]:
    """The findings in their documented shape (docs/code-review.md). `now` in microseconds."""
    root = subject.source.root or "."
    tests = _Tests(root)
    advance = begin("Looking for crashes", len(subject.changes))
    found: list[Finding] = []
    contents: dict[str, tuple[Sequence[str], Sequence[int]]] = {}
    with store.reading():
        for change in subject.changes:
            case = _case(store, subject, change, now)
            found += _judged(case, root, subject.before, tests)
            contents[change.path] = (case.after, list(change.added))
            advance(1)
    if with_tools:
        begin("Asking Ruff and Bandit", 1)
        found += tools.tool_findings(root, {path: content for path, content in contents.items() if content[0]})
    findings = ordered(found)
    counts = {name: sum(item.severity == name for item in findings) for name in reversed(SEVERITIES)}
    return {
        "crashvault": FORMAT,
        "version": __version__,
        "generated_at": to_iso(now),
        "what": subject.what,
        "files": [
            {"path": change.path, "added": len(change.added), "removed": len(change.removed)}
            for change in subject.changes
        ],
        "counts": counts,
        "findings": [{"id": f"F{number}", **item.shape()} for number, item in enumerate(findings, 1)],
        "rules": {name: RULES[name]._asdict() for name in dict.fromkeys(item.rule for item in findings)},
        "narrative": None,
        "warnings": list(_unparsed(subject.changes)),
    }


def _unparsed(changes: Sequence[FileChange]) -> Iterator[str]:
    """Languages that could be parsed, were the extra installed."""
    grammars = {grammar for change in changes if (grammar := trees.grammar_of(change.path))}
    names = sorted({grammar.name for grammar in grammars if not trees.is_installed(grammar)})
    if names:
        yield (
            f"functions of {', '.join(names)} are told by their lines, and what catches or guards is not looked at; "
            f"to have them parsed: {trees.INSTALL}"
        )


def _case(store: Store, subject: Subject, change: FileChange, now: int) -> rules.Case:
    root = subject.source.root or "."
    after = [] if change.deleted else git.read(root, subject.after, change.path) or []
    before = after if not change.hunks else _before(change, after)
    functions = spans(change.path, after)
    functions_before = functions if before is after else spans(change.old_path or change.path, before)
    known = sites(store, subject.source, change.old_path or change.path, before, functions_before)
    if not known and change.old_path not in (None, change.path):
        known = sites(store, subject.source, change.path, before, functions_before)
    return rules.Case(
        change,
        before,
        after,
        functions_before,
        functions,
        known,
        now,
        read_code(change.path, after) if known else None,
    )


def _before(change: FileChange, after: Sequence[str]) -> list[str]:
    """The file before a change, made from the one afterwards, so that the numbers of lines are surely those of the patch."""
    lines: list[str] = []
    at = 1  # in the file afterwards
    for old, old_count, new, new_count in change.hunks:
        until = new if new_count else new + 1
        lines += after[at - 1 : until - 1]
        lines += [change.removed.get(number, "") for number in range(old, old + old_count)]
        at = until + new_count
    return [*lines, *after[at - 1 :]]


def _judged(case: rules.Case, root: str, before: str | None, tests: _Tests) -> Iterator[Finding]:
    if not case.sites or _TEST.search(case.change.path):
        return

    def blame(line: int) -> git.Blame | None:
        return git.blame(root, before, case.change.old_path or case.change.path, line) if before else None

    yield from rules.crashed_lines(case)
    yield from rules.crashed_functions(case)
    yield from rules.fixes_undone(case, blame)
    yield from rules.swallowed(case)
    yield from rules.missing_guards(case)
    yield from rules.untested(case, tests.name)


class _Tests:
    """Which functions are named in tests: by those of the repository, those that a change brings among them."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._known: dict[str, bool] = {}

    def name(self, path: str, function: str) -> bool:
        if function not in self._known:
            self._known[function] = any(_TEST.search(found) for found in git.files_with_word(self._root, function))
        return self._known[function]
