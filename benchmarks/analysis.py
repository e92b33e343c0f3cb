"""How right analysis is where the truth is known, and what `code-review` costs as a hook.

Suspect commits: programs of five languages that really crash, with the guilty commit among harmless ones; other seeds
than the tests use. Stand-outs: a planted value, and pure chance. Onset: a rate that rises at a known hour. The review:
a diff of 500 lines over 20 files of a repository, against a filled vault, through the real executable with and without
Ruff and Bandit; processor time, and time on the clock, beside `crashvault --version`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import measure

ROOT = Path(__file__).parent.parent
_LINES = 500  # of the diff
_FILES = 20
_GIT = ("git", "-c", "user.name=b", "-c", "user.email=b@example.com")


def suspects(seeds: int) -> dict[str, dict[str, float]]:
    """By program: share of cases with the guilty commit first, and among the first three."""
    from tests.analysis import histories
    from tests.analysis.test_suspects import PROGRAMS, found, rank

    figures = {}
    for name, (program, _) in PROGRAMS.items():
        if not all(map(shutil.which, program.tools)):
            measure.progress(f"{name} is left out: not on this machine: {', '.join(program.tools)}")
            continue
        with tempfile.TemporaryDirectory() as home:
            ranks = [
                rank(Path(home) / f"{seed}-{number}", program, number, 20_000 + 100 * seed)
                for seed in range(seeds)
                for number in range(len(program.guilty))
            ]
        figures[name] = _shares(ranks)
    with tempfile.TemporaryDirectory() as home:
        ranks = []
        for number, guilty in enumerate(histories.GUILTY):
            history = histories.make(Path(home) / f"{number}" / "shop", Random(20_000 + number), guilty)
            told = found(history, Path(home) / f"{number}" / "vault", "shop@2.0")
            ranks.append(told.index(history.guilty) + 1 if history.guilty in told else 99)
    return {**figures, "shop, Python": _shares(ranks)}


def _shares(ranks: list[int]) -> dict[str, float]:
    return {
        "cases": len(ranks),
        "first": sum(rank == 1 for rank in ranks) / len(ranks),
        "first three": sum(rank <= 3 for rank in ranks) / len(ranks),
    }


def findings(rounds: int) -> dict[str, float]:
    """Share of planted stand-outs found, of analyses of chance that find any, and of onsets right to the bucket."""
    from tests.analysis.test_findings import HOUR, NOW, moments, observation

    from crashvault.analysis.bursts import bursts, series
    from crashvault.analysis.standouts import standouts

    planted = chance = onsets = 0
    for seed in range(10_000, 10_000 + rounds):
        random = Random(seed)
        groups = [[observation(random, n) for _ in range(60)] for n in range(4)]
        chance += any(standouts(groups))
        groups.append(
            [observation(random, 4, **({"host": "host-3"} if random.random() < 0.6 else {})) for _ in range(40)]
        )
        found = standouts(groups)[4]
        planted += bool(found) and (found[0].attribute, found[0].value) == ("host", "host-3")
        onset = random.randrange(60, 150)
        times = moments(random, [1.0] * onset + [8.0] * (200 - onset))
        since = NOW - NOW % HOUR - 200 * HOUR
        (burst, *others) = bursts(series(times, since, since + 200 * HOUR - 1)) or [None]
        onsets += burst is not None and not others and abs(burst.start - since - onset * HOUR) <= HOUR
    return {"planted found": planted / rounds, "found in chance": chance / rounds, "onset right": onsets / rounds}


def review(home: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds by command, on a vault."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _repository(root, home)
        command = [*measure.crashvault_command(), "code-review", "--diff"]
        commands = {
            "--version": [*measure.crashvault_command(), "--version"],
            "code-review --diff --no-tools": [*command, "--no-tools"],
            "code-review --diff": command,
        }
        figures: dict[str, dict[str, float]] = {}
        environment = {**measure.environment(home), "PYTHONPATH": str(ROOT / "src")}
        for name, line in commands.items():
            samples = [_timed(line, environment, root) for _ in range(rounds + 1)][1:]
            figures[name] = {
                "processor s": sorted(item[0] for item in samples)[len(samples) // 2],
                "clock s": sorted(item[1] for item in samples)[len(samples) // 2],
            }
    return figures


def _timed(command: list[str], environment: dict[str, str], folder: Path) -> tuple[float, float]:
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, time.perf_counter() - start


def _repository(root: Path, home: Path) -> None:
    """Files of the program by the names of those that crash most in the vault, with 500 changed lines that are not committed."""
    from crashvault import core
    from crashvault.storage.document import word_of

    with core.open_vault(str(home)) as store, store.reading():
        known = "SELECT value FROM words WHERE field = 'file' AND (value LIKE '%.py' OR value LIKE '%.js') LIMIT 5000"
        files = [value for (value,) in store.db.rows(known) if not _is_library(value)]
        count = "SELECT count(*) FROM stack_words WHERE word = ?"
        files.sort(key=lambda path: -store.db.value(count, (word_of("file", path),)))
    paths = [path.strip("/") for path in files[:_FILES]]
    body = "".join(f"def step_{n}(value):\n    found = value + {n}\n    return found\n\n\n" for n in range(60))
    script = "".join(
        f"function step{n}(value) {{\n  const found = value + {n};\n  return found;\n}}\n\n" for n in range(60)
    )
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(script if path.endswith(".js") else body)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run([*_GIT, "add", "-A"], cwd=root, check=True)
    subprocess.run([*_GIT, "commit", "-qm", "Begin"], cwd=root, check=True)
    for path in paths:
        each = _LINES // len(paths)
        text = (root / path).read_text()
        (root / path).write_text(text.replace("value +", "value -", each) if each else text)


def _is_library(path: str) -> bool:
    return "node_modules" in path or path.partition("/")[0].removesuffix(".py") in sys.stdlib_module_names


def run(
    seeds: int = 1, rounds: int = 100, events: int = 100_000, turns: int = 7, home: Path | None = None
) -> dict[str, Any]:
    reviewed = review(home or measure.filled_vault(events), turns)
    return {"suspects": suspects(seeds), "findings": findings(rounds), "review": reviewed}


def show(figures: dict[str, Any]) -> None:
    measure.table("Suspect commits", [{"program": name, **row} for name, row in figures["suspects"].items()])
    measure.table("Stand-outs and onsets", [figures["findings"]])
    measure.table("Reviewing 500 changed lines", [{"command": name, **row} for name, row in figures["review"].items()])


def main(argv: list[str] | None = None) -> int:
    parser = measure.arguments(__doc__ or "", seeds=1, rounds=100, events=100_000, turns=7)
    parser.add_argument("--home", type=Path, metavar="DIR", help="a vault to review with, instead of filling one")
    options = parser.parse_args(argv)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    figures = run(options.seeds, options.rounds, options.events, options.turns, options.home)
    show(figures)
    measure.finish("analysis", figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
