"""A second process that gets the events of a large file ready, while this one stores them.

Both take about as long. The helper reads the file on from the first event, and sends one batch after the other. It ends
with us, since nobody takes what it sends then. Where there can be none, we do its work.
"""

from __future__ import annotations

import json
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Generator, Iterator
from typing import IO, Any

from ..errors import InvalidError, StoreError
from .batches import Batch, made, neighbours
from .preparing import EventReader
from .reading import ImportFile

_WORTH_HELP = 16 << 20  # bytes of a file


def batches(source: ImportFile, reader: EventReader) -> Generator[Batch]:
    """All batches of a file. Raises InvalidError that names the line."""
    alone = not _pays(source)
    for items in neighbours(source.items()):
        if items[0].kind == "event" and not alone:
            offset = os.lseek(source.descriptor, 0, os.SEEK_CUR)
            helped = _helped(source, reader, items[0].line)
            first = next(helped, None)
            if first is not None:
                yield first
                yield from helped
                return
            alone = True
            os.lseek(source.descriptor, offset, os.SEEK_SET)
        yield made(source, reader, items)


def _pays(source: ImportFile) -> bool:
    if source.descriptor < 0 or _processors() < 2 or not sys.executable:
        return False
    about = os.fstat(source.descriptor)
    return stat.S_ISREG(about.st_mode) and about.st_size >= _WORTH_HELP


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _helped(source: ImportFile, reader: EventReader, line: int) -> Iterator[Batch]:
    """The batches from a line on, made by a helper; none where it cannot begin."""
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "crashvault.exchange.helper", json.dumps([source.name, line, *reader.about()])],
            stdin=source.descriptor, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return
    assert process.stdout is not None
    try:
        yield from _received(process.stdout, source)
    finally:
        process.stdout.close()
        process.wait()


def _received(answers: IO[bytes], source: ImportFile) -> Iterator[Batch]:
    began = False
    while True:
        try:
            what, value = pickle.load(answers)
        except (EOFError, pickle.UnpicklingError) as error:
            if not began:
                return
            raise StoreError(
                "the process that reads the file ended too early", "Run the import again; nothing is imported twice"
            ) from error
        if what == "end":
            return
        if what == "broken":
            raise InvalidError(*value)
        began = True
        source.line = value.line
        yield value


def send(batch: Batch | None, out: Any, wrong: InvalidError | None = None) -> None:
    """What `_received` gets."""
    message: tuple[str, Any] = ("batch", batch) if batch else ("end", None)
    if wrong is not None:
        message = ("broken", (wrong.message, wrong.hint))
    pickle.dump(message, out, pickle.HIGHEST_PROTOCOL)
    out.flush()
