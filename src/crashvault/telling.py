"""Telling plugins what was committed: events, issues and alerts, in order, in a thread that nobody waits for.

What is told is read from the vault, as it was stored. A command waits for the thread at its end, for a bounded time; a
process that is killed takes what was not yet told with it, so that what must not be lost belongs into a webhook.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from . import clock, core
from .logs import log
from .plugins.calling import complain, copied
from .views import shown_events, shown_issues

if TYPE_CHECKING:
    from .plugins.loading import Plugins
    from .storage.store import Store

MOST_WAITING = 10_000  # pieces of news; more are left out, and logged
EXIT_SECONDS = 10.0  # that a command waits at its end for plugins to hear everything
SDK_SECONDS = 2.0  # that a program which records its own crashes does


class Recorded(NamedTuple):
    """An event that was stored."""

    project: str
    event_id: str
    transition: str  # new, regression or repeated


class _News(NamedTuple):
    plugins: Plugins
    home: str
    hook: str
    about: Any  # Recorded, ids of issues, or an alert


class _Teller:
    """The thread that tells plugins what was committed, in order."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._store: Store | None = None
        self.queue: SimpleQueue[_News | threading.Event] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="crashvault-plugins", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            news = self.queue.get()
            try:
                if isinstance(news, threading.Event):
                    self._close()
                    news.set()
                else:
                    self._tell(news)
            except Exception as error:
                log("error", "plugins could not be told", error=repr(error))
                self._close()

    def _tell(self, news: _News) -> None:
        if news.hook == "alert_fired":
            _tell_all(news.plugins, news.hook, alert=news.about)
        elif news.hook == "issue_resolved":
            for issue in shown_issues(self._opened(news.home), news.about, clock.now()):
                _tell_all(news.plugins, news.hook, issue=issue)
        else:
            _tell_recorded(news.plugins, self._opened(news.home), news.about)

    def _opened(self, home: str) -> Store:
        if self._store is None or self._store.home != home or self._store.db.replaced():
            self._close()
            self._store = core.open_vault(home, create=False)
        return self._store

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


def _tell_recorded(found: Plugins, store: Store, about: Recorded) -> None:
    (event,) = shown_events(store, [store.events.find(about.project, about.event_id)])
    (issue,) = shown_issues(store, [event["issue_id"]], clock.now())
    if about.transition == "new":
        issue["category"] = _classify(found, store, event, issue) or issue["category"]
    _tell_all(found, "event_recorded", event=event, issue=issue)
    hook = {"new": "issue_created", "regression": "issue_regressed"}.get(about.transition)
    if hook:
        _tell_all(found, hook, event=event, issue=issue)


def _classify(found: Plugins, store: Store, event: dict[str, Any], issue: dict[str, Any]) -> str | None:
    for plugin, category in found.ask("classify", event=copied(event), issue=copied(issue)):
        if not isinstance(category, str) or not category.isprintable() or not 0 < len(category) <= 100:
            complain(plugin, "classify gives what is no word")
            continue
        with store.writing():
            store.triage.update(issue["id"], clock.now(), category=category)
        return category
    return None


def _tell_all(found: Plugins, hook: str, **about: Any) -> None:
    given = {name: copied(value) for name, value in about.items()}
    for _ in found.ask(hook, **given):
        pass


_tellers: list[_Teller] = []
_lock = threading.Lock()


def _teller() -> _Teller:
    with _lock:
        if not _tellers or _tellers[0].pid != os.getpid():  # threads don't survive a fork
            if not _tellers:
                atexit.register(finish, SDK_SECONDS)
            _tellers[:] = [_Teller()]
        return _tellers[0]


def queue(found: Plugins, home: str, hook: str, about: Any) -> None:
    """Have plugins told of something."""
    teller = _teller()
    if teller.queue.qsize() >= MOST_WAITING:
        log("error", "plugins are too slow, and were not told", hook=hook)
    else:
        teller.queue.put(_News(found, home, hook, about))


def finish(seconds: float = EXIT_SECONDS) -> bool:
    """Wait until plugins have heard all that was told so far, for at most so long; whether they have."""
    if not _tellers or _tellers[0].pid != os.getpid():
        return True
    heard, until = threading.Event(), time.monotonic() + seconds
    _tellers[0].queue.put(heard)
    return heard.wait(max(0.0, until - time.monotonic()))
