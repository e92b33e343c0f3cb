"""Run a command where there is no POSIX: on pipes, without pseudo-terminal, job control and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from .result import ChildResult
from .tail import KEEP, Tail

TIMED_OUT, NOT_EXECUTABLE, NOT_FOUND = 124, 126, 127  # exit codes, as shells have them
GRACE = 1.0  # seconds for which output is awaited that comes after the child's end
_CHUNK = 65_536  # bytes a read
# Windows has no signals: a process that crashes ends with one of these codes (NTSTATUS), as Python and shells show them.
_CRASHES = {0xC0000005: "SIGSEGV", 0xC00000FD: "SIGSEGV", 0xC000001D: "SIGILL", 0xC0000094: "SIGFPE", 0xC0000409: "SIGABRT", 0xC000013A: "SIGINT"}  # fmt: skip


def run_child(
    argv: Sequence[str],
    *,
    shell: bool = False,
    timeout: float | None = None,
    keep: int = KEEP,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> ChildResult:
    """Run a command on our own standard streams and wait for its end; arguments and result are those of `run.run_child`."""
    started = time.monotonic()
    command = " ".join(argv) if shell else list(argv)
    try:
        process = subprocess.Popen(
            command, shell=shell, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
    except OSError as error:
        reason = f"{argv[0]}: {error.strerror or error}"
        with suppress(OSError):
            os.write(2, f"crashvault: {reason}\n".encode(errors="backslashreplace"))
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        return ChildResult(tuple(argv), code, None, False, 0.0, b"", b"", 0, reason)
    both, errors = Tail(keep), Tail(keep)
    threads = [_copying(process.stdout, 1, [both]), _copying(process.stderr, 2, [both, errors])]
    timed_out = _wait(process, timeout)
    for thread in threads:
        thread.join(GRACE)
    code, name = (TIMED_OUT, None) if timed_out else _ending(process.returncode)
    duration = time.monotonic() - started
    return ChildResult(tuple(argv), code, name, timed_out, duration, both.value(), errors.value(), process.pid)


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> bool:
    """Until the child has ended; whether it took too long. Ctrl-C reaches it without us, and it decides what to do."""
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            process.wait(None if until is None else max(0.0, until - time.monotonic()))
            return False
        except KeyboardInterrupt:
            continue
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True


def _copying(source: IO[bytes] | None, target: int, tails: Sequence[Tail]) -> threading.Thread:
    assert source is not None
    thread = threading.Thread(target=_copy, args=(source, target, tails), daemon=True)
    thread.start()
    return thread


def _copy(source: IO[bytes], target: int, tails: Sequence[Tail]) -> None:
    with source:
        while data := source.read(_CHUNK):
            for tail in tails:
                tail.add(memoryview(data))
            try:
                while data:
                    data = data[os.write(target, data) :]
            except OSError:  # our reader has left; closing the pipe tells the child
                return


def _ending(returncode: int) -> tuple[int, str | None]:
    """Exit code and the signal, or what is like one, that ended a process."""
    if returncode < 0:
        with suppress(ValueError):
            return 128 - returncode, signal.Signals(-returncode).name
    return returncode, _CRASHES.get(returncode & 0xFFFFFFFF)
