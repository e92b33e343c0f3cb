"""Sentry's client set up for a vault: nothing leaves the machine, and nothing is added to what the program sends."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import CrashvaultError, InvalidError
from . import hooks, integrations
from .writer import EXIT_SECONDS, QUEUE_SIZE, VaultWriter, complain

# The SDK is only active with an address. This one names no host that could exist, and no host of the program's:
# the SDK leaves requests to its own server out of the breadcrumbs.
DSN = "http://crashvault@crashvault.invalid/1"
OPTIONS: dict[str, Any] = {
    "dsn": DSN,
    "auto_session_tracking": False,
    "send_client_reports": False,
    "enable_backpressure_handling": False,  # a thread that asks whether the server is well
    "spotlight": False,  # SENTRY_SPOTLIGHT would make it send
    "trace_propagation_targets": [],  # headers on the program's own requests
    "max_value_length": 8192,  # characters; the vault keeps no more
}
REFUSED = ("dsn", "transport")

_writers: dict[tuple[str | None, str | None], VaultWriter] = {}
_settings: dict[str, Any] = {}  # of the running client, for children of multiprocessing


def start(
    home: str | None, project: str | None, release: str | None, environment: str | None, options: dict[str, Any]
) -> None:
    """Make Sentry's global client one that writes to the vault, and watch what the SDK does not."""
    import sentry_sdk
    from sentry_sdk.integrations.logging import ignore_logger

    for name in REFUSED:
        if name in options:
            raise InvalidError(f"init() takes no {name!r}", "Events go to the vault; use sentry_sdk.init to send them")
    given = client_options(home, project, release, environment, options)
    lazily = integrations.wanted(given)
    sentry_sdk.init(**({**given, "auto_enabling_integrations": False} if lazily else given))
    if lazily:
        integrations.watch(given.get("disabled_integrations") or ())
    for pattern in ("crashvault", "crashvault.*"):
        ignore_logger(pattern)
    _settings.update(home=home, project=project, release=release, environment=environment, options=options)
    hooks.watch_asyncio(_capture_uncaught)
    hooks.watch_multiprocessing(_capture_uncaught)
    hooks.follow_spawned(spawn_settings)


def client_options(
    home: str | None,
    project: str | None,
    release: str | None,
    environment: str | None,
    options: Mapping[str, Any],
    told: Any = None,
) -> dict[str, Any]:
    """Options of a Sentry client that writes to the vault; `told` hears what became of each event."""
    from .transport import VaultTransport

    writer = writer_for(home, project, int(options.get("transport_queue_size", QUEUE_SIZE)))
    seconds = float(options.get("shutdown_timeout", EXIT_SECONDS))
    if environment is None:
        environment = os.environ.get("SENTRY_ENVIRONMENT", "")  # else the SDK claims to be in production
    ours = {"release": release, "environment": environment, "transport": VaultTransport(writer, seconds, told)}
    return {**OPTIONS, **options, **ours}


def writer_for(home: str | None, project: str | None, queue_size: int = QUEUE_SIZE) -> VaultWriter:
    """The one writer of this process for a vault and project."""
    from .. import core, pipeline  # noqa: F401 - here, lest a fork meets the writing thread while it imports it

    project = project or os.environ.get("CRASHVAULT_PROJECT") or None
    if project is not None:
        from ..storage.projects import check_name

        check_name(project)
    try:
        home = core.home_dir(home)  # now: the program may change its directory
    except CrashvaultError as error:
        complain(str(error), error)
    writer = _writers.get((home, project))
    if writer is None:
        writer = _writers[home, project] = VaultWriter(home, project, queue_size)
    writer.queue_size = queue_size
    return writer


def is_active() -> bool:
    """Whether `init()` has been called in this process, or in the one it was forked from."""
    return bool(_settings)


def capture(kind: str, what: Any, scope: dict[str, Any]) -> str | None:
    """Capture an exception or a message; the dashed event id, or None."""
    import sentry_sdk

    from ..ingest.fields import dashed

    if not sentry_sdk.get_client().is_active():
        start(None, None, None, None, {"default_integrations": False, "auto_enabling_integrations": False})
    level = scope.pop("level", None)
    if kind == "exception":
        event_id = sentry_sdk.capture_exception(what, **({"level": _sentry_level(level)} if level else {}), **scope)
    else:
        event_id = sentry_sdk.capture_message(what, level=_sentry_level(level), **scope)
    return dashed(event_id) if event_id else None


def _sentry_level(level: str) -> Any:
    """Custom levels pass through the SDK as they are; only the highest has another name there."""
    return "fatal" if level == "critical" else level


def scope_values(
    tags: Any, context: Any, user: Any, level: str | None, fingerprint: Iterable[str] | None, scope: dict[str, Any]
) -> dict[str, Any]:
    """Our words for the scope of one event as the SDK's."""
    if tags is not None and not isinstance(tags, Mapping):
        pairs = (str(tag).partition("=") for tag in ([tags] if isinstance(tags, str) else tags))
        tags = {key: value for key, _, value in pairs}
    given = {
        "tags": tags,
        "extras": {**(context or {}), **(scope.pop("extras", None) or {})} or None,
        "user": user if user is None or isinstance(user, Mapping) else {"id": str(user)},
        "level": level,
        "fingerprint": None if fingerprint is None else list(fingerprint),
    }
    return {**scope, **{key: value for key, value in given.items() if value is not None}}


def flush(seconds: float) -> bool:
    flushed = [writer.flush(seconds) for writer in list(_writers.values())]  # every one, also after one that fails
    return all(flushed)


def _capture_uncaught(error: BaseException, mechanism: str) -> None:
    """Record an exception that nobody caught and that no integration of the SDK sees."""
    import sentry_sdk
    from sentry_sdk.utils import event_from_exception

    client = sentry_sdk.get_client()
    if client.is_active():
        event, hint = event_from_exception(
            error, client_options=client.options, mechanism={"type": mechanism, "handled": False}
        )
        sentry_sdk.capture_event(event, hint=hint)


# Children that multiprocessing spawns


def spawn_settings() -> dict[str, Any] | None:
    """What a spawned child needs to go on recording; options that cannot be pickled stay behind."""
    if not _settings:
        return None
    options = {key: value for key, value in _settings["options"].items() if _can_pickle(value)}
    return {**_settings, "options": options}


def _can_pickle(value: Any) -> bool:
    import pickle

    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True


def resume(settings: dict[str, Any]) -> None:
    """Called in a spawned child, before its main module is imported. Never raises."""
    try:
        if not is_active():
            start(**settings)
    except Exception as error:
        complain("a spawned process is not watched", error)
