"""Writing an export: what is meant, in which format, to which stream. Constant memory, whatever the vault holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from ..errors import InvalidError
from ..plugins.parts import called_safely, exporters
from ..query.tree import Node
from ..storage.exporting import Exporting
from ..storage.store import Store
from . import document
from .document import Progress, Source


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
    known = exporters()
    if format not in known:
        raise InvalidError(f"there is no format {format!r}", f"Use one of: {', '.join(known)}")
    write = called_safely(known[format].write, f"the format {format}")
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


__all__ = ["Export", "Output", "counted", "document", "export_vault"]
