"""What capturing from Python costs: a program that raises nothing, imports, and one captured exception.

`python -m benchmarks.sdk` runs the same two seconds of work in turns with and without `crashvault.init()` and
compares the CPU time of the work alone, then the whole processes; then it captures exceptions and times how
long each takes until it is on disk, and how long the program itself is held up.
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
print(json.dumps({{"init": started - before, "work": time.process_time() - cpu}}))
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
    """Seconds of `init` and of the work's CPU in one process."""
    return dict(_output(WORK.format(init=init or "pass", rounds=rounds), home))


def _output(program: str, home: Path) -> Any:
    env = measure.environment(home)
    return json.loads(subprocess.check_output([sys.executable, "-c", program], env=env, cwd=home))


def idle_cost(rounds: int, turns: int, home: Path) -> dict[str, Any]:
    """The same work with and without `init()`, in turns."""
    samples: dict[str, list[dict[str, float]]] = {"": [], INIT: []}
    for turn in range(turns + 1):
        for init, found in samples.items():
            taken = worked(init, rounds, home)
            if turn:
                found.append(taken)
    plain, watched = ([sample["work"] for sample in samples[init]] for init in ("", INIT))
    # the least of each: what others did on the machine only ever adds
    return {
        "plain_seconds": min(plain),
        "watched_seconds": min(watched),
        "added_percent": 100 * (min(watched) / min(plain) - 1),
        "added_percent_of_medians": 100 * (statistics.median(watched) / statistics.median(plain) - 1),
        "import_and_init_ms": 1000 * min(sample["init"] for sample in samples[INIT]),
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
    options = measure.arguments(__doc__ or "", rounds=40_000, turns=5, captures=100).parse_args(arguments)
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
