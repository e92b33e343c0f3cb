"""Templates: a webhook's own wording, in Jinja's language, made so that no template can do harm.

A template is rendered in a process of its own (`rendering`), which is started when the first one is needed and kept
for the next: sandboxed, with limits on memory and processor time that the system enforces, so a loop without end or
`'a' * 10**9` ends that process and nothing else. Nothing is escaped by itself, since only the author knows the
service: `{{ event.message|slack }}`, `|discord`, `|markdown`, `|html` and `|json` escape for theirs.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidError
from ..webhooks.base import KINDS, Notification
from ..webhooks.message import message
from ..webhooks.samples import sample

SOURCE = 65_536  # bytes of a template
OUTPUT = 262_144  # bytes of what it makes
CPU = 1.0  # seconds of processor time for one rendering
MEMORY = 512 << 20  # bytes of address space of the process that renders
_PATIENCE = 30  # seconds until an answer, on a machine that is busy

VARIABLES = {
    "event": "the event, as `GET /api/v1/events/{id}` gives it; none in a summary",
    "issue": "the issue, as `GET /api/v1/issues/{id}` gives it; none in a summary",
    "project": "the name of the project",
    "alert": "of an alert: `name`, `condition`, `state`, `severity`, `group`, `value`, `since`; else none",
    "links": "addresses of the dashboard's pages, `links.issue` and `links.event`, and the command `links.cli`",
    "kind": "`event`, `new-issue`, `regression`, `resolved`, `alert`, `summary` or `test`",
    "count": "events that this message stands for",
    "held": "of a summary: what was held back, each with `issue` and `events`",
    "id": "the notification's id, the same in each attempt",
    "at": "when the notification was queued",
    "message": "the words of the built-in message: `emoji`, `colour`, `kind`, `title`, `heading`, `culprit`, `text`, `facts` "
    "(each with `name` and `value`), `stack`, `command`, `footer`",
}


class TemplateError(InvalidError):
    """A template that can't be rendered. `line` is 1-based; None where there is none to name."""

    code = "invalid_template"

    def __init__(self, message: str, line: int | None = None, hint: str = "") -> None:
        self.line = line
        super().__init__(f"line {line} of the template: {message}" if line else f"the template: {message}", hint)


def check(source: str) -> None:
    """Render a template for a made-up notification of every kind. Raises TemplateError where that fails.

    What is missing in a message renders as nothing, so a misspelt `issue.titel` would be an empty message for ever:
    members that no kind of message has are refused here.
    """
    fields = _fields()
    for kind in KINDS:
        try:
            render(source, sample(kind), fields)
        except TemplateError as error:
            if not error.hint:
                error = TemplateError(
                    error.message.partition(": ")[2], error.line, f"That is for messages of kind {kind}"
                )
            raise error from None


@functools.cache
def _fields() -> dict[str, list[str]]:
    """The members that each variable has in some kind of message, of those that have any."""
    found: dict[str, set[str]] = {}
    for kind in KINDS:
        for name, value in variables(sample(kind)).items():
            if isinstance(value, Mapping):
                found.setdefault(name, set()).update(value)
    return {name: sorted(members) for name, members in found.items()}


def render(source: str, notification: Notification, fields: Mapping[str, list[str]] | None = None) -> str:
    """What a template makes of a notification; with `fields` only if it names no other members. Raises TemplateError."""
    if len(source.encode("utf-8", "replace")) > SOURCE:
        raise TemplateError(f"it has more than {SOURCE >> 10} KiB", hint="Make it shorter")
    answer = _renderer.ask({"source": source, "variables": variables(notification), "fields": fields})
    if "rendered" in answer:
        return str(answer["rendered"])
    raise TemplateError(answer["error"], answer.get("line"), answer.get("hint", ""))


def variables(notification: Notification) -> dict[str, Any]:
    """What a template can name; see `VARIABLES`."""
    shown = message(notification)
    return {
        "event": notification.event,
        "issue": notification.issue,
        "project": notification.project,
        "alert": notification.alert,
        "links": dict(notification.links),
        "kind": notification.kind,
        "count": notification.count,
        "held": [held._asdict() for held in notification.held],
        "id": notification.id,
        "at": notification.at,
        "message": {
            **shown._asdict(),
            "heading": shown.heading,
            "facts": [fact._asdict() for fact in shown.facts],
            "links": [link._asdict() for link in shown.links],
        },
    }


class _Renderer:
    """The process that renders, one request at a time. A new one takes the place of one that is gone."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.owner = 0  # the process that started it; a fork of that must not share its pipes

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        line = json.dumps(request).encode() + b"\n"
        with self.lock:
            kept = self.process is not None and self.owner == os.getpid()
            found = self._answer(line)
            if found is None and kept:  # it had left for lack of work, or was ended from outside
                found = self._answer(line)
            return (
                found if found is not None else {"error": "it takes more memory than it may", "hint": "Make it smaller"}
            )

    def close(self) -> None:
        process, self.process = self.process, None
        if process is not None and self.owner == os.getpid():
            process.kill()
            process.communicate()

    def _answer(self, line: bytes) -> dict[str, Any] | None:
        """None when the process ended without an answer."""
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
            answer = process.stdout.readline() if select.select([process.stdout], [], [], _PATIENCE)[0] else b"late"
        except BrokenPipeError:
            answer = b""
        if answer.endswith(b"\n"):
            return dict(json.loads(answer))
        if answer == b"late":
            process.kill()
        code = process.wait(_PATIENCE)
        self.close()
        if code in (-signal.SIGPROF, -signal.SIGXCPU, -signal.SIGKILL):
            return {"error": f"it takes longer than {CPU:g} s", "hint": "Leave out what repeats so often"}
        return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.owner != os.getpid():
            # -P: what lies in the current directory is not imported in place of what was installed.
            command = [sys.executable, "-P", "-m", "crashvault.notify.rendering"]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self.owner = os.getpid()
        return self.process


_renderer = _Renderer()
atexit.register(_renderer.close)
