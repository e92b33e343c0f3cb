"""What a commit does to code, as far as its patch tells: nothing that matters, only numbers, only more data, or something else.

Tokens are compared rather than lines, so that what only moves, is only given a name first, or is only declared otherwise
counts for nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from .review.hunks import FileChange, parse_patch

_MOST_TOKENS = 2_000  # of a hunk; larger ones are compared by their lines
_DOCUMENTS = (".md", ".rst", ".txt", ".adoc")
_COMMENT = re.compile(r"\s*(?:$|#|//|/?\*|--|;|<!--|(['\"]{3}).*\1$)")
_TOKEN = re.compile(r"""[A-Za-z_$@][\w$]*[?!]?|\d[\w.]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\S""")
_MODIFIERS = frozenset("const let var final static public private protected export auto ; readonly".split())
_NAMED_FIRST = re.compile(r"\s*(?:[A-Za-z_][\w<>\[\], ]*\s)?([A-Za-z_]\w*)\s*:?=\s*([^=].*?);?\s*$")
_TAKEN_APART = re.compile(r"\s*(?:const|let|var)?\s*\{\s*(\w+)\s*\}\s*=\s*(.+?);?\s*$")
_ENTRY = re.compile(r".*[,\[{(\]})]\s*$")
_KEY = re.compile(r"[\w./:-]*")  # what programs use to find something, rather than show it
_LOGGED = re.compile(
    r"\s*(console\.\w+|print\w*|puts|warn|p|log\w*(\.\w+)*|fmt\.Print\w*|System\.(out|err)\.\w+|e?println!|Log\.\w+)[\s(]"
)
_WORD = re.compile(r"[A-Za-z_$@]")


# What matters least comes first: nothing that runs, numbers, words for people, more entries of a table, anything else.
KINDS = ("nothing", "numbers", "text", "entries", "code")


class Edit(NamedTuple):
    """What a commit does to one file."""

    change: FileChange
    removed: frozenset[str]  # words and literals that are taken out, or replaced
    added: frozenset[str]
    beside: frozenset[str]  # the words before what is changed: the `unit` of `unit: "f"`
    replaced: frozenset[tuple[str, str]]  # word or literal → what stands there now
    kind: str  # one of KINDS


def edits(patch: str) -> list[Edit]:
    """Those of a patch without lines around, documents left out."""
    changes = [change for change in parse_patch(_with_heads(patch)) if not change.path.endswith(_DOCUMENTS)]
    moved = _lines(changes, "removed") == _lines(changes, "added")
    return [_edit(change, moved) for change in changes]


def _with_heads(patch: str) -> str:
    return patch if patch.startswith("diff --git ") else patch[max(0, patch.find("diff --git ")) :]


def _lines(changes: Sequence[FileChange], side: str) -> Counter[str]:
    return Counter(line.strip() for change in changes for line in getattr(change, side).values() if line.strip())


def _edit(change: FileChange, moved: bool) -> Edit:
    removed: set[str] = set()
    added: set[str] = set()
    beside: set[str] = set()
    replaced: set[tuple[str, str]] = set()
    kinds = ["nothing"]
    for before, after in _hunks(change):
        inlined, names = _inlined(after, before)
        old, new = _without_keys(tokens(before), names), _without_keys(tokens(inlined), names)
        if old == new or moved or _is_local_rename(old, new):
            continue
        kinds.append(_kind(old, new, after))
        for kind, first, last, start, end in _differences(old, new):
            removed.update(filter(_tells, old[first:last]))
            added.update(filter(_tells, new[start:end]))
            beside.update(_before(new, start) + _before(old, first))
            if kind == "replace" and last - first == end - start:
                replaced.update(
                    (a, b) for a, b in zip(old[first:last], new[start:end], strict=True) if _tells(a) and _tells(b)
                )
    return Edit(
        change,
        frozenset(removed),
        frozenset(added),
        frozenset(beside),
        frozenset(replaced),
        max(kinds, key=KINDS.index),
    )


def _hunks(change: FileChange) -> Iterator[tuple[list[str], list[str]]]:
    """The lines of code before and after, hunk by hunk."""
    for old, old_count, new, new_count in change.hunks:
        before = [change.removed.get(number, "") for number in range(old, old + old_count)]
        after = [change.added.get(number, "") for number in range(new, new + new_count)]
        yield (
            [line for line in before if not _COMMENT.match(line)],
            [line for line in after if not _COMMENT.match(line)],
        )


def tokens(lines: Sequence[str]) -> list[str]:
    """The words, literals and signs of code, without declarations' modifiers."""
    return [found for line in lines for found in _TOKEN.findall(line) if found not in _MODIFIERS]


