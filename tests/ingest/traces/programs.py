"""Programs that crash, and how to run them. Run this file to capture their output as fixtures.

`python tests/ingest/traces/programs.py [LANGUAGE[/NAME]…]` runs what the machine has a runtime for
and writes `tests/data/traces/LANGUAGE/NAME.txt`, with the paths of the machine scrubbed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).resolve().parents[2] / "data" / "traces"
PROGRAMS_DIR = DATA / "programs"
TIMEOUT = 120  # seconds, for one step

SCRUBS = (
    (re.compile(r"(?:/root|/home/[\w.-]+)/\.pyenv/versions/[\w.]+"), "/usr/local"),
    (re.compile(r"(?:/root|/home/[\w.-]+)/\.cargo"), "/home/user/.cargo"),
    (re.compile(r"(?:/root|/home/[\w.-]+)/\.rustup"), "/home/user/.rustup"),
    (re.compile(r"/root\b"), "/home/user"),
)


class Program(NamedTuple):
    """`steps` are command lines run in a copy of `programs/LANGUAGE`; the last one's output is the
    fixture."""

    language: str
    name: str
    steps: tuple[str, ...]
    env: dict[str, str] = {}

    @property
    def tools(self) -> list[str]:
        return sorted({step.split()[0] for step in self.steps if not step.startswith("./")})


def _python(name: str, options: str = "", script: str = "", tool: str = "python3", **env: str) -> Program:
    return Program("python", name, (f"{tool} {options} {script or name}.py".replace("  ", " "),), env)


def _native(name: str, source: str, build: str, run: str = "./crash", **env: str) -> Program:
    return Program("native", name, (f"{build} -g -o crash {source}", run), env)


def _go(name: str, run: str = "./crash", build: str = "") -> Program:
    return Program("go", name, (f"go build{build} -o crash ./{name}/main.go", run), {"GO111MODULE": "off"})


def _rust(name: str, suffix: str = "", source: str = "", **env: str) -> Program:
    return Program("rust", name + suffix, (f"rustc -g -o crash {source or name}.rs", "./crash"), env)


_BT = "gdb -q -batch -ex run -ex"
_MONO = ("mcs -debug Shop.cs", "mono --debug Shop.exe")

PROGRAMS: tuple[Program, ...] = (
    *(_python(name) for name in ("chain", "group", "syntax", "recursion", "notes", "thread", "task", "ignored")),
    *(_python(name) for name in ("ignored_then_crash", "segfault", "pool", "logged", "stack_info", "names")),
    _python("task_dev", "-X dev", "task"),
    _python("chain_py310", script="chain", tool="python3.10"),
    _python("group_py313", script="group", tool="python3.13", FORCE_COLOR="1"),
    _python("multiline_py313", script="multiline", tool="python3.13"),
    _python("colour_py313", script="chain", tool="python3.13", FORCE_COLOR="1"),
    *(Program("javascript", name, (f"node {name}.js",)) for name in ("simple", "cause", "aggregate", "syntax")),
    *(Program("javascript", name, (f"node {name}.js",)) for name in ("string", "reject", "eval", "assert")),
    *(Program("javascript", name, (f"node {name}.js",)) for name in ("emitter", "json", "abort", "prefixed")),
    Program("javascript", "async", ("node async.mjs",)),
    Program("javascript", "cause_colour", ("node cause.js",), {"FORCE_COLOR": "1"}),
    Program("javascript", "heap", ("node --max-old-space-size=20 heap.js",)),
    *(
        Program(
            "java",
            name.lower(),
            (f"javac -d . {name}.java", f"java -XX:MaxJavaStackTraceDepth=40 -cp . {name}"),
        )
        for name in ("Chain", "Suppressed", "Overflow", "Stream", "Settings")
    ),
    Program("kotlin", "shop", ("kotlinc shop.kt -include-runtime -d shop.jar", "java -jar shop.jar")),
    Program("scala", "shop", ("scalac Shop.scala", "scala -cp . shop.Shop")),
    *(_go(name) for name in ("nilmap", "deadlock", "repanic", "index", "overflow", "served")),
    Program(
        "go",
        "goroutines",
        ("go build -o crash ./goroutines/main.go", "./crash"),
        {"GO111MODULE": "off", "GOTRACEBACK": "all"},
    ),
    Program("go", "exit_status", ("go run ./nilmap/main.go",), {"GO111MODULE": "off"}),
    _go("race", build=" -race"),
    _rust("unwrap", "", RUST_BACKTRACE="0"),
    _rust("unwrap", "_backtrace", RUST_BACKTRACE="1"),
    _rust("unwrap", "_full", RUST_BACKTRACE="full"),
    _rust("assertion", "", RUST_BACKTRACE="1"),
    _rust("worker", "", RUST_BACKTRACE="1"),
    _rust("overflow", ""),
    _rust("destructor", "", RUST_BACKTRACE="1"),
    *(Program("ruby", name, (f"ruby {name}.rb",)) for name in ("cause", "name", "deep", "syntax", "thread")),
    *(
        Program("php", name, (f"php -d display_errors=stderr -d log_errors=0 {name}.php",))
        for name in ("chain", "type", "parse", "memory", "warning")
    ),
    Program("php", "chain_logged", ("php -d display_errors=0 -d log_errors=1 chain.php",)),
    Program("dotnet", "mono_shop", _MONO),
    _native("asan_uaf", "uaf.c", "gcc -fsanitize=address"),
    _native("asan_overflow", "overflow.cpp", "g++ -fsanitize=address"),
    _native("asan_null", "null.c", "gcc -fsanitize=address"),
    _native("asan_clang", "uaf.c", "clang -fsanitize=address"),
    _native("leak", "leak.c", "gcc -fsanitize=address"),
    _native("ubsan", "signed.c", "gcc -fsanitize=undefined"),
    _native("ubsan_stack", "signed.c", "gcc -fsanitize=undefined", UBSAN_OPTIONS="print_stacktrace=1"),
    _native("tsan", "race.c", "gcc -fsanitize=thread -pthread"),
    _native("gdb_bt", "null.c", "gcc", f"{_BT} bt ./crash"),
    Program("native", "gdb_bt_full", ("gcc -g -o crash null.c", "gdb -q -batch -ex run -ex 'bt full' ./crash")),
    Program(
        "native",
        "gdb_threads",
        ("gcc -g -pthread -o crash threads.c", "gdb -q -batch -ex run -ex 'thread apply all bt' ./crash"),
    ),
    _native("gdb_terminate", "terminate.cpp", "g++", f"{_BT} bt ./crash"),
    _native("smash", "smash.c", "gcc -fstack-protector-all"),
    _native("double_free", "twice.c", "gcc -w"),
    _native("assertion", "assertion.c", "gcc"),
    _native("terminate", "terminate.cpp", "g++"),
    _native("symbols", "symbols.c", "gcc -rdynamic"),
    *(Program("elixir", name, (f"elixir {name}.exs",)) for name in ("raise", "clause", "server", "task")),
    Program("erlang", "spawn", ("erlc shop.erl", "erl -noshell -s shop start -s init stop")),
    Program(
        "erlang",
        "boot",
        ("erlc shop.erl", "erl -noshell -s shop boot -s init stop"),
        {"ERL_CRASH_DUMP": "/dev/null"},
    ),
    Program("perl", "die", ("perl die.pl",)),
    Program("perl", "plain", ("perl plain.pl",)),
    Program("lua", "shop", ("lua5.4 shop.lua",)),
    Program("r", "shop", ("Rscript shop.R",)),
)


def run(program: Program, directory: Path) -> str:
    """Run `program` in a copy of its language's programs under `directory`; its scrubbed output."""
    workdir = directory / "app"
    shutil.copytree(PROGRAMS_DIR / program.language, workdir)
    env = {**os.environ, "LC_ALL": "C.UTF-8", **program.env}
    output = b""
    for step in program.steps:
        done = subprocess.run(
            ["/bin/sh", "-c", step], cwd=workdir, env=env, timeout=TIMEOUT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        output = done.stdout
    return scrub(output.decode("utf-8", "replace"), workdir)


def scrub(text: str, workdir: Path) -> str:
    text = text.replace(str(workdir.resolve()), "/app").replace(str(workdir), "/app")
    for pattern, replacement in SCRUBS:
        text = pattern.sub(replacement, text)
    return text


def capture(program: Program) -> None:
    with tempfile.TemporaryDirectory() as directory:
        text = run(program, Path(directory))
    target = DATA / program.language / f"{program.name}.txt"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, "utf-8")
    print(f"{target.relative_to(DATA)}: {len(text)} characters")


def main(wanted: list[str]) -> None:
    for program in PROGRAMS:
        path = f"{program.language}/{program.name}"
        missing = [tool for tool in program.tools if shutil.which(tool) is None]
        if wanted and program.language not in wanted and path not in wanted:
            continue
        if missing:
            print(f"{path}: no {', '.join(missing)}")
            continue
        capture(program)


if __name__ == "__main__":
    main(sys.argv[1:])
