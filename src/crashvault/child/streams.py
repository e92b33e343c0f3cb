"""The way of the child's output to ours: pipes, the threads that copy, and the tail that is remembered."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress

from .tail import Tail

_CHUNK = 262_144  # bytes a read: large enough to be rare, small enough for the processor's cache
_PIPE_SIZE = 1_048_576  # bytes, what Linux allows everybody
_FLOOD = 65_536  # bytes at once from which on the kernel moves pages for us
_PAUSE = 2  # milliseconds without output after which a flood is over


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
        self._can_splice = closes and hasattr(os, "splice")

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
            elif not self._pass_on(self.source, buffer, self._remaining) or (
                self._flowing and self._can_splice and not self._flood(buffer)
            ):
                return

    def _flood(self, buffer: memoryview) -> bool:
        """Pass on output that comes faster than it can be looked at; False at its end.

        All of it goes through a pipe of our own, out of which the kernel moves everything but the last bytes,
        those that the tails will want. They are copied when the child pauses or ends.
        """
        reader, writer = pipe()
        try:
            self._can_splice = _capacity(writer) > self._reserve + _FLOOD
            poll = select.poll()
            poll.register(self.source, select.POLLIN)
            poll.register(self._stop_signal, select.POLLIN)
            size, held = 1, 0
            while size > 0 and self._can_splice and self._has_more(poll):
                try:
                    size = os.splice(self.source, writer, _PIPE_SIZE, flags=os.SPLICE_F_NONBLOCK)
                except BlockingIOError:  # small writes fill our pipe with pages that hold little
                    break
                held += size
                if held > self._reserve:
                    held -= self._move(reader, held - self._reserve)
            while held > 0:
                held -= self._pass_on(reader, buffer, held)
            self._flowing = False
            return size > 0
        finally:
            os.close(reader)
            os.close(writer)

    def _has_more(self, poll: select.poll) -> bool:
        ready = [descriptor for descriptor, _ in poll.poll(_PAUSE)]
        return bool(ready) and self._stop_signal not in ready

    def _move(self, reader: int, size: int) -> int:
        """Let the kernel move `size` bytes to the target; how many it did, less where it cannot."""
        _widen(self.target)
        moved = 0
        while moved < size:
            try:
                moved += os.splice(reader, self.target, size - moved)
            except BlockingIOError:
                select.select([], [self.target], [])
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._can_splice = False  # a file opened for appending, a terminal
                break
        return moved

    def _pass_on(self, source: int, buffer: memoryview, limit: int) -> int:
        """Copy what can be read at once, at most `limit` bytes; how many, 0 at the end."""
        try:
            size = os.readv(source, [buffer[:limit]])
        except BlockingIOError:
            return 1
        except OSError as error:
            if error.errno == errno.EIO:  # how Linux says that nobody has the pseudo-terminal open any more
                return 0
            raise
        self._flowing = size >= _FLOOD
        data = buffer[:size]
        for tail in self._tails:
            tail.add(data)
        _write_all(self.target, data)
        if source == self.source:
            self._remaining -= size
        return size


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


def _capacity(descriptor: int) -> int:
    with suppress(AttributeError, OSError):
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    return 0


def is_same_file(first: int, second: int) -> bool:
    return os.path.samestat(os.fstat(first), os.fstat(second))
