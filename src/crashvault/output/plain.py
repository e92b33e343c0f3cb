r"""Markup, tables and panels as plain text, for pipes, files, NO_COLOR and narrow encodings.

Our markup is the small common part of Rich's: `[tag]…[/tag]`, `[/]` closes the innermost tag. Only tags
that are known count; every other bracket is text, so `pip install 'crashvault[tui]'` and a mistyped tag
are both seen as they were written. A backslash escapes a bracket or a backslash. `escape` produces text
that can neither open a tag nor reach the terminal's control functions, whatever it is joined with.

Pure: nothing here looks at the terminal, the environment or a stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

GAP = 2  # blank cells between two columns

_TOKEN = r"\\([\\\[])|\[(/?)([a-z][a-z0-9._]*|#[0-9a-fA-F]{6}|)\]"
_ANSI = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
_UNSAFE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

_ASCII = {
    ord(fancy): simple
    for fancies, simples in (
        ("…", ["~"]),  # one cell, so that columns stay aligned
        ("▁▂▃▄▅▆▇█", list("._-=+*%#")),
        ("─━╌╍┄┅═╴╶╸╺", ["-"] * 11),
        ("│┃║╎╏┆┇", ["|"] * 7),
        ("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛┡┩╇╞╪╡┝┿┥┠╂┨╔╗╚╝╠╣╦╩╬", ["+"] * 38),
        ("•·●○▪", list("*.*o*")),
        ("→←↑↓▶▸›", ["->", "<-", "^", "v", ">", ">", ">"]),
        ("✓✔✗✘", ["ok", "ok", "x", "x"]),
        ("–—×“”‘’", ["-", "-", "x", '"', '"', "'", "'"]),
    )
    for fancy, simple in zip(fancies, simples, strict=True)
}


class Column(NamedTuple):
    """One column of a table. Widths are in cells and hold on terminals only; a pipe gets everything."""

    name: str
    justify: Literal["left", "right", "center"] = "left"
    style: str = ""  # one of the tags, for the whole column
    min_width: int = 4  # given up only when the terminal is too narrow for all columns at theirs
    max_width: int | None = None
    ratio: int = 0  # more than 0: gives up its width before the others do
    no_wrap: bool = True  # True: a long cell is cut with …, False: it continues on the next line
    spare: int = 0  # more than 0: left out where the terminal is too narrow, the highest first


class Span(NamedTuple):
    """A run of text and the tags around it, outermost first."""

    text: str
    tags: tuple[str, ...]


def spans(markup: str, tags: frozenset[str]) -> list[Span]:
    """Split markup into runs of equally tagged text. Never raises: a stray closing tag is dropped."""
    if "[" not in markup and "\\" not in markup:
        return [Span(markup, ())] if markup else []
    found: list[Span] = []
    opened: list[str] = []
    text: list[str] = []
    position = 0
    for match in re.finditer(_TOKEN, markup):
        text.append(markup[position : match.start()])
        position = match.end()
        escaped, slash, name = match.groups()
        if escaped:
            text.append(escaped)
        elif not _is_tag(slash, name, tags):
            text.append(match.group())
        else:
            _flush(text, opened, found)
            _open_or_close(opened, slash, name)
    text.append(markup[position:])
    _flush(text, opened, found)
    return found


def _is_tag(slash: str, name: str, tags: frozenset[str]) -> bool:
    return name in tags or name.startswith("#") or (not name and bool(slash))


def _open_or_close(opened: list[str], slash: str, name: str) -> None:
    if not slash:
        opened.append(name)
    elif not name and opened:
        opened.pop()
    elif name in opened:
        del opened[len(opened) - 1 - opened[::-1].index(name)]


def _flush(text: list[str], opened: list[str], found: list[Span]) -> None:
    run = "".join(text)
    text.clear()
    if run:
        found.append(Span(run, tuple(opened)))


def strip(markup: str, tags: frozenset[str]) -> str:
    """The text of `markup` without its tags."""
    return "".join(span.text for span in spans(markup, tags))


def visible(text: object, *, multiline: bool = False) -> str:
    r"""Text that is safe to show: no terminal sequence, control character or bidi control is left.

    Complete ANSI sequences (colours, cursor moves, window titles) are removed; everything else that could
    act on a terminal or hide is shown as an escape such as `\x1b` or `\u202e`. Newlines and tabs are shown as
    `\n` and `\t` too, unless `multiline`, which keeps them (a carriage return before a newline is dropped).
    """
    shown = text if type(text) is str else _as_text(text)
    if shown.isprintable():
        return shown
    if "\x1b" in shown:
        shown = re.sub(_ANSI, "", shown)
    if multiline:
        shown = shown.replace("\r\n", "\n")
        return re.sub(_UNSAFE, _keeping_lines, shown)
    return re.sub(_UNSAFE, _escaped, shown)


def escape(text: object, *, multiline: bool = False) -> str:
    """Foreign text for use inside markup: `visible`, and brackets and backslashes stand for themselves."""
    return visible(text, multiline=multiline).replace("\\", "\\\\").replace("[", "\\[")


def _as_text(value: object) -> str:
    try:
        return "" if value is None else str(value)
    except Exception as error:
        return f"<{type(error).__name__} while showing a {type(value).__name__}>"


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    number = ord(character)
    return _SHORT.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def _keeping_lines(match: re.Match[str]) -> str:
    return match.group() if match.group() in "\n\t" else _escaped(match)


def encodable(text: str, encoding: str) -> str:
    """`text` with what `encoding` lacks replaced: box lines and sparklines by ASCII, the rest by escapes."""
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)


def cell_width(text: str) -> int:
    """Terminal cells that one line of text takes: wide characters count 2, combining ones 0."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    import unicodedata

    if character < "\u0300":
        return 1
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if unicodedata.category(character) in ("Mn", "Me", "Cf") else 1


