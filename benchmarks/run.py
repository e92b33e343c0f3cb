"""All benchmarks after one another, quick or full, with one JSON file of everything."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

from benchmarks import cli_start, measure, query, record, webhooks, wrap

SCALES: dict[str, dict[str, tuple[Any, ...]]] = {
    "quick": {
        "record": (10_000, 10_000, 20_000, 1),
        "cli_start": (10_000, 7),
        "query": ([1_000, 10_000], 3),
        "wrap": (50, 1),
        "webhooks": (2_000, 2_000, 1, 1_000),
    },
    "usual": {
        "record": (20_000, 20_000, 20_000, 3),
        "cli_start": (100_000, 15),
        "query": ([10_000, 100_000], 7),
        "wrap": (500, 3),
        "webhooks": (5_000, 5_000, 3, 10_000),
    },
    "full": {
        "record": (50_000, 50_000, 20_000, 3),
        "cli_start": (100_000, 31),
        "query": ([10_000, 100_000, 1_000_000], 7),
        "wrap": (500, 5),
        "webhooks": (20_000, 20_000, 3, 10_000),
    },
}
BENCHMARKS = {"record": record, "cli_start": cli_start, "query": query, "wrap": wrap, "webhooks": webhooks}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the benchmarks of Crashvault.")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="may be given several times")
    parser.add_argument("--scale", choices=SCALES, default="usual", help="default %(default)s")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    options = parser.parse_args(argv)
    results: dict[str, Any] = {}
    failed = 0
    for name in options.only or BENCHMARKS:
        try:
            results[name] = BENCHMARKS[name].run(*SCALES[options.scale][name])
        except (ImportError, subprocess.CalledProcessError, RuntimeError) as error:
            print(f"\n{name}: failed: {error}", file=sys.stderr)
            failed = 1
        else:
            BENCHMARKS[name].show(results[name])
    measure.finish(f"all, {options.scale}", {"results": results}, options.json)
    return failed


if __name__ == "__main__":
    sys.exit(main())
