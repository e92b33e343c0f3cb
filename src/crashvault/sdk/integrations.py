"""Sentry's integrations with frameworks, each set up when the program imports its framework.

The SDK sets up all whose framework is installed, for which it imports every one of them: half a second that a
program has to wait for, though it uses few or none. Watched for instead, they cost nothing until they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import signature
from typing import Any

from . import hooks

# The module that an integration is about, where it is not called as the integration's own.
_MODULES = {"google_genai": "google.genai", "openai_agents": "agents"}

_watched: set[str] = set()


def wanted(options: Mapping[str, Any]) -> bool:
    """Whether the SDK would look for frameworks by itself, and this version of it lets us do it instead."""
    from sentry_sdk import integrations

    asked = options.get("default_integrations", True) and options.get("auto_enabling_integrations", True)
    return bool(asked and getattr(integrations, "_AUTO_ENABLING_INTEGRATIONS", None))


def watch(disabled: Iterable[Any]) -> None:
    """Set up what the SDK would, as it comes. `disabled`: integrations that are not wanted."""
    from sentry_sdk.integrations import _AUTO_ENABLING_INTEGRATIONS

    unwanted = {one if isinstance(one, type) else type(one) for one in disabled}
    for path in _AUTO_ENABLING_INTEGRATIONS:
        module, _, name = path.rpartition(".")
        about = module.rpartition(".")[2]
        if path not in _watched:
            _watched.add(path)
            hooks.after_import(_MODULES.get(about, about), _setter(module, name, unwanted))


def _setter(module: str, name: str, unwanted: set[type]) -> Callable[[Any], None]:
    return lambda framework: _set_up(module, name, unwanted)


def _set_up(module: str, name: str, unwanted: set[type]) -> None:
    """Add an integration to the running client, unless it is there already or cannot be."""
    import sentry_sdk
    from sentry_sdk.integrations import DidNotEnable, setup_integrations

    client: Any = sentry_sdk.get_client()
    try:
        integration = getattr(import_module(module), name)
        if integration in unwanted or integration.identifier in getattr(client, "integrations", ()):
            return
        more = {"options": client.options} if "options" in signature(setup_integrations).parameters else {}
        client.integrations.update(setup_integrations([integration()], with_defaults=False, **more))
    except (DidNotEnable, ImportError):
        return  # too old a version, or a part of it that is not installed
