"""Notifications on the desktop, through the program that each system has for them.

Texts come from events and are hostile: none is ever part of a script or of a shell's line. They are handed
over as arguments, or in the environment, and markup is escaped where the receiver reads markup.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .console import visible
from .errors import CrashvaultError

SECONDS = 10.0
_TITLE, _BODY = 120, 400  # characters shown

_APPLESCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")
_POWERSHELL = """
$null = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$xml = [Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent(
  [Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$texts = $xml.GetElementsByTagName('text')
$null = $texts.Item(0).AppendChild($xml.CreateTextNode($env:CRASHVAULT_TITLE))
$null = $texts.Item(1).AppendChild($xml.CreateTextNode($env:CRASHVAULT_BODY))
$app = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'
[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier($app).Show(
  [Windows.UI.Notifications.ToastNotification]::new($xml))
"""


class Call(NamedTuple):
    """A program to run."""

    argv: list[str]
    variables: Mapping[str, str] = {}


def notify(title: str, body: str, *, urgent: bool = False) -> str:
    """Show a notification; the name of the program that did. Raises CrashvaultError where there is none, or it fails."""
    title, body = visible(title)[:_TITLE], visible(body, multiline=True)[:_BODY]
    for name, build in PROGRAMS.items():
        if shutil.which(name):
            _run(build(title, body, urgent))
            return name
    raise CrashvaultError(
        "there is no program for desktop notifications here", "On Linux install libnotify-bin, which has notify-send"
    )


def _run(call: Call) -> None:
    try:
        done = subprocess.run(
            call.argv, env={**os.environ, **call.variables}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CrashvaultError(
            f"{call.argv[0]} did not answer for {SECONDS:.0f} seconds", "Is a desktop running?"
        ) from None
    except (OSError, ValueError) as error:
        raise CrashvaultError(
            f"{call.argv[0]} cannot be started ({error})", "Check that it is installed whole"
        ) from error
    if done.returncode:
        said = visible(done.stderr.decode("utf-8", "replace").strip().split("\n")[0])
        raise CrashvaultError(
            f"{call.argv[0]} failed ({said or f'exit code {done.returncode}'})", "Is a desktop running?"
        )


def _notify_send(title: str, body: str, urgent: bool) -> Call:
    urgency = "critical" if urgent else "normal"
    return Call(["notify-send", "--app-name=Crashvault", f"--urgency={urgency}", "--", title, _markup(body)])


def _osascript(title: str, body: str, urgent: bool) -> Call:
    lines = [part for line in _APPLESCRIPT for part in ("-e", line)]
    return Call(["osascript", *lines, "--", title, body])


def _kdialog(title: str, body: str, urgent: bool) -> Call:
    return Call(["kdialog", "--title", f"{title} ", "--passivepopup", _markup(body) or " ", "10"])


def _powershell(title: str, body: str, urgent: bool) -> Call:
    texts = {"CRASHVAULT_TITLE": title, "CRASHVAULT_BODY": body}
    shared = ":".join(filter(None, (os.environ.get("WSLENV"), *texts)))  # from Linux inside Windows
    command = ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", _POWERSHELL]
    return Call(command, {**texts, "WSLENV": shared})


def _markup(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


PROGRAMS: dict[str, Callable[[str, str, bool], Call]] = {
    "osascript": _osascript,
    "notify-send": _notify_send,
    "kdialog": _kdialog,
    "powershell.exe": _powershell,
}
