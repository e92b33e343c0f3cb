"""JSON Lines, the lossless format: a header, then one item a line."""

from __future__ import annotations

import msgspec

from . import document
from .document import Progress, Source
from .exporting import Output


def write(source: Source, out: Output, progress: Progress) -> None:
    encode = msgspec.json.Encoder(enc_hook=str).encode
    out.write(encode(document.header(source)) + b"\n")
    for kind in ("project", "level", "setting", "verdict", "issue"):
        for item in getattr(document, f"{kind}s")(source):
            out.write(encode({"kind": kind, **item}) + b"\n")
    for about, pieces in document.attachments(source):
        out.write(encode({"kind": "attachment", **about})[:-1] + b',"data":"')
        for piece in pieces:
            out.write(piece.encode())
        out.write(b'"}\n')
    _write_events(source, out, progress)


def _write_events(source: Source, out: Output, progress: Progress) -> None:
    for part in document.events(source):
        # Each item begins with its opening brace, behind which the kind goes.
        out.write(b"".join([b'{"kind":"event",%s\n' % item[1:] for item in part]))
        progress(len(part))
