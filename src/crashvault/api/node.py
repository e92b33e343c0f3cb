"""One server process: its settings, its open vault, and who may do what.

Endpoints run in a bounded pool of threads, each with a store of its own while it needs one. A store that
failed is closed, and the next request opens another, so that a disk that was full for a minute does not
leave a server that fails for ever.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, ParamSpec, TypeVar

from .. import core
from ..config import SETTINGS
from ..errors import CrashvaultError, StoreError
from ..storage.store import Store
from .errors import OverloadedError
from .replica import Replica

THREADS = 8
MOST_WAITING = 256  # requests that wait for a thread; more are refused

P = ParamSpec("P")
T = TypeVar("T")


class NodeSettings(NamedTuple):
    """What the configuration says about this process, read once, when it starts; see `config.SETTINGS`."""

    host: str
    port: int
    unix_socket: str  # a path; then host and port don't matter
    auth: str  # required, local (only beyond loopback) or off
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    tls_cert: str
    tls_key: str
    workers: int
    durability: str  # full or normal
    queue: int
    spool: bool
    spool_size: int  # bytes
    max_body: int  # bytes as they come
    max_unpacked: int  # bytes after decompression
    body_timeout: int  # seconds
    tails: int  # at once
    keep_alive: int  # seconds
    shutdown_timeout: int  # seconds
    public_url: str
    rate_limit_ingest: str
    rate_limit_read: str
    cors_origins: tuple[str, ...]
    cors_methods: tuple[str, ...]
    cors_headers: tuple[str, ...]
    cors_max_age: int  # seconds
    cors_credentials: bool
    cors_ingest_origins: tuple[str, ...]


_GROUPS = ("rate_limit", "cors", "tls")


def setting_key(field: str) -> str:
    """`cors_max_age` is the setting `server.cors.max_age`."""
    for group in _GROUPS:
        if field.startswith(f"{group}_"):
            return f"server.{group}.{field.removeprefix(f'{group}_')}"
    return f"server.{field}"


def default_settings(**given: Any) -> NodeSettings:
    """What holds where nobody configured anything."""
    return _settings(lambda key: SETTINGS[key].default, given)


def read_settings(store: Store, **given: Any) -> NodeSettings:
    """The settings of this node; what is `given` (options of the command line) and not None wins."""
    return _settings(lambda key: core.get_setting(store, key)[0], given)


def _settings(get: Callable[[str], Any], given: Mapping[str, Any]) -> NodeSettings:
    found: dict[str, Any] = {}
    for field in NodeSettings._fields:
        value = given.get(field)
        value = get(setting_key(field)) if value is None else value
        found[field] = tuple(value) if isinstance(value, list) else value
    return NodeSettings(**found)


def needs_key(settings: NodeSettings) -> bool:
    """Whether requests must say who they are."""
    if settings.auth == "local":
        return not settings.unix_socket and not is_loopback(settings.host)
    return settings.auth != "off"


class _Pool:
    """Open stores that nobody uses just now."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._idle: list[Store] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def store(self) -> Iterator[Store]:
        store = self._take()
        sound = False
        try:
            yield store
            sound = True
        except StoreError:
            raise
        except CrashvaultError:  # the request was wrong, not the store
            sound = True
            raise
        finally:
            self._give_back(store, sound)

    def _take(self) -> Store:
        while True:
            with self._lock:
                store = self._idle.pop() if self._idle else None
            if store is None:
                return self._open()
            if not store.db.replaced():
                return store
            store.close()

    def _give_back(self, store: Store, sound: bool) -> None:
        with self._lock:
            if sound and not self._closed:
                self._idle.append(store)
                return
        store.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for store in idle:
            store.close()


class Node:
    """What the endpoints of one server process share. Make one in each process, and close it.

    `recorder` and `metrics` are set by who composes the server.
    """

    keyring: Any
    limiter: Any
    recorder: Any
    metrics: Any

    def __init__(self, home: str, settings: NodeSettings, *, create: bool = True) -> None:
        self.home = home
        self.settings = settings
        self.keyring = self.limiter = self.recorder = self.metrics = None
        self.stopping = False
        self.tails = 0  # that are being told new events just now
        self._readers = _Pool(lambda: _unmapped(core.open_vault(home, create=False, read_only=True)))
        self._writers = _Pool(self.open_store)
        self._copies = _Pool(lambda: core.open_replica(home))
        self.replica: Replica | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="crashvault-api")
        self._waiting = 0
        core.open_vault(home, create=create).close()  # made, and brought up to date, before the first request
        if core.replica_url(home):
            self._follow_replica()

    def open_store(self) -> Store:
        """A store of the caller's own; the caller closes it. A vault that is gone is not made anew."""
        return _unmapped(core.open_vault(self.home, create=False))

    def _follow_replica(self) -> None:
        with self.reading() as store:
            most = core.get_setting(store, "database.replica_staleness")[0]
        self.replica = Replica(lambda: core.open_replica(self.home), self.open_store, most)
        self.replica.start()

    def reading(self) -> AbstractContextManager[Store]:
        """A store to read from, as a context manager; nobody else has it meanwhile."""
        return self._readers.store()

    def query(self, who: str, ask: Callable[[Store], T], *, newest: bool = False) -> tuple[T, dict[str, str]]:
        """What a query finds, in the copy of the database where that may answer, and headers that tell of it.

        `who` asks is answered after what they wrote here; `newest` never asks the copy.
        """
        replica = self.replica
        if replica is not None and not newest and replica.fits(who):
            headers = replica.headers()
            try:
                with self._copies.store() as store:
                    return ask(store), headers
            except StoreError as error:
                replica.failed(error)
        with self.reading() as store:
            return ask(store), {}

    def wrote(self, who: str) -> None:
        """Somebody has changed something through this node."""
        if self.replica is not None:
            self.replica.wrote(who)

    def writing_store(self) -> AbstractContextManager[Store]:
        """A store to write to, likewise."""
        return self._writers.store()

    @property
    def needs_key(self) -> bool:
        return needs_key(self.settings)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread of the pool. Raises OverloadedError where too many wait already."""
        if self._waiting >= MOST_WAITING:
            raise OverloadedError()
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Tell answers that would go on for ever to end. May be called from a signal handler or another thread."""
        self.stopping = True

    def close(self) -> None:
        """Wait for what runs, and close all stores."""
        self.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self.replica is not None:
            self.replica.close()
        self._copies.close()
        self._readers.close()
        self._writers.close()


def _unmapped(store: Store) -> Store:
    store.db.unmap()
    return store


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    import ipaddress

    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def make_node(home: str | None = None, *, create: bool = True, **given: Any) -> Node:
    """A node of a vault with the settings that the vault and this machine have; see `read_settings`."""
    found = core.home_dir(home)
    with core.open_vault(found, create=create) as store:
        settings = read_settings(store, **given)
    return Node(found, settings, create=create)