def cut(text: str, width: int) -> str:
    """`text`, shortened to `width` cells with an ellipsis at the end when it is longer."""
    if cell_width(text) <= width:
        return text
    return f"{_head(text, width - 1)}…" if width > 0 else ""


def _head(text: str, width: int) -> str:
    if text.isascii():
        return text[:width]
    used = 0
    for index, character in enumerate(text):
        used += cell_width(character)
        if used > width:
            return text[:index]
    return text


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at blanks where there are any."""
    lines: list[str] = []
    while cell_width(text) > width:
        head = _head(text, width)
        if not head:  # a wide character in a column of one cell
            lines.append("…")
            text = text[1:]
            continue
        blank = head.rfind(" ")
        if blank > 0 and not text[len(head) :].startswith(" "):
            head = head[:blank]
        lines.append(head.rstrip())
        text = text[len(head) :].lstrip(" ")
    return [*lines, text] if text or not lines else lines


def fit(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """Widths of columns whose contents are `natural` cells wide, so that together they need at most `room`.

    Columns with a ratio and those that wrap shrink first, always the widest one, down to their minimum; then
    the others; and if even all minimums together are too wide, everything shrinks further, down to one cell.
    """
    widths = [min(width, room, column.max_width or room) for column, width in zip(columns, natural, strict=True)]
    everyone = list(range(len(columns)))
    giving = [index for index in everyone if columns[index].ratio or not columns[index].no_wrap]
    minimums = [column.min_width for column in columns]
    excess = sum(widths) - room
    for group, floors in ((giving, minimums), (everyone, minimums), (everyone, [1] * len(columns))):
        excess = _shrink(widths, group, floors, excess)
    return widths


def _shrink(widths: list[int], group: list[int], floors: list[int], excess: int) -> int:
    while excess > 0:
        able = [index for index in group if widths[index] > floors[index]]
        if not able:
            break
        widest = max(able, key=widths.__getitem__)
        widths[widest] -= 1
        excess -= 1
    return excess


def column_widths(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    width: int | None,
    measure: Callable[[str], int] = cell_width,
) -> list[int]:
    """Widths for a table of plain cells on `width` cells; with None, as wide as the contents need."""
    natural = [measure(column.name) for column in columns]
    for row in rows:
        for index, cell in enumerate(row):
            longest = max(map(measure, cell.split("\n"))) if "\n" in cell else measure(cell)
            if longest > natural[index]:
                natural[index] = longest
    return natural if width is None else fit(columns, natural, width - GAP * (len(columns) - 1))


def roomy(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int | None,
    measure: Callable[[str], int] = cell_width,
) -> list[int]:
    """Which columns to show on `width` cells: without as many of the spare ones as it takes for the rest to be read."""
    kept = list(range(len(columns)))
    if width is None or not any(column.spare for column in columns):
        return kept
    needed = column_widths(columns, rows, None, measure)
    for index, column in enumerate(columns):
        if column.ratio or not column.no_wrap:
            needed[index] = min(needed[index], column.min_width)
    while sum(needed[index] + GAP for index in kept) - GAP > width:
        spare = max(kept, key=lambda index: columns[index].spare)
        if not columns[spare].spare:
            break
        kept.remove(spare)
    return kept


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str | None, width: int | None
) -> Iterator[str]:
    """Lines of an aligned table of plain cells. `width` in cells, or None: nothing is cut or wrapped."""
    kept = roomy(columns, rows, width)
    columns, rows = [columns[index] for index in kept], [[row[index] for index in kept] for row in rows]
    widths = column_widths(columns, rows, width)
    if title:
        yield title
    yield from _row_lines(columns, [column.name for column in columns], widths, width is not None)
    for row in rows:
        yield from _row_lines(columns, row, widths, width is not None)


def _row_lines(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], limited: bool) -> Iterator[str]:
    cells = [_cell_lines(column, cell, size, limited) for column, cell, size in zip(columns, row, widths, strict=True)]
    for number in range(max(map(len, cells), default=0)):
        line = [
            _justified(lines[number] if number < len(lines) else "", size, column.justify)
            for column, lines, size in zip(columns, cells, widths, strict=True)
        ]
        yield (" " * GAP).join(line).rstrip()


def _cell_lines(column: Column, cell: str, size: int, limited: bool) -> list[str]:
    lines = cell.split("\n") if "\n" in cell else [cell]
    if not limited:
        return lines
    if column.no_wrap:
        return [cut(line, size) for line in lines]
    return [piece for line in lines for piece in wrap(line, size)]


def _justified(text: str, width: int, justify: str) -> str:
    blank = max(width - cell_width(text), 0)
    left = {"left": 0, "right": blank, "center": blank // 2}[justify]
    return f"{' ' * left}{text}{' ' * (blank - left)}"


def panel_lines(title: str, body: str) -> Iterator[str]:
    """A panel without its box: the title, and the body indented below it."""
    if title:
        yield title
    for line in body.split("\n"):
        yield f"  {line}".rstrip()
