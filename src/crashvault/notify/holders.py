"""Who holds a webhook's lease: a name by which those on the same machine can tell whether it still lives."""

from __future__ import annotations

import os
import socket


def holder_name() -> str:
    """A name for one sender of this process that no other has."""
    return f"{_machine()}/{os.getpid()}/{os.urandom(4).hex()}"


def is_dead(holder: str) -> bool:
    """Whether the holder was a process here that is gone, so that nobody need wait until its lease runs out."""
    if os.name == "nt":  # there signal 0 is Ctrl-C
        return False
    machine, _, rest = holder.rpartition("/")[0].rpartition("/")
    if machine != _machine() or not rest.isdecimal():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def _machine() -> str:
    """This machine, or this container where processes have numbers of their own."""
    try:
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()
