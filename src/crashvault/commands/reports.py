"""What commands that write reports share: which format, where to, the pager, and progress in steps."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from .context import Context, emit, encoded

Begin = Callable[[str, int], Callable[[int], Any]]


def chosen_format(context: Context, report: str, given: str | None, output: str | None) -> str:
    """The format asked for: by option, by the file's name, by `--json`, else the first one of this report."""
    from .. import core
    from ..plugins.parts import format_named, report_formats

    core.use_plugins(context.home)
    known = report_formats(report)
    named = given or format_named(output, known)
    return named or ("json" if context.json and not output else next(iter(known)))


def renderers(report: str, lines: Callable[[Any], Sequence[str]] | None = None) -> dict[str, Callable[[Any], Any]]:
    """What makes each format of a report; `lines` makes the text, as markup."""
    from ..plugins.parts import called_safely, report_formats

    found = {
        name: called_safely(one.render, f"the format {name}")
        for name, one in report_formats(report).items()
        if one.render is not None
    }
    return {**found, **({"text": lines} if lines else {})}


def timer(seconds: float) -> Callable[[], bool]:
    """Tells whether so much time has gone by."""
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline


@contextmanager
def steps(first: str) -> Iterator[Begin]:
    """A progress bar for work in several steps: told of each with its size, it gives what is told of progress."""
    from ..console import progress

    with progress(first) as bar:

        def begin(step: str, size: int) -> Callable[[int], Any]:
            bar.update(description=step, total=size, completed=0)
            return bar.advance

        yield begin


def write_out(
    context: Context, report: Any, format_: str, output: str | None, pager: bool | None, renderers: Mapping[str, Callable[[Any], Any]],
) -> None:  # fmt: skip
    """Render a report and bring it to the terminal, standard output or a file. Texts are lines of markup."""
    if format_ == "text" and output in (None, "-"):
        _print(renderers["text"](report), pager)
        return
    if format_ == "json" and output in (None, "-"):
        emit(report)
        return
    content = _content(report, format_, renderers)
    from ..exchange.files import output as opened

    with opened(output) as out:
        out.write(content)
    if output not in (None, "-"):
        _tell(context, str(output), format_)


def _content(report: Any, format_: str, renderers: Mapping[str, Callable[[Any], Any]]) -> bytes:
    if format_ in renderers and format_ != "text":
        made = renderers[format_](report)
        return made if isinstance(made, bytes) else str(made).encode("utf-8", "replace")
    if format_ == "json":
        return encoded(report, 2) + b"\n"
    from ..console import TAGS
    from ..output.plain import strip

    return "".join(f"{strip(line, TAGS)}\n" for line in renderers["text"](report)).encode("utf-8", "replace")


def _print(lines: Sequence[str], pager: bool | None) -> None:
    from ..console import console

    long = console.is_terminal and len(lines) >= shutil.get_terminal_size().lines
    if not (long if pager is None else pager and console.is_terminal):
        for line in lines:
            console.print(line)
        return
    if console.styled:
        rich = console.rich()
        with rich.capture() as capture:
            for line in lines:
                rich.print(console.text(line), soft_wrap=True)
        click.echo_via_pager(capture.get(), color=True)
        return
    from ..console import TAGS
    from ..output.plain import strip

    click.echo_via_pager("".join(f"{strip(line, TAGS)}\n" for line in lines))


def _tell(context: Context, output: str, format_: str) -> None:
    if context.json:
        emit({"output": output, "format": format_})
        return
    from ..console import console, escape

    console.print(f"[success]Wrote[/success] [highlight]{escape(output)}[/highlight]")


def shown_query(
    context: Context, text: str, status: str | None, level: str | None, tags: tuple[str, ...], since: str | None
) -> str:
    """The query with what the options say, as people would write it."""
    parts = [f"({text})" if " OR " in text else text, f"is:{status}" if status not in (None, "all") else ""]
    parts += [f"level:{level}" if level else "", *(f'tag:"{tag}"' if " " in tag else f"tag:{tag}" for tag in tags)]
    parts += [f"since:{since}" if since else "", f"project:{context.project}" if context.project else ""]
    return " ".join(part for part in parts if part)
