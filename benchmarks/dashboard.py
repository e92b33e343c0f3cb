"""What the pages of the dashboard cost on a large vault: on the server, over the wire, and in a browser.

The vault is filled with real events once and then multiplied by copying their rows, so that a million take a minute;
the word index is not copied, which pages without a query don't read. Server time is a request over a kept connection on
loopback; weight is the first page with all that it loads, gzip; what the browser says is from Chromium.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks import measure

BASE = 20_000  # events that are recorded; the others are copies of them
PAGES = ("/issues", "/issues/{issue}", "/events", "/trends", "/trends?by=release", "/releases", "/alerts", "/system")
IN_BROWSER = ("/issues", "/issues/{issue}", "/trends", "/live")
_HOUR = 3_600 * 1_000_000
_OBSERVED = """() => new Promise((done) => {
  let shift = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) shift += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    const small = [...document.querySelectorAll("main :is(button, .button, input, select, summary), nav :is(a, summary)")].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.width && box.height && (box.width < 24 || box.height < 24) && !one.closest("label");
    });
    done({ paint: paint ? paint.startTime : null, shift, small: small.map((one) => one.outerHTML.slice(0, 120)) });
  }, 400);
})"""


def large_vault(events: int) -> Path:
    """A vault of so many events, kept for the next time."""
    home = measure.CACHE / f"dashboard-{events}-{measure._schema_digest()}"
    if not home.exists():
        partial = home.with_name(f"{home.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(measure.filled_vault(BASE, 2_000), partial)
        _multiply(partial / "vault.db", events // BASE - 1)
        partial.rename(home)
    return home


def _multiply(path: Path, copies: int) -> None:
    """Add copies of all events, each some hours older; counters and times follow."""
    db = sqlite3.connect(path)
    db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")
    last, latest = db.execute("SELECT max(id), max(timestamp) FROM events").fetchone()
    now = time.time_ns() // 1000
    apart = max(1, (now - latest) // max(1, copies))
    with db:
        for copy in range(1, copies + 1):
            row, later = last * copy, apart * copy
            db.execute(
                """INSERT INTO events SELECT id + ?1, project_id, randomblob(16), hash_id, stack_id, background_id,
                   timestamp + ?2, received_at + ?2, level FROM events WHERE id <= ?3""",
                (row, later, last),
            )
            db.execute("INSERT INTO payloads SELECT id + ?1, body FROM payloads WHERE id <= ?2", (row, last))
            measure.progress(f"copying events: {copy} of {copies}")
        db.execute("INSERT INTO event_keys SELECT project_id, event_id, id, NULL FROM events WHERE id > ?", (last,))
        db.execute("DELETE FROM hash_hours")
        db.execute(
            "INSERT INTO hash_hours SELECT hash_id, timestamp / ?1, count(*) FROM events GROUP BY 1, 2", (_HOUR,)
        )
        db.execute("DELETE FROM project_hours")
        db.execute(
            """INSERT INTO project_hours SELECT project_id, timestamp / ?1, level, count(*) FROM events GROUP BY 1, 2, 3""",
            (_HOUR,),
        )
        for table in ("hashes", "issues"):
            db.execute(
                f"UPDATE {table} SET count = count * ?1, last_seen = last_seen + ?2", (copies + 1, apart * copies)
            )
        db.execute("UPDATE issues SET last_event = last_event + ?", (last * copies,))
    db.execute("ANALYZE")
    db.commit()
    db.close()
    measure.progress("")


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, int]]:
    """The address and process of a server on a vault."""
    command = [*measure.crashvault_command(), "--json", "server", "start", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=measure.environment(home))
    assert server.stdout is not None
    lines = [server.stdout.readline()]
    while lines[-1] not in ("}\n", ""):
        lines.append(server.stdout.readline())
    try:
        yield str(json.loads("".join(lines))["url"]), server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def processor_seconds(pid: int) -> float:
    """What a process has used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def served(url: str, pid: int, pages: list[str], rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of each page: the median and the 95th percentile of the wait, and the processor's mean."""
    rows = []
    with httpx.Client(base_url=url, timeout=60, headers={"Accept-Encoding": "gzip"}) as client:
        for page in pages:
            for _ in range(3):
                client.get(page).raise_for_status()
            waits, before = [], processor_seconds(pid)
            for _ in range(rounds):
                started = time.perf_counter()
                answer = client.get(page)
                waits.append(1000 * (time.perf_counter() - started))
            used = 1000 * (processor_seconds(pid) - before) / rounds
            size = int(answer.headers["content-length"]) / 1024
            p95 = statistics.quantiles(waits, n=20)[-1]
            rows.append(
                {"page": page, "p50 ms": statistics.median(waits), "p95 ms": p95, "CPU ms": used, "page KiB": size}
            )
    return rows


def looked_at(url: str, pages: list[str], rounds: int) -> list[dict[str, Any]]:
    """What a browser with an empty cache says of each page, on a desk and on a phone; medians."""
    from playwright.sync_api import sync_playwright

    rows = []
    with sync_playwright() as playwright, httpx.Client(headers={"Accept-Encoding": "gzip"}) as client:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for page in pages:
            for device in ("desk", "Pixel 7"):
                told: list[dict[str, Any]] = []
                requests: set[str] = set()
                for _ in range(rounds):
                    options = (
                        playwright.devices[device] if device != "desk" else {"viewport": {"width": 1280, "height": 800}}
                    )
                    context = browser.new_context(service_workers="block", **options)
                    context.on("request", lambda request, found=requests: found.add(request.url))
                    window = context.new_page()
                    window.goto(f"{url}{page}")
                    told.append(window.evaluate(_OBSERVED))
                    context.close()
                weights = [
                    int(client.get(one).headers["content-length"]) for one in requests if "/api/v1/tail" not in one
                ]
                rows.append({
                    "page": page, "window": device, "all KiB": sum(weights) / 1024,
                    "first paint ms": statistics.median(one["paint"] for one in told),
                    "best ms": min(one["paint"] for one in told),
                    "shift": max(one["shift"] for one in told), "small targets": len(told[-1]["small"]),
                    "which": "; ".join(told[-1]["small"])[:200],
                })  # fmt: skip
        browser.close()
    return rows


def run(events: int, rounds: int) -> dict[str, Any]:
    home = large_vault(events)
    with serving(home) as (url, pid):
        found = httpx.get(f"{url}/api/v1/issues", params={"sort": "events", "limit": 1}).json()
        pages = [[page.format(issue=found["items"][0]["id"]) for page in names] for names in (PAGES, IN_BROWSER)]
        return {
            "events": events, "bytes": measure.folder_bytes(home), "largest_issue": found["items"][0]["count"],
            "served": served(url, pid, pages[0], rounds), "browser": looked_at(url, pages[1], max(1, rounds // 6)),
        }  # fmt: skip


def show(figures: dict[str, Any]) -> None:
    measure.table(
        f"Pages of a vault of {figures['events']:,} events, the largest issue {figures['largest_issue']:,}",
        figures["served"],
    )
    measure.table("In Chromium, without a cache", figures["browser"])


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments("What pages of the dashboard cost.", events=1_000_000, rounds=30)
    options = parser.parse_args(argv)
    figures = run(options.events, options.rounds)
    show(figures)
    measure.finish("dashboard", figures, options.json)


if __name__ == "__main__":
    main()
