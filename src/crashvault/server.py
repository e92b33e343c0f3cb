"""The server's processes: sockets, workers, signals, and what is composed to one application.

One process serves by itself; with several workers a parent holds the sockets, forks, starts again who died, and
ends with them. Everything that is accepted is stored before a process ends by SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

import uvicorn

from . import clock, core
from .errors import CrashvaultError
from .logs import log, log_debug
from .serving.errors import ServerError
from .serving.pidfile import PidFile, Running
from .serving.sockets import BACKLOG, MAIN, Listener, check_tls
from .serving.sockets import listeners as made_listeners

RUN_FOLDER = "run"
LEASE = "server"
_LEASE_LASTS = 15 * clock.SECOND
_LEASE_RENEWED = 5.0  # seconds
_SETTINGS_READ = 2.0  # seconds
_RESTART_PAUSE = 1.0  # seconds before a worker that died young is started again
_FILES_OF_VAULT = 100  # that a worker has open beside its connections, at most
_LINGER = 5.0  # seconds beyond the time for requests that a worker has to end by itself


class Plan(NamedTuple):
    """What one server is to be; options of the command line that were not given are None."""

    home: str
    host: str | None = None
    port: int | None = None
    unix_socket: str | None = None
    workers: int | None = None
    auth: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    spotlight: bool = False
    access_log: bool = False  # on standard error too


# The application of one worker


def _rules(settings: Any, listener: str) -> Any:
    from .api.node import is_loopback, needs_key
    from .serving import cors
    from .serving.front import Rules
    from .serving.guard import known_hosts
    from .serving.proxies import Proxies

    loopback = is_loopback(settings.host)
    public = settings.public_url.partition("://")[2].partition("/")[0]
    return Rules(
        known_hosts([settings.host, public, *settings.allowed_hosts], any_address=not loopback),
        Proxies(settings.trusted_proxies),
        cors.policy(
            settings.cors_origins,
            methods=settings.cors_methods,
            headers=settings.cors_headers,
            max_age=settings.cors_max_age,
            credentials=settings.cors_credentials,
        ),
        cors.ingest_policy(settings.cors_ingest_origins),
        needs_key(settings) and listener == MAIN,
        bool(settings.unix_socket) and listener == MAIN,
        settings.auth == "local" or listener != MAIN,
    )


def _rates(settings: Any) -> dict[str, Any]:
    from .units import parse_rate

    return {"ingest": parse_rate(settings.rate_limit_ingest), "read": parse_rate(settings.rate_limit_read)}


def _inner(node: Any) -> tuple[Any, Callable[[Any], str]]:
    """The application behind the front, and the name under which a request is counted."""
    from .api import health, plugged
    from .api.doors import is_ingest, route_name
    from .api.ingest import ingest
    from .api.routes import application
    from .web import routes as pages

    more = [*health.routes(node), *plugged.routes(node), *pages.routes(node)]
    app = application(node, more, pages.unknown(node))

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if is_ingest(scope["path"], scope["method"]):
            await ingest(scope, receive, send, node)
        else:
            await app(scope, receive, send)

    def named(scope: Any) -> str:
        if is_ingest(scope["path"], scope["method"]):
            return route_name(scope["path"])
        found = scope.get("route")
        return getattr(found, "path", "") or "other"

    return inner, named


async def _spotlight(scope: Any, receive: Any, send: Any, node: Any) -> None:
    """The sink that SDKs look for: what they would show to Spotlight is stored."""
    from .api.errors import error_response
    from .api.ingest import ingest

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"x-powered-by", b"spotlight-by-sentry")]}
        await send(message)

    if scope["path"].rstrip("/") == "/stream":
        await ingest({**scope, "crashvault.spotlight": True}, receive, sending, node)
    elif scope["path"] == "/health":
        await sending({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await sending({"type": "http.response.body", "body": b"OK"})
    else:
        response = error_response(404, "not_found", "There is nothing at this address")
        await response(scope, receive, sending)


class _Server(uvicorn.Server):
    """Uvicorn's server without its own signals: a worker has several of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Worker:
    """One process that serves: a node, a recorder, and a server for each listener."""

    def __init__(
        self,
        plan: Plan,
        listeners: list[Listener],
        on_ready: Callable[[], None],
        *,
        number: int = 0,
        parent: int | None = None,
    ) -> None:
        self.plan = plan
        self.listeners = listeners
        self.number = number
        self.parent = parent  # who must live as long as this process does
        self._on_ready = on_ready
        self._servers: list[_Server] = []

    def run(self) -> None:
        """Serve until a signal comes. Raises CrashvaultError when it cannot begin."""
        _raise_open_files()
        with contextlib.suppress(ImportError):
            import uvloop

            asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        from .api.node import make_node
        from .api.spooled import spooling_of
        from .auth import Keyring
        from .notify.service import Service
        from .recorder import Recorder
        from .serving.access_log import AccessLog
        from .serving.upkeep import Upkeep
        from .watch import Service as Watching

        plan = self.plan
        self.node = node = make_node(plan.home, create=False, **_given(plan))
        loop = asyncio.get_running_loop()
        from .api.metrics import Metrics
        from .ratelimit import RateLimiter

        node.metrics = Metrics(node)
        node.keyring = Keyring(node.open_store, away=lambda: node.recorder.away if node.settings.spool else None)
        node.limiter = RateLimiter(node.open_store, _rates(node.settings))
        node.recorder = Recorder(self._open_recording, node.settings.queue, node.metrics.commit, spooling_of(node))
        node.recorder.start()
        self._deliveries = Service(node.open_store, node.metrics.delivery)
        self._deliveries.start()
        self._alerts = Watching(node.open_store, node.metrics.alert)
        self._alerts.start()
        self._log = AccessLog(
            core.log_dir(plan.home), echo=plan.access_log, later=lambda: loop.call_later(0.5, self._log.flush)
        )
        self._fronts = [self._front(listener) for listener in self.listeners]
        self._servers = [
            _Server(self._config(listener, front)) for listener, front in zip(self.listeners, self._fronts, strict=True)
        ]
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        self._upkeep = Upkeep(plan.home)
        ticker = asyncio.create_task(self._tick())
        serving = [
            asyncio.create_task(server.serve([listener.socket]))
            for listener, server in zip(self.listeners, self._servers, strict=True)
        ]
        try:
            await node.run(self._read_settings)
            while not all(server.started for server in self._servers) and not any(task.done() for task in serving):
                await asyncio.sleep(0.005)
            self._on_ready()
            await asyncio.gather(*serving)
        finally:
            ticker.cancel()
            await self._finish()

    def _open_recording(self) -> Any:
        store = self.node.open_store()
        if self.node.settings.durability == "normal":
            store.db.relax()
        return store

    def _front(self, listener: Listener) -> Any:
        from .api.doors import is_ingest
        from .api.errors import error_response, response_of
        from .serving.front import Front, Seen

        node = self.node
        if listener.name != MAIN:
            inner: Any = partial(_spotlight, node=node)
            named: Callable[[Any], str] = lambda scope: "/stream"
        else:
            inner, named = _inner(node)

        def seen(one: Seen) -> None:
            node.metrics.request(one.scope["method"], named(one.scope), one.status or 499, one.seconds)

        def refusal(refused: Any, request_id: str) -> bytes:
            details = [{"hint": refused.hint}] if refused.hint else []
            return bytes(error_response(refused.status, refused.code, refused.message, details).body)

        def failure(error: Exception, request_id: str) -> bytes:
            return bytes(response_of(error, request_id).body)

        return Front(
            inner,
            _rules(node.settings, listener.name),
            is_ingest=is_ingest,
            refusal=refusal,
            failure=failure,
            seen=seen,
            log=self._log,
        )

    def _config(self, listener: Listener, front: Any) -> uvicorn.Config:
        from .serving.protocol import Limits, Protocol

        settings = self.node.settings
        tls = listener.name == MAIN and settings.tls_cert
        protocol = partial(
            Protocol,
            listener=listener.name,
            limits=Limits(connections=_most_connections(), body_seconds=settings.body_timeout),
            observe=self._refused,
        )
        return uvicorn.Config(
            front,
            http=protocol,  # type: ignore[arg-type]
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=settings.keep_alive,
            timeout_graceful_shutdown=settings.shutdown_timeout,
            backlog=BACKLOG,
            ssl_certfile=settings.tls_cert if tls else None,
            ssl_keyfile=settings.tls_key if tls else None,
        )

    def _refused(self, status: int, code: str, client: str) -> None:
        """What never became a request."""
        self.node.metrics.request("-", "refused", status, 0.0)
        self._log.add({"client": client or "unix", "refused": code, "status": str(status)})

    # What is looked at again and again

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        renewed = read = -1e9
        while True:
            now = loop.time()
            connections = [one for server in self._servers for one in server.server_state.connections]
            for connection in list(connections):
                connection.look(now)  # type: ignore[union-attr]
            self.node.metrics.state(self.node.recorder.depth, len(connections))
            if (spooled := self.node.recorder.spooled) is not None:
                self.node.metrics.spool(spooled.requests, spooled.bytes, spooled.age(clock.now()))
            if self.parent is not None and os.getppid() != self.parent:  # it was killed
                self._stop()
            try:
                if now - renewed >= _LEASE_RENEWED and self.number == 0:
                    await self.node.run(self._renew)
                    renewed = now
                if now - read >= _SETTINGS_READ:
                    await self.node.run(self._read_settings)
                    read = now
            except CrashvaultError as error:
                log_debug("server's round failed", error=error)
            await asyncio.sleep(1.0)

    def _renew(self) -> None:
        with self.node.writing_store() as store:
            # The locked pid file has shown that no other server has the vault, whatever an old lease says.
            store.leases.seize(LEASE, _holder(self.parent or os.getpid()), clock.now(), _LEASE_LASTS)
            self._upkeep.look(store, clock.now())

    def _read_settings(self) -> None:
        """Take over settings that were changed for all servers."""
        from .api.ingest import remember_projects
        from .api.node import read_settings

        with self.node.reading() as store:
            found = read_settings(store, **_given(self.plan))
            if self.node.settings.spool:
                remember_projects(self.node, store)
                self.node.keyring.remember(store)
        if found == self.node.settings:
            return
        fixed = {name: getattr(self.node.settings, name) for name in _FIXED}
        self.node.settings = found._replace(**fixed)
        self.node.limiter.change(_rates(self.node.settings))
        for listener, front in zip(self.listeners, self._fronts, strict=True):
            front.rules = _rules(self.node.settings, listener.name)

    # The end

    def _stop(self) -> None:
        self.node.stop()
        for server in self._servers:
            server.should_exit = True

    async def _finish(self) -> None:
        node = self.node
        node.stop()
        await node.recorder.stop()
        await asyncio.get_running_loop().run_in_executor(None, self._upkeep.stop)
        await asyncio.get_running_loop().run_in_executor(None, self._alerts.stop)
        await asyncio.get_running_loop().run_in_executor(None, self._deliveries.stop)
        self._log.flush()
        node.keyring.close()
        node.limiter.close()
        node.close()
        log("info", "server stopped", pid=os.getpid())


