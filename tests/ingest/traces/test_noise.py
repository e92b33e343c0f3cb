"""Logs do not change a trace, no text raises, and work grows with the number of lines only."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.ingest.traces import LANGUAGES, ParsedTrace, parse_stacktrace

from . import samples

NOISE = "2026-11-23 18:00:00,123 INFO other: still alive"
SIZE = 65_536
MARKERS = [marker for _, _, markers in LANGUAGES for marker in markers]
MODULES = sorted({module for _, module, _ in LANGUAGES})
LINES = sorted({line for path in samples.SAMPLES for line in samples.read(path).splitlines()})
# Samples whose own first line has the prefix of a logger: lines of the same logger in between end the record.
# Of an emitter's error it is the line above the last frames that says they are no error of their own.
LOGGED = {
    "go/served", "documented/php_nginx", "documented/laravel", "documented/node_event", "elixir/server", "javascript/emitter",
}  # fmt: skip


def prefixed(prefix: str) -> Callable[[str], str]:
    return lambda text: "".join(f"{prefix}{line}\n" for line in text.rstrip("\n").split("\n"))


def interleaved(prefix: str, noise: str, every: int) -> Callable[[str], str]:
    def scatter(text: str) -> str:
        lines = []
        for number, line in enumerate(text.rstrip("\n").split("\n"), 1):
            lines.append(f"{prefix}{line}")
            if number % every == 0:
                lines.append(noise)
        return "\n".join(lines)

    return scatter


WAYS: dict[str, Callable[[str], str]] = {
    "docker compose": prefixed("web_1  | "),
    "pm2": prefixed("0|shop     | "),
    "kubectl": prefixed("[pod/shop-7d9f/web] "),
    "container runtime": prefixed("2026-11-23T18:00:00.123456789Z stderr F "),
    "syslog": prefixed("Nov 23 18:00:00 box shop[411]: "),
    "process id": prefixed("[411] "),
    "timestamp": prefixed("2026-11-23 18:00:00,123 "),
    "gunicorn": prefixed("[2026-11-23 18:00:00 +0000] [411] [ERROR] "),
    "nested": prefixed("web_1  | 18:00:00.123 [411] "),
    "first line only": lambda text: f"2026-11-23 18:00:00,1 ERROR {text}",
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "colours": lambda text: f"\x1b[31m{text}".replace("\n", "\x1b[0m\n\x1b[1;31m"),
    "prose around": lambda text: f"starting shop on port 8000\nready\n\n{text.rstrip()}\n\nbye\n",
    "log around": lambda text: f"{NOISE}\n{text.rstrip()}\n{NOISE}\n",
    "another container in between": interleaved("web_1  | ", "db_1   | 18:00:00 UTC [41] LOG:  checkpoint", 2),
    "another logger in between": interleaved("", NOISE, 3),
}


def content(found: ParsedTrace | None) -> Any:
    return found and (found.platform, found.exceptions, found.threads)


@pytest.mark.parametrize("path", samples.SAMPLES, ids=samples.name)
@pytest.mark.parametrize("way", WAYS)
def test_noise_does_not_change_what_is_read(way: str, path: Path) -> None:
    if way == "another logger in between" and samples.name(path) in LOGGED:
        return
    text = samples.read(path)

    assert content(parse_stacktrace(WAYS[way](text))) == content(parse_stacktrace(text))


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse_stacktrace(text)


@given(st.lists(st.one_of(st.sampled_from(LINES), st.sampled_from(MARKERS), st.text(max_size=20)), max_size=30))
def test_no_mixture_of_lines_raises(lines: list[str]) -> None:
    text = "\n".join(lines)

    found = parse_stacktrace(text)

    if found is not None:
        assert 0 <= found.start <= found.end <= len(text)
        assert found.exceptions
        assert all(type(frame["in_app"]) is bool for info in found.exceptions for frame in info["frames"])


@given(st.sampled_from(samples.SAMPLES), st.integers(0, 4000), st.integers(0, 4000))
def test_no_cut_raises(path: Path, start: int, length: int) -> None:
    text = samples.read(path)[start : start + length]

    found = parse_stacktrace(text)

    assert found is None or 0 <= found.start <= found.end <= len(text)


HOSTILE = [
    " ", "  at ", "#0 ", 'File "', "\n  at ", '\n  File "', "\n#0 ", "\t", "(", "<", ": ", "a.", " in ",
    "\x1b[",
    "@http:",
    '", line 1', "---> ", ":1:in `", "    at f (eval at ", "[[[", "']",
    "Traceback (most recent call last):\n", '  File "a", line 1, in f\n', "Error: x\n    at f (a.js:1:2)\n",
    "    at f (a.js:1:2) {\n  [errors]: [\n", "[cause]: Error: x\n", "Caused by: a.B: c\n\t... 99999 more\n",
    "  + Exception Group Traceback (most recent call last):\n", "+-+---- 1 ----\n",
    "goroutine 1 [running]:\n",
    "panic: x\n",
    "WARNING: DATA RACE\n", "thread 'a' panicked at ", "Error: a\n\nCaused by:\n    b\n", 
    "a.rb:1:in `b': c (D)\n",
    "PHP Fatal error:  Uncaught A: b in c:1\n", "Next A: b in c:1\nStack trace:\n#0 {main}\n\n", 
    "   at A.B(C c) in d:line 1\n",
    "==1==ERROR: AddressSanitizer: x\n", "Thread 1 (x):\n#0 f () at a.c:1\n", "** (A) b\n",
    "[1] ", "a | ", "web_1 | x\n",
]  # fmt: skip


class CountingLines(list[str]):
    """Lines that count how often one is looked at."""

    looks = 0

    def __getitem__(self, key: Any) -> Any:
        self.looks += len(range(*key.indices(len(self)))) if isinstance(key, slice) else 1
        return super().__getitem__(key)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("unit", [unit for unit in HOSTILE if "\n" in unit])
def test_no_line_is_looked_at_more_than_a_bounded_number_of_times(module: str, unit: str) -> None:
    find = import_module(f"crashvault.ingest.traces.{module}").find
    lines = CountingLines((unit * (20_000 // len(unit))).split("\n"))

    find(lines)

    assert lines.looks <= 150 * len(lines)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_of_full_size_is_read_to_the_end(unit: str) -> None:
    hostile = (unit * (SIZE // len(unit) + 1))[:SIZE]
    crash = samples.read_sample("python/segfault")

    found = parse_stacktrace("\n".join([*MARKERS, hostile, "", crash]), language="python")

    assert found is not None
    assert found.exceptions[-1]["type"] is not None
