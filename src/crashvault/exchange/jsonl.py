"""JSON Lines, the lossless format: a header, then one item a line."""

from __future__ import annotations

import msgspec

from . import document
from .document import Progress, Source
from .exporting import Output, counted

_FLUSHED = 1 << 17  # bytes


def write(source: Source, out: Output, progress: Progress) -> None:
    encode = msgspec.json.Encoder(enc_hook=str).encode
    out.write(encode(document.header(source)) + b"\n")
    for kind in ("project", "level", "setting", "issue"):
        for item in getattr(document, f"{kind}s")(source):
            out.write(encode({"kind": kind, **item}) + b"\n")
    for about, pieces in document.attachments(source):
        out.write(encode({"kind": "attachment", **about})[:-1] + b',"data":"')
        for piece in pieces:
            out.write(piece.encode())
        out.write(b'"}\n')
    _write_events(source, out, progress)


def _write_events(source: Source, out: Output, progress: Progress) -> None:
    encoder = msgspec.json.Encoder(enc_hook=str)
    buffer = bytearray()
    for item in counted(document.events(source), progress):
        encoder.encode_into({"kind": "event", **item}, buffer, len(buffer))
        buffer += b"\n"
        if len(buffer) > _FLUSHED:
            out.write(bytes(buffer))
            buffer.clear()
    out.write(bytes(buffer))
