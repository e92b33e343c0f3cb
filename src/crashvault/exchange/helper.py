"""The second process of an import: see `helping`. Standard input is the file, standard output takes the batches."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys

from ..errors import InvalidError
from .batches import made, neighbours, with_names
from .helping import send
from .preparing import EventReader
from .reading import ImportFile


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whom we help ends, and so do we
    gc.set_threshold(50_000)  # events are trees
    out = os.fdopen(os.dup(1), "wb")
    name, line, ranks, project, now = json.loads(sys.argv[1])
    os.lseek(0, 0, os.SEEK_SET)
    try:
        source = ImportFile(os.fdopen(0, "rb", buffering=0), name)
        reader = EventReader(ranks, project, now)
        for items in neighbours(source.items(line)):
            send(with_names(made(source, reader, items)), out)
        send(None, out)
    except InvalidError as error:
        send(None, out, error)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)
