"""How long the commands that people type most take to start and answer, on a full vault.

The yardstick is `python -c "import click, sqlite3"`: what any Click program over SQLite pays before its
first line of work.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks import measure


def run(events: int, rounds: int) -> dict[str, Any]:
    """Seconds (medians of `rounds` turns) of each command on a vault of `events` events."""
    home = measure.filled_vault(events)
    crashvault = measure.crashvault_command()
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import click, sqlite3": [sys.executable, "-c", "import click, sqlite3"],
        "crashvault --version": [*crashvault, "--version"],
        "crashvault list --limit 10": [*crashvault, "list", "--limit", "10"],
        "crashvault list --limit 10 --json": [*crashvault, "list", "--limit", "10", "--json"],
        "crashvault add": [*crashvault, "add", "benchmark: order 4711 not found", "--tag", "benchmark"],
    }
    samples = measure.interleaved(commands, measure.environment(home), rounds)
    seconds = measure.medians(samples)
    floor = seconds["import click, sqlite3"]
    rows = [
        {"command": name, "ms": 1000 * value, "ms beyond": 1000 * (value - floor), "ratio": value / floor}
        for name, value in seconds.items()
    ]
    return {"events": events, "rounds": rounds, "rows": rows, "seconds": samples}


def show(figures: dict[str, Any]) -> None:
    vault = f"{figures['events']:,} events, medians of {figures['rounds']}"
    measure.table(f"CLI start, {vault}, against import click, sqlite3", figures["rows"])


def main(argv: list[str] | None = None) -> None:
    options = measure.arguments("CLI start-up time.", events=100_000, rounds=15).parse_args(argv)
    figures = run(options.events, options.rounds)
    show(figures)
    measure.finish("cli_start", figures, options.json)


if __name__ == "__main__":
    main()