def _without_keys(found: list[str], names: Sequence[str]) -> list[str]:
    """Tokens without `name:` for some names, which JavaScript leaves out where the value has the same name."""
    return [
        token
        for number, token in enumerate(found)
        if not (token in names and found[number + 1 : number + 2] == [":"])
        and not (token == ":" and number and found[number - 1] in names)
    ]


def _inlined(lines: Sequence[str], before: Sequence[str]) -> tuple[list[str], list[str]]:
    """Lines in which what is only given a name first stands in the place of the name; and these names."""
    left = list(lines)
    names: list[str] = []
    for line in lines:
        apart = _TAKEN_APART.fullmatch(line)
        found = apart or _NAMED_FIRST.fullmatch(line)
        if not found or line.strip() in (item.strip() for item in before):
            continue
        name, value = found[1], f"{found[2]}.{found[1]}" if apart else found[2]
        used = re.compile(rf"(?<![\w.$]){re.escape(name)}\b")
        others = [item for item in left if item is not line]
        if (
            len(others) < len(left)
            and any(used.search(item) for item in others)
            and tokens([value])[0] in tokens(before)
        ):
            left = [used.sub(lambda _, value=value: value, item) for item in others]  # type: ignore[misc]
            names.append(name)
    return left, names


def _differences(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int, int, int, int]]:
    if len(old) + len(new) > _MOST_TOKENS:
        yield "replace", 0, len(old), 0, len(new)
        return
    for kind, *place in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield kind, *place  # type: ignore[misc]


def _is_local_rename(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether a name that is declared and used in the same lines is only called otherwise, wherever it stands in them."""
    if len(old) != len(new):
        return False
    renamed = {(a, b) for a, b in zip(old, new, strict=True) if a != b}
    return all(
        _WORD.match(a) and _WORD.match(b) and old.count(a) > 1 and a not in new and b not in old
        and not any(old[at] == a and (old[at - 1 : at] == ["."] or old[at + 1 : at + 2] in (["("], [":"])) for at in range(len(old)))
        for a, b in renamed
    )  # fmt: skip


def _tells(token: str) -> bool:
    """Whether a token is a word or a literal of text."""
    return bool(_WORD.match(token)) or token[0] in "\"'`"


def _before(found: Sequence[str], at: int) -> list[str]:
    """The last word before a place, within a few tokens."""
    words = [token for token in found[max(0, at - 3) : at] if _WORD.match(token)]
    return words[-1:]


def _kind(old: Sequence[str], new: Sequence[str], after: Sequence[str]) -> str:
    changed = [
        token for _, first, last, start, end in _differences(old, new) for token in (*old[first:last], *new[start:end])
    ]
    if all(token[0].isdigit() or token in "+-*/%.,()" for token in changed):
        return "numbers"
    literals = [token for token in changed if token[0] in "\"'`"]
    for_people = any(not _KEY.fullmatch(token[1:-1]) for token in literals)
    if (len(literals) == len(changed) and for_people) or (not old and all(map(_LOGGED.match, after))):
        return "text"
    return "entries" if not old and all(map(_ENTRY.fullmatch, after)) else "code"
