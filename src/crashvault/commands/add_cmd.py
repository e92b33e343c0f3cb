"""`crashvault add`: record an event by hand or from a script."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

import click

from ..errors import InvalidError
from .context import Context, command, emit, key_values

_STACK_KEPT = 1 << 20  # bytes of a stack trace that is read from a file or a pipe
_EXAMPLES = """
crashvault add "Payment failed" --level critical --tag billing --tag region=eu
crashvault add "Job died" --stack @trace.txt --context job=nightly --release 1.4.2
some-program 2>&1 | crashvault add "some-program failed" --stack -
"""


@command("add", _EXAMPLES)
@click.argument("message")
@click.option(
    "--level", metavar="LEVEL", default="error", show_default=True, help="Severity: debug … critical, or a custom one."
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word or KEY=VALUE; may be repeated.")
@click.option("--context", "data", multiple=True, metavar="K=V", help="Free data; may be repeated.")
@click.option("--stack", metavar="TEXT|@FILE|-", help="Stack trace: as text, from a file, or from standard input.")
@click.option("--source", metavar="TEXT", help="Where it comes from, such as a script or a URL.")
@click.option("--release", metavar="VERSION", help="Version of the program.")
@click.option("--environment", metavar="NAME", help="Such as production or staging.")
@click.option("--user", metavar="ID", help="Who was affected.")
@click.option("--host", metavar="NAME", help="Machine. [default: this one]")
@click.option(
    "--fingerprint", multiple=True, metavar="TEXT", help="Decide the grouping; {{ default }} stands for the usual key."
)
@click.option("--timestamp", metavar="TIME", help="When it happened: ISO 8601, or 2h for two hours ago.")
@click.option("--event-id", metavar="UUID", help="Its id; the same id twice is one event.")
@click.option(
    "--attach",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="A file to keep with it; may be repeated.",
)
def add(context: Context, message: str, stack: str | None, attach: tuple[str, ...], **given: Any) -> None:
    """Record an event; prints the issue it belongs to."""
    from .. import pipeline

    if not message.strip() and not stack:
        raise click.UsageError("the message is empty. Say what happened, or give --stack")
    store = context.store
    level = store.levels.require(given["level"]).name
    body = _body(message, {**given, "level": level, "stack": _stack_text(stack)})
    files = [stored_file(store, path) for path in attach]
    project = context.project or "default"
    _check_project(store, project)
    receipt = pipeline.record_events(store, [body], source="cli", project=project, attachments={0: files})[0]
    print_receipt(context, receipt)


def _body(message: str, given: dict[str, Any]) -> dict[str, Any]:
    from ..clock import now, to_iso
    from ..query.values import parse_time

    body: dict[str, Any] = {"message": message}
    body.update((key, value) for key, value in given.items() if value and key not in ("data", "fingerprint", "tags"))
    body["tags"] = list(given["tags"])
    body["context"] = dict(key_values(given["data"], "--context"))
    body["fingerprint"] = list(given["fingerprint"])
    body.setdefault("host", os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", ""))
    if given["event_id"]:
        _check_event_id(given["event_id"])
    if given["timestamp"]:
        try:
            body["timestamp"] = to_iso(parse_time(given["timestamp"], now())[0])
        except ValueError:
            raise InvalidError(
                f"{given['timestamp']!r} is not a time",
                "Use ISO 8601, such as 2026-11-23T18:47:00Z, or 2h for two hours ago",
            ) from None
    return {key: value for key, value in body.items() if value not in (None, "", [], {}) or key == "message"}


def _check_event_id(given: str) -> None:
    """A wrong id would be replaced by a new one, and the event be there twice when it is sent again."""
    digits = given.replace("-", "")
    if len(digits) != 32 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise InvalidError(
            f"{given!r} is not an event id", "Give a UUID: 32 hexadecimal digits, with or without dashes"
        )


def _stack_text(given: str | None) -> str | None:
    if given == "-":
        return _last_part(sys.stdin.buffer)
    if given and given.startswith("@"):
        try:
            with open(given[1:], "rb") as file:
                return _last_part(file)
        except OSError as error:
            raise InvalidError(
                f"the stack trace {given[1:]} cannot be read ({error.strerror})", "Check the path behind @"
            ) from error
    return given


def _last_part(file: IO[bytes]) -> str:
    """The end of a stream: a crash is the last thing that a program says."""
    kept = b""
    while chunk := file.read(_STACK_KEPT):
        kept = (kept + chunk)[-_STACK_KEPT:]
    return kept.decode("utf-8", "replace")


def stored_file(store: Any, path: str, name: str | None = None) -> Any:
    """Put a file, or standard input for `-`, into the blob store. Raises InvalidError where it is too large."""
    import mimetypes

    from ..storage.blobs import clean_name

    name = clean_name(name or os.path.basename(path))
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if path == "-":
        return store.blobs.put(sys.stdin.buffer, name, kind)
    try:
        with open(path, "rb") as file:
            return store.blobs.put(file, name, kind)
    except OSError as error:
        raise InvalidError(f"{path} cannot be read ({error.strerror})", "Check its permissions") from error


def _check_project(store: Any, project: str) -> None:
    from ..storage.projects import check_name

    check_name(project)


def print_receipt(context: Context, receipt: Any) -> None:
    from ..console import console
    from ..output.shapes import short_hash

    if context.json:
        emit({
            "event_id": receipt.event_id, "issue_id": receipt.issue_id, "issue_created": receipt.issue_created,
            "fingerprint": short_hash(receipt.fingerprint), "hash": receipt.fingerprint, "transition": receipt.transition,
        })  # fmt: skip
        return
    if receipt.transition == "dropped":
        raise InvalidError(f"the event was not stored ({receipt.error})", "See: crashvault stats --dropped")
    console.print(
        f"[success]Recorded[/success] event [highlight]{receipt.event_id[:8]}[/highlight] in "
        f"{_WHAT[receipt.transition]} [highlight]#{receipt.issue_id}[/highlight]"
    )


_WHAT = {
    "new": "new issue",
    "regression": "issue (it is back: reopened)",
    "repeated": "issue",
    "duplicate": "issue (this event was there already)",
}
