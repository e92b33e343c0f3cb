"""One JSON document with the content of the JSON Lines format: a list for each kind of item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from . import document
from .document import KINDS, Progress, Source
from .exporting import Output


def write(source: Source, out: Output, progress: Progress) -> None:
    encode = msgspec.json.Encoder(enc_hook=str).encode
    out.write(encode(document.header(source))[:-1])
    for kind in KINDS:
        out.write(b',\n"%ss": [' % kind.encode())
        separator = b"\n"
        for item in _items(kind, source, progress, encode):
            out.write(separator)
            for piece in item:
                out.write(piece)
            separator = b",\n"
        out.write(b"\n]")
    out.write(b"}\n")


def _items(
    kind: str, source: Source, progress: Progress, encode: Callable[[Any], bytes]
) -> Iterator[Iterator[bytes] | list[bytes]]:
    """Each item in pieces."""
    if kind == "attachment":
        yield from (_attachment(about, pieces, encode) for about, pieces in document.attachments(source))
        return
    if kind == "event":
        for part in document.events(source):
            yield from ([item] for item in part)
            progress(len(part))
        return
    for item in getattr(document, f"{kind}s")(source):
        yield [encode(item)]


def _attachment(about: dict[str, Any], pieces: Iterator[str], encode: Callable[[Any], bytes]) -> Iterator[bytes]:
    yield encode(about)[:-1] + b',"data":"'
    for piece in pieces:
        yield piece.encode()
    yield b'"}'
