"""Patches without lines around (`git diff -U0`) → which lines of which files change."""

from __future__ import annotations

import re
from typing import NamedTuple

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class FileChange(NamedTuple):
    """What happens to one file. Line numbers are 1-based."""

    path: str  # afterwards; of a deleted file as it was
    old_path: str | None  # before; None: it is new
    added: dict[int, str]  # by their number afterwards
    removed: dict[int, str]  # by their number before
    hunks: tuple[tuple[int, int, int, int], ...]  # first line and number of lines, before and afterwards
    deleted: bool = False

    def after(self, line: int) -> int | None:
        """Where a line of the file before is afterwards; None: it was removed or rewritten."""
        shift = 0
        for old, old_count, _, new_count in self.hunks:
            if old_count and old <= line < old + old_count:
                return None
            if line >= old + max(old_count, 1) or (not old_count and line > old):
                shift += new_count - old_count
        return line + shift


def whole_file(path: str, lines: list[str]) -> FileChange:
    """A file all of whose lines count as changed."""
    return FileChange(path, path, dict(enumerate(lines, 1)), {}, ())


def parse_patch(patch: str) -> list[FileChange]:
    """The files of a patch; those without lines (binary, renamed, other mode) too, as far as they are named."""
    return [change for part in re.split(r"^diff --git ", patch, flags=re.M)[1:] if (change := _file(part))]


def _file(part: str) -> FileChange | None:
    head, _, body = part.partition("\n@@")
    old, new = _name(head, "---", "a/"), _name(head, "+++", "b/")
    if old is None and new is None:
        renamed = re.search(r"^rename from (.*)\nrename to (.*)$", head, re.M)
        return FileChange(_unquoted(renamed[2]), _unquoted(renamed[1]), {}, {}, ()) if renamed else None
    added: dict[int, str] = {}
    removed: dict[int, str] = {}
    hunks: list[tuple[int, int, int, int]] = []
    at_old = at_new = left_old = left_new = 0
    for row in f"@@{body}".split("\n") if body else ():
        found = _HUNK.match(row) if not (left_old or left_new) else None
        if found:
            at_old, left_old, at_new, left_new = (int(number) if number is not None else 1 for number in found.groups())
            hunks.append((at_old, left_old, at_new, left_new))
        elif row.startswith("-") and left_old:
            removed[at_old] = row[1:]
            at_old, left_old = at_old + 1, left_old - 1
        elif row.startswith("+") and left_new:
            added[at_new] = row[1:]
            at_new, left_new = at_new + 1, left_new - 1
    return FileChange(new or old or "", old, added, removed, tuple(hunks), deleted=new is None)


def _name(head: str, mark: str, prefix: str) -> str | None:
    found = re.search(rf"^{re.escape(mark)} (.*?)\t?$", head, re.M)
    if not found or found[1] == "/dev/null":
        return None
    return _unquoted(found[1]).removeprefix(prefix)


def _unquoted(name: str) -> str:
    """A path as git writes it where it has odd characters: in quotes, with escapes."""
    if not (len(name) > 1 and name[0] == name[-1] == '"'):
        return name
    raw = re.sub(
        rb'\\([0-7]{3}|["\\abfnrtv])',
        lambda match: bytes([int(match[1], 8)]) if len(match[1]) == 3 else _ESCAPES[match[1]],
        name[1:-1].encode("utf-8", "surrogateescape"),
    )
    return raw.decode("utf-8", "surrogateescape")


_ESCAPES = {
    b'"': b'"',
    b"\\": b"\\",
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}
