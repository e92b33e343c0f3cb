"""Plugins: code of others that Crashvault asks and tells. Which there are is found out when somebody first asks.

A plugin marks its functions with `hookimpl`; what they are called and given stands in `specs`. Importing this costs
next to nothing, and where there is no plugin neither pluggy nor importlib.metadata is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .found import Found
    from .loading import Plugins

_Finder = Callable[[], "tuple[Sequence[Found], float]"]
_here: dict[str, Any] = {"home": None, "find": None, "active": None, "known": False}


def use(home: str, find: _Finder) -> None:
    """Say which vault's plugins count in this process; `find` gives those that are on, and the seconds they may take."""
    if _here["home"] != home:
        _here.update(home=home, find=find, active=None, known=False)


def active() -> Plugins | None:
    """The plugins that were loaded; None where there are none."""
    if not _here["known"] and _here["find"] is not None:
        # First: what a plugin does while it is imported must not ask for plugins again.
        _here["known"] = True
        found, seconds = _here["find"]()
        if found:
            from .loading import load

            _here["active"] = load(found, seconds)
    active_: Plugins | None = _here["active"]
    return active_


def forget() -> None:
    """Look anew when somebody asks next: a plugin was switched on or off, or written."""
    _here.update(home=None, find=None, active=None, known=False)


def __getattr__(name: str) -> Any:
    if name == "hookimpl":
        import pluggy

        return pluggy.HookimplMarker("crashvault")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
