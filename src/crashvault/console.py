"""The one place for terminal output: tags and their colours, standard output and standard error.

Everything for people goes through `console.print` (results) or `err_console.print` (progress, warnings,
errors); raw data goes through `click.echo`. On a terminal Rich renders it; in a pipe, in a file, with
NO_COLOR or `--no-color` it is plain text and Rich is never imported, because that alone costs more than
recording an event.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from .models import COLOURS
from .output import plain
from .output.plain import Column, escape, visible

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.text import Text

__all__ = [
    "STYLES",
    "TAGS",
    "Column",
    "Console",
    "Progress",
    "configure",
    "console",
    "err_console",
    "escape",
    "get_console",
    "level_tag",
    "panel",
    "print_error",
    "print_warning",
    "progress",
    "table",
    "tagged",
    "visible",
]

DEFAULT_WIDTH = 80
READER_GONE = 141  # 128 + SIGPIPE, what a shell shows for a program whose reader went away

STYLES: dict[str, str] = {
    "success": "green",
    "error": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "highlight": "bold cyan",
    "primary": "bold bright_blue",
    "secondary": "dim cyan",
    "muted": "dim",
    "danger": "bold white on red",
    "bold": "bold",
    "level.debug": "dim",
    "level.info": "cyan",
    "level.warning": "yellow",
    "level.error": "red",
    "level.critical": "bold red",
    "level.custom": "magenta",
    "severity.low": "dim",
    "severity.medium": "cyan",
    "severity.high": "yellow",
    "severity.critical": "bold red",
    "status.open": "bold bright_blue",
    "status.resolved": "green",
    "status.ignored": "dim",
    **{f"color.{name}": name for name in COLOURS},
}
TAGS = frozenset(STYLES)

_settings = {"color": True}


def configure(*, no_color: bool) -> None:
    """Set what `--no-color` says, for both streams."""
    _settings["color"] = not no_color


def tagged(tag: str, text: object) -> str:
    """Markup of foreign `text` in the style `tag`."""
    return f"[{tag}]{escape(text)}[/{tag}]"


def level_tag(level: str, color: str = "") -> str:
    """The tag for an event level; `color` (`#rrggbb` or one of the eight names) is what people chose for it."""
    if f"color.{color}" in TAGS:
        return f"color.{color}"
    if _is_hex_color(color):
        return color
    return f"level.{level}" if f"level.{level}" in TAGS else "level.custom"


def _is_hex_color(color: str) -> bool:
    return len(color) == 7 and color[0] == "#" and all(digit in "0123456789abcdefABCDEF" for digit in color[1:])


class Progress:
    """What a progress bar can be told. This one shows nothing: for pipes."""

    def advance(self, count: int = 1) -> None:
        """`count` more of the total are done."""

    def update(self, *, completed: int | None = None, total: int | None = None, description: str | None = None) -> None:
        """Set what changed; None leaves it."""


class _RichProgress(Progress):
    def __init__(self, bar: Any, task: Any) -> None:
        self._bar = bar
        self._task = task

    def advance(self, count: int = 1) -> None:
        self._bar.advance(self._task, count)

    def update(self, *, completed: int | None = None, total: int | None = None, description: str | None = None) -> None:
        text = None if description is None else plain.strip(description, TAGS)
        self._bar.update(self._task, completed=completed, total=total, description=text)


class _SafeStream:
    """The file that Rich writes to: our own way of writing, with the stream's own encoding."""

    def __init__(self, owner: Console) -> None:
        self._owner = owner

    @property
    def encoding(self) -> str:
        return self._owner.encoding

    def write(self, text: str) -> int:
        self._owner.write(text)
        return len(text)

    def flush(self) -> None:
        self._owner.write("")

    def isatty(self) -> bool:
        return self._owner.is_terminal

    def fileno(self) -> int:
        return self._owner.stream.fileno()  # type: ignore[union-attr]


