"""Crashvault: a local-first vault for crashes and errors.

`crashvault.init()` records what goes wrong in this program, `crashvault.open_vault()` reads what was recorded.
Both are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core import open_vault
    from .sdk import capture_exception, capture_message, flush, init

__version__ = "0.1.0"
__all__ = ["__version__", "capture_exception", "capture_message", "flush", "init", "open_vault"]

_HOMES = {"open_vault": "core"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f".{_HOMES.get(name, 'sdk')}", __name__), name)
    globals()[name] = found
    return found
