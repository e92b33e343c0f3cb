"""Files of events and issues: which there are, and their content."""

from __future__ import annotations

from typing import IO, NamedTuple

from ..models import AttachmentInfo
from .blobs import Blobs
from .sqlite import SQLite


class Attachment(NamedTuple):
    id: int
    name: str
    content_type: str
    kind: str  # Sentry's attachment_type
    size: int  # bytes
    digest: str  # SHA-256, hexadecimal
    created_at: int

    def info(self) -> AttachmentInfo:
        """As events show their files."""
        return {
            "name": self.name, "content_type": self.content_type, "size": self.size, "digest": self.digest,
            "kind": self.kind,
        }  # fmt: skip


class Attachments:
    def __init__(self, db: SQLite, blobs: Blobs) -> None:
        self.db = db
        self.blobs = blobs

    def of_event(self, row: int) -> list[Attachment]:
        """An event's files, in the order they came."""
        return self._list("event", row)

    def of_issue(self, issue: int) -> list[Attachment]:
        """The files that people put on an issue; those of its events are the events'."""
        return self._list("issue_id", issue)

    def add(self, file: AttachmentInfo, now: int, *, event: int | None = None, issue: int | None = None) -> bool:
        """Name a stored content as a file of an event (its row) or of an issue; False where that had it already."""
        owner, column = (event, "event") if event is not None else (issue, "issue_id")
        digest = bytes.fromhex(file["digest"])
        with self.db.writing():
            known = self.db.row(
                f"SELECT 1 FROM attachments WHERE {column} = ? AND digest = ? AND name = ?",
                (owner, digest, file["name"]),
            )
            if known:
                return False
            self.db.execute(
                f"""INSERT INTO attachments ({column}, name, content_type, kind, size, digest, created_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?)""",
                (owner, file["name"], file["content_type"], file["kind"], file["size"], digest, now),
            )
        return True

    def open(self, file: Attachment) -> IO[bytes]:
        """The content. Raises NotFoundError."""
        return self.blobs.open(file.digest)

    def _list(self, column: str, owner: int) -> list[Attachment]:
        rows = self.db.rows(
            f"""SELECT id, name, content_type, kind, size, digest, created_at FROM attachments
                WHERE {column} = ? ORDER BY id""",
            (owner,),
        )
        return [
            Attachment(id_, name, content_type, kind, size, digest.hex(), created_at)
            for id_, name, content_type, kind, size, digest, created_at in rows
        ]
