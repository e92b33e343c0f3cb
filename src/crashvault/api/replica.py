"""Reading from a copy of the database: when it may be asked, and how far behind it is.

How stale the copy is follows from the primary's place in its log, noted every second with the time: the copy has all
that was written until the newest of these places that it has passed. No clock but this process's is asked.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import CrashvaultError
from ..logs import log, log_debug
from ..storage import standby
from ..storage.store import Store

LOOKED = 0.5  # seconds between looks
HEADER = "X-Crashvault-Staleness"  # seconds that an answer is behind at most
_PLACES = 2_000  # of the log that are remembered
_MOST_WRITERS = 10_000


class State(NamedTuple):
    """How a copy is: `ok`, `stale` or `away`, and how many seconds it is behind."""

    status: str
    staleness: float

    def described(self) -> dict[str, Any]:
        return {"status": self.status, "staleness_seconds": round(self.staleness, 3)}


class Replica:
    """The copy that one server process reads from. May be asked by several threads."""

    def __init__(self, open_copy: Callable[[], Store], open_primary: Callable[[], Store], most: float) -> None:
        self.most = most  # seconds that it may be behind
        self._open = {"copy": open_copy, "primary": open_primary}
        self._stores: dict[str, Store] = {}
        self._places: deque[tuple[float, int]] = deque(maxlen=_PLACES)
        self._as_of = float("-inf")  # the copy has all that was written until then
        self._away = True
        self._primary_away = False
        self._wrote: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="crashvault-replica", daemon=True)

    def start(self) -> None:
        self._look()
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for name in list(self._stores):
            self._forget(name)

    def state(self) -> State:
        behind = time.monotonic() - self._as_of
        if self._away:
            return State("away", 0.0)
        return State("stale" if behind > self.most else "ok", min(behind, 1e9))

    def wrote(self, who: str) -> None:
        """Somebody has written: until the copy has that, they are answered from the primary."""
        if len(self._wrote) > _MOST_WRITERS:
            self._wrote.clear()
        self._wrote[who] = time.monotonic()

    def fits(self, who: str) -> bool:
        """Whether the copy may answer somebody. When there is no primary an old answer is better than none."""
        if self._away:
            return False
        if self._primary_away:
            return True
        return time.monotonic() - self._as_of <= self.most and self._wrote.get(who, float("-inf")) < self._as_of

    def headers(self) -> dict[str, str]:
        return {HEADER: f"{time.monotonic() - self._as_of:.1f}"}

    def failed(self, error: Exception) -> None:
        """It has not answered; the next look tells whether it does again."""
        if not self._away:
            log("error", "replica failed", error=error)
        self._away = True

    def _watch(self) -> None:
        while not self._ended.wait(LOOKED):
            self._look()

    def _look(self) -> None:
        try:
            now = time.monotonic()
            self._places.append((now, standby.written(self._store("primary").db)))
            self._primary_away = False
        except CrashvaultError as error:
            log_debug("primary does not answer", error=error)
            self._forget("primary")
            self._primary_away = True
        try:
            passed = standby.replayed(self._store("copy").db)
        except CrashvaultError as error:
            self._forget("copy")
            self.failed(error)
            return
        while self._places and self._places[0][1] <= passed:
            self._as_of = self._places.popleft()[0]
        self._away = False

    def _store(self, name: str) -> Store:
        if name not in self._stores:
            self._stores[name] = self._open[name]()
        return self._stores[name]

    def _forget(self, name: str) -> None:
        store = self._stores.pop(name, None)
        if store is not None:
            store.close()
