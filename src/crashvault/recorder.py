"""Group commit: what many requests want stored goes through one bounded queue to one writing thread.

A request is answered after its transaction has committed. Reading a body (decompression, parsing) is the
thread's work as well, so that the event loop only moves bytes. When the queue is full a request is refused at
once; memory does not grow. Stopping refuses what comes, and stores all that was accepted.

With a spool, requests are kept there while the database is away, and are answered as such. What comes while
something waits there is put behind it, so that the order stays; it is drained when the database is back.
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from time import perf_counter

from . import clock
from .accepted import Job, Outcome, Spooling, own_id, packed, promised, raw_event
from .errors import AwayError, CrashvaultError, NotFoundError, StoreError
from .ingest.native import BodyError
from .ingest.telemetry import Attachment, Upload
from .logs import log, log_debug
from .models import AttachmentInfo
from .pipeline import Incoming, record
from .storage.spool import Depth, Spool, Spooled
from .storage.store import Store

MOST_JOBS = 256  # requests in one commit
MOST_BYTES = 16 << 20  # of bodies, unpacked, in one commit
MOST_WAITING_BYTES = 128 << 20  # of bodies as they came
_PAUSE = 0.001  # seconds without another request after which those that wait are stored
_LONGEST_PAUSES = 0.004  # seconds, all of them together
_REFUSED_KEPT = 1.0  # seconds that counts of refused requests wait, to be written together
_RATE_BEFORE_ANY = 500.0  # requests per second that are believed before one was measured
_LONGEST_WAIT = 30  # seconds to come back after
_LOOKED = 1.0  # seconds between looks whether the database is back, or another process has left something in the spool
_DRAINED = 4  # commits from the spool before new requests get their turn: it empties also when many come

Drop = tuple[str, str, int]  # reason, category, count


class OverloadedError(CrashvaultError):
    """The queue is full, or the recorder is stopping. Nothing was stored; the client may come again."""

    code = "overloaded"
    status = 503

    def __init__(self, message: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(message, f"Try again in {retry_after} s")


Result = tuple[Job, Outcome | Exception]


class Recorder:
    """The queue and its writing thread. `submit` belongs to one event loop.

    `capacity` is how many requests may wait. `on_commit(events, seconds)` is called in the writing thread.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        capacity: int = 2_000,
        on_commit: Callable[[int, float], None] | None = None,
        spooling: Spooling | None = None,
    ) -> None:
        self.capacity = capacity
        self.away = False  # whether the database is known not to answer, and requests are spooled
        self._spooling = spooling
        self._spool: Spool | None = None
        self._depth = Depth(0, 0, None)
        self._more = False  # whether the spool holds what could be stored at once
        self.failing = False  # whether the last transaction could not be stored
        self._open_store = open_store
        self._on_commit = on_commit or (lambda events, seconds: None)
        self._store: Store | None = None
        self._queue: deque[Job] = deque()
        self._waiting_bytes = 0
        self._rate = _RATE_BEFORE_ANY
        self._changed = threading.Condition()
        self._stopping = False
        self._ending = threading.Event()  # the same for who looks out: a notice has to wake the writing thread
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self._written_at = 0.0
        self._last_size = 0  # requests in the last commit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="crashvault-recorder", daemon=True)

    @property
    def depth(self) -> int:
        """Requests that wait, apart from those being stored at this moment."""
        return len(self._queue)

    @property
    def spooled(self) -> Depth | None:
        """What the node's spool holds; None where there is none."""
        return self._depth if self._spooling else None

    def start(self) -> None:
        """Open the vault and begin; call it in the event loop. Raises StoreError."""
        self._loop = asyncio.get_running_loop()
        if self._spooling:
            self._spool = self._spooling.open()
            self._depth = self._spool.depth()
        self._store = self._open_store()
        self._thread.start()

    async def submit(self, job: Job) -> Outcome:
        """Have a request stored; returns after the commit.

        Raises OverloadedError when too much waits, BodyError for a body that cannot be read, and StoreError
        when the vault cannot take it.
        """
        assert self._loop is not None
        job.future = self._loop.create_future()
        with self._changed:
            self._check_room(job)
            self._queue.append(job)
            self._waiting_bytes += job.size
            self._changed.notify()
        return await job.future

    def _check_room(self, job: Job) -> None:
        if self._stopping:
            raise OverloadedError("the server is stopping", 1)
        full = len(self._queue) >= self.capacity or self._waiting_bytes + job.size > MOST_WAITING_BYTES
        if full and self._queue:
            wait = min(_LONGEST_WAIT, 1 + int(len(self._queue) / self._rate))
            raise OverloadedError("the server has too much to store just now", wait)

    def count(self, reason: str, source: str, category: str) -> None:
        """Count what was refused before it came here. Written with the next batch, or within a second."""
        with self._changed:
            self._refused[reason, source, category] += 1
            self._changed.notify()

    async def stop(self) -> None:
        """Refuse what comes from now on, store what waits, and close the vault."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._ending.set()
        if self._thread.is_alive():
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        await asyncio.sleep(0)  # the last answers were handed to the loop before the thread ended

    # The writing thread

    def _run(self) -> None:
        while not self._stopping or self._queue or self._refused:
            jobs = self._take()
            self._drain()
            began = perf_counter()
            for results in self._stored_or_spooled(jobs):
                self._hand_back(results)
            if jobs:
                self._rate = 0.8 * self._rate + 0.2 * len(jobs) / max(perf_counter() - began, 1e-6)
            self._write_refused()
        if self._store is not None:
            self._store.close()
        if self._spool is not None:
            self._spool.close()

    def _take(self) -> list[Job]:
        """What waits, as much as one commit takes; nothing when stopping, or when a second has passed."""
        with self._changed:
            while not self._queue and not self._stopping and not self._more:
                if not self._changed.wait(_REFUSED_KEPT if self._refused or self._spool else None) and (
                    self._refused or self._spool
                ):
                    break
            if self._last_size > 1:
                self._gather()
            jobs = list(islice(self._queue, MOST_JOBS))
            self._last_size = len(jobs)
            for job in jobs:
                self._queue.popleft()
                self._waiting_bytes -= job.size
            return jobs

    def _gather(self) -> None:
        """Wait a moment for those who have just been answered and come again: a commit costs much, an event in it little.

        Whoever sends one event after another has nobody to wait for, and does not wait.
        """
        until = perf_counter() + _LONGEST_PAUSES
        before = 0
        while before < len(self._queue) < MOST_JOBS and perf_counter() < until and not self._stopping:
            before = len(self._queue)
            self._changed.wait(_PAUSE)

    def _hand_back(self, results: list[Result]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_settle, results)
        except RuntimeError:  # the loop is gone, and with it everybody who could be told
            log_debug("answers lost", count=len(results))

    def _stored(self, jobs: Sequence[Job]) -> Iterable[list[Result]]:
        """Read and store requests, one transaction for as many as their size allows."""
        waiting: list[tuple[Job, Upload]] = []
        size = 0
        for job in jobs:
            try:
                upload = job.read(job.accepted_at or clock.now())
            except Exception as error:
                found = _unreadable(error)
                self._refused[found.code, job.source, "request"] += 1
                yield [(job, found)]
                continue
            waiting.append((job, upload))
            size += upload.size
            if size > MOST_BYTES:
                yield self._commit(waiting)
                waiting, size = [], 0
        if waiting:
            yield self._commit(waiting)

    # The spool

    def _stored_or_spooled(self, jobs: Sequence[Job]) -> Iterator[list[Result]]:
        """Store requests; where there is a spool, keep what the database does not take now."""
        spool = self._spool
        if spool is None or not spool.most_bytes:  # the setting was taken back: what was spooled before is drained
            yield from self._stored(jobs)
            return
        for job in jobs:
            job.key = os.urandom(16)
        if jobs and not spool.is_empty():
            yield self._keep(spool, jobs)
            return
        for results in self._stored(jobs):
            if any(isinstance(result, AwayError) for _, result in results):
                self._note_away()
                results = self._keep(spool, [job for job, _ in results])
            yield results

    def _keep(self, spool: Spool, jobs: Sequence[Job]) -> list[Result]:
        """Put requests on this node's disk. What cannot be read is refused as ever."""
        results: list[Result] = []
        kept: list[Job] = []
        for job in jobs:
            job.accepted_at = clock.now()
            try:
                results.append((job, promised(job)))
                kept.append(job)
            except Exception as error:
                found = _unreadable(error)
                self._refused[found.code, job.source, "request"] += 1
                results.append((job, found))
        try:
            spool.append([packed(job) for job in kept])
        except Exception as error:
            failed = _expected(error, "requests not spooled")
            return [(job, failed if isinstance(result, Outcome) else result) for job, result in results]
        finally:
            self._depth = spool.depth()
        return results

    def _drain(self) -> None:
        """Store what waits in the spool, oldest first, some commits at a time."""
        spool = self._spool
        self._more = False
        if spool is None or self.away or spool.is_empty() or not spool.claim():
            return
        try:
            for _ in range(_DRAINED):
                found = spool.first(MOST_JOBS, MOST_BYTES)
                done = self._drained(found) if found else 0
                if done:
                    spool.remove(done)
                if not found or done != found[-1][0]:
                    return
            self._more = not spool.is_empty()
        except StoreError as error:
            log("error", "spool not drained", error=error)
        finally:
            spool.release()
            self._depth = spool.depth()

    def _drained(self, found: Sequence[tuple[int, Spooled]]) -> int:
        """Store requests of the spool; the number of the last one that is done with, 0 for none.

        An event that is in the vault already, since this node died before it could forget it, is known by its id.
        """
        jobs = [self._unpacked(one) for _, one in found]
        number_of = {job: number for job, (number, _) in zip(jobs, found, strict=True)}
        done = 0
        for results in self._stored(jobs):
            error = next((error for _, error in results if isinstance(error, StoreError)), None)
            if error is None:  # what could not be read is told before its turn
                done = max((number_of[job] for job, result in results if isinstance(result, Outcome)), default=done)
                continue
            if isinstance(error, AwayError):
                self._note_away()
            elif isinstance(error, _UnexpectedError):
                return self._past([one for one in found if one[0] > done])
            return done
        return found[-1][0]

    def _past(self, found: Sequence[tuple[int, Spooled]]) -> int:
        """Get past the request that cannot be stored whatever is tried: it is set aside, so that others don't wait for it."""
        if len(found) > 1:
            return self._drained(found[: len(found) // 2])
        assert self._spool is not None
        number, one = found[0]
        self._spool.set_aside(number)
        log("error", "spooled request set aside", number=number, source=one.source)
        self._refused["internal_error", one.source, "request"] += 1
        return number

    def _unpacked(self, one: Spooled) -> Job:
        assert self._spooling is not None
        spooling = self._spooling
        job = Job(lambda now: spooling.read(one)(now), len(one.request), one.project, one.source)
        job.key, job.accepted_at = one.key, one.accepted_at
        return job

    def _note_away(self) -> None:
        """From now on requests are spooled, until somebody has seen the database again."""
        if not self.away:
            self.away = True
            log("error", "database away, spooling")
            threading.Thread(target=self._look_out, name="crashvault-look-out", daemon=True).start()

    def _look_out(self) -> None:
        """Try to open the vault again and again; a database behind a dead line takes its time to fail."""
        while not self._ending.wait(_LOOKED):
            try:
                with self._open_store() as store:
                    store.projects.list()
            except CrashvaultError as error:
                log_debug("database still away", error=error)
                continue
            log("info", "database back")
            with self._changed:
                self.away = False
                self._changed.notify()
            return

    def _commit(self, uploads: Sequence[tuple[Job, Upload]]) -> list[Result]:
        began = perf_counter()
        try:
            results = self._recorded(uploads)
        except Exception as error:
            self.failing = True
            self._forget_store()
            found = _expected(error, "batch not stored")
            return [(job, found) for job, _ in uploads]
        self.failing = False
        self._on_commit(sum(len(outcome.receipts) for _, outcome in results), perf_counter() - began)
        return list(results)

    def _recorded(self, uploads: Sequence[tuple[Job, Upload]]) -> list[tuple[Job, Outcome]]:
        store = self._opened()
        now = clock.now()
        incoming = [
            Incoming(
                raw_event(event, job.accepted_at),
                job.project,
                job.source,
                self._files(store, event.attachments),
                own_id(job, place),
            )
            for job, upload in uploads
            for place, event in enumerate(upload.events)
        ]
        receipts = iter(record(store, incoming, received_at=now) if incoming else ())
        self._attach_late(store, uploads, now)
        _store_telemetry(store, uploads, now)
        return [
            (job, Outcome(upload.event_id, list(islice(receipts, len(upload.events))), upload.rejected, upload.message))
            for job, upload in uploads
        ]

    def _write_refused(self) -> None:
        """Requests that were refused cost one row for many of them."""
        if not self._refused or (perf_counter() < self._written_at + _REFUSED_KEPT and not self._stopping):
            return
        if self.away:
            if self._stopping:
                self._refused.clear()
            return
        with self._changed:
            refused, self._refused = self._refused, Counter()
        self._written_at = perf_counter()
        try:
            self._opened().ledger.add(refused, clock.now())
        except Exception as error:
            log("error", "refusals not counted", error=repr(error))
            self._forget_store()
            if isinstance(error, AwayError) and not self._stopping:
                self._refused.update(refused)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _forget_store(self) -> None:
        """A vault that failed is opened again for the next batch: the disk may have room, the file be back."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _files(self, store: Store, attachments: Sequence[Attachment]) -> list[AttachmentInfo]:
        return [store.blobs.put(io.BytesIO(one.data), one.name, one.content_type, one.kind) for one in attachments]

    def _attach_late(self, store: Store, uploads: Sequence[tuple[Job, Upload]], now: int) -> None:
        """Files of events that came earlier."""
        for job, upload in uploads:
            for event_id, file in upload.late_attachments:
                try:
                    row = store.events.find(job.project, event_id)
                except NotFoundError:
                    upload.drops.append(("unknown_event", "attachment", 1))
                    continue
                (info,) = self._files(store, [file])
                with store.writing():
                    store.attachments.add(info, now, event=row)


def _settle(results: list[Result]) -> None:
    """In the event loop: wake those who wait for these answers, and are still there."""
    for job, result in results:
        future = job.future
        if future is None or future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


class _UnexpectedError(StoreError):
    """What nobody foresaw: the same requests would fail again."""


def _expected(error: Exception, what: str) -> CrashvaultError:
    """An error that has an answer; what nobody foresaw must not end the thread."""
    if isinstance(error, BodyError | StoreError):
        return error
    log("error", what, error=repr(error))
    return error if isinstance(error, CrashvaultError) else _UnexpectedError(f"{what}: {type(error).__name__}")


def _unreadable(error: Exception) -> CrashvaultError:
    """Whatever a client sends, it is not the vault that has failed, and sending it again would not help."""
    if isinstance(error, CrashvaultError):
        return error
    log("error", "body not read", error=repr(error))
    return BodyError("unreadable", "The body cannot be read")


def _store_telemetry(store: Store, uploads: Sequence[tuple[Job, Upload]], now: int) -> None:
    """Spans, sessions, check-ins and feedback, and what was left out.

    One upload that cannot be stored takes no others with it; it is counted.
    """
    drops: Counter[tuple[str, str, str]] = Counter()
    found: list[tuple[Job, Upload]] = []
    for job, upload in uploads:
        for reason, category, count in upload.drops:
            drops[reason, job.source, category] += count
        if upload.spans or upload.sessions or upload.check_ins or upload.feedback:
            found.append((job, upload))
    if not drops and not found:
        return
    try:
        with store.writing(alone=False):
            _add_telemetry(store, found, now)
            store.ledger.add(drops, now)
    except StoreError:
        raise
    except Exception as error:
        log("error", "telemetry not stored at once", error=repr(error))
        _store_one_by_one(store, found, drops, now)


def _store_one_by_one(
    store: Store, found: Sequence[tuple[Job, Upload]], drops: Counter[tuple[str, str, str]], now: int
) -> None:
    for job, upload in found:
        try:
            with store.writing(alone=False):
                _add_telemetry(store, [(job, upload)], now)
        except StoreError:
            raise
        except Exception:
            drops["internal_error", job.source, "telemetry"] += 1
    store.ledger.add(drops, now)


def _add_telemetry(store: Store, found: Sequence[tuple[Job, Upload]], now: int) -> None:
    by_project: dict[str, list[Upload]] = {}
    for job, upload in found:
        by_project.setdefault(job.project, []).append(upload)
    ids = store.projects.ids(by_project, now)
    for project, parts in by_project.items():
        store.telemetry.add(
            ids[project],
            spans=[span for part in parts for span in part.spans],
            sessions=[session for part in parts for session in part.sessions],
            check_ins=[one for part in parts for one in part.check_ins],
            feedback=[one for part in parts for one in part.feedback],
            now=now,
        )
