"""The user's terminal, and a pseudo-terminal beside it."""

from __future__ import annotations

import fcntl
import os
import stat
import termios
import tty
from contextlib import suppress
from typing import Any


class Terminal:
    """The user's terminal: its size, whose turn it is, and its modes, which are always put back."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._modes: list[Any] | None = None

    @property
    def is_ours(self) -> bool:
        """Whether our job is in the foreground; so too where there is no job control."""
        try:
            return os.tcgetpgrp(self.descriptor) == os.getpgrp()
        except OSError:
            return True

    @property
    def is_raw(self) -> bool:
        return self._modes is not None

    def make_raw(self) -> None:
        """Every key goes to the child as it is; its own terminal knows what Ctrl-C means just now."""
        if self._modes is None:
            self._modes = termios.tcgetattr(self.descriptor)
        tty.setraw(self.descriptor, termios.TCSADRAIN)

    def restore(self) -> None:
        modes, self._modes = self._modes, None
        if modes is not None and self.is_ours:  # if not, the shell has put its own modes in place already
            with suppress(termios.error):
                termios.tcsetattr(self.descriptor, termios.TCSADRAIN, modes)

    def copy_modes(self, other: int) -> None:
        with suppress(termios.error):
            termios.tcsetattr(other, termios.TCSANOW, termios.tcgetattr(self.descriptor))

    def copy_size(self, other: int) -> None:
        with suppress(OSError):
            size = fcntl.ioctl(self.descriptor, termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(other, termios.TIOCSWINSZ, size)


def is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def has_controlling_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return True
    except OSError:
        return False


def open_terminal() -> tuple[Terminal, int, int] | None:
    """The user's terminal and both ends of a new one; None if no output goes to one, or none can be had."""
    shown = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
    if not shown:
        return None
    try:
        master, slave = os.openpty()
    except OSError:
        return None
    terminal = Terminal(0 if os.isatty(0) else shown[0])
    if terminal.is_ours:  # else the modes are those of the shell that edits its next line
        terminal.copy_modes(slave)
    terminal.copy_size(slave)
    os.set_blocking(master, False)
    return terminal, master, slave
