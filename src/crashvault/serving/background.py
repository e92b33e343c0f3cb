"""A server in the background: the same command once more, apart from the terminal, that says when it serves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from .errors import ServerError

LOG_FILE = "server.log"
_READY = "CRASHVAULT_SERVER_READY_FD"  # of the environment: where to say so
_STARTED = b"started"


def start(arguments: Sequence[str], home: str, log_folder: str) -> None:
    """Run `crashvault ARGUMENTS`, and return once it serves. Raises ServerError with the reason why it does not.

    What it prints goes to `server.log` in `log_folder`.
    """
    os.makedirs(log_folder, mode=0o700, exist_ok=True)
    path = os.path.join(log_folder, LOG_FILE)
    reading, writing = os.pipe()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "crashvault", *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=(writing,), start_new_session=True,
            env={**os.environ, _READY: str(writing), "CRASHVAULT_HOME": home, "NO_COLOR": "1"},
        )  # fmt: skip
    os.close(writing)
    told = os.read(reading, len(_STARTED))  # nothing when it has ended; its workers hold the other end as well
    os.close(reading)
    if told != _STARTED:
        process.wait()
        raise _reason(path)


def tell_started() -> bool:
    """In the background: say that the server serves. False where nobody waits to be told."""
    descriptor = os.environ.pop(_READY, None)
    if descriptor is None:
        return False
    os.write(int(descriptor), _STARTED)
    os.close(int(descriptor))
    return True


def _reason(path: str) -> ServerError:
    """Why it ended: the error that it has written last."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    message, _, hint = (lines[-1].removeprefix("Error: ") if lines else "the server ended at once").partition(". ")
    return ServerError(message, hint or "See: crashvault server logs")
