"""The way of the child's output to ours: pipes, the threads that copy, and the tail that is remembered."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 262_144  # bytes a read: large enough to be rare, small enough for the processor's cache
_PIPE_SIZE = 1_048_576  # bytes, what Linux allows everybody
_BULK = 262_144  # bytes from which on the kernel moves pages for us
_BREATH = 0.0002  # seconds for a child at full speed to fill its pipe again


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


class Pump(threading.Thread):
    """Copies one stream of the child to one of ours, until its end.

    Once `stop` is closed it ends as soon as what was readable at that moment is passed on, because who writes
    then has outlived the child. `done` is called at the end, from this thread.
    """

    def __init__(
        self,
        source: int,
        target: int,
        tails: list[Tail],
        stop: int,
        done: Callable[[], None],
        closes: bool = True,
    ) -> None:
        super().__init__(daemon=True)
        self.source = source
        self.target = target
        self.finished = False
        self.lost_reader = False
        self._tails = tails
        self._stop_signal = stop
        self._done = done
        self._closes = closes  # closing the pipe tells the child that its reader has left
        self._remaining = sys.maxsize  # bytes
        self._reserve = max(tail.keep for tail in tails)
        self._flowing = False
        self._copying = False
        self._can_splice = closes and hasattr(os, "splice") and self._reserve + _BULK < _PIPE_SIZE

    @property
    def is_busy(self) -> bool:
        return not self.finished and (_readable_bytes(self.source) > 0 or self._copying)

    def run(self) -> None:
        try:
            self._copy()
        except OSError as error:
            self.lost_reader = True
            if error.errno not in (errno.EPIPE, errno.EIO):
                complain(f"cannot pass on the output: {os.strerror(error.errno or 0)}")
        finally:
            if self._closes:
                os.close(self.source)
            self.finished = True
            self._done()

    def _copy(self) -> None:
        buffer = memoryview(bytearray(_CHUNK))
        poll = select.poll()
        poll.register(self.source, select.POLLIN)
        poll.register(self._stop_signal, select.POLLIN)
        while self._remaining > 0:
            self._copying = False
            ready = [descriptor for descriptor, _ in poll.poll()]
            self._copying = True
            if self._stop_signal in ready:
                poll.unregister(self._stop_signal)
                self._remaining = _readable_bytes(self.source)
            elif not (self._can_splice and self._splice()) and not self._pass_on(buffer):
                return

    def _splice(self) -> bool:
        """Move all but the last bytes of a flood without looking at them; False if it is none.

        What the tails will want stays behind in the pipe, to be copied when the child pauses or ends. This
        is what makes a flood as fast as without us.
        """
        size = _readable_bytes(self.source) - self._reserve
        if self._flowing and size < _BULK:
            time.sleep(_BREATH)
            size = _readable_bytes(self.source) - self._reserve
        self._flowing = size >= _BULK
        size = min(size, self._remaining - self._reserve)
        return self._flowing and size > 0 and self._move(size)

    def _move(self, size: int) -> bool:
        _widen(self.target)
        moved = 0
        while moved < size:
            try:
                moved += os.splice(self.source, self.target, size - moved)
            except BlockingIOError:
                select.select([], [self.target], [])
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._can_splice = False  # a file opened for appending, a terminal
                break
        self._remaining -= moved
        return moved > 0

    def _pass_on(self, buffer: memoryview) -> bool:
        try:
            size = os.readv(self.source, [buffer])
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno == errno.EIO:  # how Linux says that nobody has the pseudo-terminal open any more
                return False
            raise
        self._flowing = size >= _BULK // 4
        data = buffer[:size]
        for tail in self._tails:
            tail.add(data)
        _write_all(self.target, data)
        self._remaining -= size
        return size > 0


def complain(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"crashvault: {text}\n".encode())


def _readable_bytes(descriptor: int) -> int:
    with suppress(OSError):
        return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
    return 0


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # somebody else made our standard output non-blocking
            select.select([], [descriptor], [])


def pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    _widen(writer)
    return reader, writer


def _widen(descriptor: int) -> None:
    with suppress(AttributeError, OSError):
        if fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < _PIPE_SIZE:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)


def is_same_file(first: int, second: int) -> bool:
    return os.path.samestat(os.fstat(first), os.fstat(second))
