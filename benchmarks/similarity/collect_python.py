"""Crashes of one Python project with known causes: a mutant at a time, the tracebacks of the tests it breaks.

Run inside of an environment that has pytest and what the project needs:

    python collect_python.py FOLDER PACKAGE TESTS OUTPUT [--mutants N] [--seed N]

The tests are collected once. Which of them call which function is learned in a forked child; each mutant is
another forked child, in which the code of one function is replaced and some tests that call it are run. So a
mutant costs a fraction of a second, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import linecache
import os
import pickle
import resource
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mutants  # type: ignore[import-not-found]  # this file runs in environments that have nothing of ours

TESTS_A_MUTANT = 16
CRASHES_A_MUTANT = 10
MUTANTS_A_FUNCTION = 2
SECONDS_OF_TRACING = 10
SECONDS_A_MUTANT = 3
SECONDS_A_TEST = 1.5
MEMORY = 1 << 30  # bytes more than at the start that a mutant may take
MAX_FRAMES = 80

Function = tuple[str, int, str]  # file, line, qualified name


class Collector:
    """The pytest plugin: takes the place of the loop that runs tests."""

    def __init__(self, root: str, package: str, tests: tuple[str, ...], mutants_wanted: int, seed: int) -> None:
        self.root = root
        self.package = package
        self.tests = tests
        self.wanted = mutants_wanted
        self.rng = Random(f"{seed}/{os.path.basename(package)}")
        self.crashes: list[dict[str, Any]] = []
        self.bugs: list[dict[str, Any]] = []
        self.outside = 0  # failures that were no crash of the package: an assertion of the test itself

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = session.items
        callers = _in_child(lambda: self.traced(items), SECONDS_OF_TRACING + 30) or {}
        print(f"{self.package}: {len(items)} tests, {len(callers)} functions", flush=True)
        for number, (function, code, kind) in enumerate(self.mutations(callers)):
            tests = self.rng.sample(callers[function], min(TESTS_A_MUTANT, len(callers[function])))
            found = _in_child(
                lambda code=code, function=function, tests=tests: self.broken(items, tests, function, code),
                SECONDS_A_MUTANT + 4,
            )
            if not found:
                continue
            self.outside += found["outside"]
            if found["crashes"]:
                self.bugs.append(
                    {
                        "bug": number,
                        "file": os.path.relpath(function[0], self.root),
                        "function": function[2],
                        "kind": kind,
                    }
                )
                self.crashes += [{"bug": number, **crash} for crash in found["crashes"]]
        return True

    def is_of_package(self, file: str) -> bool:
        return file.startswith(self.package + os.sep) and not file.startswith(self.tests)

    # Which tests call what

    def traced(self, items: list[pytest.Item]) -> dict[Function, list[int]]:
        """Test numbers by function of the package; only of tests that pass without mutants."""
        callers: dict[Function, list[int]] = {}
        called: set[types.CodeType] = set()

        def note(frame: types.FrameType, event: str, argument: object) -> None:
            if event == "call":
                called.add(frame.f_code)

        end = time.process_time() + SECONDS_OF_TRACING
        order = list(range(len(items)))
        Random(1).shuffle(order)
        for number in order:
            if time.process_time() > end:
                break
            called.clear()
            sys.setprofile(note)
            try:
                passed = not _run(items[number])
            finally:
                sys.setprofile(None)
            if not passed:
                continue
            for code in called:
                if self.is_of_package(code.co_filename):
                    callers.setdefault((code.co_filename, code.co_firstlineno, code.co_qualname), []).append(number)
        return callers

    # Mutants

    def mutations(self, callers: dict[Function, list[int]]) -> Iterator[tuple[Function, types.CodeType, str]]:
        """Changed code of random functions that several tests call."""
        functions = sorted(function for function, tests in callers.items() if len(tests) > 1)
        self.rng.shuffle(functions)
        order = [function for _ in range(MUTANTS_A_FUNCTION) for function in functions]
        made = 0
        for function in order:
            if made >= self.wanted:
                return
            mutant = self.mutant(function)
            if mutant is not None:
                made += 1
                yield function, *mutant

    def mutant(self, function: Function) -> tuple[types.CodeType, str] | None:
        file, line, name = function
        with open(file, encoding="utf-8") as source:
            tree = ast.parse(source.read(), file)
        node = next(
            (
                node
                for node in ast.walk(tree)
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                and line in (node.lineno, *(part.lineno for part in node.decorator_list))
                and name.endswith(node.name)
            ),
            None,
        )
        if node is None or "<locals>" in name:
            return None
        places = mutants.spots(node)
        if not places:
            return None
        spot = self.rng.choice(places)
        mutants.mutate(spot, self.rng)
        try:
            module = compile(ast.fix_missing_locations(tree), file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, TypeError):
            return None
        code = next((code for code in _codes(module) if (code.co_firstlineno, code.co_qualname) == (line, name)), None)
        return (code, spot[0]) if code is not None else None

    def broken(
        self, items: list[pytest.Item], tests: list[int], function: Function, code: types.CodeType
    ) -> dict[str, Any]:
        """The crashes of tests with the function's code replaced."""
        replaced = 0
        for thing in gc.get_objects():
            if isinstance(thing, types.FunctionType):
                old = thing.__code__
                if (
                    old.co_filename,
                    old.co_firstlineno,
                    old.co_qualname,
                ) == function and old.co_freevars == code.co_freevars:
                    thing.__code__ = code
                    replaced += 1
        crashes: list[dict[str, Any]] = []
        outside = 0
        if not replaced:
            return {"crashes": crashes, "outside": outside}
        end = time.process_time() + SECONDS_A_MUTANT
        for number in tests:
            if len(crashes) >= CRASHES_A_MUTANT or time.process_time() > end:
                break
            for error in _run(items[number], SECONDS_A_TEST)[:1]:
                if isinstance(error, TooSlow):
                    continue
                crash = self.crash(error)
                if crash is None:
                    outside += 1
                else:
                    crashes.append(crash)
        return {"crashes": crashes, "outside": outside}

    # Tracebacks

    def crash(self, error: BaseException) -> dict[str, Any] | None:
        """An exception as an event's exceptions, root cause first; None where no code of the package was under way."""
        chain: list[dict[str, Any]] = []
        link: BaseException | None = error
        while link is not None and len(chain) < 8:
            context = link.__cause__ is None and not link.__suppress_context__
            following = link.__context__ if context else link.__cause__
            frames = self.frames(link.__traceback__)
            found = {"type": type(link).__name__, "value": _cut(str(link)), "frames": frames}
            if context and following is not None:
                found["context"] = True  # the one before it was only being handled
            chain.append(found)
            link = following
        innermost = [frame for frame in chain[0]["frames"] if frame["in_app"]]
        if not innermost or not self.is_of_package(os.path.join(self.root, innermost[-1]["file"])):
            return None
        return {"exceptions": chain[::-1]}

    def frames(self, traceback: types.TracebackType | None) -> list[dict[str, Any]]:
        found = []
        while traceback is not None:
            code = traceback.tb_frame.f_code
            own = code.co_filename.startswith(self.root + os.sep)
            if own or found:  # what stands above the test belongs to the runner
                found.append({
                    "file": os.path.relpath(code.co_filename, self.root) if own else _library(code.co_filename),
                    "module": traceback.tb_frame.f_globals.get("__name__"),
                    "function": code.co_qualname,
                    "line": traceback.tb_lineno,
                    "in_app": own,
                    "context_line": linecache.getline(code.co_filename, traceback.tb_lineno).strip()[:200],
                })  # fmt: skip
            traceback = traceback.tb_next
        return found if len(found) <= MAX_FRAMES else found[: MAX_FRAMES // 2] + found[-MAX_FRAMES // 2 :]


def _codes(module: types.CodeType) -> Iterator[types.CodeType]:
    pending = [module]
    while pending:
        code = pending.pop()
        yield code
        pending += (part for part in code.co_consts if isinstance(part, types.CodeType))


def _library(path: str) -> str:
    for mark in ("/site-packages/", "/dist-packages/", f"/python{sys.version_info[0]}.{sys.version_info[1]}/"):
        if mark in path:
            return path.rpartition(mark)[2]
    return os.path.basename(path)


def _cut(text: str) -> str:
    return text.replace(os.getcwd(), "/build")[:300]


_errors: list[BaseException] = []


class Failures:
    """Remembers why tests failed."""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        if call.excinfo is not None and not isinstance(call.excinfo.value, pytest.skip.Exception):
            _errors.append(call.excinfo.value)
        yield


class TooSlow(BaseException):
    """A mutant that loops for ever is no crash."""


def _stop(number: int, frame: object) -> None:
    raise TooSlow


def _run(item: pytest.Item, seconds: float = 0) -> list[BaseException]:
    """Run one test; why it failed. It may take so much processor time, 0: as it likes."""
    from _pytest.runner import runtestprotocol

    _errors.clear()
    signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        runtestprotocol(item, log=False, nextitem=None)
    except TooSlow:
        _errors.insert(0, TooSlow())
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return list(_errors)


def _in_child(work: Callable[[], Any], seconds: int) -> Any:
    """The result of `work` done in a forked process; None where it died or took too long."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(6 * seconds)  # by the clock; the limits are of processor time
            resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY,) * 2)
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            result = pickle.dumps(work())
            with open(writer, "wb") as pipe:
                pipe.write(result)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    try:
        return pickle.loads(result)
    except (EOFError, pickle.UnpicklingError):
        return None


def _address_space() -> int:
    """Bytes of this process, mapped or not."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("package", help="folder with the code to mutate, from FOLDER")
    parser.add_argument(
        "tests", help="folder or file with the tests, from FOLDER; behind commas more that is no code of the package"
    )
    parser.add_argument("output")
    parser.add_argument("--mutants", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    root = os.path.realpath(options.folder)
    output = os.path.abspath(options.output)
    tests = options.tests.split(",")
    package = os.path.join(root, options.package)
    os.chdir(root)
    for folder in (root, os.path.dirname(package)):
        sys.path.insert(0, folder)
    collector = Collector(
        root, package, tuple(os.path.join(root, part) for part in tests), options.mutants, options.seed
    )
    pytest.main(
        ["-q", "-p", "no:cacheprovider", "-W", "ignore",
         "--override-ini=addopts=", "--continue-on-collection-errors", tests[0]],
        plugins=[collector, Failures()],
    )  # fmt: skip
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"bugs": collector.bugs, "crashes": collector.crashes, "outside": collector.outside}, file)
    print(
        f"{options.package}: {len(collector.bugs)} bugs, {len(collector.crashes)} crashes, {collector.outside} failed assertions",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
