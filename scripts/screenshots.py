"""Make the pictures of the dashboard in docs/images, from the demo vault. Needs Playwright and Chromium.

`--all FOLDER` takes every page instead, in light, dark, on a phone and in a narrow window, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

from crashvault import clock, core, demo, lifecycle, users, watch
from crashvault.notify import manage, push
from crashvault.pipeline import record_events
from crashvault.storage.store import Store

IMAGES = Path(__file__).parent.parent / "docs" / "images"
DESK = {"viewport": {"width": 1000, "height": 620}}
PHONE = {"viewport": {"width": 360, "height": 700}, "is_mobile": True, "has_touch": True}
# Name, page, the window, and whether it is dark.
PICTURES: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
    ("issues", "/issues", DESK, False),
    ("issue", "/issues/3", DESK, True),
    ("trends", "/trends", DESK, False),
    ("phone-issues", "/issues", PHONE, False),
    ("phone-issue", "/issues/3", PHONE, True),
)
NARROW = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}
PAGES = ("/issues", "/issues/3", "/issues/5", "/events", "/live", "/trends", "/trends?by=release", "/releases", "/alerts", "/webhooks",
         "/projects?project=default", "/settings", "/system", "/login", "/nothing")  # fmt: skip
LOOKS: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("light", {"viewport": {"width": 1280, "height": 800}}, False), ("dark", {"viewport": {"width": 1280, "height": 800}}, True),
    ("phone", PHONE, False), ("narrow", NARROW, True),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Take pictures of the dashboard.")
    parser.add_argument("--all", metavar="FOLDER", type=Path, help="every page in every look, into this folder")
    folder = parser.parse_args().all
    with tempfile.TemporaryDirectory() as home:
        with core.open_vault(home) as store:
            demo.fill(store)
            if folder is not None:
                furnish(store)
        command = [sys.executable, "-m", "crashvault", "--json", "--home", home, "server", "start", "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                for name, path, window, dark in wanted(url := url_of(server), folder):
                    take(
                        browser,
                        f"{url}{path}",
                        (folder or IMAGES) / f"{name}.png",
                        window,
                        dark,
                        whole=folder is not None,
                    )
                browser.close()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def furnish(store: Store) -> None:
    """What the pages of administration show when a team uses them."""
    now = clock.now()
    for name, role in (("ana", "admin"), ("robin", "viewer")):
        users.add_user(store, name, role, "four words in a row", now)
    webhook = {"name": "team chat", "url": "https://hooks.slack.com/services/T0/B0/secret", "query": "level:>=error"}
    manage.add(store, "slack", webhook, allow_private=False)
    keys = {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    }
    push.subscribe(store, "", {"endpoint": "https://push.example/1", **keys}, "Chrome on Android", "")
    for name, condition, query, by in (
        ("many errors", "count > 10 in 1h", "level:>=error", "project"), ("came back", "regression", "", "issue"),
    ):  # fmt: skip
        fields = watch.checked_rule(
            store, name, now, condition=condition, query=query, by=by, severity="high", notify=["push"]
        )
        watch.add_rule(store, fields, now)
    record_events(store, [{"message": "the queue is full", "level": "error"}] * 20, received_at=now)
    watch.Watch(store).look(clock.now())
    lifecycle.ignore_until(store, [5], lifecycle.until("7d", 100, None, now), "ana", now)


def url_of(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    lines = [server.stdout.readline()]
    while lines[-1] not in ("}\n", ""):
        lines.append(server.stdout.readline())
    return str(json.loads("".join(lines))["url"])


def wanted(url: str, folder: Path | None) -> tuple[tuple[str, str, dict[str, Any], bool], ...]:
    """The pictures to take."""
    (folder or IMAGES).mkdir(parents=True, exist_ok=True)
    if folder is None:
        return PICTURES
    with urlopen(f"{url}/api/v1/events?limit=1") as answer:
        event = json.load(answer)["items"][0]["event_id"]
    pages = [*PAGES, f"/events/{event}"]
    names = {page: page.strip("/").replace("/", "-").replace("?", "-").replace("=", "-")[:24] for page in pages}
    return tuple((f"{names[page]}-{look}", page, window, dark) for page in pages for look, window, dark in LOOKS)


def take(browser: Any, url: str, file: Path, window: dict[str, Any], dark: bool, whole: bool) -> None:
    page = browser.new_page(color_scheme="dark" if dark else "light", **window)
    page.goto(url)
    page.screenshot(path=file, full_page=whole)
    wide = page.evaluate("document.documentElement.scrollWidth")
    print(
        f"{file.name} {os.path.getsize(file) // 1024} KiB{', wider than its window' if wide > window['viewport']['width'] else ''}"
    )
    page.close()


if __name__ == "__main__":
    main()
