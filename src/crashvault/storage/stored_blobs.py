"""Attachments in the database, for vaults that many nodes share: the same interface as files beside a vault.

A content is in the database before the transaction that names it begins, in pieces, under the SHA-256 of it. What no
transaction came to name is removed by `gc` after an hour.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from .. import clock
from ..errors import InvalidError, NotFoundError
from ..models import AttachmentInfo
from .blobs import DEFAULT_KIND, DEFAULT_TYPE, MAX_SIZE, Blobs

if TYPE_CHECKING:
    from .postgres import Postgres

_CHUNK = 1 << 18  # bytes of a piece
_IN_MEMORY = 1 << 20  # bytes of a content that is read or checked; what is larger goes to a temporary file


class StoredBlobs(Blobs):
    def __init__(self, db: Postgres) -> None:
        self.db = db

    def open(self, digest: str) -> IO[bytes]:
        """The content, as it is now. Raises NotFoundError."""
        key = bytes.fromhex(digest)
        with self.db.reading():
            if not self.has(digest):
                raise NotFoundError(f"the content of attachment {digest[:12]} is gone", "Run: crashvault doctor")
            file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
            for number in range(1 << 31):
                data = self.db.value("SELECT data FROM blob_chunks WHERE digest = ? AND number = ?", (key, number))
                if data is None:
                    break
                file.write(data)
        file.seek(0)
        return file

    def put(
        self, file: IO[bytes], name: str, content_type: str = DEFAULT_TYPE, kind: str = DEFAULT_KIND
    ) -> AttachmentInfo:
        """Store a stream, in constant memory. Raises InvalidError over MAX_SIZE, StoreError where it can't be written."""
        digest, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > MAX_SIZE:
                    raise InvalidError(f"attachment {name!r} is larger than {MAX_SIZE >> 20} MiB", "Attach less of it")
                digest.update(chunk)
                copy.write(chunk)
            copy.seek(0)
            self._place_content(copy, digest.digest(), size)
        return {"name": name, "content_type": content_type, "size": size, "digest": digest.hexdigest(), "kind": kind}

    def _place_content(self, file: IO[bytes], digest: bytes, size: int) -> None:
        with self.db.writing(alone=False):
            now = clock.now()
            renewed = self.db.execute("UPDATE blobs SET stored_at = ? WHERE digest = ?", (now, digest))
            if renewed or not self.db.execute(
                "INSERT INTO blobs VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (digest, size, now)
            ):
                return
            number = 0
            while chunk := file.read(_CHUNK):
                self.db.execute("INSERT INTO blob_chunks VALUES (?, ?, ?)", (digest, number, chunk))
                number += 1

    def has(self, digest: str) -> bool:
        """Whether the content is there."""
        return self.db.row("SELECT 1 FROM blobs WHERE digest = ?", (bytes.fromhex(digest),)) is not None

    def remove(self, name: str, before: float) -> int:
        """Delete a content last stored before a time in seconds; the bytes freed."""
        key = bytes.fromhex(name)
        with self.db.writing():
            size = self.db.value(
                "DELETE FROM blobs WHERE digest = ? AND stored_at <= ? RETURNING size", (key, int(before * 1_000_000))
            )
            if size is not None:
                self.db.execute("DELETE FROM blob_chunks WHERE digest = ?", (key,))
        return int(size or 0)

    def list(self) -> Iterator[tuple[str, float]]:
        """Every stored digest with the time when it was stored last, in seconds since the epoch."""
        for digest, stored_at in self.db.rows("SELECT digest, stored_at FROM blobs ORDER BY digest"):
            yield digest.hex(), stored_at / 1_000_000
