"""The end of a stream, which is all of it that is remembered."""

from __future__ import annotations

import threading
from collections import deque

KEEP = 65_536  # bytes of output that are remembered


class Tail:
    """The last `keep` bytes of a stream."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()

    def add(self, data: memoryview) -> None:
        chunk = bytes(data[-self.keep :]) if self.keep else b""
        with self._lock:
            self._chunks.append(chunk)
            self._size += len(chunk)
            while self._chunks and self._size - len(self._chunks[0]) >= self.keep:
                self._size -= len(self._chunks.popleft())

    def value(self) -> bytes:
        with self._lock:
            return b"".join(self._chunks)[-self.keep :] if self.keep else b""