# What a process cannot change while it runs.
_FIXED = ("host", "port", "unix_socket", "auth", "tls_cert", "tls_key", "workers", "durability", "queue", "spool", "spool_size",
          "body_timeout",
          "keep_alive", "shutdown_timeout")  # fmt: skip


def _given(plan: Plan) -> dict[str, Any]:
    names = ("host", "port", "unix_socket", "workers", "auth", "tls_cert", "tls_key")
    return {name: getattr(plan, name) for name in names}


# Starting


def serve(plan: Plan, ready: Callable[[Running], None]) -> None:
    """Serve a vault until SIGTERM or SIGINT; `ready` is called with where, once requests are taken.

    Raises ServerError, StoreError and InvalidError when that cannot be.
    """
    from .api.node import needs_key, read_settings

    with core.open_vault(plan.home) as store:
        settings = read_settings(store, **_given(plan))
    check_tls(settings)
    pid_file = PidFile(plan.home)
    pid_file.hold()
    try:
        listeners = made_listeners(settings, spotlight=plan.spotlight)
        spotlight = next((one.url for one in listeners if one.name == "spotlight"), None)
        found = Running(
            os.getpid(), listeners[0].url, settings.workers, clock.to_iso(clock.now()), needs_key(settings), spotlight
        )

        def on_ready() -> None:
            pid_file.write(found)
            log("info", "server started", pid=found.pid, url=found.url, workers=found.workers)
            ready(found)

        try:
            if settings.workers == 1:
                Worker(plan, listeners, on_ready).run()
            else:
                _supervise(plan, listeners, settings, pid_file, on_ready)
        finally:
            _close(listeners, settings)
            _release_lease(plan.home)
    finally:
        pid_file.release()


