"""What every benchmark needs: timed processes side by side, the vaults they read, tables and JSON.

Machines are noisy, so commands that are compared run in turns (A B A B), medians are shown, and the
figures that count are ratios.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import crashvault
from benchmarks import realistic

BATCH = 500  # events of one commit
CACHE = Path(tempfile.gettempdir()) / "crashvault-benchmarks"
_CONSOLE_SCRIPT = "import sys; from crashvault.__main__ import main; sys.exit(main())"


def arguments(description: str, **defaults: int) -> argparse.ArgumentParser:
    """A parser with `--json FILE` and a whole-number option for each default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE as well")
    for name, value in defaults.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=value, metavar="N", help="default %(default)s"
        )
    return parser


def crashvault_command() -> list[str]:
    """The installed executable beside this interpreter, else the same start without it."""
    script = Path(sys.executable).with_name("crashvault")
    return [str(script)] if script.exists() else [sys.executable, "-c", _CONSOLE_SCRIPT]


def environment(home: Path | None = None) -> dict[str, str]:
    """The caller's environment, with bytecode caching on and the source tree importable."""
    found = {key: value for key, value in os.environ.items() if not key.startswith("CRASHVAULT_")}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    source = str(Path(crashvault.__file__).parents[1])
    found["PYTHONPATH"] = os.pathsep.join(filter(None, (source, found.get("PYTHONPATH"))))
    return found | ({"CRASHVAULT_HOME": str(home)} if home else {})


def timed(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Seconds of wall time that one run takes; output is thrown away. Raises CalledProcessError."""
    started = time.perf_counter()
    subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def processor_time(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Seconds of processor time, user and system, that one run takes. Raises CalledProcessError."""
    child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return usage.ru_utime + usage.ru_stime


def interleaved(
    commands: Mapping[str, Sequence[str]],
    env: Mapping[str, str],
    rounds: int,
    clock: Callable[[Sequence[str], Mapping[str, str]], float] = timed,
) -> dict[str, list[float]]:
    """Seconds of each round of each command; one unmeasured round warms the caches."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            taken = clock(command, env)
            if turn:
                seconds[name].append(taken)
    return seconds


def medians(samples: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in samples.items()}


# --- vaults -----------------------------------------------------------------------------------------


def batches(items: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """The items in lists of `size`; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def filled_vault(events: int, issues: int = 20_000) -> Path:
    """The folder of a vault with that many events: built once per state of the schema, then kept."""
    home = CACHE / f"vault-{events}-{issues}-{_schema_digest()}"
    if not home.exists():
        partial = home.with_name(f"{home.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _fill(partial, events, issues)
        partial.rename(home)
    return home


def _fill(home: Path, events: int, issues: int) -> None:
    from crashvault import core
    from crashvault.pipeline import record_events

    vault = core.open_vault(str(home))
    recorded = 0
    for batch in batches(realistic.events(events, issues=issues)):
        record_events(vault, batch)
        recorded += len(batch)
        progress(f"filling a vault: {recorded:,} of {events:,} events")
    vault.close()
    progress("")


def _schema_digest() -> str:
    """Changes with the migrations and the storage code, so that no vault of an older shape is read."""
    digest = hashlib.sha1()
    for path in sorted((Path(crashvault.__file__).parent / "storage").rglob("*")):
        if path.suffix in {".sql", ".py", ".dict", ".zdict"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- showing ----------------------------------------------------------------------------------------


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of equal keys; numbers go right."""
    names = list(rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(row[at]) for row in cells)) for at, name in enumerate(names)]
    print(f"\n{title}")
    print("  ".join(_justify(name, widths[at], rows[0][name]) for at, name in enumerate(names)))
    for row, source in zip(cells, rows, strict=True):
        print("  ".join(_justify(row[at], widths[at], source[name]) for at, name in enumerate(names)))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _justify(text: str, width: int, value: Any) -> str:
    return text.ljust(width) if isinstance(value, str) else text.rjust(width)


def finish(name: str, figures: dict[str, Any], file: str | None) -> dict[str, Any]:
    """Add what machine this was, write the JSON file if one is wanted, and return the whole."""
    whole = {"benchmark": name, "machine": machine(), **figures}
    if file:
        Path(file).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return whole


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "crashvault": crashvault.__version__,
    }
