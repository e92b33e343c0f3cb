"""Events as a table for spreadsheets, one a row. Cells that a spreadsheet would run as a formula are defused."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from .document import Progress, Source
from .exporting import Output, counted
from .people import shape, user_text

_FORMULA = tuple("=+-@\t\r")
_FLUSHED = 1 << 16  # characters

# Column: its value from the event's documented shape and its issue's title and status.
COLUMNS: dict[str, Callable[[dict[str, Any], tuple[str, str]], Any]] = {
    "event_id": lambda event, issue: event["event_id"],
    "issue_id": lambda event, issue: event["issue_id"],
    "project": lambda event, issue: event["project"],
    "timestamp": lambda event, issue: event["timestamp"],
    "received_at": lambda event, issue: event["received_at"],
    "level": lambda event, issue: event["level"],
    "issue_status": lambda event, issue: issue[1],
    "issue_title": lambda event, issue: issue[0],
    "message": lambda event, issue: event["message"],
    "exception_type": lambda event, issue: (event["exception"] or {}).get("type"),
    "exception_value": lambda event, issue: (event["exception"] or {}).get("value"),
    "file": lambda event, issue: event["frames"][-1]["file"] if event["frames"] else None,
    "line": lambda event, issue: event["frames"][-1]["line"] if event["frames"] else None,
    "function": lambda event, issue: event["frames"][-1]["function"] if event["frames"] else None,
    "release": lambda event, issue: event["release"],
    "environment": lambda event, issue: event["environment"],
    "host": lambda event, issue: event["host"],
    "user": lambda event, issue: user_text(event["user"]),
    "source": lambda event, issue: event["source"],
    "tags": lambda event, issue: " ".join(event["tags"]),
    "trace_id": lambda event, issue: event["trace_id"],
    "fingerprint": lambda event, issue: event["fingerprint"],
}


def write(source: Source, out: Output, progress: Progress) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    names = source.reads.titles()
    items = source.store.events.loader.stream(source.reads.event_rows(source.selection))
    for item in counted(items, progress):
        event = shape(item)
        issue = names.of(item.issue_id)
        rows.writerow([cell(value(event, issue)) for value in COLUMNS.values()])
        if text.tell() > _FLUSHED:
            _flush(text, out)
    _flush(text, out)


def cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula, or for several lines of a log."""
    if value is None or type(value) is int:
        return value
    text = str(value).replace("\0", "\ufffd")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _flush(text: io.StringIO, out: Output) -> None:
    out.write(text.getvalue().encode("utf-8", "replace"))
    text.seek(0)
    text.truncate()
