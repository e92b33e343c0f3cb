"""A child on a pseudo-terminal: keys, window size and job control."""

from __future__ import annotations

import os
import signal

from .launch import BACK, FRONT, IS_IN_FRONT, Program, lead_session
from .pipe_run import PipeRun, closed
from .signals import Signals
from .streams import Pump, pipe
from .terminal import Terminal, is_pipe

_TYPED_AHEAD = 65_536  # bytes of keys to hold for a child that does not read
_NOT_STOPPED = 0.05  # seconds; shorter than anybody takes to continue a stopped job
_WANTS_TERMINAL = (signal.SIGTTIN, signal.SIGTTOU)


class TerminalRun(PipeRun):
    """A child on a pseudo-terminal, at least with one of its output streams."""

    def __init__(
        self,
        signals: Signals,
        timeout: float | None,
        keep: int,
        terminal: Terminal,
        master: int,
        slave: int,
    ) -> None:
        super().__init__(signals, timeout, keep)
        self.terminal = terminal
        self.has_group = True
        self.in_front = os.isatty(0) and terminal.is_ours and not (is_pipe(1) or is_pipe(2))
        self._master = master
        self._slave = slave
        self._monitor = 0
        self._reports = -1
        self._unread = b""  # of the reports
        self._keys = b""  # typed, not yet taken by the child
        self._reads_keys = True
        self._takes_keys = self.in_front  # before it is in front, Ctrl-C would miss the child

    def close(self) -> None:
        self.terminal.restore()
        super().close()

    def _open_streams(self) -> tuple[int, int, int]:
        shown = [os.isatty(descriptor) for descriptor in (0, 1, 2)]
        self._screen = Pump(
            self._master, 1 if shown[1] else 2, [self.output], self._stop, self.signals.nudge, closes=False
        )
        self.pumps.append(self._screen)
        output = errors = self._slave
        if not shown[1]:
            source, output = pipe()
            self._add_pump(source, 1, [self.output])
        if not shown[2]:
            errors = self._open_error_pipe()
        return self._slave if shown[0] else 0, output, errors

    def _fork(self, program: Program) -> None:
        self._reports, reports = os.pipe()
        if self.in_front:
            self.terminal.make_raw()
        self._monitor = os.fork()
        if self._monitor == 0:
            lead_session(self._slave, self.in_front, program, reports)
        os.close(reports)
        if self._slave not in program.descriptors:
            os.close(self._slave)
        self._slave = -1
        while not self.pid and self._read_reports():
            pass

    def _sources(self) -> list[int]:
        sources = [self._reports] if self.status is None else []
        listens = self._reads_keys and self._takes_keys and self.terminal.is_raw
        wants_keys = listens and len(self._keys) < _TYPED_AHEAD
        return [*sources, self.terminal.descriptor] if sources and wants_keys else sources

    def _sinks(self) -> list[int]:
        return [self._master] if self._keys and self._master >= 0 else []

    def _serve(self, readable: list[int], writable: list[int]) -> None:
        if self._reports in readable:
            self._read_reports()
        if self.terminal.descriptor in readable:
            self._read_keys()
        if self._master in writable:
            self._pass_keys()
        if self._screen.lost_reader:  # the user's terminal is gone, so the child's goes too
            self._master = closed(self._master)

    def _read_reports(self) -> bool:
        """Take what the monitor wrote; False at its end."""
        text = os.read(self._reports, 4096)
        *lines, self._unread = (self._unread + text).split(b"\n")
        for line in map(int, lines):
            if line == IS_IN_FRONT:
                self._takes_keys = True
            elif self.pid:
                self._note(line)
            else:
                self.pid = line
        if not text and self.status is None:
            self.status = signal.SIGKILL  # somebody killed the monitor, and so hung up the child
        return bool(text)

    def _read_keys(self) -> None:
        try:
            keys = os.read(self.terminal.descriptor, 4096)
        except BlockingIOError:
            return
        except OSError:
            keys = b""
        self._keys += keys
        self._reads_keys = bool(keys)

    def _pass_keys(self) -> None:
        try:
            self._keys = self._keys[os.write(self._master, self._keys) :]
        except BlockingIOError:
            pass
        except OSError:
            self._keys = b""

    def _resize(self) -> None:
        if self._master >= 0:
            self.terminal.copy_size(self._master)
        if not self.in_front:  # the kernel told the foreground only
            self._send(signal.SIGWINCH)

    def _continued(self) -> None:
        """Somebody stopped and continued us; the shell may have changed the terminal meanwhile."""
        if self.terminal.is_raw and self.terminal.is_ours:
            self.terminal.make_raw()
            self._resize()
        elif self.terminal.is_raw:
            self._move(False)

    def _look_after_child(self) -> None:
        pass  # the monitor does

    def _child_stopped(self, number: int) -> None:
        wants_terminal = number in _WANTS_TERMINAL
        if wants_terminal and self.terminal.is_ours:
            self._move(True)
            return
        to_front = self.in_front or wants_terminal
        self.terminal.restore()
        stopped = self._pause(number, whole_group=number != signal.SIGSTOP)
        # who cannot be stopped has no shell to bring it back: better wait for input for ever than spin
        self._move(to_front and (self.terminal.is_ours or stopped < _NOT_STOPPED))

    def _move(self, to_front: bool) -> None:
        """Give the child the terminal, or not, and let it run on."""
        self.in_front = to_front
        self._takes_keys = False
        if to_front and self.terminal.is_ours:
            self.terminal.make_raw()
        else:
            self.terminal.restore()
        self._resize()
        os.kill(self._monitor, FRONT if to_front else BACK)

    def _reap_last(self) -> None:
        if self._monitor:
            os.waitpid(self._monitor, 0)
            self._monitor = 0

    def _close_descriptors(self) -> None:
        super()._close_descriptors()
        if self._screen.ident is None:
            self._master = -1  # closed with the pumps that never ran
        for descriptor in (self._master, self._slave, self._reports):
            closed(descriptor)
