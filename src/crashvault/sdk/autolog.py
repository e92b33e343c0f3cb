"""What `crashvault autolog` does inside the programs it starts: see uncaught exceptions, and record them.

It is imported before the program and by all its Python children, so it imports next to nothing. Sentry's SDK
comes in when something has crashed, and with a client of its own: the program may use the SDK itself.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any

from ..source_lines import current_directory
from . import hooks

if TYPE_CHECKING:
    from ..pipeline import Receipt

SETTINGS = "CRASHVAULT_AUTOLOG"  # JSON: home, project, tags, level, release, environment, ignore, quiet
DUMPS = "CRASHVAULT_AUTOLOG_DUMPS"  # a folder for dumps of faulthandler
ECHO = ".echo"  # marks a dump that the program wants on standard error
_HIGH_DESCRIPTOR = 200  # faulthandler keeps its number: it must not become that of a file of the program's

_state: dict[str, Any] = {}


def install() -> None:
    """Hook this process, as the environment says. Never raises, never prints."""
    text = os.environ.get(SETTINGS)
    if not text or _state:
        return
    _state.update(settings=text, path=list(sys.path), print=sys.excepthook, recorded=False)
    sys.excepthook = _excepthook
    atexit.register(_last_chance)
    hooks.watch_threading(report)
    hooks.watch_asyncio(report)
    hooks.watch_multiprocessing(report)
    try:
        _enable_faulthandler(os.environ.get(DUMPS, ""))
    except Exception:  # noqa: S110 - no dumps then
        pass


def _excepthook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    _state["recorded"] = True
    _state["print"](kind, error, trace)
    report(error, "excepthook")


def _last_chance() -> None:
    """A program with an excepthook of its own never came to ours; the interpreter has kept its exception."""
    error = getattr(sys, "last_value", None)
    if error is not None and not _state["recorded"] and sys.excepthook is not _excepthook:
        report(error, "excepthook")


def _enable_faulthandler(folder: str) -> None:
    """Dumps of fatal signals go to a file, which the supervisor reads: on standard error they would show."""
    if not folder or not os.path.isdir(folder):
        return
    import faulthandler

    name = f"{os.getpid()}{ECHO if faulthandler.is_enabled() else ''}"
    low = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        import fcntl

        high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _HIGH_DESCRIPTOR)
    finally:
        os.close(low)
    faulthandler.enable(file=high, all_threads=True)


def report(error: BaseException, mechanism: str) -> None:
    """Record an exception that nobody caught. Never raises; a second Ctrl-C ends the recording only."""
    if isinstance(error, SystemExit | KeyboardInterrupt) or _is_captured_otherwise() or _state.get("reporting"):
        return
    _state["reporting"] = True
    found = list(sys.path)
    # Our imports must not find the program's files, nor may other threads miss them meanwhile.
    sys.path[:] = [*_state["path"], *(path for path in found if path not in _state["path"])]
    try:
        _record(error, mechanism)
    except BaseException as failure:
        _complain(failure)
    finally:
        sys.path[:] = found
        _state["reporting"] = False


def _is_captured_otherwise() -> bool:
    """Whether the program has called `crashvault.init()`, which sees all that we see."""
    client = sys.modules.get("crashvault.sdk.client")
    return client is not None and client.is_active()


def _complain(failure: BaseException) -> None:
    try:
        from .writer import complain

        complain(f"the exception could not be recorded ({type(failure).__name__}: {failure})", failure)
    except BaseException:  # noqa: S110 - the program's own traceback is what counts
        pass


def _record(error: BaseException, mechanism: str) -> None:
    import json

    settings: dict[str, Any] = json.loads(_state["settings"])
    if is_ignored(type(error), settings.get("ignore", ())):
        return
    receipts: list[Receipt] = []
    try:
        writer = _capture(error, mechanism, settings, receipts.append)
    except Exception as failure:
        if os.environ.get("CRASHVAULT_DEBUG"):
            _complain(failure)
        writer = _capture_as_text(error, settings, receipts.append)
    writer.finish()
    if receipts and not settings.get("quiet") and sys.stderr is not None:
        sys.stderr.write(f"{recorded_line(receipts[0])}\n")
        sys.stderr.flush()


def is_ignored(kind: type, names: Any) -> bool:
    """Whether one of `names` (`ValueError`, `json.JSONDecodeError`, …) is the type's or that of a base of it."""
    found = {name for base in kind.__mro__ for name in (base.__name__, f"{base.__module__}.{base.__qualname__}")}
    return not found.isdisjoint(names)


def recorded_line(receipt: Receipt) -> str:
    """What a person is told."""
    if receipt.issue_id is None:
        return f"crashvault: the event was not stored ({receipt.error or receipt.transition})"
    new = "new issue" if receipt.issue_created else "issue"
    return f"crashvault: recorded event {receipt.event_id[:8]} in {new} #{receipt.issue_id}"


def _capture(error: BaseException, mechanism: str, settings: dict[str, Any], told: Any) -> Any:
    """Hand the exception to a client of ours, with its frames, source lines and variables."""
    import sentry_sdk
    from sentry_sdk.utils import event_from_exception

    from .client import client_options

    options: dict[str, Any] = {
        "default_integrations": False,
        "auto_enabling_integrations": False,
        "add_full_stack": False,
    }
    release = settings.get("release") or os.environ.get("SENTRY_RELEASE", "")
    options = client_options(
        settings.get("home"), settings.get("project"), release, settings.get("environment"), options, told
    )
    client = sentry_sdk.Client(**options)
    event: Any
    event, hint = event_from_exception(
        error, client_options=client.options, mechanism={"type": mechanism, "handled": False}
    )
    event |= _about_this_run(settings)
    client.capture_event(event, hint)
    return options["transport"].writer


def _about_this_run(settings: dict[str, Any]) -> dict[str, Any]:
    level = settings.get("level") or "error"
    version = ".".join(map(str, sys.version_info[:3]))
    return {
        "level": "fatal" if level == "critical" else level,
        "tags": {key: value for key, _, value in (tag.partition("=") for tag in settings.get("tags", ()))},
        "extra": {"sys.argv": list(getattr(sys, "argv", [])), "directory": current_directory()},
        "contexts": {"runtime": {"name": sys.implementation.name, "version": version, "build": sys.version}},
    }


def _capture_as_text(error: BaseException, settings: dict[str, Any], told: Any) -> Any:
    """The plain traceback, where the SDK cannot be imported: the program may hide a module that it needs."""
    import traceback

    from .client import writer_for
    from .writer import Job

    raw = {
        "stacktrace": "".join(traceback.format_exception(error)),
        "exception": {"type": type(error).__name__, "value": traceback.format_exception_only(error)[-1].strip()},
        "level": settings.get("level") or "error",
        "tags": list(settings.get("tags", ())),
        "release": settings.get("release"),
        "environment": settings.get("environment"),
        "platform": "python",
        "pid": os.getpid(),
    }
    writer = writer_for(settings.get("home"), settings.get("project"))
    writer.submit(Job(raw, told=told))
    return writer
