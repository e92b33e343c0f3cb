"""Sentry's SDK with the vault in the place of a server: its envelopes are stored, nothing is ever sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sentry_sdk.envelope import Envelope, Item
from sentry_sdk.transport import Transport

from ..ingest.sentry_event import to_raw
from .client import DSN
from .writer import Job, VaultWriter, complain

if TYPE_CHECKING:
    from ..pipeline import Receipt

# Exceptions after which the process, or what would have flushed for it, may be gone at any moment.
FINAL_MECHANISMS = frozenset(("excepthook", "threading", "multiprocessing"))
IGNORED_ITEMS = frozenset(("session", "sessions", "client_report"))


class VaultTransport(Transport):
    """Takes events and their attachments; what a vault has no place for yet is counted in its ledger."""

    def __init__(
        self, writer: VaultWriter, exit_seconds: float, told: Callable[[Receipt], object] | None = None
    ) -> None:
        super().__init__({"dsn": DSN, "org_id": None})
        self.writer = writer
        self.exit_seconds = exit_seconds
        self.told = told

    def capture_envelope(self, envelope: Envelope) -> None:
        try:
            self._capture(envelope)
        except Exception as error:
            complain("an event cannot be recorded", error)

    def _capture(self, envelope: Envelope) -> None:
        for item in envelope.items:
            if item.type == "event":
                event: Any = item.payload.json
                job = Job({**to_raw(event), "pid": os.getpid()}, _files(envelope.items), self.told)
                if self.writer.submit(job) and is_final(event):
                    self.writer.finish(self.exit_seconds)
            elif item.type not in IGNORED_ITEMS and item.type != "attachment":
                self.writer.count_lost("unsupported", item.data_category)

    def flush(self, timeout: float, callback: Any = None) -> None:
        self.writer.finish(timeout)

    def kill(self) -> None:
        self.writer.close()

    def record_lost_event(
        self, reason: str, data_category: Any = None, item: Item | None = None, *, quantity: int = 1
    ) -> None:
        """Called by the SDK for what it drops itself: sampled out, refused by `before_send`, …"""
        category = item.data_category if item is not None else data_category or "event"
        self.writer.count_lost(reason, "event" if category == "error" else category, quantity)


def is_final(event: Any) -> bool:
    """Whether the process may end right after this event."""
    exception = event.get("exception") or {}
    return any(
        (value.get("mechanism") or {}).get("type") in FINAL_MECHANISMS
        and (value.get("mechanism") or {}).get("handled") is False
        for value in exception.get("values") or ()
    )


def _files(items: Sequence[Item]) -> list[Mapping[str, Any]]:
    return [_file(item) for item in items if item.type == "attachment"]


def _file(item: Item) -> Mapping[str, Any]:
    """A file is read when it is stored, as Sentry's own transport does."""
    headers, payload = item.headers, item.payload
    return {
        "name": headers.get("filename"),
        "content_type": headers.get("content_type") or "application/octet-stream",
        "kind": headers.get("attachment_type") or "event.attachment",
        "data": payload.bytes if payload.bytes is not None or payload.path is not None else payload.get_bytes(),
        "path": payload.path,
    }
