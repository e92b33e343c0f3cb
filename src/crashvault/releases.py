"""Which of two releases is the later one, as far as their names tell: `shop@1.10.0` comes after `shop@1.9.3-rc.1`."""

from __future__ import annotations

import re
from typing import Any

_VERSION = re.compile(
    r"v?(\d{1,18}(?:\.\d{1,18})*)(?:[-.]?([a-z][a-z0-9.-]{0,60}|\d[a-z0-9.-]{0,60}))?(?:\+.*)?", re.IGNORECASE
)
_NEXT = ">"  # before a release in `resolved_in`: in one that comes after it


def is_later(release: str, than: str) -> bool | None:
    """Whether a release came after another; None when their names don't tell. The same release is not later."""
    if release == than:
        return False
    name, version = _divided(release)
    other_name, other = _divided(than)
    if name != other_name or version is None or other is None:
        return None
    return version > other


def may_reopen(resolved_in: str | None, release: str | None) -> bool:
    """Whether an event of a release shows that what was resolved in `resolved_in` is not.

    `1.4` says that 1.4 and later are mended, `>1.4` that those after 1.4 are. An event that names no release,
    or one that cannot be compared, reopens: a crash too many is seen, one too few is not.
    """
    if not resolved_in or not release:
        return True
    if resolved_in.startswith(_NEXT):
        later = is_later(release, resolved_in[1:])
        return later if later is not None else True
    if release == resolved_in:
        return True
    later = is_later(release, resolved_in)
    return later if later is not None else True


def in_next(release: str) -> str:
    """`resolved_in` for what is mended in the release after this one."""
    return f"{_NEXT}{release}"


def shown(resolved_in: str) -> str:
    """`resolved_in` in words."""
    return f"a release after {resolved_in[1:]}" if resolved_in.startswith(_NEXT) else resolved_in


def _divided(release: str) -> tuple[str, Any]:
    """The name before the `@`, and what orders versions: numbers, then that a pre-release comes before them."""
    name, _, version = release.rpartition("@")
    match = _VERSION.fullmatch(version.strip())
    if not match:
        return name, None
    numbers = [int(part) for part in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    before = match[2]
    parts = (
        [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"[.-]", before.casefold())]
        if before
        else []
    )
    return name, (numbers, not before, parts)
