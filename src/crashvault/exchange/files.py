"""Where exports and backups go to and come from: files, compressed or not, and the standard streams."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from .. import core
from ..errors import InvalidError
from .exporting import Output

STREAM = "-"


@contextmanager
def output(path: str | None) -> Iterator[Output]:
    """What to write to: standard output for None and `-`, else a file that appears whole or not at all."""
    if path in (None, STREAM):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    assert path is not None
    with core.atomic_file(path) as file:
        if not path.lower().endswith(".gz"):
            yield file
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed:
            yield packed


@contextmanager
def given(path: str) -> Iterator[IO[bytes]]:
    """A file to read, or standard input for `-`. Raises InvalidError."""
    if path == STREAM:
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115  (closed below; an error while it is used is another matter)
    except OSError as error:
        raise InvalidError(f"{path} cannot be read ({error.strerror})", "Check the path") from error
    with file:
        if os.path.isdir(path):
            raise InvalidError(f"{path} is a directory", "Give a file")
        yield file
