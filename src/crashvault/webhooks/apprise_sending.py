"""What runs in a process of its own: reads a message from standard input and lets Apprise send it.

Input: `{"url", "type", "title", "body", "format", "files": [{"name", "type", "data" (base64)}]}`. Output: one line,
`{"delivered", "retry", "reason"}`. The exit code says the same: 0 delivered, 75 (EX_TEMPFAIL) try again, 1 in vain.
Nothing of the address is ever printed. Connections to private addresses are refused when they are made, unless it
is called with `--allow-private`: an address may name hosts that nobody saw beforehand, and a service may redirect.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import logging
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InvalidError
from ..outbound import refusal
from . import apprise
from .base import RETRIED
from .cutting import fit, units

_STATUS = re.compile(r"error[=: ]+(\d{3})\b")
_SPARE = 64  # characters that Apprise may put between title and body


class Outcome(NamedTuple):
    delivered: bool
    retry: bool = False
    reason: str = ""

    @property
    def exit_code(self) -> int:
        return 0 if self.delivered else 75 if self.retry else 1


class _Statuses(logging.Handler):
    """Keeps the HTTP statuses that Apprise logs, and nothing else of what it says."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found += [int(status) for status in _STATUS.findall(record.getMessage())]


class _Guard:
    """Looks at each connection before it is made, after its name was resolved.

    Nothing is sent once the sender is gone: it can't hear of it, so whoever comes next sends the message again.
    """

    def __init__(self, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.sender = os.getppid()
        self.refused = ""

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto"):
            if os.getppid() != self.sender:
                raise PermissionError("nobody waits for this any more")
            what = None if self.allow_private else _refusal(arguments[1])
            if what:
                self.refused = what
                raise PermissionError(f"connections to {what} are not allowed")


def _refusal(address: Any) -> str | None:
    """What is wrong about an address as sockets take it; None for one of the public network."""
    try:
        return refusal(ipaddress.ip_address(str(address[0]).partition("%")[0]))
    except (ValueError, IndexError, TypeError):  # a name, or a socket of this machine
        return "something that is no address"


def send(asked: dict[str, Any], guard: _Guard) -> Outcome:
    try:
        service = apprise.service(asked["url"])
    except InvalidError as error:
        return Outcome(False, False, str(error))
    statuses = _Statuses()
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.handlers, logger.propagate = [statuses], False
    with tempfile.TemporaryDirectory(prefix="crashvault-") as folder:
        delivered = service.notify(attach=_files(asked, Path(folder), service), **_texts(asked, service))
    if delivered:
        return Outcome(True)
    if guard.refused:
        return Outcome(False, False, f"{service.service_name} is at {guard.refused}, and requests don't go there")
    return _failure(str(service.service_name), statuses.found)


def _texts(asked: dict[str, Any], service: Any) -> dict[str, str]:
    """Title and body, cut to what the service takes."""
    title, body = asked["title"], asked["body"]
    most = service.body_maxlen - (0 if service.title_maxlen else units(title) + _SPARE)
    title = fit(title, service.title_maxlen) if service.title_maxlen else title
    return {"title": title, "body": fit(body, most), "body_format": asked["format"], "notify_type": asked["type"]}


def _files(asked: dict[str, Any], folder: Path, service: Any) -> list[str] | None:
    """The files, each in a folder of its own, since two may have the same name."""
    if not asked["files"] or not service.attachment_support:
        return None
    paths = []
    for number, file in enumerate(asked["files"]):
        path = folder / str(number) / file["name"]
        path.parent.mkdir()
        path.write_bytes(base64.b64decode(file["data"]))
        paths.append(str(path))
    return paths


def _failure(service: str, statuses: list[int]) -> Outcome:
    if not statuses:
        return Outcome(False, True, f"Apprise could not reach {service}")
    status = statuses[-1]
    return Outcome(False, status in RETRIED or status >= 500, f"{service} answered HTTP {status}")


def main() -> int:
    guard = _Guard("--allow-private" in sys.argv[1:])
    sys.addaudithook(guard)
    outcome = send(json.load(sys.stdin.buffer), guard)
    sys.stdout.write(json.dumps(outcome._asdict()) + "\n")
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
