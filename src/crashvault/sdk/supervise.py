"""The parent of a program under `crashvault autolog`: passes signals on, sees fatal ones, ends the same way.

The program is run by a Python of its own, started exactly as a person would start it, so that nothing can be
different; all that is added is a folder on PYTHONPATH whose `sitecustomize` installs the hooks of `autolog`.
Standard input and output are inherited, not copied.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..errors import InvalidError
from ..source_lines import current_directory
from .autolog import DUMPS, ECHO, SETTINGS

if TYPE_CHECKING:
    from ..pipeline import Receipt
    from ..storage.store import Store

# Deaths that are crashes; the others are somebody's wish.
CRASHES = tuple(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS", "SIGXCPU", "SIGXFSZ")
    if hasattr(signal, name)
)
PASSED_ON = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_WORDS = {
    "SIGSEGV": "Segmentation fault", "SIGBUS": "Bus error", "SIGFPE": "Floating-point exception",
    "SIGILL": "Illegal instruction", "SIGABRT": "Aborted", "SIGSYS": "Bad system call",
    "SIGXCPU": "CPU time limit exceeded", "SIGXFSZ": "File size limit exceeded",
}  # fmt: skip
MOST_DUMP = 131_072  # characters of one dump
MOST_DUMPS = 20  # of one file


class Death(NamedTuple):
    """A process that ended by a fatal signal: the program, or a Python child of its."""

    pid: int
    dump: str  # faulthandler's, may be empty
    signal: str  # name, empty for a child


class Outcome(NamedTuple):
    status: int  # exit code, or minus the signal's number
    deaths: list[Death]


def python_path(given: str) -> str:
    """The interpreter that was asked for, once it is known to be able to record. Raises InvalidError."""
    path = shutil.which(given)
    if path is None:
        raise InvalidError(f"there is no Python {given}", "Give the path of an interpreter with --python")
    try:
        check = subprocess.run(
            [path, "-c", "import crashvault.sdk.autolog, sentry_sdk"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidError(
            f"{path} cannot be run ({error})", "Give the path of an interpreter with --python"
        ) from error
    if check.returncode != 0:
        last = (check.stderr.decode("utf-8", "replace").strip().splitlines() or ["it fails"])[-1]
        raise InvalidError(
            f"Crashvault cannot be imported by {path} ({last[:200]})",
            f"Install it there: {path} -m pip install crashvault",
        )
    return path


def run(python: str, program: Sequence[str], settings: dict[str, Any]) -> Outcome:
    """Run `python *program` with its uncaught exceptions recorded, to its end. Raises InvalidError if it cannot start."""
    with tempfile.TemporaryDirectory(prefix="crashvault-", ignore_cleanup_errors=True) as folder:
        child, status = _supervise(python, [python, *program], _environment(settings, folder))
        return Outcome(status, [*_deaths(folder, child, status)])


def _environment(settings: dict[str, Any], dumps: str) -> dict[str, str]:
    startup = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        SETTINGS: json.dumps(settings),
        DUMPS: dumps,
        "PYTHONPATH": f"{startup}{os.pathsep}{path}" if path else startup,  # an empty part would be the directory
    }


def _supervise(path: str, command: list[str], env: dict[str, str]) -> tuple[int, int]:
    """Start the command and wait for its end; its process id, and its exit code or minus its signal."""
    with _blocked([signal.SIGCHLD, *PASSED_ON]) as (watched, before):
        reset = [signal.SIGPIPE, signal.SIGXFSZ]  # this Python ignores them; a shell would not
        try:
            child = os.posix_spawn(path, command, env, setsigmask=before, setsigdef=reset)
        except OSError as error:
            raise InvalidError(f"{path} cannot be run ({error.strerror})", "Choose another with --python") from error
        while True:
            number, is_key = _next_signal(watched)
            if number != signal.SIGCHLD:
                if not is_key:  # a key of the terminal reaches the program by itself
                    os.kill(child, number)
                continue
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                return child, os.waitstatus_to_exitcode(status)


@contextmanager
def _blocked(numbers: Sequence[signal.Signals]) -> Iterator[tuple[set[int], set[Any]]]:
    """Block signals, to be waited for; those that are ignored (nohup) stay that. Gives them, and the mask before."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else there would be no status to wait for
    watched: set[int] = {number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        yield watched, before
    finally:
        for number in watched & signal.sigpending():  # what came too late has nobody to go to
            signal.sigwait({number})
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _next_signal(watched: set[int]) -> tuple[int, bool]:
    """The next signal, and whether a key of the terminal made it."""
    if not hasattr(signal, "sigwaitinfo"):  # macOS does not tell, and keys are the usual sender
        number = signal.sigwait(watched)
        return number, number in (signal.SIGINT, signal.SIGQUIT) and sys.stdin is not None and sys.stdin.isatty()
    info = signal.sigwaitinfo(watched)
    return info.si_signo, info.si_code > 0


# Fatal signals


def _deaths(folder: str, program: int, status: int) -> Iterator[Death]:
    """What faulthandler has seen, and the program's own death where it has not."""
    name = signal.Signals(-status).name if -status in CRASHES else ""
    seen = False
    for pid, dump in _dumps(folder):
        seen = seen or pid == program
        yield Death(pid, dump, name if pid == program else "")
    if name and not seen:
        yield Death(program, "", name)


def _dumps(folder: str) -> Iterator[tuple[int, str]]:
    """Each dump with the process that began it; processes made by fork write to the same file."""
    for entry in sorted(os.listdir(folder))[:1000]:
        with open(os.path.join(folder, entry), "rb") as file:
            data = file.read(MOST_DUMP * MOST_DUMPS)
        if data and entry.endswith(ECHO):
            os.write(2, data)
        text = data.decode("utf-8", "replace")
        for dump in re.split(r"^(?=Fatal Python error: )", text, flags=re.MULTILINE)[:MOST_DUMPS]:
            if dump.strip():
                yield int(entry.removesuffix(ECHO)), dump[:MOST_DUMP]


def record_deaths(
    store: Store, deaths: Sequence[Death], command: Sequence[str], settings: dict[str, Any]
) -> list[Receipt]:
    """Record what killed the program or its children. Raises StoreError."""
    from ..models import DEFAULT_PROJECT
    from ..pipeline import record_events

    raws = [_event(death, command, settings) for death in deaths]
    return record_events(store, raws, source="sdk", project=settings.get("project") or DEFAULT_PROJECT)


def _event(death: Death, command: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    known = {
        "level": settings.get("level") or "critical",
        "tags": list(settings.get("tags", ())),
        "release": settings.get("release") or os.environ.get("SENTRY_RELEASE"),
        "environment": settings.get("environment") or os.environ.get("SENTRY_ENVIRONMENT"),
        "context": {"command": list(command), "signal": death.signal, "directory": current_directory()},
        "host": os.uname().nodename,
        "pid": death.pid,
        "platform": "python",
    }
    if death.dump:
        known["stacktrace"] = death.dump
    else:
        known["exception"] = {"type": death.signal, "value": _WORDS.get(death.signal, "killed by a signal")}
    return {key: value for key, value in known.items() if value}


def end_like(status: int) -> NoReturn:
    """End this process as the program ended: with its exit code, or by the signal that killed it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    if status < 0:
        _die_by(-status)
    os._exit(status)


def _die_by(number: int) -> None:
    import resource

    resource.setrlimit(
        resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1])
    )  # the core is the program's
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)
