"""Forms as `multipart/form-data`: minidumps and late attachments come so. See RFC 7578."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from crashvault.ingest.native import BodyError

MOST_PARTS = 200
LONGEST_HEADER = 8_192  # bytes of the headers of one part

_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE)
_PARAMETER = re.compile(r'(?:^|[;\s])(name|filename)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


class Part(NamedTuple):
    """One field of a form. A field that is no file has no filename."""

    name: str
    filename: str | None
    content_type: str
    data: bytes


def read_form(body: bytes, content_type: str) -> list[Part]:
    """The parts of a form. Raises BodyError with the code bad_form."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _malformed("its content type names no boundary")
    return list(_parts(body, f"--{found[1] or found[2]}".encode("latin-1", "replace")))


def _parts(body: bytes, mark: bytes) -> Iterator[Part]:
    start = 0 if body.startswith(mark) else body.find(b"\r\n" + mark) + 2
    if start == 1:
        raise _malformed("its boundary is not in it")
    for _ in range(MOST_PARTS + 1):
        start += len(mark)
        if body.startswith(b"--", start):
            return
        line_end = body.find(b"\r\n", start)
        end = body.find(b"\r\n" + mark, max(line_end, start))
        if line_end < 0 or end < 0:
            raise _malformed("it ends inside a part")
        yield _part(body, line_end + 2, end)
        start = end + 2
    raise BodyError("too_many_parts", f"The form has more than {MOST_PARTS} parts", "Send several")


def _part(body: bytes, start: int, end: int) -> Part:
    split = body.find(b"\r\n\r\n", start - 2, min(end, start + LONGEST_HEADER) + 2)
    if split < 0:
        raise _malformed("a part has no end of headers")
    headers: dict[str, str] = {}
    for line in body[start:split].decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    told = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(headers.get("content-disposition", ""))}  # fmt: skip
    return Part(told.get("name", ""), told.get("filename"), headers.get("content-type", ""), body[split + 4 : end])


def _malformed(what: str) -> BodyError:
    return BodyError("bad_form", f"The body is no form: {what}", "Send multipart/form-data, see RFC 7578")
