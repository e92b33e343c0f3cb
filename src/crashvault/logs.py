"""The program's own log: `logs/app.log`, and standard error in debug mode.

A line is `time | level | where | what happened | key=value | …`. Nothing a value contains can end the line or
start another field, and what looks like a secret is replaced. Lines are appended whole, so that several
processes may share the file. Until something is written nothing is opened, and the standard library's
logging is imported only by those who ask for one of its loggers.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

FILE_NAME = "app.log"
MAX_SIZE = 5_000_000  # bytes of one file
KEPT_FILES = 3  # rotated ones, app.log.1 is the newest
MAX_LINE = 8_192  # characters
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
SECRET = "[redacted]"

_OFF = 1_000
_ROOT = "crashvault"
_SECRET_NAMES = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "cookie",
    "session",
    "signature",
    "dsn",
)
_NAME = r"""(?<![\w.-])([\w.-]++)["']?\s?[=:]\s?"""
_VALUE = r"""(?i:(?:bearer|basic|digest)\s+)?(?:"[^"]*"|'[^']*'|[^\s&,;]+)"""
_CREDENTIALS = r"(://)[^/\s@]+(@)"
_SCHEME = r"(?i)\b(bearer|basic)\s+(?=[\w.~+/-]*[\d=+/])[\w.~+/=-]{6,}"

_threshold = _OFF
_debug = False
_file: _LogFile | None = None


def configure(log_dir: str | None, level: str, debug: bool) -> None:
    """Set where the log goes and from which level on.

    `log_dir` is made when the first line is written (0700, files 0600); None: no file. `debug` lowers the
    level to debug and copies every line to standard error. Raises ValueError for an unknown level.
    """
    global _threshold, _debug, _file
    if level.lower() not in LEVELS:
        raise ValueError(f"unknown log level {level!r}, use one of {', '.join(LEVELS)}")
    if _file is not None:
        _file.close()
    _threshold = LEVELS["debug" if debug else level.lower()]
    _debug = debug
    _file = _LogFile(log_dir) if log_dir else None
    if "logging" in sys.modules:
        _connect_logging()


def is_debug() -> bool:
    """Whether `--debug` is on."""
    return _debug


def log_debug(event: str, **fields: object) -> None:
    """Log what happened, with its fields. Costs next to nothing while the level is higher."""
    if _threshold <= 10:
        _log("debug", event, fields)


def log_info(event: str, **fields: object) -> None:
    if _threshold <= 20:
        _log("info", event, fields)


def log_warning(event: str, **fields: object) -> None:
    if _threshold <= 30:
        _log("warning", event, fields)


def log_error(event: str, **fields: object) -> None:
    if _threshold <= 40:
        _log("error", event, fields)


class timed:
    """`with timed("parse"):` logs a step with its duration in milliseconds, and whether it failed; only when
    the level is debug."""

    __slots__ = ("_began", "_fields", "_step")

    def __init__(self, step: str, **fields: object) -> None:
        self._step = step
        self._fields = fields

    def __enter__(self) -> None:
        self._began = time.perf_counter_ns()

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if _threshold > 10:
            return
        fields: dict[str, object] = {
            "ms": f"{(time.perf_counter_ns() - self._began) / 1e6:.3f}",
            **self._fields,
        }
        if failure is not None:
            fields["failed"] = failure.__name__
        _log("debug", self._step, fields)


def get_logger(name: str) -> logging.Logger:
    """A logger of the standard library whose records end up here, for code that wants one."""
    import logging

    _connect_logging()
    return logging.getLogger(name if name.startswith(_ROOT) else f"{_ROOT}.{name}")


def redact(text: str) -> str:
    """`text` with the values of secret-looking keys, credentials in URLs and bearer tokens replaced."""
    import re

    parts = [_redact_field(part) for part in text.split(" | ")]
    found = re.sub(_CREDENTIALS, rf"\1{SECRET}\2", " | ".join(parts))
    found = re.sub(_SCHEME, rf"\1 {SECRET}", found)
    return _redact_pairs(found)


def _redact_field(part: str) -> str:
    """A whole field of ours, whose value may have blanks."""
    name, sign, _ = part.partition("=")
    return f"{name}={SECRET}" if sign and " " not in name and _is_secret(name) else part


def _redact_pairs(text: str) -> str:
    """Pairs inside a sentence, JSON or a query string."""
    import re

    value = re.compile(_VALUE)
    kept: list[str] = []
    position = 0
    for match in re.finditer(_NAME, text):
        found = value.match(text, match.end()) if match.end() > position and _is_secret(match[1]) else None
        if found:
            kept += (text[position : match.end()], SECRET)
            position = found.end()
    return "".join([*kept, text[position:]])


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("_", "").replace("-", "").replace(".", "")
    return any(secret in plain for secret in _SECRET_NAMES)


def _log(level: str, event: str, fields: dict[str, object]) -> None:
    pairs = [f"{name}={_value(name, value)}" for name, value in fields.items()]
    _write(level, _ROOT, " | ".join([_one_line(event), *pairs]), time.time())


def _value(name: str, value: object) -> str:
    if _is_secret(name):
        return SECRET
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception as error:
        text = f"<{type(error).__name__} while showing a {type(value).__name__}>"
    return _one_line(text[:MAX_LINE]).replace("|", r"\x7c")


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _write(level: str, where: str, message: str, moment: float) -> None:
    seconds, fraction = divmod(int(moment * 1e6), 1_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    if len(message) > MAX_LINE:
        message = f"{message[:MAX_LINE]} … {len(message) - MAX_LINE} characters more"
    line = f"{stamp}.{fraction:06d}Z | {level} | {where} | {redact(message)}\n"
    if _file is not None:
        _file.write(line.encode(errors="backslashreplace"))
    if _debug:
        _write_to_stderr(line)


def _write_to_stderr(line: str) -> None:
    stream = sys.stderr
    with suppress(AttributeError, OSError, ValueError):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


class _LogFile:
    """A file that many processes append to and that any of them may rotate. It never raises: a full disk or a
    read-only vault must not stop the command that wanted to tell something."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, FILE_NAME)
        self._descriptor = -1

    def write(self, line: bytes) -> None:
        with suppress(OSError):
            self._open_current()
            if os.fstat(self._descriptor).st_size + len(line) > MAX_SIZE:
                self._rotate()
            os.write(self._descriptor, line)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open_current(self) -> None:
        if self._is_current():
            return
        self.close()
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _is_current(self) -> bool:
        """Whether our descriptor is still the file of that name; another process may have rotated it."""
        try:
            return self._descriptor >= 0 and os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except OSError:
            return False

    def _rotate(self) -> None:
        with suppress(ImportError):
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        if self._is_current():  # else somebody was quicker
            for number in range(KEPT_FILES, 0, -1):
                older = f"{self._path}.{number - 1}" if number > 1 else self._path
                with suppress(FileNotFoundError):
                    os.replace(older, f"{self._path}.{number}")
        self._open_current()


def _connect_logging() -> None:
    """Lead records of the `crashvault` loggers here."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _write(record.levelname.lower(), record.name, _record_text(record), record.created)

    root = logging.getLogger(_ROOT)
    root.setLevel(_threshold if _threshold != _OFF else logging.WARNING)
    root.propagate = _threshold == _OFF
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(logging.NullHandler() if _threshold == _OFF else Handler())


def _record_text(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception as error:
        message = f"{record.msg} <{type(error).__name__} in its arguments>"
    if record.exc_info and record.exc_info[1] is not None:
        import traceback

        trace = "".join(traceback.format_exception(record.exc_info[1]))
        message = f"{message} | traceback={trace.rstrip()}"
    return _one_line(message)
