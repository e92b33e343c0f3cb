"""Compare the generator of realistic events with what the real sentry-sdk sends.

`python -m benchmarks.sdk_shapes` runs failing programs twice, in processes of their own, and the
generator, and prints for both: bytes of an event, bytes of a frame, local variables of a frame, how far
zstd shrinks one event alone, and how many bytes a second event of the same bug adds to the first one.
The last figure is the entropy that any storage has to pay for; it must be alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any

import zstandard

from benchmarks import realistic

Pair = tuple[dict[str, Any], dict[str, Any]]


def captured_pairs() -> list[Pair]:
    """The same failing programs from two processes: (first, second) event of each bug."""
    first, second = (_captured_events() for _ in range(2))
    return list(zip(first, second, strict=True))


def _captured_events() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.sdk_programs"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def generated_pairs(wanted: int, platform: str) -> list[Pair]:
    """Two events of each of `wanted` generated bugs that have an exception, one day or more apart."""
    seen: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for bug, event in islice(realistic.numbered_events(12_000, issues=600, shape="sentry"), 12_000):
        if event["platform"] == platform and "exception" in event:
            seen[bug].append(event)
    return [(found[0], found[-1]) for found in islice((f for f in seen.values() if len(f) > 1), wanted)]


def figures(pairs: Iterable[Pair]) -> dict[str, float]:
    """Means over the pairs."""
    rows = [_figures_of_pair(*pair) for pair in pairs]
    return {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}


def _figures_of_pair(first: dict[str, Any], second: dict[str, Any]) -> dict[str, float]:
    one, two = _packed(first), _packed(second)
    frames = [
        frame
        for value in first["exception"]["values"]
        for frame in (value.get("stacktrace") or {"frames": []})["frames"]
    ]
    alone = len(zstandard.ZstdCompressor(level=3).compress(one))
    known = zstandard.ZstdCompressionDict(one, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    repeat = len(zstandard.ZstdCompressor(level=19, dict_data=known).compress(two))
    return {
        "bytes of an event": len(one),
        "frames": len(frames),
        "bytes of a frame": statistics.fmean(len(_packed(frame)) for frame in frames),
        "locals of a frame": statistics.fmean(len(frame.get("vars", ())) for frame in frames),
        "zstd-3 alone: 1 :": len(one) / alone,
        "bytes a second event of the bug adds": repeat,
        "the same, % of the event": 100 * repeat / len(two),
    }


def _packed(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def main() -> None:
    columns = {"real sentry-sdk": figures(pair for pair in captured_pairs() if "exception" in pair[0])}
    for platform in ("python", "node", "java"):
        columns[f"generated {platform}"] = figures(generated_pairs(60, platform))
    print(f"{'':40}" + "".join(f"{name:>18}" for name in columns))
    for name in columns["real sentry-sdk"]:
        print(f"{name:40}" + "".join(f"{figure[name]:18.1f}" for figure in columns.values()))


if __name__ == "__main__":
    main()
