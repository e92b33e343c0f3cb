"""Run a command as if this program were not there, and remember the end of what it wrote.

Whatever of the child's output goes to a terminal goes through a pseudo-terminal, so that it keeps its
colours, progress bars and prompts; whatever goes elsewhere goes through a pipe of its own (one pipe for both
when both go to the same file, which keeps their order). An input that is no terminal is inherited, never
copied. Exit code, signals, job control, window size, back-pressure and a reader that leaves early behave
as they would without us.

With a pseudo-terminal the child has a session of its own, led by a small process, the monitor, that is forked
from this one. The kernel ignores Ctrl-Z for a group whose parents are all in other sessions; with the monitor
as its parent the child can be stopped, and the monitor, being in that session, can move it between the
foreground and the background of the pseudo-terminal. A child that is in a pipeline, or whose job is in the
background, starts in the background there too; when it wants the terminal the kernel stops it, we hear of it,
and either hand it the terminal or stop our own job, as the shell expects.

Without a pseudo-terminal but with a controlling terminal the child stays in our process group: the kernel
then does all job control by itself, and a signal is passed on only if it did not come from the terminal.
Without any terminal (CI, cron) the child leads a group, so that a timeout reaches all of it.

What is left open on purpose: a background process that outlives the child and still holds its output is
listened to for `GRACE` seconds, then let go (it gets EPIPE or EIO when it writes again; a daemon should
redirect its output). If this program is killed with SIGKILL, a child on a pseudo-terminal is hung up; one on
pipes ends when it next writes. POSIX only; elsewhere `portable` does what can be done.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .launch import NOT_EXECUTABLE, NOT_FOUND, Failure
from .pipe_run import PipeRun
from .result import ChildResult
from .signals import Signals
from .tail import KEEP
from .terminal import open_terminal
from .terminal_run import TerminalRun

_PIPEFAIL_SHELLS = ("bash", "zsh", "ksh")


def run_child(
    argv: Sequence[str],
    *,
    shell: bool = False,
    timeout: float | None = None,
    keep: int = KEEP,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> ChildResult:
    """Run a command on our own standard streams and wait for its end.

    `shell` joins `argv` with blanks and gives it to `$SHELL -c` (else /bin/sh), with `pipefail` where the
    shell has it, so that a failure early in a pipeline counts. `timeout` in seconds: then SIGTERM to the
    child's group, SIGKILL 5 seconds later, exit code 124; time spent stopped does not count. `keep` bytes of
    output are remembered. A command that cannot be started is 127 (not found) or 126, with a message on
    standard error.

    Blocks signals and forks: call it from the main thread of a program without other threads.
    """
    environment = dict(os.environ if env is None else env)
    command = _shell_command(argv, environment) if shell else list(argv)
    _occupy_standard_descriptors()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    with Signals() as signals:
        run = _new_run(signals, timeout, keep)
        try:
            failure = run.start(command, environment, cwd)
            if failure is None:
                run.wait()
        finally:
            run.close()
    if failure is not None:
        return _not_started(argv, command[0], cwd, failure)
    return run.result(argv)


def _shell_command(argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
    program = env.get("SHELL") or "/bin/sh"
    pipefail = ["-o", "pipefail"] if os.path.basename(program) in _PIPEFAIL_SHELLS else []
    return [program, *pipefail, "-c", " ".join(argv)]


def _occupy_standard_descriptors() -> None:
    """A closed standard stream would lend its number to one of our pipes."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _not_started(argv: Sequence[str], name: str, cwd: str | None, failure: Failure) -> ChildResult:
    code, reason = _explain(name, cwd, failure)
    shown = "".join(character if character.isprintable() else "?" for character in reason)
    with suppress(OSError):
        os.write(2, f"crashvault: {shown}\n".encode(errors="backslashreplace"))
    return ChildResult(tuple(argv), code, None, False, 0.0, b"", b"", 0, reason)


def _explain(name: str, cwd: str | None, failure: Failure) -> tuple[int, str]:
    if failure.stage == "chdir":
        return NOT_EXECUTABLE, f"{cwd}: {os.strerror(failure.errno)}"
    if failure.errno == errno.ENOENT:
        if "/" not in name:
            return NOT_FOUND, f"{name or repr(name)}: command not found"
        if os.path.lexists(os.path.join(cwd or "", name)):
            return NOT_EXECUTABLE, f"{name}: its interpreter was not found"
        return NOT_FOUND, f"{name}: No such file or directory"
    if os.path.isdir(os.path.join(cwd or "", name)):
        return NOT_EXECUTABLE, f"{name}: Is a directory"
    return NOT_EXECUTABLE, f"{name}: {os.strerror(failure.errno)}"


def _new_run(signals: Signals, timeout: float | None, keep: int) -> PipeRun:
    found = open_terminal()
    return TerminalRun(signals, timeout, keep, *found) if found else PipeRun(signals, timeout, keep)
