"""How fast a vault is exported, imported, backed up and restored, and how much memory that takes.

Each step is a run of the real executable, start-up included, so that its peak memory is its own. Files are written to
and read from the same disk.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import measure

_CHILD = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def steps(folder: Path, home: Path) -> dict[str, tuple[Path, list[str]]]:
    """Each measured step: the vault it works on, and its arguments."""
    lines, document, table, packed = (
        str(folder / f"vault.{ending}") for ending in ("jsonl", "json", "csv", "jsonl.gz")
    )
    backup = str(folder / "vault.tar")
    return {
        "export jsonl": (home, ["export", "--output", lines]),
        "export json": (home, ["export", "--output", document]),
        "export csv": (home, ["export", "--output", table]),
        "export jsonl.gz": (home, ["export", "--output", packed]),
        "import jsonl": (folder / "a", ["import", lines]),
        "import jsonl again": (folder / "a", ["import", lines]),
        "import json": (folder / "b", ["import", document]),
        "import --mode replace": (folder / "a", ["import", lines, "--mode", "replace", "--yes"]),
        "backup": (home, ["backup", backup]),
        "restore": (folder / "c", ["restore", backup]),
    }


def run(events: int, issues: int) -> dict[str, Any]:
    """Wall seconds, CPU and peak memory of each step over a vault of `events` events."""
    home = measure.filled_vault(events, issues)
    folder = Path(tempfile.mkdtemp(prefix="crashvault-exchange-", dir=measure.CACHE))
    rows = []
    try:
        for name, (vault, arguments) in steps(folder, home).items():
            measure.progress(name)
            rows.append({"step": name, **_measured(vault, arguments, events)})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"events": events, "issues": issues, "rows": rows}


def _measured(home: Path, arguments: list[str], events: int) -> dict[str, float]:
    command = [sys.executable, "-c", _CHILD, *measure.crashvault_command(), *arguments]
    started = time.perf_counter()
    result = subprocess.run(command, env=measure.environment(home), check=True, capture_output=True, text=True)
    wall = time.perf_counter() - started
    code, cpu, peak = result.stdout.split()
    if code != "0":
        raise RuntimeError(f"{' '.join(arguments)} ended with {code}: {result.stderr.strip()}")
    return {"events/s": events / wall, "CPU µs/event": 1e6 * float(cpu) / events, "peak MB": float(peak) / 1024}


def show(figures: dict[str, Any]) -> None:
    measure.table(f"Exchange of a vault with {figures['events']:,} events", figures["rows"])


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments("Export, import, backup and restore.", events=50_000, issues=20_000)
    options = parser.parse_args(argv)
    figures = run(options.events, options.issues)
    show(figures)
    measure.finish("exchange", figures, options.json)


if __name__ == "__main__":
    main()
