"""What reading costs through the real executable, and how it grows with the vault.

Each command's processor time (user and system) is set against `crashvault --version` (start-up alone), and
the largest vault against the one before it: a query that reads an index grows little, one that scans grows
tenfold.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks import measure, realistic
from crashvault import core

START = "--version"
PAGE = ("--limit", "20")


def rare_word() -> str:
    """A uuid of the message of one of the first events."""
    for event in realistic.events(2000):
        if found := re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-[-0-9a-f]{22}", event["message"]):
            return found[0]
    raise RuntimeError("no event of the generator names a uuid")


def commands() -> dict[str, list[str]]:
    """Name of each measured command → its arguments."""
    searches = {
        "rare word": f'"{rare_word()}"',
        "common word": "found",
        "no hit": "zyzzyvaquux",
        "beginning": "time*",
        "phrase": '"not found"',
        "message:": "message:found",
        "file: rare": "file:json/decoder.py",
        "file: common": "file:/app/node_modules/express/lib/router/layer.js",
        "two fields, wildcard": "environment:staging host:web-00*",
        "many values": "tag:tenant=tenant-5*",
        "tag": "tag:region=eu-west-1",
        "level, since": "level:>=warning since:2020-01-01",
        "level, until": "level:critical until:2026-09-10",
        "excluded": "found -level:error",
        "issue, word": "issue:5 found",
    }
    lists = {
        "word": "found",
        "phrase": '"not found"',
        "tag": "tag:region=eu-west-1",
        "file:": "file:json/decoder.py",
        "level, since": "level:>=error since:2026-09-28",
        "two fields, wildcard": "environment:staging host:web-00*",
    }
    return {
        START: ["--version"],
        "list": ["list", *PAGE],
        "list --sort users": ["list", "--sort", "users", *PAGE],
        "show": ["show", "1"],
        "stats": ["stats"],
        "stats --dropped": ["stats", "--dropped"],
        "events": ["events", "--limit", "50"],
        "events --issue": ["events", "--issue", "5", *PAGE],
        "tail": ["tail", "found", "--no-follow"],
        **{f"search, {name}": ["search", query, *PAGE] for name, query in searches.items()},
        "search, page 100": ["search", "found", *PAGE, "--offset", "2000"],
        **{f"list, {name}": ["list", query, *PAGE] for name, query in lists.items()},
    }


def run(sizes: list[int], rounds: int, homes: dict[int, Path] | None = None) -> dict[str, Any]:
    """Median seconds by command and number of events, with the ratios of the module's description.

    `homes`: vaults to read, by their size, instead of filling some.
    """
    homes = homes or {size: measure.filled_vault(size) for size in sizes}
    medians: dict[int, dict[str, float]] = {}
    for size, home in homes.items():
        runnable = {name: [*measure.crashvault_command(), *rest] for name, rest in commands().items()}
        samples = measure.interleaved(runnable, measure.environment(home), rounds, measure.processor_time)
        medians[size] = measure.medians(samples)
    return {"sizes": list(homes), "rounds": rounds, "rows": _rows(list(homes), medians), "seconds": medians}


def _rows(sizes: list[int], medians: dict[int, dict[str, float]]) -> list[dict[str, Any]]:
    largest, before = sizes[-1], sizes[-2] if len(sizes) > 1 else sizes[-1]
    rows = []
    for name in medians[largest]:
        row: dict[str, Any] = {"command": name}
        row |= {f"ms at {size:,}": 1000 * medians[size][name] for size in sizes}
        row |= {f"÷ start at {size:,}": medians[size][name] / medians[size][START] for size in sizes}
        row[f"{largest:,} : {before:,}"] = medians[largest][name] / medians[before][name]
        rows.append(row)
    return rows


def opened(homes: list[str]) -> dict[int, Path]:
    """Vaults that are there already, by the number of their events."""
    found = {}
    for home in homes:
        with core.open_vault(home, create=False, read_only=True) as vault:
            found[vault.statistics.totals().events] = Path(home)
    return dict(sorted(found.items()))


def show(figures: dict[str, Any]) -> None:
    measure.table(f"Processor time of reading, medians of {figures['rounds']}", figures["rows"])


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments("Query times by size of the vault.", rounds=7)
    parser.add_argument("--sizes", default="10000,100000", help="numbers of events, rising, default %(default)s")
    parser.add_argument("--homes", default="", metavar="DIR,…", help="vaults to read instead of filling some")
    options = parser.parse_args(argv)
    homes = opened(options.homes.split(",")) if options.homes else None
    figures = run([int(size) for size in options.sizes.split(",")], options.rounds, homes)
    show(figures)
    measure.finish("query", figures, options.json)


if __name__ == "__main__":
    main()
