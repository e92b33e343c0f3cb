"""Writing an export: what is meant, in which format, to which stream. Constant memory, whatever the vault holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from ..errors import InvalidError
from ..query.tree import Node
from ..storage.exporting import Exporting
from ..storage.store import Store
from . import document
from .document import Progress, Source

# name of the format: the module beside this one that writes it
FORMATS = {"jsonl": "jsonl", "json": "json_document", "csv": "csv_table", "md": "markdown", "html": "html_page"}


class Output(Protocol):
    """What can be written to: a binary file, or standard output."""

    def write(self, data: bytes, /) -> Any: ...


class Export(NamedTuple):
    """What an export came to."""

    issues: int
    events: int


def export_vault(
    store: Store,
    out: Output,
    *,
    format: str = "jsonl",
    node: Node,
    query: str = "",
    now: int,
    begin: Callable[[int], Progress] | None = None,
) -> Export:
    """Write the issues and events that `node` means to `out`, all from one moment's view of the vault.

    `query` is how people would write `node`; it goes into the header. `now` is in microseconds. `begin` is told the
    number of events and gives back what is told how many more are written. Raises InvalidError for an unknown format.
    """
    if format not in FORMATS:
        raise InvalidError(f"there is no format {format!r}", f"Use one of: {', '.join(FORMATS)}")
    write = import_module(f".{FORMATS[format]}", __package__).write
    store.db.unmap()
    with store.reading():
        reads = Exporting(store.db)
        selection = reads.select(store.search(now), node)
        source = Source(store, reads, selection, now, query)
        progress = begin(selection.event_count) if begin else _silent
        write(source, out, progress)
    return Export(selection.issue_count, selection.event_count)


def _silent(count: int) -> None:
    return None


def counted(items: Iterator[Any], progress: Progress, every: int = 200) -> Iterator[Any]:
    """The items, with `progress` told of them now and then."""
    passed = 0
    for item in items:
        yield item
        passed += 1
        if passed % every == 0:
            progress(every)
    progress(passed % every)


__all__ = ["FORMATS", "Export", "Output", "counted", "document", "export_vault"]
