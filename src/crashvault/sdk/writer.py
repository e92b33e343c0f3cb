"""Events of this process on their way into the vault: a bounded queue and one thread that writes.

The program never waits for the vault, except for a bounded time when it crashes or ends. What cannot be
stored is counted, and the count goes to the vault's ledger as soon as it can be written again. The thread
and its connection belong to one process: they are made when first needed, and made anew after a fork.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..pipeline import Receipt
    from ..storage.store import Store

SOURCE = "sdk"  # the door's name in the ledger
QUEUE_SIZE = 100  # events
BATCH = 50
EXIT_SECONDS = 2.0
GAVE_UP_SECONDS = 0.05
FORK_SECONDS = 1.0  # a fork waits at most so long for a write that is under way


class Job(NamedTuple):
    """One event that waits to be written."""

    raw: dict[str, Any]
    files: Sequence[Mapping[str, Any]] = ()  # attachments: name, content_type, kind, and data or path
    told: Callable[[Receipt], object] | None = None  # hears what became of it, in the writing thread


class VaultWriter:
    """Writes to one vault and project. May be used by all threads of a process and its forks."""

    def __init__(self, home: str | None = None, project: str | None = None, queue_size: int = QUEUE_SIZE) -> None:
        self.home = home
        self.project = project
        self.queue_size = queue_size
        self.lost: Counter[tuple[str, str]] = Counter()  # (reason, category) not yet in the ledger
        self._complained = False
        self._gave_up = False  # whether a flush has taken too long
        self._start_anew()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork, after_in_parent=self._after_in_parent, after_in_child=self._after_in_child
            )

    # What the program calls

    def submit(self, job: Job) -> bool:
        """Queue an event; False when there is no room, which is counted. Never blocks, never raises."""
        if self.is_writing():
            self.count_lost("recursion", "event")
            return False
        if self._queue.qsize() >= self.queue_size:
            self.count_lost("queue_full", "event")
            return False
        self._queue.put(job)  # before the thread starts, so that a write at shutdown finds it
        self._ensure_thread()
        return True

    def flush(self, seconds: float = EXIT_SECONDS) -> bool:
        """Wait until all that was queued so far is stored, for at most so long; whether it is."""
        if self._thread is None and self._queue.empty() and not self.lost:
            return True
        reached = threading.Lock()
        reached.acquire()
        self._queue.put(reached)
        self._ensure_thread()
        return reached.acquire(timeout=max(0.0, seconds))

    def finish(self, seconds: float = EXIT_SECONDS) -> bool:
        """Flush because the program may end: where that took too long once, it is not waited for again."""
        done = self.flush(GAVE_UP_SECONDS if self._gave_up else seconds)
        self._gave_up = not done
        return done

    def close(self) -> None:
        """Flush, and let go of the vault. What comes later opens it again."""
        if self.is_writing():
            return
        if not self.finish() and (left := self._queue.qsize()):
            self._complain(f"{left} event(s) could not be stored in time", None)
        if self._lock.acquire(timeout=0.05):
            try:
                self._close_store()
            finally:
                self._lock.release()

    def count_lost(self, reason: str, category: str, quantity: int = 1) -> None:
        """Remember a loss for the ledger."""
        self.lost[reason, category] += quantity

    def is_writing(self) -> bool:
        """Whether this very thread is storing something: what it raises or logs must not be recorded."""
        return self._writing_thread == threading.get_ident()

    # The thread

    def _start_anew(self) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()  # its put() may be interrupted by a put() of its own
        self._lock = threading.Lock()  # held while the store is in use
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._store: Store | None = None
        self._writing_thread = 0
        self._gave_up = False
        self._forking: set[int] = set()  # threads that hold the lock while they fork

    def _ensure_thread(self) -> None:
        if self._thread is not None or not self._starting.acquire(blocking=False):
            return
        try:
            thread = threading.Thread(target=self._work, name="crashvault writer", daemon=True)
            thread.start()
            self._thread = thread
        except RuntimeError:  # no more threads, or the interpreter is shutting down
            self._write_all()
        finally:
            self._starting.release()
        _flush_when_multiprocessing_ends(self)

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            self._handle([first, *self._rest()])

    def _write_all(self) -> None:
        while items := self._rest():
            self._handle(items)

    def _rest(self) -> list[Any]:
        found: list[Any] = []
        while len(found) < BATCH and not self._queue.empty():
            found.append(self._queue.get())
        return found

    def _handle(self, items: Sequence[Any]) -> None:
        """Store the events among `items`, then tell those who wait that this point is reached."""
        try:
            with self._lock:
                self._writing_thread = threading.get_ident()
                self._write([item for item in items if isinstance(item, Job)])
        except BaseException as error:  # nothing here may end the program, or this thread
            self._close_store()
            self._complain("events cannot be stored", error)
        finally:
            self._writing_thread = 0
            for item in items:
                if not isinstance(item, Job):
                    item.release()

    def _write(self, jobs: Sequence[Job]) -> None:
        if not jobs and not self.lost:
            return
        try:
            self._record(jobs)
        except BaseException:
            self.count_lost("store_unavailable", "event", len(jobs))
            raise

    def _record(self, jobs: Sequence[Job]) -> None:
        from .. import clock
        from ..models import DEFAULT_PROJECT
        from ..pipeline import record_events

        store = self._open_store()
        if counts := dict(self.lost):
            store.ledger.add({(reason, SOURCE, what): count for (reason, what), count in counts.items()}, clock.now())
            self.lost = self.lost - Counter(counts)
        if not jobs:
            return
        files = {place: _stored(store, job) for place, job in enumerate(jobs) if job.files}
        raws = [job.raw for job in jobs]
        receipts = record_events(store, raws, source=SOURCE, project=self.project or DEFAULT_PROJECT, attachments=files)
        for job, receipt in zip(jobs, receipts, strict=True):
            if job.told is not None:
                job.told(receipt)

    def _open_store(self) -> Store:
        if self._store is None:
            from .. import core

            self._store = core.open_vault(self.home)
        return self._store

    def _close_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            try:
                store.close()
            except Exception as error:
                self._complain("the vault cannot be closed", error)

    # Forks

    def _before_fork(self) -> None:
        """No connection crosses a fork, since SQLite's locks belong to one process, nor does a half-done import."""
        if self._lock.acquire(timeout=FORK_SECONDS):
            self._forking.add(threading.get_ident())
            self._close_store()

    def _after_in_parent(self) -> None:
        if threading.get_ident() in self._forking:
            self._forking.discard(threading.get_ident())
            self._lock.release()

    def _after_in_child(self) -> None:
        if self._store is not None:  # a write was stuck: it is the parent's, and must not even be closed here
            _ABANDONED.append(self._store)
            self._store.db.abandon()
        self.lost = Counter()  # the parent's, like what is queued
        self._start_anew()

    def _complain(self, what: str, error: BaseException | None) -> None:
        """One line on standard error for the whole life of the process."""
        if self._complained:
            return
        self._complained = True
        complain(f"{what} ({error})" if error is not None and str(error) else what, error)