class Console:
    """Standard output or standard error, looked up anew for each print, so that redirection works."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rich: RichConsole | None = None
        self._live = 0  # progress bars being shown

    @property
    def stream(self) -> TextIO | None:
        """The text stream, None in a process that has none."""
        found: TextIO | None = getattr(sys, self._name)
        return found

    @property
    def encoding(self) -> str:
        return getattr(self.stream, "encoding", None) or "utf-8"

    @property
    def is_terminal(self) -> bool:
        try:
            return self.stream is not None and self.stream.isatty()
        except ValueError:  # closed
            return False

    @property
    def styled(self) -> bool:
        """Whether tags become colours here."""
        return self.is_terminal and _settings["color"] and not _is_plain_environment()

    @property
    def width(self) -> int:
        """Cells of a line: `COLUMNS`, else the terminal's, else 80."""
        columns = os.environ.get("COLUMNS", "")
        if columns.isascii() and columns.isdigit() and int(columns) > 0:
            return int(columns)
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or DEFAULT_WIDTH  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            return DEFAULT_WIDTH

    def print(self, *parts: object, end: str = "\n") -> None:
        """Print markup; parts are joined with a blank. A Rich renderable may stand alone instead of text."""
        if len(parts) == 1 and (hasattr(parts[0], "__rich_console__") or hasattr(parts[0], "__rich__")):
            self._print_renderable(parts[0], end)
            return
        markup = " ".join(map(str, parts))
        found = plain.spans(markup, TAGS)
        if self.styled and (self._live or any(span.tags for span in found)):
            self.rich().print(self.text(markup), end=end, soft_wrap=True)
        else:
            self.write("".join(span.text for span in found) + end)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
        """Print a table; cells, names and title are markup.

        It fits the width of a terminal: cells are cut with `…`, or continue on the next line where the column
        says `no_wrap=False`. In a pipe nothing is cut.
        """
        columns = [column._replace(name=self._encodable(column.name)) for column in columns]
        cells = [list(map(self._encodable, row)) for row in rows]
        if self.styled:
            self._print_renderable(_rich_table(columns, cells, title, self.width))
            return
        texts = [[plain.strip(cell, TAGS) for cell in row] for row in cells]
        names = [column._replace(name=plain.strip(column.name, TAGS)) for column in columns]
        heading = plain.strip(title, TAGS) if title else None
        width = self.width if self.is_terminal else None
        self.write("\n".join(plain.table_lines(names, texts, heading, width)) + "\n")

    def panel(self, title: str, body: str) -> None:
        """Print a titled block of markup: boxed on a terminal, indented in a pipe."""
        if self.styled:
            from rich.panel import Panel

            heading = self.text(title) if title else None
            self._print_renderable(Panel(self.text(body), title=heading, title_align="left"))
        else:
            lines = plain.panel_lines(plain.strip(title, TAGS), plain.strip(body, TAGS))
            self.write("\n".join(lines) + "\n")

    @contextmanager
    def progress(self, description: str, total: int | None = None) -> Iterator[Progress]:
        """Show a progress bar while the block runs; only on a terminal, and gone afterwards.

        `total` counts whatever `advance` counts; None while it is not known. Print to this same console
        inside the block, so that lines appear above the bar.
        """
        if not self.is_terminal or os.environ.get("TERM") == "dumb":
            yield Progress()
            return
        bar = _rich_bar(self.rich())
        self._live += 1
        try:
            with bar:
                yield _RichProgress(bar, bar.add_task(plain.strip(description, TAGS), total=total))
        finally:
            self._live -= 1

    def text(self, markup: str) -> Text:
        """Our markup as a Rich text, for use inside Rich renderables."""
        return _rich_text(markup)

    def rich(self) -> RichConsole:
        """The Rich console of this stream; imports Rich."""
        if self._rich is None:
            self._rich = _rich_console(self)
        self._rich.width = self.width
        self._rich.no_color = not self.styled
        return self._rich

    def write(self, text: str) -> None:
        """Write text as it is, at once; replace what the encoding lacks, ignore that a reader left."""
        stream = self.stream
        if stream is None:
            return
        try:
            try:
                stream.write(self._encodable(text))  # standard error would write escapes for all that it lacks
            except UnicodeEncodeError:
                stream.write(plain.encodable(text, self.encoding))
            stream.flush()
        except BrokenPipeError:
            self._reader_left(stream)

    def _encodable(self, text: str) -> str:
        """Text or markup without what cannot be written; for tables before widths are computed, not after."""
        encoding = self.encoding
        return text if encoding.lower().startswith("utf") else plain.encodable(text, encoding)

    def _print_renderable(self, renderable: object, end: str = "\n") -> None:
        rich = self.rich()
        if self.styled:
            rich.print(renderable, end=end)
        else:
            with rich.capture() as capture:
                rich.print(renderable, end=end)
            self.write(visible(capture.get(), multiline=True))

    def _reader_left(self, stream: TextIO) -> None:
        """Like a program that SIGPIPE ends; without a reader for messages, work goes on silently."""
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())  # what is still buffered must not fail again at exit
            os.close(nowhere)
        except (OSError, ValueError):
            pass
        if self._name == "stdout":
            raise SystemExit(READER_GONE)


def _is_plain_environment() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def _rich_console(owner: Console) -> RichConsole:
    from rich.console import Console as RichConsole
    from rich.theme import Theme

    return RichConsole(
        file=_SafeStream(owner),  # type: ignore[arg-type]
        force_terminal=owner.is_terminal,
        theme=Theme(STYLES),
        highlight=False,
        emoji=False,
        markup=False,
    )


def _rich_text(markup: str) -> Text:
    from rich.text import Text

    text = Text()
    for span in plain.spans(markup, TAGS):
        start = len(text)
        text.append(span.text)
        for tag in span.tags:
            text.stylize(tag, start)
    return text


def _rich_table(columns: Sequence[Column], rows: list[list[str]], title: str | None, width: int) -> object:
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table

    texts = [[plain.strip(cell, TAGS) for cell in row] for row in rows]
    names = [column._replace(name=plain.strip(column.name, TAGS)) for column in columns]
    kept = plain.roomy(names, texts, width, cell_len)
    columns, names = [columns[index] for index in kept], [names[index] for index in kept]
    rows, texts = ([[row[index] for index in kept] for row in cells] for cells in (rows, texts))
    table = Table(
        title=_rich_text(title) if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, plain.GAP - 1, 0, 0),
        header_style="bold",
    )
    for column, size in zip(columns, plain.column_widths(names, texts, width, cell_len), strict=True):
        table.add_column(
            _rich_text(column.name),
            justify=column.justify,
            style=column.style or None,
            width=size,
            no_wrap=column.no_wrap,
            overflow="ellipsis" if column.no_wrap else "fold",
        )
    for row in rows:
        table.add_row(*map(_rich_text, row))
    return table


def _rich_bar(rich: RichConsole) -> Any:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(),
        console=rich,
        transient=True,
        redirect_stdout=False,  # a redirected standard output must not end up on the terminal
        redirect_stderr=False,
    )


console = Console("stdout")
err_console = Console("stderr")
table = console.table
panel = console.panel
progress = err_console.progress


def get_console() -> Console:
    """The console for results."""
    return console


def print_error(error: BaseException | str) -> None:
    """`Error: what happened. what to do about it`, one line on standard error."""
    err_console.print(f"[error]Error:[/error] {escape(str(error))}")


def print_warning(message: str) -> None:
    """`Warning: …`, one line on standard error. `message` is plain text."""
    err_console.print(f"[warning]Warning:[/warning] {escape(message)}")
