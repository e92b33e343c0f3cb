"""Signals as a queue, with where each came from."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

FORWARDED = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})
WATCHED = FORWARDED | {
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCONT,
    signal.SIGWINCH,
    signal.SIGCHLD,
}


class Arrival(NamedTuple):
    number: int
    from_kernel: bool  # a key of the terminal, not somebody's kill


class Signals:
    """Turns signals into entries of `arrived`, with where they came from, and a byte in the pipe `wake`.

    A thread waits for them because only sigwaitinfo tells Python who sent one. Signals that were ignored
    when we started stay ignored, here and in the child (nohup).
    """

    def __enter__(self) -> Signals:
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else there would be no status to wait for
        self.watched = {number for number in WATCHED if signal.getsignal(number) is not signal.SIG_IGN}
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.watched)
        self.arrived: deque[Arrival] = deque()
        self.wake, self._waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._waker, False)
        self._thread: threading.Thread | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        os.close(self.wake)
        os.close(self._waker)

    def start(self) -> None:
        self._ending = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None and self._thread.ident is not None:
            self._ending = True
            signal.pthread_kill(self._thread.ident, signal.SIGCHLD)
            self._thread.join()
            self._thread = None

    def nudge(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    def take(self) -> list[Arrival]:
        with suppress(BlockingIOError):
            os.read(self.wake, 4096)
        return [self.arrived.popleft() for _ in range(len(self.arrived))]

    def stop_myself(self, number: int, whole_group: bool) -> float:
        """Stop as any program would until somebody continues us; how long that took, in seconds."""
        began = time.monotonic()
        self.stop()  # it would swallow the signal
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(0 if whole_group else os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_BLOCK, self.watched)
        self.start()
        self.nudge()  # the thread may have swallowed a SIGCHLD while it ended
        return time.monotonic() - began

    def _listen(self) -> None:
        while True:
            self.arrived.append(_next_signal(self.watched))
            self.nudge()
            if self._ending:
                return


def _next_signal(watched: Collection[int]) -> Arrival:
    if not hasattr(signal, "sigwaitinfo"):  # macOS does not tell, and keys are the usual sender
        return Arrival(signal.sigwait(watched), True)
    info = signal.sigwaitinfo(watched)
    return Arrival(info.si_signo, info.si_code > 0)
