"""Who sends: the server for as long as it runs, and a command for a moment before it ends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from .. import clock, core
from ..errors import CrashvaultError, StoreError
from ..logs import log, log_debug
from ..outbound import Outbound
from ..storage.store import Store
from .holders import holder_name
from .sender import LEASE_LASTS, Outcome, Sender, lease_name

ALLOW_PRIVATE = "webhook.allow_private"
SERVER_LEASE = "server"
COMMAND_SECONDS = 2.0
KEPT = 7 * clock.DAY  # that deliveries which ended are listed
_THREADS = 8  # webhooks that are sent to at the same time
_LOOK = 0.2  # seconds between looks at whether something happened
_AGAIN = clock.SECOND  # before a webhook that somebody else serves is looked at again
_LEASES_RENEWED = 8.0  # seconds
_CONFIGURED = 2.0  # seconds
_PRUNED = 3_600.0  # seconds
_LINGER = 2.0  # seconds for requests under way when the server stops


def make_outbound(store: Store) -> Outbound:
    return Outbound(allow_private=_allows_private(store))


def _allows_private(store: Store) -> bool:
    return bool(core.get_setting(store, ALLOW_PRIVATE)[0])


class Service:
    """A thread that has everything sent that is due, webhooks beside each other; for a server.

    `open_store` gives each thread a store of its own. `told` is called with each outcome, in any thread.
    """

    def __init__(
        self, open_store: Callable[[], Store], told: Outcome = lambda webhook, outcome: None, *, threads: int = _THREADS
    ) -> None:
        self._open_store = open_store
        self._told = told
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crashvault-webhooks")
        self._active: dict[int, Future[None]] = {}
        self._not_before: dict[int, int] = {}
        self._senders = threading.local()
        self._made: list[tuple[Store, Sender]] = []
        self._lock = threading.Lock()
        self._holder = holder_name()
        self._held: set[int] = set()  # webhooks whose lease may be ours
        self._outbound = Outbound()
        self._thread = threading.Thread(target=self._run, name="crashvault-webhook-service", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give the requests under way a moment, and the leases back. What takes longer is sent again by who comes next."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    # The thread

    def _run(self) -> None:
        failed = ""
        while not self._stopping.is_set():
            try:
                with self._open_store() as store:
                    self._configure(store)
                    self._serve(store)
                failed = ""
            except Exception as error:
                if repr(error) != failed:  # once is enough to know
                    failed = repr(error)
                    _complain("deliveries cannot be made", error)
                self._stopping.wait(_AGAIN / clock.SECOND)
        self._end()

    def _serve(self, store: Store) -> None:
        seen, due = -1, 0
        renewed = configured = time.monotonic()
        pruned = -1e9
        while not self._stopping.is_set() and not store.db.replaced():
            version = store.db.data_version()
            now = clock.now()
            if version != seen or now >= due or self._active:
                seen = version
                due = self._look(store, now)
            if time.monotonic() - renewed > _LEASES_RENEWED:
                _renew(store, list(self._active), self._holder)
                renewed = time.monotonic()
            if time.monotonic() - configured > _CONFIGURED:
                self._configure(store)
                configured = time.monotonic()
            if time.monotonic() - pruned > _PRUNED:
                store.outbox.prune(clock.now() - KEPT)
                pruned = time.monotonic()
            self._stopping.wait(_LOOK)

    def _look(self, store: Store, now: int) -> int:
        """Have sent what is due; when there will be something else to send."""
        self._active = {webhook: future for webhook, future in self._active.items() if not future.done()}
        next_due = 1 << 62
        for webhook, due in store.outbox.next_due().items():
            due = max(due, self._not_before.get(webhook, 0))
            if webhook in self._active:
                continue
            if due > now:
                next_due = min(next_due, due)
                continue
            self._not_before[webhook] = now + _AGAIN
            self._active[webhook] = self._pool.submit(self._drain, webhook)
        return next_due

    def _drain(self, webhook: int) -> None:
        try:
            self._held.add(webhook)
            if self._sender().drain(webhook):
                self._not_before.pop(webhook, None)
        except Exception as error:
            _complain(f"webhook {webhook} could not be served", error)
            self._senders.sender = None  # its store may be what is wrong

    def _configure(self, store: Store) -> None:
        self._outbound.allow_private = _allows_private(store)

    def _sender(self) -> Sender:
        """The sender of this thread."""
        found: Sender | None = getattr(self._senders, "sender", None)
        if found is None or found.is_stale:
            store = self._open_store()
            found = Sender(store, self._outbound, self._holder, stopping=self._stopping, told=self._told)
            self._senders.sender = found
            with self._lock:
                self._made.append((store, found))
        return found

    def _end(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        _, busy = wait(self._active.values(), _LINGER)
        with contextlib.suppress(CrashvaultError), self._open_store() as store:
            for webhook in self._held:
                store.leases.release(lease_name(webhook), self._holder)
        for store, _ in self._made if not busy else ():
            store.close()
        self._outbound.close()


def _complain(what: str, error: Exception) -> None:
    """Log a failure. A vault that is away is told by the server's health; a log in its place would be in its way."""
    log("debug" if isinstance(error, StoreError) else "error", what, error=repr(error))


# Commands


def deliver_briefly(home: str, seconds: float = COMMAND_SECONDS) -> int:
    """Send what is due, for at most so many seconds, unless a server is there to do it; how many attempts were made.

    The leases are given back at the end; what is under way then is sent again by whoever comes next, under the same id.
    """
    with core.open_vault(home, create=False) as store:
        now = clock.now()
        if store.leases.live(SERVER_LEASE, now) is not None:
            return 0
        due = [webhook for webhook, at in store.outbox.next_due().items() if at <= now]
        if not due:
            return 0
        stopping, holder, made = threading.Event(), holder_name(), [0]
        outbound = make_outbound(store)
        threads = [
            threading.Thread(target=partial(_drain_one, home, outbound, holder, stopping, webhook, made), daemon=True)
            for webhook in due[:_THREADS]
        ]
        deadline = time.monotonic() + seconds
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
                for thread in threads:
                    thread.join(max(0.0, min(_LEASES_RENEWED, deadline - time.monotonic())))
                _renew(store, due, holder)
        finally:
            stopping.set()
            outbound.close()
            for webhook in due:
                store.leases.release(lease_name(webhook), holder)
        store.outbox.prune(clock.now() - KEPT)
        return made[0]


def _renew(store: Store, webhooks: Sequence[int], holder: str) -> None:
    """Slow requests must not cost the leases that are ours."""
    for webhook in webhooks:
        now = clock.now()
        lease = store.leases.live(lease_name(webhook), now)
        if lease is not None and lease.holder == holder and lease.expires_at - now < LEASE_LASTS // 2:
            store.leases.take(lease_name(webhook), holder, now, LEASE_LASTS)


def _drain_one(
    home: str, outbound: Outbound, holder: str, stopping: threading.Event, webhook: int, made: list[int]
) -> None:
    try:
        with core.open_vault(home, create=False) as store:
            made[0] += Sender(store, outbound, holder, stopping=stopping).drain(webhook)
    except Exception as error:
        log_debug("webhook could not be served", webhook=webhook, error=repr(error))
