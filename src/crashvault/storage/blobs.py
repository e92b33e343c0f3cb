"""Attachments as files beside the vault, addressed by the SHA-256 of their content.

A file and its folder are on disk before the transaction that names them begins, so a stored event never
points at nothing; a file that no transaction came to name is removed by `gc` after an hour.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from collections.abc import Iterator
from typing import IO, Any

from ..errors import InvalidError, NotFoundError, StoreError
from ..models import AttachmentInfo, EventError

MAX_SIZE = 20 * 1024 * 1024  # bytes
MAX_COUNT = 20  # of one event
SPARED_SECONDS = 3600
DEFAULT_TYPE = "application/octet-stream"
DEFAULT_KIND = "event.attachment"
_CHUNK = 1 << 20


class Blobs:
    def __init__(self, home: str) -> None:
        self.root = os.path.join(home, "blobs")

    def path(self, digest: str) -> str:
        return os.path.join(self.root, digest[:2], digest)

    def has(self, digest: str) -> bool:
        """Whether the content is there."""
        return os.path.exists(self.path(digest))

    def open(self, digest: str) -> IO[bytes]:
        """The content. Raises NotFoundError."""
        try:
            return open(self.path(digest), "rb")
        except FileNotFoundError as error:
            raise NotFoundError(f"the content of attachment {digest[:12]} is gone", "Run: crashvault doctor") from error

    def put(
        self, file: IO[bytes], name: str, content_type: str = DEFAULT_TYPE, kind: str = DEFAULT_KIND
    ) -> AttachmentInfo:
        """Store a stream, in constant memory. Raises InvalidError over MAX_SIZE, StoreError where it can't be written."""
        digest, size = hashlib.sha256(), 0
        try:
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            part = os.path.join(self.root, f".{os.getpid()}-{time.monotonic_ns()}.tmp")
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                while chunk := file.read(_CHUNK):
                    size += len(chunk)
                    if size > MAX_SIZE:
                        raise InvalidError(
                            f"attachment {name!r} is larger than {MAX_SIZE >> 20} MiB", "Attach less of it"
                        )
                    digest.update(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            self._place(part, digest.hexdigest())
        except InvalidError:
            os.unlink(part)
            raise
        except OSError as error:
            raise StoreError(
                f"attachment {name!r} cannot be stored ({error.strerror})", f"Check {self.root}"
            ) from error
        return {
            "name": name,
            "content_type": content_type,
            "size": size,
            "digest": digest.hexdigest(),
            "kind": kind,
        }

    def take(self, given: Any) -> tuple[list[AttachmentInfo], list[EventError]]:
        """Store the attachments of an event body, `[{name, content_type, data (base64)}]`; what is wrong is noted."""
        found: list[AttachmentInfo] = []
        wrong: list[EventError] = []
        items = given if isinstance(given, list) else [given]
        for position, item in enumerate(items[:MAX_COUNT]):
            data = _decoded(item)
            if data is None:
                wrong.append({"field": f"attachments.{position}", "reason": "invalid", "detail": "no base64 data"})
            elif len(data) > MAX_SIZE:
                wrong.append(
                    {
                        "field": f"attachments.{position}",
                        "reason": "too_large",
                        "detail": f"{len(data)} bytes",
                    }
                )
            else:
                found.append(self.put_bytes(data, item))
        if len(items) > MAX_COUNT:
            wrong.append({"field": "attachments", "reason": "too_many", "detail": f"{len(items)}, kept {MAX_COUNT}"})
        return found, wrong

    def put_bytes(self, data: bytes, item: dict[str, Any]) -> AttachmentInfo:
        import io

        name = item.get("name") if isinstance(item.get("name"), str) else ""
        kind = item.get("content_type") if isinstance(item.get("content_type"), str) else ""
        return self.put(io.BytesIO(data), clean_name(name or ""), (kind or DEFAULT_TYPE)[:200])

    def remove(self, name: str, before: float) -> int:
        """Delete a content (or what an interrupted upload left) last stored before a time in seconds; the bytes freed.

        The same content may be stored again at this very moment: the file is taken aside first and looked
        at then, and a young one goes back.
        """
        path = os.path.join(self.root, name) if name.startswith(".") else self.path(name)
        aside = os.path.join(self.root, f".{os.getpid()}-{time.monotonic_ns()}.tmp")
        try:
            os.rename(path, aside)
            found = os.stat(aside)
            if found.st_mtime > before:
                os.replace(aside, path)
                return 0
            os.unlink(aside)
        except FileNotFoundError:
            return 0
        return found.st_size

    def list(self) -> Iterator[tuple[str, float]]:
        """Every stored digest with the time of its file, in seconds since the epoch; also leftovers, named with a dot."""
        for folder, _, files in os.walk(self.root):
            for name in files:
                try:
                    yield name, os.stat(os.path.join(folder, name)).st_mtime
                except FileNotFoundError:
                    continue

    def _place(self, part: str, digest: str) -> None:
        target = self.path(digest)
        folder = os.path.dirname(target)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.replace(part, target)
        for directory in (folder, self.root):
            fd = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _decoded(item: Any) -> bytes | None:
    if not isinstance(item, dict) or not isinstance(item.get("data"), str):
        return None
    try:
        return base64.b64decode(item["data"], validate=True)
    except (binascii.Error, ValueError):
        return None


def clean_name(name: str) -> str:
    """A file name without folders and control characters, that is safe to show and to save under."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(character for character in base if character.isprintable()).strip(". ")
    return kept[:200] or "attachment"
