"""Foreign text for HTML and for Markdown: none of it is markup, turns writing around, or is invisible."""

from __future__ import annotations

import html
import re

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_CONTROL_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# A colon means something only in an address and around the name of an emoji.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#!|~&@$]|:(?=//|[a-z_+-]))", re.I)
_BLANKS = re.compile(r"\s+")
_RUN = re.compile("`+")
CELL = 200  # characters of a value in a line of Markdown


def html_text(value: object) -> str:
    """Foreign text where none of it is markup, changes the direction of writing, or is invisible."""
    return html.escape(_CONTROL.sub("\ufffd", str(value)), quote=True)


def markdown_text(text: object, longest: int = CELL) -> str:
    """Foreign text in one line, where none of it is markup."""
    line = _BLANKS.sub(" ", _CONTROL_LINES.sub("\ufffd", str(text).replace("\n", " "))).strip()
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    return _SPECIAL.sub(r"\\\1", line)


def fenced(text: str) -> str:
    """A block of code, in a fence that is longer than any in the text."""
    clean = _CONTROL_LINES.sub("\ufffd", text.replace("\r\n", "\n"))
    longest = max((len(run) for run in _RUN.findall(clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{clean}\n{fence}"


def code_span(text: str) -> str:
    """Foreign text for between backquotes."""
    return _CONTROL_LINES.sub("\ufffd", text).replace("`", "'")
