"""What capturing from Python costs: a program that raises nothing, imports, and one captured exception.

`python -m benchmarks.sdk` runs the same two seconds of work with and without `crashvault.init()`, in pairs, and compares
CPU and wall time of the work; then it captures exceptions and times how long each takes until it is on disk, and
how long the program itself is held up.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import measure

# The work calls, logs below the level of errors, starts threads and catches exceptions: all that is hooked.
WORK = """
import json, logging, sys, threading, time
before = time.perf_counter()
{init}
started = time.perf_counter()
cpu = time.process_time()
log = logging.getLogger("work")
def parse(text):
    try:
        return json.loads(text)
    except ValueError:
        return None
def work(rounds):
    for number in range(rounds):
        for text in ('{{"a": [1, 2, 3], "b": {{"c": "d"}}}}' * 1, "[broken"):
            parse(text)
        if number % 500 == 0:
            log.info("round %s", number)
        sum(n * n for n in range(100))
for _ in range(4):
    thread = threading.Thread(target=work, args=({rounds},))
    thread.start()
    thread.join()
print(json.dumps({{"init": started - before, "work": time.process_time() - cpu, "wall": time.perf_counter() - started}}))
"""
INIT = "import crashvault; crashvault.init(release='1')"
CAPTURE = """
import json, time
import crashvault
crashvault.init(release="1")
def fail(number, basket):
    total = {"net": number}
    return total["gross"]
def capture(number):
    try:
        fail(number, list(range(20)))
    except KeyError:
        started = time.perf_counter()
        crashvault.capture_exception()
        returned = time.perf_counter()
        crashvault.flush(30)
        return returned - started, time.perf_counter() - started
times = [capture(number) for number in range(COUNT + 5)][5:]  # the first ones import and make the vault
print(json.dumps(times))
"""


def worked(init: str, rounds: int, home: Path) -> dict[str, float]:
    """Seconds of one process: of `init`, and of the work's CPU and wall."""
    return dict(_output(WORK.format(init=init or "pass", rounds=rounds), home))


def _output(program: str, home: Path) -> Any:
    env = measure.environment(home)
    return json.loads(subprocess.check_output([sys.executable, "-c", program], env=env, cwd=home))


def idle_cost(rounds: int, turns: int, home: Path) -> dict[str, Any]:
    """The same work with and without `init()`, in pairs of runs, in which either comes first in turns.

    What others do on the machine meets both of a pair alike, and the median of the pairs' ratios leaves odd ones out.
    """
    pairs: list[dict[str, dict[str, float]]] = []
    for turn in range(turns + 1):
        order = ("", INIT) if turn % 2 else (INIT, "")
        found = {init: worked(init, rounds, home) for init in order}
        if turn:
            pairs.append(found)
    ratios = {clock: [100 * (pair[INIT][clock] / pair[""][clock] - 1) for pair in pairs] for clock in ("work", "wall")}
    return {
        "pairs": len(pairs),
        "plain_seconds": statistics.median(pair[""]["work"] for pair in pairs),
        "added_cpu_percent": statistics.median(ratios["work"]),
        "added_wall_percent": statistics.median(ratios["wall"]),
        "quartiles_of_cpu": " … ".join(f"{value:+.1f}" for value in statistics.quantiles(ratios["work"], n=4)[::2]),
        "import_and_init_ms": 1000 * statistics.median(pair[INIT]["init"] for pair in pairs),
    }


def import_cost(turns: int, home: Path) -> dict[str, float]:
    """Milliseconds that importing takes in a new process, beyond an empty one."""
    modules = {"nothing": "pass", "crashvault": "import crashvault", "sentry_sdk": "import sentry_sdk"}
    commands = {name: [sys.executable, "-c", code] for name, code in modules.items()}
    seconds = {
        name: min(found) for name, found in measure.interleaved(commands, measure.environment(home), turns).items()
    }
    return {name: 1000 * (taken - seconds["nothing"]) for name, taken in seconds.items() if name != "nothing"}


def capture_cost(count: int, home: Path) -> dict[str, float]:
    """Milliseconds of a captured exception: until the program goes on, and until it is on disk (fsync)."""
    times = _output(CAPTURE.replace("COUNT", str(count)), home)
    held, stored = ([1000 * pair[place] for pair in times] for place in (0, 1))
    return {
        "held_up_ms": statistics.median(held),
        "stored_ms": statistics.median(stored),
        "stored_p90_ms": statistics.quantiles(stored, n=10)[-1],
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = measure.arguments(__doc__ or "", rounds=40_000, turns=10, captures=100).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        idle = idle_cost(options.rounds, options.turns, home)
        imports = import_cost(options.turns, home)
        capture = capture_cost(options.captures, home)
    measure.table("a program that raises nothing (target: at most 5 % added)", [idle])
    measure.table("milliseconds of imports", [imports])
    measure.table("one captured exception (target: stored in at most 10 ms)", [capture])
    return measure.finish("sdk", {"idle": idle, "imports": imports, "capture": capture}, options.json)


if __name__ == "__main__":
    main()