_ABANDONED: list[Store] = []


def complain(what: str, error: BaseException | None = None) -> None:
    """A line on standard error; with CRASHVAULT_DEBUG also the traceback. Never raises."""
    try:
        lines = [f"crashvault: {' '.join(what.split())}\n"]
        if error is not None and os.environ.get("CRASHVAULT_DEBUG", "") not in ("", "0"):
            import traceback

            lines += traceback.format_exception(error)
        if sys.stderr is not None:
            sys.stderr.write("".join(lines))
            sys.stderr.flush()
    except Exception:  # noqa: S110 - nobody is left to be told
        pass


def _stored(store: Store, job: Job) -> list[Any]:
    """The attachments of an event, in the blob store; what cannot be read or is too large is noted in it."""
    import io

    from ..errors import InvalidError
    from ..storage.blobs import MAX_COUNT, clean_name

    found = []
    for position, given in enumerate(job.files[:MAX_COUNT]):
        try:
            data = given.get("data")
            with io.BytesIO(data) if data is not None else open(given["path"], "rb") as file:
                name = clean_name(str(given.get("name") or ""))
                found.append(store.blobs.put(file, name, given["content_type"], given["kind"]))
        except (OSError, InvalidError) as error:
            reason = "too_large" if isinstance(error, InvalidError) else "unreadable"
            _note(job.raw, f"attachments.{position}", reason, str(error))
    if len(job.files) > MAX_COUNT:
        _note(job.raw, "attachments", "too_many", f"{len(job.files)}, kept {MAX_COUNT}")
    return found


def _note(raw: dict[str, Any], field: str, reason: str, detail: str) -> None:
    raw.setdefault("errors", []).append({"field": field, "reason": reason, "detail": detail})


def _flush_when_multiprocessing_ends(writer: VaultWriter) -> None:
    """A child of multiprocessing ends with os._exit, past atexit, but it does run its own finalizers."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, writer.close, exitpriority=-100)
