"""How much `crashvault wrap` slows a child that writes much, to a pipe, to a file and to /dev/null.

The child costs next to nothing when its output goes to /dev/null, so any pipe in between is most of the time
there; `cat` in the place of `wrap` shows how much of it is that.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import measure

_CHILD = """
import sys
line = b"%08d INFO shop.orders loaded order %d for customer %d in %d ms\\n"
block = b"".join(line % (i, i * 7919, i * 31, i % 90) for i in range(15000))
left = int(sys.argv[1]) * 1_000_000
while left > 0:
    sys.stdout.buffer.write(block[:left])
    left -= len(block)
sys.stdout.buffer.flush()
sys.exit(int(sys.argv[2]))
"""


def run(megabytes: int, rounds: int) -> dict[str, Any]:
    """Median seconds, MB/s and slowdown of each way, in turns."""
    samples: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="crashvault-wrap-") as folder:
        env = measure.environment(Path(folder) / "vault")
        for _ in range(rounds):
            for name, command in _commands(megabytes).items():
                for sink in ("pipe", "file", "null"):
                    path = {"pipe": None, "file": Path(folder) / "output", "null": Path(os.devnull)}[sink]
                    taken = _timed(command, env, path, megabytes)
                    samples.setdefault((name, sink), []).append(taken)
    rows = []
    for (name, sink), values in samples.items():
        seconds = statistics.median(values)
        plain = statistics.median(samples["without", sink])
        rows.append(
            {
                "way": name,
                "to": sink,
                "seconds": seconds,
                "MB/s": megabytes / seconds,
                "× without": seconds / plain,
            }
        )
    return {"megabytes": megabytes, "rounds": rounds, "rows": rows}


def _commands(megabytes: int) -> dict[str, list[str]]:
    child = [sys.executable, "-c", _CHILD, str(megabytes)]
    wrap = [*measure.crashvault_command(), "wrap", "--", *child]
    return {
        "without": [*child, "0"],
        "cat": ["sh", "-c", '"$@" | cat', "sh", *child, "0"],
        "wrap": [*wrap, "0"],
        "wrap, child fails": [*wrap, "3"],
    }


def _timed(command: list[str], env: dict[str, str], file: Path | None, megabytes: int) -> float:
    """Seconds until all output has arrived. Raises RuntimeError if any of it is missing."""
    started = time.perf_counter()
    if file:
        with file.open("wb") as sink:
            subprocess.run(command, env=env, stdout=sink, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        arrived = file.stat().st_size if file.is_file() else megabytes * 1_000_000
    else:
        arrived = _drained(command, env)
    taken = time.perf_counter() - started
    if arrived != megabytes * 1_000_000:
        raise RuntimeError(f"{arrived:,} bytes of {megabytes} MB arrived from {command[:4]}")
    return taken


def _drained(command: list[str], env: dict[str, str]) -> int:
    arrived = 0
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        while chunk := child.stdout.read1(1 << 20):  # type: ignore[attr-defined]
            arrived += len(chunk)
    return arrived


def show(figures: dict[str, Any]) -> None:
    measure.table(f"{figures['megabytes']} MB of output, medians of {figures['rounds']}", figures["rows"])


def main(argv: list[str] | None = None) -> None:
    options = measure.arguments("Throughput of wrap.", megabytes=500, rounds=3).parse_args(argv)
    figures = run(options.megabytes, options.rounds)
    show(figures)
    measure.finish("wrap", figures, options.json)


if __name__ == "__main__":
    main()
