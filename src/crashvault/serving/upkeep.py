"""What a server does from time to time: apply the retention policies, in a process of its own.

A process, because deciding and removing is work for a processor, which the one that answers requests must not
do beside. It gives way to those who record, and where it ends early the next one goes on.
"""

from __future__ import annotations

import subprocess
import sys

from ..clock import MINUTE
from ..logs import log
from ..storage.store import Store

_SECONDS = 5.0  # that it gets to end
_AGAIN = MINUTE  # after one that failed


class Upkeep:
    """Belongs to one process of a server."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0

    def look(self, store: Store, now: int) -> None:
        """Begin what is due; call it every few seconds."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            self._not_before = now + _AGAIN if code else 0
            log("info" if code == 0 else "warning", "retention run ended", code=code)
        if now >= self._not_before and store.retention.due(now):
            self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "crashvault", "--home", self._home, "--json", "retention", "run"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def stop(self) -> None:
        """End what runs; it may be ended at any moment."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
