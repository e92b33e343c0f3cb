"""Make the pictures of the dashboard in docs/images, from the demo vault. Needs Playwright and Chromium."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from crashvault import core, demo

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


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        with core.open_vault(home) as store:
            demo.fill(store)
        command = [sys.executable, "-m", "crashvault", "--json", "--home", home, "server", "start", "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            take(url_of(server))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def url_of(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    lines = [server.stdout.readline()]
    while lines[-1] not in ("}\n", ""):
        lines.append(server.stdout.readline())
    return str(json.loads("".join(lines))["url"])


def take(url: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, path, window, dark in PICTURES:
            page = browser.new_page(color_scheme="dark" if dark else "light", **window)
            page.goto(f"{url}{path}")
            page.screenshot(path=IMAGES / f"{name}.png")
            print(f"{name}.png {os.path.getsize(IMAGES / f'{name}.png') // 1024} KiB")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
