"""Exports events as Parquet: `crashvault export --output crashes.parquet`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from crashvault.plugins import hookimpl
from crashvault.plugins.types import Exporter

CRASHVAULT_API = 1
ROWS = 10_000  # in a group of rows


@hookimpl
def register_exporters() -> Mapping[str, Exporter]:
    return {"parquet": Exporter(write, "a table of events for analysis", (".parquet",))}


def write(source: Any, out: Any, progress: Callable[[int], object]) -> None:
    """Write the events of an export, a group of rows at a time."""
    import pyarrow as pa  # takes a third of a second, and most commands don't need it
    from pyarrow import parquet

    schema = _schema(pa)
    with parquet.ParquetWriter(_Sink(out), schema, compression="zstd") as writer:
        events = source.shapes()
        while rows := list(islice(map(_row, events), ROWS)):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            progress(len(rows))


def _schema(pa: Any) -> Any:
    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    few = pa.dictionary(pa.int32(), text)  # columns with few different values
    kinds = {
        "event_id": text, "issue_id": pa.int64(), "fingerprint": text, "project": few, "timestamp": moment,
        "received_at": moment, "level": few, "message": text, "exception_type": few, "exception_value": text,
        "file": few, "line": pa.int64(), "function": few, "release": few, "environment": few, "host": few,
        "platform": few, "user": text, "trace_id": text, "tags": pa.list_(text), "context": text, "stacktrace": text,
    }  # fmt: skip
    return pa.schema([pa.field(name, kind) for name, kind in kinds.items()])


_SAME = ("event_id", "issue_id", "fingerprint", "project", "level", "message", "release", "environment", "host",
         "platform", "trace_id", "tags", "stacktrace")  # fmt: skip


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    exception, frame = event["exception"] or {}, (event["frames"] or [{}])[-1]
    user = event["user"]
    return {
        **{name: event[name] for name in _SAME},
        "timestamp": datetime.fromisoformat(event["timestamp"]),
        "received_at": datetime.fromisoformat(event["received_at"]),
        "exception_type": exception.get("type"),
        "exception_value": exception.get("value"),
        "file": frame.get("file"),
        "line": frame.get("line"),
        "function": frame.get("function"),
        "user": user if isinstance(user, str | None) else json.dumps(user, ensure_ascii=False, default=str),
        "context": json.dumps(event["context"], ensure_ascii=False, default=str) if event["context"] else None,
    }


class _Sink:
    """What Crashvault gives to write to, as a file that pyarrow takes: it wants to know how far it is."""

    closed = False

    def __init__(self, out: Any) -> None:
        self._out = out
        self._place = 0

    def write(self, data: bytes) -> int:
        self._out.write(bytes(data))
        self._place += len(data)
        return len(data)

    def tell(self) -> int:
        return self._place

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
