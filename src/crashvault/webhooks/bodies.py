"""What goes over the wire: JSON, forms with files, and the headers that a webhook's owner adds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from .base import File, Request, Target

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_CONTENT_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}", re.A)
_NAME = 128  # characters of a file's name


class Part(NamedTuple):
    """One part of a form. `filename` only of a file."""

    name: str
    content_type: str
    body: bytes
    filename: str | None = None


def json_bytes(value: Any) -> bytes:
    """Compact JSON in UTF-8; half a surrogate pair, which UTF-8 can't say, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def parsed(text: str) -> Any:
    """The value of a JSON text by RFC 8259, so without NaN. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("too deep") from None


def parsed_object(text: str) -> dict[str, Any] | None:
    """The object that a JSON text is; None when it is none."""
    try:
        value = parsed(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def is_json(text: str) -> bool:
    try:
        parsed(text)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def rendered_body(rendered: str) -> tuple[str, bytes]:
    """Content type and bytes of what a template made: JSON when it is JSON, else text."""
    return (JSON if is_json(rendered) else TEXT), rendered.encode("utf-8", "replace")


def post(target: Target, content_type: str, body: bytes, *, url: str = "", **headers: str) -> Request:
    """A POST to the target, or to `url`. The owner's headers win over ours, except that a form says its boundary."""
    ours = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    theirs = {name.lower(): value for name, value in target.headers.items()}
    if content_type.startswith("multipart/"):
        theirs.pop("content-type", None)
    return Request("POST", url or target.url, ours | theirs, body)


def form(identifier: str, parts: Sequence[Part]) -> tuple[str, bytes]:
    """Content type and bytes of a multipart/form-data body (RFC 7578), the same each time for the same `identifier`.

    Names are escaped as browsers do it: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html
    """
    boundary = _boundary(identifier, parts)
    body = b"".join(b"--%b\r\n%b\r\n%b\r\n" % (boundary, _part_headers(part), part.body) for part in parts)
    return f"multipart/form-data; boundary={boundary.decode()}", body + b"--%b--\r\n" % boundary


def file_part(name: str, file: File) -> Part:
    return Part(name, content_type(file), file.read(), file_name(file))


def file_name(file: File) -> str:
    """A file's name without folders, control characters and excess; never empty."""
    name = re.sub(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029]", "_", file.name).strip(" .") or "file"
    stem, dot, ending = name.rpartition(".")
    if len(name) <= _NAME:
        return name
    return f"{stem[: _NAME - 17]}{dot}{ending[:16]}" if dot else name[:_NAME]


def content_type(file: File) -> str:
    return file.content_type if _CONTENT_TYPE.fullmatch(file.content_type) else "application/octet-stream"


def _boundary(identifier: str, parts: Sequence[Part]) -> bytes:
    """A line that occurs in no part."""
    for number in range(100):
        found = b"crashvault-" + hashlib.sha256(f"{identifier} {number}".encode()).hexdigest()[:32].encode()
        if not any(found in part.body for part in parts):
            return found
    raise ValueError("every boundary occurs in the files")


def _part_headers(part: Part) -> bytes:
    disposition = f'form-data; name="{_quoted(part.name)}"'
    if part.filename is not None:
        disposition += f'; filename="{_quoted(part.filename)}"'
    lines = f"Content-Disposition: {disposition}\r\nContent-Type: {part.content_type}\r\n"
    return lines.encode("utf-8", "replace")


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def within(files: Sequence[File], *, each: int, together: int, count: int) -> list[File]:
    """The files that fit, in their order: at most `count`, of at most `each` bytes, `together` in sum."""
    found: list[File] = []
    for file in files:
        if len(found) < count and file.size <= each and file.size + sum(one.size for one in found) <= together:
            found.append(file)
    return found