def _holder(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def _release_lease(home: str) -> None:
    """All processes of the server have ended."""
    with contextlib.suppress(CrashvaultError), core.open_vault(home, create=False) as store:
        store.leases.release(LEASE, _holder(os.getpid()))


def _raise_open_files() -> None:
    """As many open files as this user may have, since each connection is one, and logins begin with 1,024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _most_connections() -> int:
    """As many as there are open files beside those of the vault, so that one too many is told so."""
    import resource

    from .serving.protocol import Limits

    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = Limits().connections
    return most if allowed == resource.RLIM_INFINITY else max(1, min(most, allowed - _FILES_OF_VAULT))


def _close(listeners: list[Listener], settings: Any) -> None:
    for listener in listeners:
        listener.socket.close()
    if settings.unix_socket:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(settings.unix_socket)


class _Child(NamedTuple):
    pid: int
    number: int
    started: float


def _supervise(
    plan: Plan, listeners: list[Listener], settings: Any, pid_file: PidFile, on_ready: Callable[[], None]
) -> None:
    """Fork the workers, and look after them until a signal comes."""
    _prepare_metrics(plan.home)
    stopping = False
    children: dict[int, _Child] = {}

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, on_signal)
    missing: dict[int, float] = {}  # number of a worker that has died → when it is started again
    try:
        for index in range(settings.workers):
            _start_child(children, index, plan, listeners, pid_file)
        on_ready()
        while not stopping:
            _reap(children, missing)
            for index in [index for index, due in missing.items() if due <= time.monotonic()]:
                _start_again(index, children, missing, plan, listeners, pid_file)
            time.sleep(0.1)
    finally:
        _end_children(children, time.monotonic() + settings.shutdown_timeout + _LINGER)


def _end_children(children: dict[int, _Child], deadline: float) -> None:
    """Let the workers end by themselves; those that are late are killed."""
    for pid in children:
        _signal(pid, signal.SIGTERM)
    while children:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        children.pop(pid, None)
        if pid == 0:
            if time.monotonic() > deadline:
                for left in children:
                    _signal(left, signal.SIGKILL)
            time.sleep(0.01)


def _prepare_metrics(home: str) -> None:
    """An empty folder in which the workers count."""
    folder = os.path.join(home, RUN_FOLDER, "metrics")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder


def _start_child(
    children: dict[int, _Child], number: int, plan: Plan, listeners: list[Listener], pid_file: PidFile
) -> None:
    """Fork one worker, and wait until it serves. Raises ServerError when it ended instead."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_worker(number, parent, plan, listeners, pid_file, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    if told != b"ready":
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        raise ServerError(
            told.decode(errors="replace") or "a worker ended before it served", "See: crashvault server logs"
        )
    children[pid] = _Child(pid, number, time.monotonic())


def _be_worker(
    number: int, parent: int, plan: Plan, listeners: list[Listener], pid_file: PidFile, writing: int
) -> None:
    """All that the child of a fork does; never returns."""
    code = 1

    def on_ready() -> None:
        os.write(writing, b"ready")
        os.close(writing)

    try:
        pid_file.forget()
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)
        Worker(plan, listeners, on_ready, number=number, parent=parent).run()
        code = 0
    except CrashvaultError as error:
        log("error", "worker failed", error=error)
        with contextlib.suppress(OSError):
            os.write(writing, error.message.encode())
    except Exception as error:
        log("error", "worker failed", error=repr(error))
        with contextlib.suppress(OSError):
            os.write(writing, repr(error).encode())
    finally:
        os._exit(code)


def _reap(children: dict[int, _Child], missing: dict[int, float]) -> None:
    """Note who has died."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        child = children.pop(pid, None)
        if child is not None:
            log("error", "worker died", pid=pid, status=status)
            _forget_metrics(pid)
            now = time.monotonic()
            missing[child.number] = max(now, child.started + _RESTART_PAUSE)


def _start_again(
    number: int, children: dict[int, _Child], missing: dict[int, float], plan: Plan, listeners: list[Listener],
    pid_file: PidFile,
) -> None:  # fmt: skip
    """A vault that does not answer just now keeps a worker from serving, not the server from trying again."""
    try:
        _start_child(children, number, plan, listeners, pid_file)
        del missing[number]
    except ServerError as error:
        log("error", "worker could not be started again", number=number, error=error)
        missing[number] = time.monotonic() + _RESTART_PAUSE


def _forget_metrics(pid: int) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
