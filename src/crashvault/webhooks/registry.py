"""The providers there are, by the word of `webhook add`. Each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from ..errors import InvalidError
from .base import Provider

_MODULES = {
    "http": "http",
    "slack": "slack",
    "discord": "discord",
    "teams": "teams",
    "apprise": "apprise",
    "push": "push",
}


def names() -> list[str]:
    return list(_MODULES)


def provider(name: str) -> Provider:
    """The provider of that name. Raises InvalidError, which names those there are."""
    module = _MODULES.get(name)
    if module is None:
        raise InvalidError(f"there is no webhook type {name!r}", f"Use one of: {', '.join(names())}")
    found: Provider = import_module(f".{module}", __package__).PROVIDER
    return found
