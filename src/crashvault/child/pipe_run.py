"""A child whose output goes through pipes, and the loop that serves it."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .launch import Failure, Program, become
from .result import ChildResult
from .signals import FORWARDED, Arrival, Signals
from .streams import Pump, Tail, is_same_file, pipe
from .terminal import has_controlling_terminal

GRACE = 0.5  # seconds that a left-over process may still write after the child ended
KILL_AFTER = 5.0  # seconds between SIGTERM and SIGKILL on a timeout
_SETTLE = 0.25  # seconds at most to pass on output before stopping with the child
TIMED_OUT = 124  # as timeout(1) exits


class PipeRun:
    """A child whose output goes through pipes only."""

    def __init__(self, signals: Signals, timeout: float | None, keep: int) -> None:
        self.signals = signals
        self.output = Tail(keep)
        self.errors = Tail(keep)
        self.pumps: list[Pump] = []
        self.pid = 0
        self.status: int | None = None  # of waitpid, once the child has ended
        self.timed_out = False
        self.given_up = False  # nobody wants the rest of the output
        self.has_group = not has_controlling_terminal()
        self.began = self.ended = time.monotonic()
        self._deadline = None if timeout is None else self.began + timeout
        self._stop, self._stopper = os.pipe()

    def start(self, command: list[str], env: Mapping[str, str], cwd: str | None) -> Failure | None:
        """Start the command; what kept it from starting, or None."""
        failures, report = os.pipe()
        descriptors = self._open_streams()
        self._fork(Program(command, env, cwd, descriptors, self.signals.mask, report))
        for descriptor in {report, *descriptors}:
            if descriptor > 2:
                os.close(descriptor)
        text = os.read(failures, 64).decode()
        os.close(failures)
        return Failure(text.split()[0], int(text.split()[1])) if text else None

    def wait(self) -> None:
        """Serve the child until it has ended and its output is passed on."""
        for pump in self.pumps:
            pump.start()
        self.signals.start()
        while self.status is None:
            self._turn(self._patience(self._deadline))
        self.ended = time.monotonic()
        listening: float | None = self.ended + GRACE
        while not self.given_up and not all(pump.finished for pump in self.pumps):
            self._turn(self._patience(listening))
            if listening is not None and time.monotonic() >= listening:
                listening = None
                self._stopper = closed(self._stopper)

    def result(self, argv: Sequence[str]) -> ChildResult:
        code = os.waitstatus_to_exitcode(self.status or 0)
        return ChildResult(
            tuple(argv),
            TIMED_OUT if self.timed_out else code if code >= 0 else 128 - code,
            _signal_name(-code) if code < 0 else None,
            self.timed_out,
            self.ended - self.began,
            self.output.value(),
            self.errors.value(),
            self.pid,
        )

    def close(self) -> None:
        """Leave no child and no descriptor behind, also after an exception."""
        if self.pid and self.status is None:
            self._kill(signal.SIGKILL)
        self._reap_last()
        self._stopper = closed(self._stopper)
        if not self.given_up:  # else a thread may still use them
            self._close_descriptors()

    def _open_streams(self) -> tuple[int, int, int]:
        """Pipes and their pumps; the descriptors that the child gets."""
        source, output = pipe()
        self._add_pump(source, 1, [self.output])
        if is_same_file(1, 2):
            return 0, output, output
        return 0, output, self._open_error_pipe()

    def _open_error_pipe(self) -> int:
        source, errors = pipe()
        self._add_pump(source, 2, [self.output, self.errors])
        return errors

    def _add_pump(self, source: int, target: int, tails: list[Tail]) -> None:
        self.pumps.append(Pump(source, target, tails, self._stop, self.signals.nudge))

    def _fork(self, program: Program) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            if self.has_group:
                os.setpgid(0, 0)
            become(program)

    def _patience(self, until: float | None) -> float | None:
        return None if until is None else max(0.0, until - time.monotonic())

    def _turn(self, patience: float | None) -> None:
        """Wait for something to happen, at most `patience` seconds, and see to it."""
        wake = self.signals.wake
        readable, writable, _ = select.select([wake, *self._sources()], self._sinks(), [], patience)
        if wake in readable:
            for arrival in self.signals.take():
                self._heed(arrival)
            self._look_after_child()
        self._serve(readable, writable)
        self._enforce_deadline()

    def _sources(self) -> list[int]:
        return []

    def _sinks(self) -> list[int]:
        return []

    def _serve(self, readable: list[int], writable: list[int]) -> None:
        pass

    def _heed(self, arrival: Arrival) -> None:
        number = arrival.number
        if number == signal.SIGWINCH:
            self._resize()
        elif self.status is not None:
            self._heed_alone(number)
        elif number == signal.SIGCONT:
            self._continued()
        elif self._should_hear(arrival):
            self._send(number)

    def _should_hear(self, arrival: Arrival) -> bool:
        if not self.has_group and arrival.from_kernel:
            return False  # a key of our terminal has reached everybody in our group already
        return arrival.number == signal.SIGTSTP or arrival.number in FORWARDED

    def _heed_alone(self, number: int) -> None:
        """The child has ended and only its output is left: signals are for us."""
        if number == signal.SIGTSTP:
            self.signals.stop_myself(number, whole_group=False)
        elif number in FORWARDED:
            self.given_up = True

    def _resize(self) -> None:
        pass

    def _continued(self) -> None:
        if self.has_group:  # else the shell has continued the child too
            self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self.has_group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def _kill(self, number: int) -> None:
        """Send `number` to the child and what it started, and let those that are stopped have it."""
        if self.has_group:
            self._send(number)
            self._send(signal.SIGCONT)
            return
        for pid in _family(self.pid):
            with suppress(OSError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)

    def _look_after_child(self) -> None:
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if not pid:
                return
            self._note(status)

    def _note(self, status: int) -> None:
        if os.WIFSTOPPED(status):
            self._child_stopped(os.WSTOPSIG(status))
        else:
            self.status = status

    def _child_stopped(self, number: int) -> None:
        """Our job is what the shell knows: it stops with its child, and continues with it."""
        if not self.has_group:
            self._pause(number, whole_group=False)
            self._continue_child()

    def _continue_child(self) -> None:
        """Only if the shell has not: by now the child may have been stopped again."""
        pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if not pid:
            self._send(signal.SIGCONT)
        elif not os.WIFCONTINUED(status):
            self._note(status)

    def _pause(self, number: int, whole_group: bool) -> float:
        """Stop ourselves once what the child has written is seen; for how long, in seconds."""
        self._settle()
        seconds = self.signals.stop_myself(number, whole_group)
        if self._deadline is not None:
            self._deadline += seconds
        return seconds

    def _settle(self) -> None:
        quiet, until = 0, time.monotonic() + _SETTLE
        while quiet < 2 and time.monotonic() < until:
            time.sleep(_SETTLE / 50)  # the kernel itself is not immediate with a pseudo-terminal
            quiet = 0 if any(pump.is_busy for pump in self.pumps) else quiet + 1

    def _enforce_deadline(self) -> None:
        now = time.monotonic()
        if self._deadline is None or now < self._deadline or self.status is not None:
            return
        self._kill(signal.SIGKILL if self.timed_out else signal.SIGTERM)
        self.timed_out = True
        self._deadline = now + KILL_AFTER

    def _reap_last(self) -> None:
        if self.pid and self.status is None:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)

    def _close_descriptors(self) -> None:
        self._stop = closed(self._stop)
        for pump in self.pumps:
            if pump.ident is None:  # never started
                os.close(pump.source)


def closed(descriptor: int) -> int:
    if descriptor >= 0:
        os.close(descriptor)
    return -1


def _family(pid: int) -> list[int]:
    """A process and those that descend from it, where /proc tells."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as children:
                    found.extend(map(int, children.read().split()))
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"  # a real-time signal
