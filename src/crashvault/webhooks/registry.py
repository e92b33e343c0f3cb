"""The providers that are built in, by the word of `webhook add`; those of plugins stand beside them: `plugins.parts`.

Each is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from ..errors import InvalidError
from .base import Provider

BUILT_IN: Mapping[str, str] = {
    name: f"crashvault.webhooks.{name}:PROVIDER" for name in ("http", "slack", "discord", "teams", "apprise")
}


def provider(name: str, known: Mapping[str, Provider | str] = BUILT_IN) -> Provider:
    """The provider of that name. Raises InvalidError, which names those there are."""
    found = known.get(name)
    if found is None:
        raise InvalidError(f"there is no webhook type {name!r}", f"Use one of: {', '.join(known)}")
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = getattr(import_module(module), attribute)
    if not isinstance(found, Provider):
        raise InvalidError(f"the webhook type {name!r} is broken: it is no Provider", "Ask who made the plugin")
    return found
