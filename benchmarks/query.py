"""How long reading takes through the real executable, and how it grows with the vault.

Each command's time is set against `crashvault --version` (start-up alone), and the largest vault
against the one before it: a query that reads an index grows little, one that scans grows tenfold.
"""

from __future__ import annotations

import re
from typing import Any

from benchmarks import measure, realistic

START = "--version"


def words(events: int) -> dict[str, str]:
    """A word that one event of the vault holds, one that very many hold, and one that none holds."""
    last = ""
    for event in realistic.events(min(events, 2000)):
        if found := re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-[-0-9a-f]{22}", event["message"]):
            last = found[0]
    return {"rare": last, "common": "found", "none": "zyzzyvaquux"}


def commands(events: int) -> dict[str, list[str]]:
    """Name of each measured command → its arguments."""
    sought = words(events)
    return {
        START: ["--version"],
        "list": ["list", "--limit", "20"],
        "list level:critical": ["list", "level:critical", "--limit", "20"],
        "list --sort users": ["list", "--sort", "users", "--limit", "20"],
        "search rare": ["search", f'"{sought["rare"]}"', "--limit", "20"],
        "search common": ["search", sought["common"], "--limit", "20"],
        "search none": ["search", sought["none"], "--limit", "20"],
        "events": ["events", "--limit", "50"],
        "events release environment": ["events", "environment:staging host:web-00*", "--limit", "50"],
        "show": ["show", "1"],
        "stats": ["stats"],
    }


def run(sizes: list[int], rounds: int) -> dict[str, Any]:
    """Median seconds by command and number of events, with the ratios of the module's description."""
    medians: dict[int, dict[str, float]] = {}
    for size in sizes:
        home = measure.filled_vault(size)
        runnable = {name: [*measure.crashvault_command(), *rest] for name, rest in commands(size).items()}
        medians[size] = measure.medians(measure.interleaved(runnable, measure.environment(home), rounds))
    return {"sizes": sizes, "rounds": rounds, "rows": _rows(sizes, medians), "seconds": medians}


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


def show(figures: dict[str, Any]) -> None:
    measure.table(f"Queries through the executable, medians of {figures['rounds']}", figures["rows"])


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments("Query times by size of the vault.", rounds=7)
    parser.add_argument("--sizes", default="10000,100000", help="numbers of events, rising, default %(default)s")
    options = parser.parse_args(argv)
    figures = run([int(size) for size in options.sizes.split(",")], options.rounds)
    show(figures)
    measure.finish("query", figures, options.json)


if __name__ == "__main__":
    main()
