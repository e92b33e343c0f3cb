"""The providers that are built in, by the word of `webhook add`; those of plugins stand beside them: `plugins.parts`.

Each is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module

from ..errors import InvalidError
from .base import Provider

BUILT_IN: Mapping[str, str] = {
    name: f"crashvault.webhooks.{name}:PROVIDER" for name in ("http", "slack", "discord", "teams", "apprise", "push")
}


def provider(name: str, known: Mapping[str, Provider | str] = BUILT_IN) -> Provider:
    """The provider of that name. Raises InvalidError, which names those there are."""
    found = known.get(name)
    if found is None:
        raise InvalidError(f"there is no webhook type {name!r}", f"Use one of: {', '.join(known)}")
    loaded = _loaded(name, found) if isinstance(found, str) else found
    if not isinstance(loaded, Provider):
        raise InvalidError(f"the webhook type {name!r} is broken: it is no Provider", _WHOSE)
    return loaded if loaded.name == name else replace(loaded, name=name)


def _loaded(name: str, named: str) -> object:
    module, _, attribute = named.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # a plugin's module may raise anything
        raise InvalidError(f"the webhook type {name!r} is broken: {type(error).__name__}: {error}", _WHOSE) from error


_WHOSE = "It is a plugin's; see: crashvault plugin list"
