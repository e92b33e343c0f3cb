"""Capture from Python: `crashvault.init()` and what goes with it.

Importing this costs nothing to speak of: Sentry's SDK, which does the capturing, is imported by the first
call that needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Tags = Mapping[str, Any] | Iterable[str]


def init(
    home: str | None = None,
    project: str | None = None,
    release: str | None = None,
    environment: str | None = None,
    **sentry_options: Any,
) -> None:
    """Record uncaught exceptions and logged errors of this program in the local vault, with no server.

    `home` is the vault's directory (default: CRASHVAULT_HOME, else ~/.crashvault), made when the first event
    is stored; `project` is a project in it (default: CRASHVAULT_PROJECT, else `default`). `release` defaults to
    SENTRY_RELEASE or the git commit of the working directory, `environment` to SENTRY_ENVIRONMENT or nothing.
    All other options are those of `sentry_sdk.init`; `dsn` and `transport` are not, because nothing is sent.

    A vault that cannot be written neither stops nor delays the program; one line on standard error says so.
    Raises InvalidError for a wrong project name or a `dsn`, TypeError for an unknown option.
    """
    from . import client

    client.start(home, project, release, environment, sentry_options)


def capture_exception(
    error: BaseException | None = None,
    *,
    tags: Tags | None = None,
    context: Mapping[str, Any] | None = None,
    user: str | Mapping[str, Any] | None = None,
    level: str | None = None,
    fingerprint: Iterable[str] | None = None,
    **scope: Any,
) -> str | None:
    """Record an exception that was caught: the one given, else the one being handled; its event id.

    `tags` are a mapping, or words and `key=value` texts; `context` is free data; `user` an id or a mapping with
    `id`, `email`, `username`; `fingerprint` decides the grouping. `scope` takes what `sentry_sdk.capture_exception`
    takes. Without `init()` before it the default vault is used. None when the event was refused (`before_send`,
    sampling); a refusal by the vault is counted in `crashvault stats --dropped`.
    """
    from . import client

    return client.capture("exception", error, client.scope_values(tags, context, user, level, fingerprint, scope))


def capture_message(
    message: str,
    level: str = "info",
    *,
    tags: Tags | None = None,
    context: Mapping[str, Any] | None = None,
    user: str | Mapping[str, Any] | None = None,
    fingerprint: Iterable[str] | None = None,
    **scope: Any,
) -> str | None:
    """Record a message; its event id. The arguments are those of `capture_exception`."""
    from . import client

    return client.capture("message", message, client.scope_values(tags, context, user, level, fingerprint, scope))


def flush(seconds: float = 2.0) -> bool:
    """Wait until everything captured so far is stored, for at most so many seconds; whether it is."""
    from . import client

    return client.flush(seconds)
