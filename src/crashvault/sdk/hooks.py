"""Hooks into the standard library that see exceptions nobody caught, and show in no traceback.

Modules are hooked when the program imports them, if it does: watching costs a program nothing that it does
not use. `report(error, mechanism)` must not raise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Report = Callable[[BaseException, str], None]

_hooked: set[str] = set()


def watch_threading(report: Report) -> None:
    """Exceptions that end a thread, after they have been printed."""
    _once("threading", "threading", lambda module: _hook_threading(module, report))


def watch_asyncio(report: Report) -> None:
    """Exceptions of tasks and callbacks that nobody retrieves, unless the program handles them itself."""
    _once("asyncio", "asyncio.base_events", lambda module: _hook_loop(module.BaseEventLoop, report))
    _once("uvloop", "uvloop", lambda module: _hook_loop(module.Loop, report))  # which has all of its own


def watch_multiprocessing(report: Report) -> None:
    """Exceptions that end a child process of multiprocessing, which prints them without sys.excepthook."""
    _once("multiprocessing", "multiprocessing.process", lambda module: _hook_process(module, report))


def follow_spawned(settings: Callable[[], dict[str, Any] | None]) -> None:
    """Let spawned children of multiprocessing call `client.resume(settings())` first of all."""
    _once("spawn", "multiprocessing.spawn", lambda module: _hook_spawn(module, settings))


def _once(key: str, module: str, action: Callable[[Any], None]) -> None:
    if key not in _hooked:
        _hooked.add(key)
        after_import(module, action)


def _hook_threading(module: Any, report: Report) -> None:
    print_it = module.excepthook

    def excepthook(args: Any) -> None:
        print_it(args)
        if args.exc_value is not None:
            report(args.exc_value, "threading")

    module.excepthook = excepthook


def _hook_loop(loop: Any, report: Report) -> None:
    log_it = loop.default_exception_handler

    def default_exception_handler(self: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            _leaving_no_lines(report, error, "asyncio")
        log_it(self, context)

    loop.default_exception_handler = default_exception_handler


def _leaving_no_lines(report: Report, error: BaseException, mechanism: str) -> None:
    """Report, and let tracebacks that are printed later have the source lines that they would have had without us."""
    import linecache

    before = set(linecache.cache)
    report(error, mechanism)
    for name in linecache.cache.keys() - before:
        linecache.cache.pop(name, None)


def _hook_process(module: Any, report: Report) -> None:
    """`_bootstrap` catches what `run` raises and prints it with `traceback.print_exc`: that call is our chance.

    Wrapping `run` would be simpler, and would put a frame of ours into what is printed.
    """
    bootstrap = module.BaseProcess._bootstrap

    def _bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        after_import("traceback", lambda found: _hook_print_exc(found, bootstrap.__code__, report))
        return bootstrap(self, *args, **kwargs)

    module.BaseProcess._bootstrap = _bootstrap


def _hook_print_exc(module: Any, caller: Any, report: Report) -> None:
    print_it = module.print_exc

    def print_exc(*args: Any, **kwargs: Any) -> None:
        print_it(*args, **kwargs)
        error = sys.exc_info()[1]
        if error is not None and sys._getframe(1).f_code is caller:
            report(error, "multiprocessing")

    module.print_exc = print_exc


class _Passenger:
    """Rides to a spawned child in the data that prepares it; unpickling it there is what counts."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def __reduce__(self) -> Any:
        from .client import resume

        return resume, (self.settings,)


def _hook_spawn(module: Any, settings: Callable[[], dict[str, Any] | None]) -> None:
    prepare = module.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = prepare(name)
        found = settings()
        return data if found is None else {**data, "crashvault": _Passenger(found)}

    module.get_preparation_data = get_preparation_data


# Imports

_waiting: dict[str, list[Callable[[Any], None]]] = {}


def after_import(name: str, action: Callable[[Any], None]) -> None:
    """Call `action(module)` now, if the module is there, else right after the program has imported it."""
    if name in sys.modules:
        action(sys.modules[name])
        return
    _waiting.setdefault(name, []).append(action)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


class _Finder:
    """Finds nothing itself: it puts our actions behind the loader that the others find."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _waiting:
            return None
        actions = _waiting.pop(name)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                _append(spec, actions)
                return spec
        return None


def _append(spec: Any, actions: list[Callable[[Any], None]]) -> None:
    loader = spec.loader

    def exec_module(module: Any) -> None:
        del loader.exec_module
        loader.exec_module(module)
        for action in actions:
            try:
                action(module)
            except Exception as error:
                from .writer import complain

                complain(f"{module.__name__} cannot be watched", error)

    try:
        loader.exec_module = exec_module
    except AttributeError:  # frozen: its loader is a class that all share
        pass


_finder: Any = _Finder()
