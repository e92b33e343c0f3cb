"""Regular expressions compiled when first needed: a short command pays for each at import."""

from __future__ import annotations

import re

_compiled: dict[str, re.Pattern[str]] = {}


def compiled(source: str) -> re.Pattern[str]:
    """The pattern of `source`. Only for sources written in the program: they are kept for good."""
    pattern = _compiled.get(source)
    if pattern is None:
        pattern = _compiled[source] = re.compile(source)
    return pattern
