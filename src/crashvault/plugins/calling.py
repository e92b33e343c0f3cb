"""Calling code of others: whatever it does is its own trouble, named once, and the work goes on.

Exceptions and sys.exit end nothing, what it prints goes to standard error, and what may hold up recording runs in a
thread of its own that nobody waits for longer than is allowed.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..logs import log

MOST_LATE = 3  # calls in a row that took too long, after which a plugin is not asked any more


class Failure(NamedTuple):
    """What a call gives that went wrong."""

    reason: str


_told: set[tuple[int, str]] = set()
_here = threading.local()


def inside() -> bool:
    """Whether this thread runs a plugin's code just now: what it records in turn is not shown to plugins."""
    return bool(getattr(_here, "depth", 0))


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the function gives, or a Failure. Ctrl-C goes through."""
    with _own_output():
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            raise
        except SystemExit as error:
            return Failure(f"it tried to end the program (sys.exit({error.code!r}))")
        except BaseException as error:
            log("debug", "plugin failed", error=repr(error), where=_place(error))
            return Failure(_in_words(error))


def _in_words(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(error: BaseException) -> str:
    """The line of the plugin that raised."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
    return place


def complain(plugin: str, what: str) -> None:
    """Name a plugin's trouble on standard error, once a process and plugin, and in the log."""
    log("error", "plugin failed", plugin=plugin, reason=what)
    if (os.getpid(), plugin) in _told:
        return
    _told.add((os.getpid(), plugin))
    from ..console import print_warning

    print_warning(f"plugin {plugin}: {what}. See: crashvault plugin info {plugin}")


def forget_complaints() -> None:
    """Another vault's plugins are others, even with the same names."""
    _told.clear()


_PLAIN = frozenset({str, int, float, bool, type(None)})


def copied(value: Any) -> Any:
    """Data that its receiver may change."""
    if type(value) is dict:
        return {key: one if type(one) in _PLAIN else copied(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [one if type(one) in _PLAIN else copied(one) for one in value]
    return value


# What it prints


class _Diverted:
    """Standard output for everybody but the threads that run plugins: what these print goes to standard error."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def _where(self) -> Any:
        return sys.stderr if inside() else self.stream

    def write(self, text: str) -> int:
        return int(self._where().write(text) or 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._where(), name)


_lock = threading.Lock()
_users = 0


@contextmanager
def _own_output() -> Iterator[None]:
    global _users
    with _lock:
        if not isinstance(sys.stdout, _Diverted):
            sys.stdout = _Diverted(sys.stdout)
        _users += 1
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        yield
    finally:
        _here.depth -= 1
        with _lock:
            _users -= 1
            if not _users and isinstance(sys.stdout, _Diverted):
                sys.stdout = sys.stdout.stream


# What must not take long


class Lane:
    """A thread that makes one plugin's calls, so that whoever waits for them can stop waiting."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.late = 0  # calls in a row that took too long
        self._asked: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], _Answer]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the function gives, or a Failure: also when it takes too long, and while it still does."""
        if self.late >= MOST_LATE:
            return Failure(
                f"it took longer than {self.seconds:g} s {MOST_LATE} times in a row, and is not asked any more"
            )
        self._ensure_thread()
        answer = _Answer()
        self._asked.put((function, args, answer))
        if answer.there.acquire(timeout=self.seconds):
            self.late = 0
            return answer.value
        self.late += 1
        answer.given_up = True
        return Failure(f"it took longer than {self.seconds:g} s; the event is stored as it was")

    def _ensure_thread(self) -> None:
        if self._thread is None or self._pid != os.getpid():  # threads don't survive a fork
            self._asked, self._pid = SimpleQueue(), os.getpid()
            self._thread = threading.Thread(
                target=self._run, args=(self._asked,), name="crashvault-plugin", daemon=True
            )
            self._thread.start()

    def _run(self, asked: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], _Answer]]) -> None:
        while True:
            function, args, answer = asked.get()
            if answer.given_up:  # nobody waits for it any more
                continue
            try:
                answer.value = call(function, *args)
            except KeyboardInterrupt:
                answer.value = Failure("KeyboardInterrupt")
            answer.there.release()


class _Answer:
    __slots__ = ("given_up", "there", "value")

    def __init__(self) -> None:
        self.there = threading.Lock()
        self.there.acquire()
        self.given_up = False
        self.value: Any = None
