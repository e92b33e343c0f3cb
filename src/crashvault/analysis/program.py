"""A program at the commit that crashed, with what the commits before did to it: which functions, and what in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from .. import git
from .edits import KINDS, Edit, edits, tokens
from .review.functions import innermost, spans

NAME = re.compile(r"[A-Za-z_$][\w$]{2,}")
_FILES = 60  # that are looked through
_LEVELS = 3  # calls away from a frame
_FURTHER = 0.6  # of what a function counts for, one more call away

Reader = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]  # of files, by their paths


class Program:
    """What is known of the files that a trace goes through, of those that commits changed, and of some beside them."""

    def __init__(
        self, read: Reader, files: Iterable[str], history: Sequence[git.Change], traced: Sequence[str]
    ) -> None:
        self.edits = {change.id: edits(change.patch) for change in history}
        changed = [edit.change.path for found in self.edits.values() for edit in found]
        self._lines = read(list(dict.fromkeys([*traced, *changed, *_near(files, traced)]))[:_FILES])
        self._spans = {path: spans(path, lines) for path, lines in self._lines.items()}
        self._bodies: dict[str, set[str]] = {}  # of a function, by its name: the names in it
        for path, found in self._spans.items():
            for span in found:
                body = self._lines[path][span.first : span.last]
                self._bodies.setdefault(span.name, set()).update(NAME.findall("\n".join(body)))
        self.uses = Counter(token for lines in self._lines.values() for token in tokens(lines))
        self.touched = self._touched(history)

    def _touched(self, history: Sequence[git.Change]) -> dict[str, set[str]]:
        """The functions that each commit changed, by name. A line is followed through the commits after it."""
        found: dict[str, set[str]] = {}
        later: dict[str, list[Edit]] = {}  # of a path, the commit that came next first
        for commit in history:
            names = found.setdefault(commit.id, set())
            for edit in self.edits[commit.id]:
                path = edit.change.path
                names.update(filter(None, (self._function(path, line, later.get(path, ())) for line in _places(edit))))
                later.setdefault(path, []).insert(0, edit)
        return found

    def _function(self, path: str, line: int, later: Iterable[Edit]) -> str:
        for edit in later:
            line = edit.change.after(line) or next(
                (new for old, count, new, _ in edit.change.hunks if old <= line < old + count), line
            )
        span = innermost(self._spans.get(path, ()), line)
        return span.name if span else ""

    def reach(self, names: Mapping[str, float]) -> dict[str, float]:
        """Names with what they count for, and those that functions of these names use, and so on, for less."""
        found = dict(names)
        edge = dict(names)
        for _ in range(_LEVELS - 1):
            further: dict[str, float] = {}
            for name, weight in edge.items():
                for used in self._bodies.get(name, ()):
                    further[used] = max(further.get(used, 0.0), weight * _FURTHER)
            edge = {name: weight for name, weight in further.items() if weight > found.get(name, 0.0)}
            found.update(edge)
        return found

    def is_half_renamed(self, commit: str) -> bool:
        """Whether a commit replaces something by what nothing else knows, where something else still has the old one."""
        for edit in self.edits.get(commit, ()):
            for old, new in edit.replaced:
                if self._others(old) and self.uses[new] + self.uses[new.strip("\"'`")] == 1:
                    return True
        return False

    def _others(self, token: str) -> bool:
        bare = token.strip("\"'`")
        return any(self.uses[form] for form in (bare, f'"{bare}"', f"'{bare}'", f":{bare}")) if bare else False

    def kind(self, commit: str) -> str:
        """What a commit does at most; code, where its patch is not known."""
        known = self.edits.get(commit)
        return "code" if known is None else max((edit.kind for edit in known), key=KINDS.index, default="nothing")


def _near(files: Iterable[str], traced: Sequence[str]) -> list[str]:
    """Files of the same language as the traced ones, those in their directories first."""
    kinds = {path.rpartition(".")[2] for path in traced}
    folders = {path.rpartition("/")[0] for path in traced}
    return sorted(
        (path for path in files if path.rpartition(".")[2] in kinds),
        key=lambda path: path.rpartition("/")[0] not in folders,
    )


def _places(edit: Edit) -> list[int]:
    """The first line of each hunk, afterwards."""
    return [new if count else max(1, new) for _, _, new, count in edit.change.hunks]
