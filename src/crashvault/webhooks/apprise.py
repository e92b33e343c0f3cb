"""Every service that Apprise knows: mail, Telegram, PagerDuty, Opsgenie, ntfy, Matrix and a hundred more.

The address is one of Apprise's (https://github.com/caronc/apprise#supported-notifications), such as `ntfy://topic`
or `mailtos://user:password@example.com`. Apprise sends by itself, so it runs in a process of its own:
`apprise_sending` is what runs there.
"""

from __future__ import annotations

import base64
import warnings
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import InvalidError
from .base import (
    ALERT,
    RESOLVED,
    SUMMARY,
    TEST,
    Command,
    File,
    Notification,
    Provider,
    Response,
    Step,
    Target,
    Verdict,
    judge_status,
)
from .bodies import content_type, file_name, json_bytes, within
from .cutting import fit, fit_end
from .message import Message, message

OPTIONS = {
    "format": "text, the default, or markdown; Apprise turns it into what the service shows",
}
TYPES = ("info", "success", "warning", "failure")

_TITLE, _VALUE, _TEXT, _STACK, _BODY = 250, 300, 4_000, 6_000, 30_000
_FILES, _FILE, _TOGETHER = 10, 20 << 20, 25 << 20
# What Apprise would do on this machine instead of sending: https://github.com/caronc/apprise/wiki
_LOCAL = frozenset({"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows", "file", "exec"})
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]()#+-!|~>"} | {"<": "&lt;", "&": "&amp;"})


def build_requests(notification: Notification, target: Target, files: Sequence[File]) -> list[Step]:
    def send(_: object) -> Command:
        taken = within(files, each=_FILE, together=_TOGETHER, count=_FILES)
        asked = {
            "url": target.url,
            "type": _type(notification),
            "files": [
                {"name": file_name(file), "type": content_type(file), "data": base64.b64encode(file.read()).decode()}
                for file in taken
            ],
            **_texts(notification, target),
        }
        return Command("crashvault.webhooks.apprise_sending", hosts(target.url), json_bytes(asked))

    return [send]


def _type(notification: Notification) -> str:
    """Apprise's word for how bad it is."""
    alert = notification.alert or {}
    if notification.kind == RESOLVED or (notification.kind == ALERT and alert.get("state") == "resolved"):
        return "success"
    if notification.kind in (SUMMARY, TEST):
        return "info"
    level = str((notification.event or notification.issue or {}).get("level", "error"))
    return {"debug": "info", "info": "info", "warning": "warning"}.get(level, "failure")


def _texts(notification: Notification, target: Target) -> dict[str, str]:
    """Title, body and format. What a template made is the whole body."""
    markup = target.options.get("format", "text")
    shown = message(notification)
    if target.rendered is not None:
        return {"title": fit(shown.plain, _TITLE), "body": fit(target.rendered, _BODY), "format": markup}
    return {"title": fit(shown.plain, _TITLE), "body": _body(shown, markup == "markdown"), "format": markup}


def _body(shown: Message, markdown: bool) -> str:
    escape = _escaped if markdown else str
    bold, fence = ("**", "```\n{}\n```") if markdown else ("", "{}")
    facts = [f"{bold}{fact.name}:{bold} {fit(fact.value, _VALUE, escape)}" for fact in shown.facts]
    stack = fit_end(shown.stack.replace("```", "ˋˋˋ") if markdown else shown.stack, _STACK)
    parts = [
        fit(shown.culprit, _VALUE, escape),
        fit(shown.text, _TEXT, escape),
        ("  \n" if markdown else "\n").join(facts),
        fence.replace("{}", stack) if stack else "",
        "\n".join(f"{link.title}: {link.url}" for link in shown.links),
        f"In a terminal: {shown.command}" if shown.command else "",
    ]
    return "\n\n".join(filter(None, parts))


def _escaped(text: str) -> str:
    return text.translate(_MARKDOWN)


def hosts(url: str) -> list[str]:
    """The hosts that can be seen in the address; all of them are checked when Apprise connects.

    Apprise could name more, but takes longer to load than all the rest of a delivery.
    """
    try:
        parts = urlsplit(url)
        named = dict(parse_qsl(parts.query)).get("smtp") if parts.scheme.startswith("mail") else parts.hostname
    except ValueError:
        return []
    return [named] if named and _is_host(named) else []


def _is_host(name: str) -> bool:
    """Whether it is a host's name or address, and not a token in its place."""
    return "." in name or ":" in name or name == "localhost"


def service(url: str) -> Any:
    """The service behind an address, as Apprise knows it. Raises InvalidError, which doesn't show the address."""
    if url.partition(":")[0].strip().lower() in _LOCAL:
        raise InvalidError("that address of Apprise's stays on this machine", "Use: crashvault notify")
    with warnings.catch_warnings():  # of what Apprise itself imports
        warnings.simplefilter("ignore")
        found = _instantiated(url)
    if found is None:
        raise InvalidError(
            "Apprise can't read that address", "See https://github.com/caronc/apprise#supported-notifications"
        )
    return found


def _instantiated(url: str) -> Any:
    try:
        import apprise
    except ImportError:
        raise InvalidError("Apprise is not installed", "Install it with: pip install 'crashvault[notify]'") from None
    try:
        return apprise.Apprise.instantiate(url, suppress_exceptions=True)
    except ValueError:  # of an address that can't be taken apart
        return None


def judge(response: Response, now: float) -> Verdict:
    """By what `apprise_sending` printed; where it ended without a word, it is tried again."""
    found = response.json()
    if not isinstance(found, dict) or "delivered" not in found:
        return judge_status(response, now)
    return Verdict(found["delivered"] is True, found.get("retry") is True, str(found.get("reason", ""))[:200])


def check(target: Target) -> None:
    unknown = sorted(set(target.options) - set(OPTIONS))
    if unknown:
        raise InvalidError(f"there is no option {unknown[0]!r} for apprise", f"There are: {', '.join(OPTIONS)}")
    if target.headers:
        raise InvalidError("Apprise takes no headers", "Put what the service needs into the address")
    if target.options.get("format", "text") not in ("text", "markdown"):
        raise InvalidError("there is no such format for Apprise", "Use format=text or format=markdown")
    service(target.url)


PROVIDER = Provider(
    name="apprise",
    title="Apprise",
    build_requests=build_requests,
    check=check,
    judge=judge,
    options=OPTIONS,
    takes_files=lambda target: True,
)
