"""The items of a file in batches, each for one transaction, with events ready to be stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..storage.document import Word, trim_caches, word_name
from .preparing import EventReader, ReadyEvent
from .reading import ImportFile, Item

SIZES = {"verdict": 1000, "issue": 200, "event": 1000}  # items of one batch


class Batch(NamedTuple):
    """Neighbours of one kind."""

    kind: str
    items: list[Any]  # ReadyEvent for events, else Item
    line: int  # how far the file was read, also in bytes
    position: int
    repaired: int = 0  # events that did not have the form of a stored one
    names: dict[Word, tuple[str, str]] = {}  # of the events' words, for a process that has not made them


def neighbours(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items of one kind that follow each other, not too many at once."""
    found: list[Item] = []
    for item in items:
        if found and (found[0].kind != item.kind or len(found) >= SIZES.get(item.kind, 1)):
            yield found
            found = []
        found.append(item)
    if found:
        yield found


def made(source: ImportFile, reader: EventReader, items: list[Item]) -> Batch:
    """A batch of some neighbours. Raises InvalidError that names the line."""
    kind = items[0].kind
    if kind != "event":
        return Batch(kind, items, source.line, source.position)
    trim_caches()
    before = reader.repaired
    ready: list[ReadyEvent] = []
    for item in items:
        try:
            ready.append(reader.read(item))
        except ValueError as error:
            source.line = item.line
            raise source.broken(str(error)) from error
    return Batch(kind, ready, source.line, source.position, reader.repaired - before)


def with_names(batch: Batch) -> Batch:
    """A batch as another process needs it."""
    if batch.kind != "event":
        return batch
    words: set[Word] = set()
    for one in batch.items:
        words.update(one.prepared.words, one.prepared.scattered)
    return batch._replace(names={word: name for word in words if (name := word_name(word))})
