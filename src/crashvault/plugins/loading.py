"""Loading plugins, and asking all of them: each is imported, checked against the hooks, and called by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import pluggy

from . import specs
from .calling import Failure, Lane, call, complain, copied, forget_complaints
from .found import Found

_PROJECT = "crashvault"


class Plugin(NamedTuple):
    """One plugin that was loaded, or was to be."""

    found: Found
    hooks: tuple[str, ...]  # that it implements, in the order of the reference
    about: str  # the first line of its documentation
    trouble: str = ""  # why it was not loaded

    @property
    def name(self) -> str:
        return self.found.name


class Plugins:
    """All plugins of a vault that are on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # that `event_received` may take
        self.plugins: list[Plugin] = []
        self._manager = pluggy.PluginManager(_PROJECT)
        self._manager.add_hookspecs(_marked_specs())
        self._lanes: dict[str, Lane] = {}
        self._kept: dict[Any, Any] = {}

    def add(self, found: Found) -> None:
        """Load a plugin. One that cannot be is named, and kept with the reason."""
        loaded = (found.trouble and Failure(found.trouble)) or call(self._register, found)
        if isinstance(loaded, Failure):
            self._manager.unregister(name=found.name)
            complain(found.name, f"it cannot be loaded ({loaded.reason})")
            loaded = Plugin(found, (), "", loaded.reason)
        self.plugins.append(loaded)

    def _register(self, found: Found) -> Plugin:
        module = _module_of_file(found) if found.is_file else _object(found.value)
        thing = module() if isinstance(module, type) else module
        _check_version(thing)
        self._manager.register(thing, name=found.name)
        implemented = {
            caller.name for caller in self._manager.get_hookcallers(thing) or () if not _is_known(caller, thing)
        }
        if implemented:
            raise ValueError(f"there is no hook {', '.join(sorted(implemented))}")
        return Plugin(found, self._hooks_of(found.name), _first_line(thing))

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def _hooks_of(self, name: str) -> tuple[str, ...]:
        return tuple(hook for hook in specs.HOOKS if any(one == name for one, _ in self._implementations(hook)))

    def has(self, *hooks: str) -> bool:
        """Whether any plugin implements one of these hooks."""
        return any(getattr(self._manager.hook, hook).get_hookimpls() for hook in hooks)

    def _implementations(self, hook: str) -> Iterator[tuple[str, Any]]:
        # pluggy keeps them in the reverse order of their calls.
        for one in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            yield one.plugin_name, one

    def ask(self, hook: str, **given: Any) -> Iterator[tuple[str, Any]]:
        """Ask each plugin: its name and its answer. Those that fail are named and left out, as are those that say None."""
        for name, ask in self.each(hook):
            answer = ask(**given)
            if answer is not None and not isinstance(answer, Failure):
                yield name, answer

    def each(self, hook: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Each plugin's name, and what asks it; that gives a Failure, already named, for one that fails."""
        for name, one in self._implementations(hook):
            yield name, partial(self._asked, hook, name, one)

    def _asked(self, hook: str, name: str, one: Any, **given: Any) -> Any:
        answer = call(one.function, **{argument: given[argument] for argument in one.argnames})
        if isinstance(answer, Failure):
            complain(name, f"{hook} failed ({answer.reason})")
        return answer

    def each_in_time(self, hook: str) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        """The same for what must not take long; what asks takes the one argument."""
        known = list(self._implementations(hook))
        for name, one in known:
            function = one.function if one.argnames else partial(_without_argument, one.function)
            # What the next one is given must be sound, or that one would be named for it.
            yield name, partial(self.in_time, name, hook, partial(_own, function) if len(known) > 1 else function)

    def in_time(self, name: str, what: str, function: Callable[[Any], Any], value: Any) -> Any:
        """What a plugin's function makes of a copy of a value; a Failure, already named, where it fails or takes too long."""
        lane = self._lanes.setdefault(name, Lane(self.seconds))
        answer = lane.call(lambda: function(copied(value)))
        if isinstance(answer, Failure):
            complain(name, f"{what} failed ({answer.reason})")
        return answer


def load(found: Sequence[Found], seconds: float) -> Plugins:
    forget_complaints()
    made = Plugins(seconds)
    for one in found:
        made.add(one)
    return made


def _own(function: Callable[[Any], Any], value: Any) -> Any:
    return copied(function(value))


def _without_argument(function: Callable[[], Any], value: Any) -> Any:
    return function()


def _marked_specs() -> Any:
    """The hooks as pluggy wants to see them."""
    marker = pluggy.HookspecMarker(_PROJECT)
    space = ModuleType("crashvault.plugins.specs.marked")
    for name, hook in specs.HOOKS.items():
        setattr(space, name, marker(hook))
    return space


def _is_known(caller: Any, thing: Any) -> bool:
    """Whether a hook is one of ours, and implemented in a way that we call."""
    for one in caller.get_hookimpls():
        if one.plugin is thing and (one.hookwrapper or one.wrapper):
            raise ValueError(f"{caller.name} is a wrapper, and plugins are called one by one")
    return caller.has_spec() or all(one.optionalhook for one in caller.get_hookimpls() if one.plugin is thing)


def _check_version(thing: Any) -> None:
    wanted = getattr(thing, "CRASHVAULT_API", specs.API_VERSION)
    if not isinstance(wanted, int) or not 1 <= wanted <= specs.API_VERSION:
        raise ValueError(f"it wants version {wanted!r} of the hook API, and this Crashvault has {specs.API_VERSION}")


def _module_of_file(found: Found) -> ModuleType:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(f"crashvault_plugin_{found.name}", found.value)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module  # as an import does: dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _object(value: str) -> Any:
    """What an entry point, or a name such as `package.module:thing`, means."""
    module, _, path = value.partition(":")
    thing: Any = import_module(module)
    for part in filter(None, path.split(".")):
        thing = getattr(thing, part)
    return thing


def _first_line(thing: Any) -> str:
    text = getattr(thing, "__doc__", None)
    return text.strip().split("\n")[0] if isinstance(text, str) and text.strip() else ""
