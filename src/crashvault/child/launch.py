"""Fork and become the command, and the monitor that leads its session on a pseudo-terminal."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import termios
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import NamedTuple, NoReturn

from .signals import WATCHED

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # exit codes of every shell
FRONT, BACK = signal.SIGUSR1, signal.SIGUSR2  # what the monitor is asked with

IS_IN_FRONT = -1  # what it reports then, among the statuses of wait


class Failure(NamedTuple):
    stage: str  # "chdir" or "exec"
    errno: int


class Program(NamedTuple):
    """Everything a fork needs to become the command."""

    command: list[str]
    env: Mapping[str, str]
    cwd: str | None
    descriptors: tuple[int, int, int]  # for its 0, 1 and 2
    mask: Collection[int]  # signals to block in it: those that were blocked before us
    report: int  # closes on success, else gets stage and errno


def become(program: Program) -> NoReturn:
    stage = "chdir"
    try:
        for number, descriptor in enumerate(program.descriptors):
            if descriptor != number:
                os.dup2(descriptor, number)
        if program.cwd is not None:
            os.chdir(program.cwd)
        stage = "exec"
        _reset_signals(program.mask)
        _exec(program.command, program.env)
    except BaseException as error:
        number = getattr(error, "errno", None) or errno.EINVAL
        os.write(program.report, f"{stage} {number}".encode())
    finally:
        os._exit(NOT_FOUND)


def _reset_signals(mask: Collection[int]) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, a program expects them
        signal.signal(number, signal.SIG_DFL)
    for number in WATCHED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _exec(command: list[str], env: Mapping[str, str]) -> NoReturn:
    """Like execvp(3): along PATH, and a script without `#!` goes to /bin/sh."""
    name = command[0]
    if not name:
        raise OSError(errno.ENOENT, name)
    directories = [""] if "/" in name else env.get("PATH", os.defpath).split(os.pathsep)
    failure = OSError(errno.ENOENT, name)
    for directory in directories:
        path = name if "/" in name else os.path.join(directory or ".", name)
        try:
            os.execve(path, command, env)
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                os.execve("/bin/sh", ["/bin/sh", path, *command[1:]], env)
            if "/" in name or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                failure = error
    raise failure


def lead_session(slave: int, in_front: bool, program: Program, reports: int) -> NoReturn:
    """The monitor's whole life. It reports the child's number, then its wait statuses, line by line."""
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            if in_front:
                os.tcsetpgrp(slave, os.getpid())
            become(program)
        _keep_only(slave, reports)
        os.write(reports, f"{child}\n".encode())
        while True:
            number = signal.sigwait({signal.SIGCHLD, signal.SIGHUP, FRONT, BACK})
            _SESSION_DUTIES[number](child, slave, reports)
    finally:
        os._exit(1)


def _keep_only(slave: int, reports: int) -> None:
    """Let go of every other descriptor: nobody shall wait for the monitor to close a pipe."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    low, high = sorted((slave, reports))
    os.closerange(3, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))


def _report_child(child: int, slave: int, reports: int) -> None:
    while True:
        found, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if not found:
            return
        os.write(reports, f"{status}\n".encode())
        if not os.WIFSTOPPED(status):
            with suppress(OSError):  # our end shall not hang up what the child left running
                os.tcsetpgrp(slave, os.getpgrp())
            os._exit(0)


def _bring_to_front(child: int, slave: int, reports: int) -> None:
    with suppress(OSError):
        os.tcsetpgrp(slave, child)
        os.killpg(child, signal.SIGCONT)
    os.write(reports, f"{IS_IN_FRONT}\n".encode())


def _send_to_back(child: int, slave: int, reports: int) -> None:
    with suppress(OSError):
        os.tcsetpgrp(slave, os.getpgrp())
        os.killpg(child, signal.SIGCONT)


def _hang_up(child: int, slave: int, reports: int) -> None:
    with suppress(OSError):
        os.killpg(child, signal.SIGHUP)
        os.killpg(child, signal.SIGCONT)


_SESSION_DUTIES: dict[int, Callable[[int, int, int], None]] = {
    signal.SIGCHLD: _report_child,
    FRONT: _bring_to_front,
    BACK: _send_to_back,
    signal.SIGHUP: _hang_up,
}
