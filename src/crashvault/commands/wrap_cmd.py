"""`crashvault wrap`: run a command, record its failure."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from ..errors import CrashvaultError, InvalidError
from .context import Context, command

if TYPE_CHECKING:
    from ..storage.store import Store

_EXAMPLES = """
crashvault wrap -- python manage.py migrate
crashvault wrap --tag nightly --level critical -- ./backup.sh /data
crashvault wrap --ignore-exit-code 3 --timeout 600 -- make test
crashvault wrap --shell 'pg_dump shop | gzip > shop.gz'
"""
_JSON_HELP = "Tell what was recorded as JSON, on standard error; standard output is the command's."
_ECHO = re.compile(r"(?:\^[A-Z\\])+")  # how a terminal shows Ctrl-C
_OUTPUT = 8_000  # characters of the output in the event; more of it goes into a file beside it
_LAST_LINE = 200  # characters of the output's last line in a message


@command("wrap", _EXAMPLES, context_settings={"allow_interspersed_args": False}, json_help=_JSON_HELP)
@click.argument("argv", nargs=-1, required=True, metavar="-- CMD…", type=click.UNPROCESSED)
@click.option("--shell", is_flag=True, help="Run CMD by the shell: pipelines, redirections, variables.")
@click.option(
    "--exit-code", "only", multiple=True, type=click.IntRange(0, 255), metavar="N", help="Record only these codes."
)
@click.option(
    "--ignore-exit-code",
    "ignored",
    multiple=True,
    type=click.IntRange(0, 255),
    metavar="N",
    help="Never record these codes.",
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Give the event a tag; may be repeated.")
@click.option("--ignore-tag", "ignored_tags", multiple=True, metavar="TAG",
              help="Don't record an event with this tag; * fits anything, as in signal=*.")  # fmt: skip
@click.option("--level", metavar="LEVEL", help="Severity. [default: error, critical for a signal, info for success]")
@click.option("--match", metavar="REGEX", help="Record only if the output matches.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="End the command after that; exit code 124.",
)
@click.option("--on-success", is_flag=True, help="Record success too.")
@click.option("--release", metavar="VERSION", help="Version of the program.")
@click.option("--environment", metavar="NAME", help="Such as production or staging.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing about what was recorded.")
def wrap(context: Context, argv: Sequence[str], quiet: bool, **options: Any) -> int:
    """Run a command as if it ran alone; when it fails, record exit code, duration, last output and stack trace.

    Output streams through, the keyboard and signals reach the command, and its exit code is kept. The event
    has the tags command=NAME, exit_code=N, and signal=NAME or timeout where they apply."""
    from ..child import run_child

    pattern = _compiled(options["match"])
    level = _checked_level(context, options["level"])
    result = run_child(argv, shell=options["shell"], timeout=options["timeout"])
    text = result.output.decode("utf-8", "replace")
    tags = [*options["tags"], *own_tags(argv, result, options["shell"])]
    if _wanted(result, text, tags, pattern, options):
        record(context, event_body(argv, result, text, tags, {**options, "level": level}), quiet, text)
    return result.exit_code


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern, re.MULTILINE) if pattern is not None else None
    except re.error as error:
        raise InvalidError(
            f"--match {pattern!r} is not a regular expression ({error})", "Escape what is meant literally"
        ) from None


def _checked_level(context: Context, level: str | None) -> str | None:
    """A wrong level must be known before the command runs, not after."""
    if level is None:
        return None
    return context.store.levels.require(level).name


def own_tags(argv: Sequence[str], result: Any, shell: bool) -> list[str]:
    tags = [f"command={_program(argv, shell)}", f"exit_code={result.exit_code}"]
    if result.signal:
        tags.append(f"signal={result.signal}")
    return [*tags, "timeout"] if result.timed_out else tags


def _program(argv: Sequence[str], shell: bool) -> str:
    first = argv[0].split()[0] if shell and argv[0].split() else argv[0]
    return os.path.basename(first) or first or "''"


def _wanted(
    result: Any, text: str, tags: Sequence[str], pattern: re.Pattern[str] | None, options: dict[str, Any]
) -> bool:
    code = result.exit_code
    if code == 0 and not (options["on_success"] or 0 in options["only"]):
        return False
    if (options["only"] and code not in options["only"]) or code in options["ignored"]:
        return False
    if any(fnmatchcase(tag, unwanted) for tag in tags for unwanted in options["ignored_tags"]):
        return False
    return pattern is None or pattern.search(text) is not None


def event_body(argv: Sequence[str], result: Any, text: str, tags: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """The body of the event."""
    from ..console import visible
    from ..source_lines import current_directory

    shown = " ".join(argv) if options["shell"] else shlex.join(argv)
    context = {
        "command": shown,
        "exit_code": result.exit_code,
        "duration_seconds": round(result.duration, 3),
        "directory": current_directory(),
        "output": visible(text, multiline=True)[-_OUTPUT:],
    }
    if result.signal:
        context["signal"] = result.signal
    body = {
        "level": options["level"] or _level_of(result),
        "tags": tags,
        "context": context,
        "source": shown[:200],
        "host": os.uname().nodename if hasattr(os, "uname") else "",
        "pid": result.pid,
        "release": options["release"],
        "environment": options["environment"],
    }
    text, trace = _traced(result, text)
    body["message"] = _message(_program(argv, options["shell"]), result, text, trace)
    if trace is not None:
        _add_trace(body, trace, text)
    return {key: value for key, value in body.items() if value not in (None, "")}


def _traced(result: Any, text: str) -> tuple[str, Any]:
    """The text that holds a stack trace, and what was read of it.

    Standard error comes first, alone: what a program has buffered for its standard output comes out when it
    ends, right behind the trace."""
    from ..ingest.traces import parse_stacktrace

    if not result.exit_code:
        return text, None
    errors = result.stderr.decode("utf-8", "replace")
    if trace := parse_stacktrace(errors) if errors else None:
        return errors, trace
    return text, parse_stacktrace(text)


def _level_of(result: Any) -> str:
    if result.exit_code == 0:
        return "info"
    return "critical" if result.signal and not result.timed_out else "error"


def _message(program: str, result: Any, text: str, trace: Any) -> str:
    if trace is not None and trace.exceptions:
        last = trace.exceptions[-1]
        if named := ": ".join(filter(None, (last.get("type"), last.get("value")))):
            return named
        if before := text[: trace.start].strip():  # frames alone: what was said before them tells more
            text, trace = before, None
    how = f"was ended by {result.signal}" if result.signal else f"exited with code {result.exit_code}"
    how = "ran out of time" if result.timed_out else how
    lines = (_ECHO.sub("", line).strip() for line in reversed(text.splitlines()))
    last_line = next(filter(None, lines), "")
    said = trace.message if trace is not None and trace.message else result.error or last_line
    return f"{program} {how}{f': {said[:_LAST_LINE]}' if said else ''}"


def _add_trace(body: dict[str, Any], trace: Any, text: str) -> None:
    from ..source_lines import add_source, current_directory

    for link in trace.exceptions:
        add_source(link.get("frames", ()), current_directory())
    body["platform"] = trace.platform
    body["exception"] = trace.exceptions
    body["stacktrace"] = text[trace.start : trace.end]


def record(context: Context, body: dict[str, Any], quiet: bool, output: str) -> None:
    """Record the event. Whatever goes wrong here must not change how the command ended."""
    from .. import pipeline
    from ..console import err_console, print_warning

    try:
        files = {0: [_output_file(context.store, output)]} if len(output) > _OUTPUT else None
        receipt = pipeline.record_events(
            context.store, [body], source="wrap", project=context.project or "default", attachments=files
        )[0]
    except CrashvaultError as error:
        print_warning(f"the failure was not recorded: {error}")
        return
    except Exception as error:
        print_warning(f"the failure was not recorded ({type(error).__name__}: {error}). Please report it")
        return
    if receipt.transition == "dropped":
        print_warning(f"the failure was not recorded ({receipt.error})")
    elif context.json:
        import json

        click.echo(json.dumps({"event_id": receipt.event_id, "issue_id": receipt.issue_id,
                               "issue_created": receipt.issue_created}), err=True)  # fmt: skip
    elif not quiet:
        what = {"new": "new issue", "regression": "issue (it is back)"}.get(receipt.transition, "issue")
        err_console.print(
            f"[muted]crashvault: recorded event {receipt.event_id[:8]} in {what}[/muted] [highlight]#{receipt.issue_id}[/highlight]"
        )


def _output_file(store: Store, output: str) -> Any:
    """All output that was kept, without secrets, as a file of the event."""
    import io

    from ..ingest.scrub import scrub
    from ..pipeline import load_policy

    text: Any = {"context": {"output": output}}
    scrub(text, load_policy(store).scrub)
    return store.blobs.put(io.BytesIO(text["context"]["output"].encode()), "output.txt", "text/plain")
